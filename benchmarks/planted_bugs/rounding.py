"""Models that make much of rounding, where their inputs are zero or tiny: sound ones, and one that is not."""

from __future__ import annotations

from benchmarks.planted_bugs.shapes import ROWS, SCORE, serving, weights
from benchmarks.planted_bugs.specimens import Collection
from pytest_tfsig.contract import Signature, Tensor

ROUNDING = Collection()
planted, sound = ROUNDING.planted, ROUNDING.sound

AUDIO = {"audio": Tensor("float32", ["batch", 1024], min=-1, max=1)}
UNIT = {"unit": Tensor("float32", ["batch", 4], min=-1.001, max=1.001)}


@sound(Signature(inputs=AUDIO, outputs={"mel": Tensor("float32", ["batch", 7, 20], min=0, max=1)}))
def mel_scaled_to_its_range(tf):
    bands = tf.signal.linear_to_mel_weight_matrix(20, 129, 16_000)

    @serving(tf, ("audio", tf.float32, [None, 1024]))
    def serve(audio):
        power = tf.abs(tf.signal.stft(audio, 256, 128)) ** 2
        loudness = tf.math.log(tf.tensordot(power, bands, 1) + 1e-12)
        loudness -= tf.reduce_min(loudness, axis=[1, 2], keepdims=True)
        return {"mel": tf.math.divide_no_nan(loudness, tf.reduce_max(loudness, axis=[1, 2], keepdims=True))}

    return serve


@sound(
    Signature(
        inputs={"audio": Tensor("int16", ["batch", 512])},
        outputs={"spectrum": Tensor("float32", ["batch", 257])},
    )
)
def samples_standardised(tf):
    @serving(tf, ("audio", tf.int16, [None, 512]))
    def serve(audio):
        spectrum = tf.math.log(tf.abs(tf.signal.rfft(tf.cast(audio, tf.float32) / 32768)) + 1e-12)
        mean, variance = tf.nn.moments(spectrum, [1], keepdims=True)
        return {"spectrum": (spectrum - mean) / (tf.sqrt(variance) + 1e-8)}

    return serve


@sound(
    Signature(
        inputs={"x": Tensor("float32", ["batch", 16], min=-3, max=3)},
        outputs={"direction": Tensor("float32", ["batch", 96], min=-1.001, max=1.001)},
    )
)
def direction_from_silence(tf):
    """A row's hidden state less that of silence, divided by its norm: of silence, the direction of a rounding error."""
    w, b, v = weights(tf, 16, 1500), weights(tf, 1500), weights(tf, 1500, 96)
    silence = tf.Variable(tf.tanh(b[None]) @ v)

    @serving(tf, ("x", tf.float32, [None, 16]))
    def serve(x):
        state = tf.tanh(x @ w + b) @ v - silence
        return {"direction": state / (tf.norm(state, axis=-1, keepdims=True) + 1e-12)}

    return serve, w, b, v, silence


@sound(Signature(inputs=ROWS, outputs=UNIT))
def divided_by_norm(tf):
    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"unit": tf.math.divide_no_nan(x, tf.norm(x, axis=-1, keepdims=True))}

    return serve


@sound(Signature(inputs=ROWS, outputs={"share": Tensor("float32", ["batch", 4], min=0, max=1.001)}))
def shares_of_a_sum(tf):
    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        parts = tf.abs(x) * 0.3
        return {"share": tf.math.divide_no_nan(parts, tf.reduce_sum(parts, axis=-1, keepdims=True))}

    return serve


@planted("batch_invariant", Signature(inputs=ROWS, outputs=UNIT))
def mean_for_rows_of_zeros(tf):
    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        norm = tf.norm(x, axis=-1, keepdims=True)
        unit = tf.math.divide_no_nan(x, norm)
        return {"unit": tf.where(norm > 0, unit, tf.reduce_mean(unit, axis=0, keepdims=True))}

    return serve


@planted("batch_invariant", Signature(inputs=AUDIO, outputs=SCORE))
def loudness_of_the_loudest(tf):
    @serving(tf, ("audio", tf.float32, [None, 1024]))
    def serve(audio):
        power = tf.reduce_mean(tf.abs(tf.signal.stft(audio, 256, 128)) ** 2, axis=[1, 2])
        return {"score": tf.math.log(power + 1e-12) - tf.math.log(tf.reduce_max(power) + 1e-12)}

    return serve
