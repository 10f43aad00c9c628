"""Defects of names, dtypes, shapes and sizes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.planted_bugs.specimens import Collection
from pytest_tfsig.contract import Feature, Probabilities, Signature, Tensor

SHAPES = Collection()
planted = SHAPES.planted

ROWS = {"x": Tensor("float32", ["batch", 4], min=-3, max=3)}
PROBABILITIES = {"probabilities": Probabilities("float32", ["batch", 3])}
CLASSIFIER = Signature(inputs=ROWS, outputs=PROBABILITIES, dims={"batch": (1, 64)})
SCORE = {"score": Tensor("float32", ["batch"])}
TOKENS = {"tokens": Tensor("int32", ["batch", "time"], min=0, max=999)}


def serving(tf: Any, *specs: Any) -> Any:
    """Returns the decorator of a serving function; specs are (name, dtype, shape)."""
    return tf.function(input_signature=[tf.TensorSpec(shape, dtype, name) for name, dtype, shape in specs])


def weights(tf: Any, *shape: int) -> Any:
    return tf.Variable(tf.random.stateless_normal(shape, seed=[3, sum(shape)]))


@planted("signature", CLASSIFIER)
def renamed_output(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"output_0": tf.nn.softmax(x @ w)}

    return serve, w


@planted("signature", CLASSIFIER)
def renamed_input(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("keras_tensor_7", tf.float32, [None, 4]))
    def serve(keras_tensor_7):
        return {"probabilities": tf.nn.softmax(keras_tensor_7 @ w)}

    return serve, w


@planted(
    "signature",
    Signature(inputs=ROWS, outputs={**PROBABILITIES, "class_id": Tensor("int64", ["batch"])}, dims={"batch": (1, 64)}),
)
def missing_output(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"probabilities": tf.nn.softmax(x @ w)}

    return serve, w


@planted("signature", CLASSIFIER)
def double_output(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"probabilities": tf.nn.softmax(tf.cast(x @ w, tf.float64))}

    return serve, w


@planted("signature", Signature(inputs=ROWS, outputs={"score": Tensor("float32", ["batch", 1])}))
def lost_dimension(tf):
    w = weights(tf, 4, 1)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"score": tf.reshape(x @ w, [-1])}

    return serve, w


@planted("outputs", CLASSIFIER)
def squeezed_batch_of_one(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"probabilities": tf.squeeze(tf.nn.softmax(x @ w))}

    return serve, w


@planted("outputs", CLASSIFIER)
def fixed_batch(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"probabilities": tf.nn.softmax(tf.reshape(x, [32, 4]) @ w)}

    return serve, w


@planted("outputs", CLASSIFIER)
def even_batches_only(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        pairs = tf.reshape(x, [tf.shape(x)[0] // 2, 2, 4])
        pairs += tf.reduce_max(pairs, axis=1, keepdims=True)
        return {"probabilities": tf.nn.softmax(tf.reshape(pairs, [-1, 4]) @ w)}

    return serve, w


@planted("outputs", CLASSIFIER)
def drops_the_last_row(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        rows = tf.maximum(1, tf.shape(x)[0] - 1)
        return {"probabilities": tf.nn.softmax(x[:rows] @ w)}

    return serve, w


@planted("outputs", Signature(inputs=TOKENS, outputs=SCORE, dims={"time": (1, 32)}))
def last_token_id(tf):
    table = weights(tf, 999, 8)

    @serving(tf, ("tokens", tf.int32, [None, None]))
    def serve(tokens):
        return {"score": tf.reduce_mean(tf.gather(table, tokens), axis=[1, 2])}

    return serve, table


@planted("outputs", Signature(inputs=TOKENS, outputs=SCORE, dims={"time": (2, 32)}))
def odd_length(tf):
    table = weights(tf, 1000, 8)

    @serving(tf, ("tokens", tf.int32, [None, None]))
    def serve(tokens):
        embedded = tf.gather(table, tokens)
        pairs = tf.reshape(embedded, [tf.shape(tokens)[0], tf.shape(tokens)[1] // 2, 2, 8])
        return {"score": tf.reduce_mean(pairs, axis=[1, 2, 3])}

    return serve, table


@planted("outputs", Signature(inputs=TOKENS, outputs=SCORE, dims={"time": (1, 48)}))
def long_sequences(tf):
    table, positions = weights(tf, 1000, 8), weights(tf, 40, 8)

    @serving(tf, ("tokens", tf.int32, [None, None]))
    def serve(tokens):
        embedded = tf.gather(table, tokens) + tf.gather(positions, tf.range(tf.shape(tokens)[1]))
        return {"score": tf.reduce_mean(embedded, axis=[1, 2])}

    return serve, table, positions


TEXT = {"text": Tensor("string", ["batch"], encoding="utf-8")}


@planted("outputs", Signature(inputs=TEXT, outputs={"second": Tensor("string", ["batch"])}))
def empty_string(tf):
    @serving(tf, ("text", tf.string, [None]))
    def serve(text):
        return {"second": tf.strings.substr(text, 1, 1)}

    return serve


@planted(
    "outputs", Signature(inputs={"text": Tensor("string", ["batch"])}, outputs={"hash": Tensor("int64", ["batch"])})
)
def bytes_that_are_no_text(tf):
    @serving(tf, ("text", tf.string, [None]))
    def serve(text):
        points = tf.strings.unicode_decode(text, "UTF-8", errors="strict")
        return {"hash": tf.cast(tf.reduce_sum(points, axis=1), tf.int64)}

    return serve


@planted("outputs", Signature(inputs=TEXT, outputs=SCORE))
def long_text(tf):
    @serving(tf, ("text", tf.string, [None]))
    def serve(text):
        words = tf.strings.split(text).to_tensor("")
        padded = tf.pad(words, [[0, 0], [0, 64 - tf.shape(words)[1]]])
        return {"score": tf.reduce_sum(tf.cast(tf.strings.length(padded), tf.float32), axis=1)}

    return serve


@planted(
    "outputs",
    Signature(
        inputs={
            "examples": Tensor(
                "string",
                ["batch"],
                features={
                    "age": Feature("float32", [], min=0, max=120),
                    "income": Feature("string", [], default=[""], values=["", "1200", "50000"]),
                },
            )
        },
        outputs=SCORE,
    ),
)
def missing_optional_feature(tf):
    @serving(tf, ("examples", tf.string, [None]))
    def serve(examples):
        spec = {
            "age": tf.io.FixedLenFeature([], tf.float32),
            "income": tf.io.FixedLenFeature([], tf.string, default_value=""),
        }
        parsed = tf.io.parse_example(examples, spec)
        return {"score": parsed["age"] * 0.01 + tf.math.log1p(tf.strings.to_number(parsed["income"]))}

    return serve


@planted("outputs", Signature(inputs={"image": Tensor("string", ["batch"], image="png")}, outputs=SCORE))
def colour_images_only(tf):
    def decoded(data):
        return tf.reshape(tf.image.resize(tf.io.decode_png(data), [8, 8]), [8, 8, 3])

    @serving(tf, ("image", tf.string, [None]))
    def serve(image):
        pixels = tf.map_fn(decoded, image, fn_output_signature=tf.float32)
        return {"score": tf.reduce_mean(pixels, axis=[1, 2, 3]) / 255}

    return serve


@planted("outputs", CLASSIFIER)
def keras_without_export(tf):
    inputs = tf.keras.Input([4], name="x")
    model = tf.keras.Model(inputs, {"probabilities": tf.keras.layers.Dense(3, activation="softmax")(inputs)})

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return model(x)

    return lambda path: tf.saved_model.save(model, str(path), signatures={"serving_default": serve})


def _without_assets(version: Path) -> None:
    shutil.rmtree(version / "assets")


@planted("loads", Signature(inputs=TEXT, outputs={"id": Tensor("int64", ["batch"])}), finish=_without_assets)
def vocabulary_left_behind(tf):
    return vocabulary(tf)


def vocabulary(tf: Any) -> Any:
    """Returns a model that looks words up in an asset."""
    path = Path(tempfile.mkdtemp()) / "vocabulary.txt"  # copied into the SavedModel when that is written
    path.write_text("good\nbad\nfilm\n", "utf-8")
    initializer = tf.lookup.TextFileInitializer(
        str(path), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=2)

    @serving(tf, ("text", tf.string, [None]))
    def serve(text):
        return {"id": table.lookup(tf.strings.lower(text))}

    return serve, table


def _without_variables(version: Path) -> None:
    shutil.rmtree(version / "variables")


@planted("outputs", CLASSIFIER, finish=_without_variables)
def variables_left_behind(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"probabilities": tf.nn.softmax(x @ w)}

    return serve, w


def _write_warmup(version: Path, signature: str, width: int) -> None:
    import numpy as np

    from pytest_tfsig import protos, records, tensors
    from pytest_tfsig.model_server.warmup import FILE

    log = protos.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = "m", signature
    request.inputs["x"].CopyFrom(tensors.to_proto(np.ones((1, width), np.float32)))
    path = version / FILE
    path.parent.mkdir()
    records.write(path, [log.SerializeToString()])


SUMS = Signature(inputs=ROWS, outputs=SCORE)


@planted("warmup", SUMS, finish=lambda version: _write_warmup(version, "serving_default", 5))
def warmup_of_another_width(tf):
    return row_sums(tf)


@planted("loads", SUMS, finish=lambda version: _write_warmup(version, "serving_v2", 4))
def warmup_of_another_signature(tf):
    return row_sums(tf)


@planted("rejects_invalid", Signature(inputs=ROWS, outputs=SCORE, checks={"rejects_invalid": {"strict": True}}))
def any_width(tf):
    return row_sums(tf)


def row_sums(tf: Any) -> Any:
    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"score": tf.reduce_sum(x, axis=-1)}

    return serve
