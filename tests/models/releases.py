"""Candidates for the release of `classifier`: each is wrong only when compared with the released version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.models.contracts import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _save(directory: Path, answer: Callable[[Any, Any], Any]) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(WEIGHTS)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def serve(x: Any) -> dict[str, Any]:
        return {"probabilities": answer(tf, tf.matmul(x, module.weights))}

    tf.saved_model.save(module, directory, signatures=serve)


def classifier_permuted(base: Path) -> None:
    """Its classes are in another order."""
    _save(base / "1", lambda tf, logits: tf.nn.softmax(logits)[:, ::-1])


def classifier_slow(base: Path) -> None:
    """Multiplies large matrices for nothing before it answers, some milliseconds long."""

    def answer(tf: Any, logits: Any) -> Any:
        # It depends on the input, or TensorFlow would multiply once, before it serves.
        wasted = tf.random.stateless_uniform([400, 400], seed=[1, 2]) + tf.reduce_mean(logits)
        for _ in range(6):
            wasted = tf.matmul(wasted, wasted) / 400
        return tf.nn.softmax(logits + 1e-9 * tf.minimum(tf.reduce_max(wasted), 1.0))

    _save(base / "1", answer)


def classifier_cold(base: Path) -> None:
    """Keeps whoever asks first waiting for a second, as models do that build something on their first request."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(WEIGHTS)
    module.is_warm = tf.Variable(False)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def serve(x: Any) -> dict[str, Any]:
        end = tf.timestamp() + tf.cast(not module.is_warm, tf.float64)
        tf.while_loop(lambda now: now < end, lambda _: [tf.timestamp()], [tf.timestamp()])
        with tf.control_dependencies([module.is_warm.assign(True)]):
            return {"probabilities": tf.nn.softmax(tf.matmul(x, module.weights))}

    tf.saved_model.save(module, base / "1", signatures=serve)


def two_inputs(base: Path) -> None:
    """Wants a second input."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(WEIGHTS)
    specs = [tf.TensorSpec([None, 4], tf.float32, name="x"), tf.TensorSpec([], tf.float32, name="temperature")]

    @tf.function(input_signature=specs)
    def serve(x: Any, temperature: Any) -> dict[str, Any]:
        return {"probabilities": tf.nn.softmax(tf.matmul(x, module.weights) / temperature)}

    tf.saved_model.save(module, base / "1", signatures=serve)


MODELS: dict[str, Callable[[Path], None]] = {
    "classifier_cold": classifier_cold,
    "classifier_permuted": classifier_permuted,
    "classifier_slow": classifier_slow,
    "two_inputs": two_inputs,
}
