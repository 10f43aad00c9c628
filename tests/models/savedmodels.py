"""SavedModels as they are written in the field: rightly, wrongly, with parse ops, by TensorFlow 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _keras_model() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, "relu"), layers.BatchNormalization(), layers.Dense(2, "softmax")]
    )


def _serving(model: Any) -> Any:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def serve(x: Any) -> dict[str, Any]:
        return {"probabilities": model(x)}

    return serve


def keras_exported(base: Path) -> None:
    _keras_model().export(base / "1", verbose=False)


def keras_archive(base: Path) -> None:
    import keras

    model = _keras_model()
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", _serving(model))
    archive.write_out(base / "1", verbose=False)


def keras_saved_wrongly(base: Path) -> None:
    import tensorflow as tf

    model = _keras_model()
    tf.saved_model.save(model, base / "1", signatures=_serving(model))


def keras_in_a_module(base: Path) -> None:
    """Wrapped in a tf.Module that does not track the variables themselves: as wrong as saving the model."""
    import tensorflow as tf

    module = tf.Module()
    module.model = _keras_model()
    tf.saved_model.save(module, base / "1", signatures=_serving(module.model))


def keras_tracked(base: Path) -> None:
    """Wrapped in a tf.Module that tracks the variables: right again."""
    import tensorflow as tf

    module = tf.Module()
    module.model = _keras_model()
    module.tracked = [variable.value for variable in module.model.variables]
    tf.saved_model.save(module, base / "1", signatures=_serving(module.model))


def vocabulary(base: Path) -> None:
    """A table initialised from an asset, and a variable."""
    import tensorflow as tf

    words = base / "words.txt"
    words.write_text("yes\nno\n", encoding="utf-8")
    module = tf.Module()
    module.asset = tf.saved_model.Asset(str(words))
    module.scale = tf.Variable(2.0)
    kind = tf.lookup.TextFileIndex
    table = tf.lookup.TextFileInitializer(module.asset, tf.string, kind.WHOLE_LINE, tf.int64, kind.LINE_NUMBER)
    module.table = tf.lookup.StaticHashTable(table, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def look_up(word: Any) -> dict[str, Any]:
        return {"id": module.table.lookup(word), "scaled": module.scale * tf.ones_like(word, tf.float32)}

    tf.saved_model.save(module, base / "1", signatures=look_up)
    extra = base / "1" / "assets.extra"
    extra.mkdir()
    (extra / "tf_serving_warmup_requests").write_bytes(b"")
    words.unlink()


def parse_specs(base: Path) -> None:
    import tensorflow as tf

    spec = {
        "x": tf.io.FixedLenFeature([3], tf.float32),
        "opt": tf.io.FixedLenFeature([], tf.int64, default_value=7),
        "same": tf.io.FixedLenFeature([2, 2], tf.float32, default_value=[[0.5, 0.5], [0.5, 0.5]]),
        "name": tf.io.FixedLenFeature([], tf.string, default_value="none"),
        "tags": tf.io.VarLenFeature(tf.string),
        "ragged": tf.io.RaggedFeature(tf.int64),
        "steps": tf.io.FixedLenSequenceFeature([2], tf.float32, allow_missing=True),
    }
    one = {"x": spec["x"], "opt": spec["opt"], "tags": spec["tags"]}
    many_examples, one_example = tf.TensorSpec([None], tf.string, "examples"), tf.TensorSpec([], tf.string, "example")

    @tf.function
    def inner(examples: Any) -> Any:
        return tf.io.parse_example(tf.reshape(tf.identity(examples), [-1]), spec)["x"]

    @tf.function(input_signature=[many_examples])
    def direct(examples: Any) -> dict[str, Any]:
        return {"x": tf.io.parse_example(examples, spec)["x"]}

    @tf.function(input_signature=[many_examples])
    def nested(examples: Any) -> dict[str, Any]:
        return {"x": inner(examples)}

    @tf.function(input_signature=[one_example])
    def single(example: Any) -> dict[str, Any]:
        return {"x": tf.io.parse_single_example(example, one)["x"]}

    @tf.function(input_signature=[many_examples])
    def mapped(examples: Any) -> dict[str, Any]:
        def parse(example: Any) -> Any:
            return tf.io.parse_single_example(example, {"x": spec["x"]})["x"]

        return {"x": tf.map_fn(parse, examples, fn_output_signature=tf.TensorSpec([3], tf.float32))}

    @tf.function(input_signature=[many_examples])
    def unparsed(examples: Any) -> dict[str, Any]:
        return {"length": tf.strings.length(examples)}

    signatures = {"direct": direct, "nested": nested, "single": single, "mapped": mapped, "unparsed": unparsed}
    tf.saved_model.save(tf.Module(), base / "1", signatures=signatures)


def tensorflow_1(base: Path) -> None:
    """Both kinds of variables, the first ParseExample op, a regress signature; version 2 in text format."""
    import tensorflow as tf

    v1 = tf.compat.v1
    spec = {
        "x": tf.io.FixedLenFeature([3], tf.float32),
        "bias": tf.io.FixedLenFeature([1], tf.float32, default_value=[2.5]),
        "ids": tf.io.VarLenFeature(tf.int64),
    }
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        parsed = v1.parse_example(examples, spec)
        resource = v1.get_variable("resource", [3, 2], use_resource=True)
        reference = v1.get_variable("reference", [2, 1], use_resource=False)
        value = tf.identity(parsed["x"] @ resource @ reference, name="value")
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.regression_signature_def(examples, value)
        for version, is_text in (("1", False), ("2", True)):
            builder = v1.saved_model.Builder(str(base / version))
            builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
            builder.save(as_text=is_text)


MODELS: dict[str, Callable[[Path], None]] = {
    "keras_archive": keras_archive,
    "keras_exported": keras_exported,
    "keras_in_a_module": keras_in_a_module,
    "keras_saved_wrongly": keras_saved_wrongly,
    "keras_tracked": keras_tracked,
    "parse_specs": parse_specs,
    "tensorflow_1": tensorflow_1,
    "vocabulary": vocabulary,
}
