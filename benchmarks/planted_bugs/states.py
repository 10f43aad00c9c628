"""Defects that show only when requests are repeated, batched or sent in parallel."""

from __future__ import annotations

from benchmarks.planted_bugs.shapes import CLASSIFIER, PROBABILITIES, ROWS, SCORE, TEXT, serving, weights
from benchmarks.planted_bugs.specimens import Collection
from benchmarks.planted_bugs.values import save_as
from pytest_tfsig.contract import Feature, Probabilities, Signature, Tensor

STATES = Collection()
planted = STATES.planted


@planted("batch_invariant", CLASSIFIER)
def batch_statistics(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        mean, variance = tf.nn.moments(x, [0])
        return {"probabilities": tf.nn.softmax((x - mean) / tf.sqrt(variance + 1e-3) @ w)}

    return serve, w


@planted("batch_invariant", CLASSIFIER)
def scaled_by_the_largest_of_the_batch(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"probabilities": tf.nn.softmax(x / (1 + tf.reduce_max(tf.abs(x))) @ w)}

    return serve, w


@planted("batch_invariant", CLASSIFIER)
def only_sixteen_rows(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        row = tf.minimum(tf.range(tf.shape(x)[0]), 15)
        return {"probabilities": tf.nn.softmax(tf.gather(x, row) @ w)}

    return serve, w


@planted("batch_invariant", CLASSIFIER)
def rows_in_reverse(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"probabilities": tf.reverse(tf.nn.softmax(x @ w), [0])}

    return serve, w


@planted("batch_invariant", CLASSIFIER)
def leaks_into_the_next_row(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"probabilities": tf.nn.softmax((x + 0.01 * tf.roll(x, 1, axis=0)) @ w)}

    return serve, w


@planted("batch_invariant", Signature(inputs=TEXT, outputs=SCORE))
def mean_over_padded_words(tf):
    @serving(tf, ("text", tf.string, [None]))
    def serve(text):
        lengths = tf.cast(tf.strings.length(tf.strings.split(text)).to_tensor(), tf.float32)
        return {"score": tf.reduce_sum(lengths, 1) / tf.cast(tf.maximum(1, tf.shape(lengths)[1]), tf.float32)}

    return serve


@planted(
    "batch_invariant",
    Signature(
        method="regress",
        inputs={"inputs": Tensor("string", ["batch"], features={"x": Feature("float32", [4], min=-3, max=3)})},
        outputs={"outputs": Tensor("float32", ["batch"])},
    ),
)
def regress_against_the_mean(tf):
    @serving(tf, ("examples", tf.string, [None]))
    def serve(examples):
        x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([4], tf.float32)})["x"]
        return {"outputs": tf.reduce_sum(x - tf.reduce_mean(x, axis=0), axis=1)}

    return lambda path: save_as(tf, path, serve, "regress")


@planted("deterministic", CLASSIFIER)
def dropout_on(tf):
    inputs = tf.keras.Input([4], name="x")
    hidden = tf.keras.layers.Dense(16, activation="relu")(inputs)
    hidden = tf.keras.layers.Dropout(0.2)(hidden, training=True)
    outputs = tf.keras.layers.Dense(3, activation="softmax")(hidden)
    return tf.keras.Model(inputs, {"probabilities": outputs})


@planted(
    "deterministic",
    Signature(
        inputs={"image": Tensor("float32", ["batch", 16, 16, 3], min=0, max=255)},
        outputs={"probabilities": Probabilities("float32", ["batch", 10])},
    ),
)
def augmentation_left_on(tf):
    layers = tf.keras.layers
    image = tf.keras.Input([16, 16, 3], name="image")
    # Keras exports random preprocessing as it is called, and that is on unless it is told otherwise.
    hidden = layers.RandomRotation(0.1)(layers.RandomFlip()(layers.Rescaling(1 / 255)(image)))
    hidden = layers.Conv2D(8, 3, activation="relu")(hidden)
    return tf.keras.Model(image, {"probabilities": layers.Dense(10, activation="softmax")(layers.Flatten()(hidden))})


@planted("deterministic", Signature(inputs=ROWS, outputs=PROBABILITIES))
def rare_noise(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        noise = tf.where(tf.random.uniform(tf.shape(x)) < 0.02, 0.1, 0.0)
        return {"probabilities": tf.nn.softmax((x + noise) @ w)}

    return serve, w


@planted("deterministic", Signature(inputs=ROWS, outputs=SCORE))
def counter(tf):
    count = tf.Variable(0.0)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"score": tf.reduce_sum(x, axis=1) + 0.001 * count.assign_add(1.0)}

    return serve, count


@planted("deterministic", Signature(inputs=ROWS, outputs=SCORE))
def running_mean(tf):
    mean = tf.Variable(tf.zeros([4]))

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        updated = mean.assign(0.9 * mean + 0.1 * tf.reduce_mean(x, axis=0))
        return {"score": tf.reduce_sum(x - updated, axis=1)}

    return serve, mean


@planted("concurrent", Signature(inputs=ROWS, outputs=SCORE))
def shared_scratch(tf):
    scratch = tf.Variable(tf.zeros([4]))

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        scratch.assign(x[0])
        turns = tf.while_loop(lambda i: i < 200, lambda i: (i + 1,), (tf.constant(0),))[0]
        with tf.control_dependencies([turns]):
            first = scratch.read_value()
        return {"score": tf.reduce_sum(x, axis=1) + tf.reduce_sum(first - x[0])}

    return serve, scratch


@planted("concurrent", Signature(inputs=ROWS, outputs=PROBABILITIES))
def normaliser_in_a_variable(tf):
    w, scale = weights(tf, 4, 3), tf.Variable(tf.zeros([]))

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        logits = x @ w
        scale.assign(tf.reduce_max(tf.abs(x)) + 1.0)
        blurred = logits
        for _ in range(40):
            blurred = tf.linalg.matmul(blurred, tf.eye(3))
        with tf.control_dependencies([blurred]):
            return {"probabilities": tf.nn.softmax(blurred * scale.read_value() / (tf.reduce_max(tf.abs(x)) + 1.0))}

    return serve, w, scale
