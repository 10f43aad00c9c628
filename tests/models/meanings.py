"""SavedModels whose graphs tell what an input is: images that they decode, tables that they look ids up in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def image_decoders(base: Path) -> None:
    """A signature for each way to decode an image; two for strings that are no image."""
    import tensorflow as tf

    def mapped(decode: Callable[[Any], Any], **more: Any) -> Any:
        def mean(data: Any) -> Any:
            return tf.reduce_mean(tf.cast(decode(data, **more), tf.float32))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
        def serve(image: Any) -> dict[str, Any]:
            return {"mean": tf.map_fn(mean, image, fn_output_signature=tf.float32)}

        return serve

    @tf.function
    def inner(data: Any) -> Any:
        return tf.io.decode_jpeg(tf.identity(data), channels=3)

    @tf.function
    def first(data: Any) -> Any:
        return tf.reshape(data, [-1])[0]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def one(image: Any) -> dict[str, Any]:
        return {"mean": tf.reduce_mean(tf.cast(tf.io.decode_png(first(image)), tf.float32))}

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="image")])
    def either(image: Any) -> dict[str, Any]:
        decoded = tf.cond(
            tf.io.is_jpeg(image),
            lambda: tf.io.decode_and_crop_jpeg(image, [0, 0, 1, 1], channels=3),
            lambda: tf.io.decode_png(image, channels=3),
        )
        return {"mean": tf.reduce_mean(tf.cast(decoded, tf.float32))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def length(image: Any) -> dict[str, Any]:
        return {"mean": tf.cast(tf.strings.length(image), tf.float32)}

    signatures = {
        "png": mapped(tf.io.decode_png, channels=3),
        "jpeg": mapped(tf.io.decode_jpeg, channels=1),
        "any": mapped(tf.io.decode_image, expand_animations=False),
        "gif": mapped(tf.io.decode_gif),
        "bmp": mapped(tf.io.decode_bmp),
        "base64": mapped(lambda data: tf.io.decode_png(tf.io.decode_base64(data))),
        "nested": mapped(inner),
        "one": one,
        "either": either,
        "length": length,
    }
    tf.saved_model.save(tf.Module(), base / "1", signatures=signatures)


def examples_of_images(base: Path) -> None:
    """A tf.Example with an image and a text, parsed many at once, one by one, and outside of any function."""
    import tensorflow as tf

    v1 = tf.compat.v1
    spec = {
        "age": tf.io.FixedLenFeature([], tf.float32),
        "image": tf.io.FixedLenFeature([], tf.string),
        "tags": tf.io.VarLenFeature(tf.string),
        "text": tf.io.FixedLenFeature([], tf.string, default_value=""),
    }

    def mean(data: Any) -> Any:
        return tf.reduce_mean(tf.cast(tf.io.decode_jpeg(data, channels=3), tf.float32))

    def means(parsed: Any) -> Any:
        lengths = tf.cast(tf.strings.length(parsed["text"]), tf.float32)
        return lengths + tf.map_fn(mean, parsed["image"], fn_output_signature=tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def many(examples: Any) -> dict[str, Any]:
        return {"mean": means(tf.io.parse_example(examples, spec))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def single(examples: Any) -> dict[str, Any]:
        def one(example: Any) -> Any:
            return mean(tf.io.parse_single_example(example, spec)["image"])

        return {"mean": tf.map_fn(one, examples, fn_output_signature=tf.float32)}

    tf.saved_model.save(tf.Module(), base / "1", signatures={"many": many, "single": single})
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        value = tf.identity(mean(v1.parse_example(examples, spec)["image"][0]), name="value")
        signature = v1.saved_model.regression_signature_def(examples, value)
        builder = v1.saved_model.Builder(str(base / "2"))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()


def looked_up_ids(base: Path) -> None:
    """A signature for each way to look ids up in a table of 20 rows, and for ways of which that is not known."""
    import tensorflow as tf

    module = tf.Module()
    module.table = tf.Variable(tf.ones([20, 4]), name="words")
    module.small = tf.Variable(tf.ones([6, 4]), name="kinds")
    module.grows = tf.Variable(tf.ones([20, 4]), shape=[None, 4])
    constant = tf.constant([[float(row)] for row in range(20)])

    def sums(rows: Any) -> dict[str, Any]:
        return {"y": tf.reduce_sum(rows, axis=-1)}

    @tf.function
    def looked_up(ids: Any) -> Any:
        return tf.gather(constant, ids)

    @tf.function
    def shifted(ids: Any) -> Any:
        return tf.cast(tf.expand_dims(ids, -1), tf.int64)

    def with_negative(ids: Any) -> Any:
        return tf.gather(tf.convert_to_tensor(module.table), tf.where(ids < 0, ids + 20, ids))

    def masked(ids: Any) -> Any:
        return (
            tf.gather(module.table, tf.where(ids == 3, tf.zeros_like(ids), ids))
            * tf.cast(ids != 0, tf.float32)[..., None]
        )

    def along_the_second(ids: Any) -> Any:
        return tf.transpose(tf.gather(tf.transpose(module.table), ids, axis=1), [1, 2, 0])

    def row_by_row(ids: Any) -> Any:
        return tf.map_fn(lambda row: tf.gather(module.table, row), ids, fn_output_signature=tf.float32)

    look_ups: dict[str, Callable[[Any], Any]] = {
        "variable": lambda ids: tf.gather(module.table, ids),
        "constant": lambda ids: tf.gather(constant, ids),
        "embedding": lambda ids: tf.nn.embedding_lookup(module.table, ids),
        "function": lambda ids: looked_up(tf.reshape(ids, [-1]))[:, None],
        "returned": lambda ids: tf.gather(module.table, shifted(ids)),
        "one_hot": lambda ids: tf.one_hot(tf.cast(ids, tf.int32), 20),
        "negative": with_negative,
        "masked": masked,
        "row_by_row": row_by_row,
        "smallest": lambda ids: tf.gather(module.table, ids) + tf.gather(module.small, ids),
        "encoded_too_short": lambda ids: tf.gather(module.table, ids) + tf.one_hot(ids, 4),
        "modulo": lambda ids: tf.gather(module.table, ids % 20),
        "next": lambda ids: tf.gather(module.table, ids) + tf.gather(module.table, ids + 1),
        "clipped": lambda ids: tf.gather(module.table, tf.minimum(ids, 19)),
        "growing": lambda ids: tf.gather(module.grows, ids),
        "computed": lambda ids: tf.gather(tf.concat([module.table, module.small], 0), ids),
        "along_the_second": along_the_second,
        "no_look_up": lambda ids: tf.cast(ids, tf.float32)[..., None],
    }

    def signature(look_up: Callable[[Any], Any]) -> Any:
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int64, name="ids")])
        def serve(ids: Any) -> dict[str, Any]:
            return sums(look_up(ids))

        return serve

    tf.saved_model.save(module, base / "1", signatures={name: signature(made) for name, made in look_ups.items()})


def keras_embeddings(base: Path) -> None:
    """As Keras exports them: ids of the dtype that an Input has unless it is told, and kinds of another table."""
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    ids, kinds = keras.Input([None], name="ids"), keras.Input([None], name="kinds", dtype="int32")
    hidden = layers.Embedding(50, 4, mask_zero=True)(ids) + layers.Embedding(3, 4)(kinds)
    keras.Model([ids, kinds], layers.Dense(1)(layers.GRU(4)(hidden))).export(base / "1", verbose=False)


MODELS: dict[str, Callable[[Path], None]] = {
    "examples_of_images": examples_of_images,
    "image_decoders": image_decoders,
    "keras_embeddings": keras_embeddings,
    "looked_up_ids": looked_up_ids,
}
