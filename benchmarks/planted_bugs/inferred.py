"""Models that are judged by nothing but their own signatures, as an audit does."""

from __future__ import annotations

from typing import Any

from benchmarks.planted_bugs.shapes import serving, weights
from benchmarks.planted_bugs.specimens import Collection
from pytest_tfsig.contract import Signature

INFERRED = Collection()
planted, sound = INFERRED.planted, INFERRED.sound

OWN = Signature()
"""A contract that states nothing: all is read from the SavedModel."""


@sound(OWN)
def frames_with_mask(tf):
    w = weights(tf, 10, 4)

    @serving(tf, ("frames", tf.float32, [None, None, 10]), ("mask", tf.float32, [None, None]))
    def serve(frames, mask):
        return {"score": tf.reduce_sum(tf.tanh(frames @ w) * mask[..., None], axis=[1, 2])}

    return serve, w


@sound(OWN)
def jpegs_decoded(tf):
    @tf.function
    def decoded(data):
        return tf.image.resize(tf.io.decode_jpeg(data, channels=3), [8, 8]) / 255

    @serving(tf, ("image_bytes", tf.string, [None]))
    def serve(image_bytes):
        pixels = tf.map_fn(decoded, image_bytes, fn_output_signature=tf.TensorSpec([8, 8, 3], tf.float32))
        return {"brightness": tf.reduce_mean(pixels, axis=[1, 2, 3])}

    return serve


@sound(OWN)
def photos_in_examples(tf):
    spec = {"age": tf.io.FixedLenFeature([], tf.float32), "photo": tf.io.FixedLenFeature([], tf.string)}

    @serving(tf, ("examples", tf.string, [None]))
    def serve(examples):
        parsed = tf.io.parse_example(examples, spec)
        pixels = tf.map_fn(
            lambda data: tf.image.resize(tf.io.decode_png(data, channels=1), [8, 8]),
            parsed["photo"],
            fn_output_signature=tf.TensorSpec([8, 8, 1], tf.float32),
        )
        return {"score": parsed["age"] + tf.reduce_mean(pixels, axis=[1, 2, 3])}

    return serve


@sound(OWN)
def words_and_kinds(tf):
    layers = tf.keras.layers
    words, kinds = tf.keras.Input([None], name="words"), tf.keras.Input([None], name="kinds", dtype="int64")
    hidden = layers.Embedding(60, 8)(words) + layers.Embedding(3, 8)(kinds)
    return tf.keras.Model([words, kinds], layers.Dense(1)(layers.GRU(8)(hidden)))


@planted("finite", OWN)
def last_row_never_trained(tf):
    rows = [[1.0] * 4] * 99 + [[float("nan")] * 4]
    return _looked_up(tf, tf.Variable(rows))


@sound(OWN)
def words_beside_any_other(tf):
    return _known_words(tf, rows=500)


@planted("outputs", OWN)
def last_word_without_a_vector(tf):
    """Its table of vectors is a row short: words that nobody knows are answered for, the last known one is not."""
    return _known_words(tf, rows=499)


@planted("finite", OWN)
def rare_word_never_trained(tf):
    return _known_words(tf, rows=500, untrained=250)


@planted("outputs", OWN)
def positions_run_out(tf):
    table, positions = weights(tf, 100, 4), weights(tf, 12, 4)

    @serving(tf, ("ids", tf.int32, [None, None]))
    def serve(ids):
        places = tf.gather(positions, tf.range(tf.shape(ids)[1]))
        return {"score": tf.reduce_mean(tf.gather(table, ids) + places, axis=[1, 2])}

    return serve, table, positions


@planted("transports_agree", OWN)
def thumbnail_without_bytes(tf):
    """Its output is no text, and its name does not end in _bytes: over REST, it arrives as broken text."""

    @serving(tf, ("pixels", tf.uint8, [None, 8, 8, 3]))
    def serve(pixels):
        return {"thumbnail": tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)}

    return serve


def _looked_up(tf: Any, table: Any) -> Any:
    @serving(tf, ("ids", tf.int32, [None, None]))
    def serve(ids):
        return {"score": tf.reduce_mean(tf.gather(table, ids), axis=[1, 2])}

    return serve, table


def _known_words(tf: Any, rows: int, untrained: int | None = None) -> Any:
    words = [f"word-{number}" for number in range(500)]
    initializer = tf.lookup.KeyValueTensorInitializer(words, tf.range(500, dtype=tf.int64))
    table = tf.lookup.StaticHashTable(initializer, 0)
    vectors = tf.Variable([[float("nan") if row == untrained else 1.0] * 4 for row in range(rows)])

    @serving(tf, ("words", tf.string, [None, None]))
    def serve(words):
        return {"score": tf.reduce_mean(tf.gather(vectors, table.lookup(words)), axis=[1, 2])}

    return serve, table, vectors
