"""SavedModels whose graphs know words: tables in constants and in files, comparisons, Keras's layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORDS = ["red", "green", "blue", "dark blue"]


def known_words(base: Path) -> None:
    """A signature for each way to know words, and for ways of which that is not known."""
    import tensorflow as tf

    file = base / "words.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{word}\n" for word in WORDS))
    columns = base / "columns.tsv"
    columns.write_text("".join(f"{number * 100}\t{word}\n" for number, word in enumerate(WORDS)) + "-7\tgrey\n")

    def table(initializer: Any) -> Any:
        return tf.lookup.StaticHashTable(initializer, -1)

    text_file = tf.lookup.TextFileInitializer
    index = tf.lookup.TextFileIndex
    module = tf.Module()
    module.constants = table(tf.lookup.KeyValueTensorInitializer(WORDS, tf.range(4, dtype=tf.int64)))
    module.lines = table(text_file(str(file), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER))
    module.names = table(text_file(str(columns), tf.string, 1, tf.int64, 0))
    module.codes = tf.lookup.StaticHashTable(text_file(str(columns), tf.int64, 0, tf.string, 1), "?")
    module.filled = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    module.filled.insert(WORDS, tf.range(4, dtype=tf.int64))
    module.ids = table(tf.lookup.KeyValueTensorInitializer([7, 70, 700], tf.range(3), tf.int64, tf.int32))

    @tf.function
    def looked_up(x: Any) -> Any:
        return module.constants.lookup(tf.identity(x))

    def split(x: Any) -> Any:
        words = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(x), "[!?]", ""))
        return tf.reduce_max(module.constants.lookup(words.to_tensor("")), axis=-1)

    def equal(x: Any) -> Any:
        return tf.where(tf.equal(x, "stop"), 1, tf.where(x != "go", 2, 3))

    strings: dict[str, Callable[[Any], Any]] = {
        "constants": module.constants.lookup,
        "function": looked_up,
        "lines": module.lines.lookup,
        "column": module.names.lookup,
        "split": split,
        "equal": equal,
        "several": lambda x: module.constants.lookup(x) + tf.cast(equal(x), tf.int64),
        "filled_later": module.filled.lookup,
        "hashed": lambda x: tf.strings.to_hash_bucket_fast(x, 10),
        "part": lambda x: module.constants.lookup(tf.strings.substr(x, 0, 3)),
    }
    numbers: dict[str, Callable[[Any], Any]] = {
        "ids": module.ids.lookup,
        "codes": lambda x: tf.strings.length(module.codes.lookup(x)),
        "shifted": lambda x: module.ids.lookup(x + 1),
        "and_more": lambda x: module.ids.lookup(x) + tf.cast(x, tf.int32),
    }

    def signature(look_up: Callable[[Any], Any], dtype: Any) -> Any:
        @tf.function(input_signature=[tf.TensorSpec([None], dtype, name="x")])
        def serve(x: Any) -> dict[str, Any]:
            return {"y": tf.cast(look_up(x), tf.float32)}

        return serve

    signatures = {name: signature(made, tf.string) for name, made in strings.items()}
    signatures |= {name: signature(made, tf.int64) for name, made in numbers.items()}
    tf.saved_model.save(module, base / "1", signatures=signatures)


def known_features(base: Path) -> None:
    """Words in features of tf.Examples, dense, sparse and ragged, in a function and outside of any."""
    import tensorflow as tf

    v1 = tf.compat.v1
    spec = {
        "age": tf.io.FixedLenFeature([], tf.float32),
        "colour": tf.io.FixedLenFeature([], tf.string),
        "id": tf.io.FixedLenFeature([], tf.int64),
        "tags": tf.io.VarLenFeature(tf.string),
    }
    ragged = {"more": tf.io.RaggedFeature(tf.string)}

    def tables() -> tuple[Any, Any]:
        values = tf.range(4, dtype=tf.int64)
        return (
            tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(WORDS, values), -1),
            tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([7, 700], [1, 2], tf.int64, tf.int64), 0),
        )

    def value(parsed: Any, words: Any, ids: Any) -> Any:
        tags = tf.sparse.to_dense(parsed["tags"], default_value="")
        return parsed["age"] + tf.cast(
            words.lookup(parsed["colour"]) + ids.lookup(parsed["id"]) + tf.reduce_sum(words.lookup(tags), axis=-1),
            tf.float32,
        )

    module = tf.Module()
    module.words, module.ids = tables()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        parsed = tf.io.parse_example(examples, spec | ragged)
        more = tf.reduce_sum(module.words.lookup(parsed["more"].to_tensor("")), axis=-1)
        return {"value": value(parsed, module.words, module.ids) + tf.cast(more, tf.float32)}

    tf.saved_model.save(module, base / "1", signatures=serve)
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        computed = tf.identity(value(v1.parse_example(examples, spec), *tables()), name="value")
        signature = v1.saved_model.regression_signature_def(examples, computed)
        session.run(v1.tables_initializer())
        builder = v1.saved_model.Builder(str(base / "2"))
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=v1.tables_initializer()
        )
        builder.save()


def keras_words(base: Path) -> None:
    """Keras's own layers, the words of a text among them."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(2)
    colour = keras.Input([1], name="colour", dtype="string")
    code = keras.Input([1], name="code", dtype="int64")
    text = keras.Input([1], name="text", dtype="string")
    colours = layers.StringLookup(vocabulary=WORDS)
    codes = layers.IntegerLookup(vocabulary=[10, 2000, 30000])
    words = layers.TextVectorization(vocabulary=["fine", "poor", "so so"], output_sequence_length=6)
    parts = [
        layers.Flatten()(layers.Embedding(5, 2)(colours(colour))),
        layers.Flatten()(layers.Embedding(4, 2)(codes(code))),
        layers.GlobalAveragePooling1D()(layers.Embedding(5, 2)(words(text))),
    ]
    output = layers.Dense(1, name="score")(layers.Concatenate()(parts))
    keras.Model([colour, code, text], output).export(base / "1", verbose=False)


def many_words(base: Path) -> None:
    """Five thousand of them."""
    import tensorflow as tf

    module = tf.Module()
    words = [f"word {number}" for number in range(5000)]
    initializer = tf.lookup.KeyValueTensorInitializer(words, tf.range(5000, dtype=tf.int64))
    module.words = tf.lookup.StaticHashTable(initializer, 0)
    module.vectors = tf.Variable(tf.ones([5000, 2]), name="vectors")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def serve(word: Any) -> dict[str, Any]:
        return {"score": tf.reduce_sum(tf.gather(module.vectors, module.words.lookup(word)), axis=-1)}

    tf.saved_model.save(module, base / "1", signatures=serve)


MODELS: dict[str, Callable[[Path], None]] = {
    "keras_words": keras_words,
    "known_features": known_features,
    "known_words": known_words,
    "many_words": many_words,
}
