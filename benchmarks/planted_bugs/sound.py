"""Models without defects, of kinds that tempt a check to cry wolf."""

from __future__ import annotations

from benchmarks.planted_bugs.shapes import CLASSIFIER, SCORE, TEXT, TOKENS, serving, vocabulary, weights
from benchmarks.planted_bugs.specimens import Collection
from benchmarks.planted_bugs.values import ARGMAX, POINTS, save_as
from pytest_tfsig.contract import (
    Argmax,
    Feature,
    Monotone,
    PaddingInvariant,
    Probabilities,
    Signature,
    Tensor,
)

SOUND = Collection()
sound = SOUND.sound

IMAGES = Signature(
    inputs={"image": Tensor("float32", ["batch", 16, 16, 3], min=0, max=255)},
    outputs={"probabilities": Probabilities("float32", ["batch", 10])},
    dims={"batch": (1, 40)},
)


@sound(IMAGES)
def cnn_with_batch_norm(tf):
    layers = tf.keras.layers
    image = tf.keras.Input([16, 16, 3], name="image")
    hidden = layers.Rescaling(1 / 255)(image)
    for filters in (8, 16):
        hidden = layers.Conv2D(filters, 3, padding="same")(hidden)
        hidden = layers.BatchNormalization()(hidden)
        hidden = layers.MaxPooling2D()(layers.ReLU()(hidden))
    outputs = layers.Dense(10, activation="softmax")(layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(hidden)))
    return tf.keras.Model(image, {"probabilities": outputs})


@sound(
    Signature(
        inputs=TOKENS,
        outputs={"sentiment": Tensor("float32", ["batch", 1], min=0, max=1)},
        relations=(PaddingInvariant("tokens"),),
        dims={"time": (1, 24)},
    )
)
def lstm_with_masking(tf):
    layers = tf.keras.layers
    tokens = tf.keras.Input([None], dtype="int32", name="tokens")
    hidden = layers.LSTM(16)(layers.Embedding(1000, 8, mask_zero=True)(tokens))
    return tf.keras.Model(tokens, {"sentiment": layers.Dense(1, activation="sigmoid")(hidden)})


@sound(Signature(inputs=TEXT, outputs={"id": Tensor("int64", ["batch"], min=0, max=4)}))
def text_with_vocabulary(tf):
    return vocabulary(tf)


@sound(Signature(inputs=TOKENS, outputs={"vector": Tensor("float32", ["batch", 8], min=-1, max=1)}))
def mean_embedding(tf):
    table = weights(tf, 1000, 8)

    @serving(tf, ("tokens", tf.int32, [None, None]))
    def serve(tokens):
        return {"vector": tf.math.l2_normalize(tf.reduce_mean(tf.gather(table, tokens), axis=1), axis=1)}

    return serve, table


@sound(
    Signature(
        inputs={
            "age": Tensor("float32", ["batch", 1], min=0, max=120),
            "clicks": Tensor("int64", ["batch", 6], min=0, max=10_000),
        },
        outputs={
            "probabilities": Probabilities("float32", ["batch", 3]),
            "class_id": Tensor("int64", ["batch"], min=0, max=2),
        },
        relations=(Argmax("class_id", "probabilities"),),
    )
)
def two_inputs_two_outputs(tf):
    w = weights(tf, 7, 3)

    @serving(tf, ("age", tf.float32, [None, 1]), ("clicks", tf.int64, [None, 6]))
    def serve(age, clicks):
        features = tf.concat([age / 100, tf.math.log1p(tf.cast(clicks, tf.float32))], axis=1)
        logits = features @ w
        return {"probabilities": tf.nn.softmax(logits), "class_id": tf.argmax(logits, axis=1)}

    return serve, w


@sound(
    Signature(
        inputs={"x": Tensor("float64", ["batch", 12], min=-1e6, max=1e6)},
        outputs={"y": Tensor("float64", ["batch", 5])},
    )
)
def float64_regression(tf):
    w = tf.Variable(tf.random.stateless_normal([12, 5], seed=[1, 2], dtype=tf.float64))

    @serving(tf, ("x", tf.float64, [None, 12]))
    def serve(x):
        return {"y": x @ w}

    return serve, w


PERSON = {
    "age": Feature("float32", [], min=0, max=120),
    "tags": Feature("string", None, kind="variable"),
    "clicks": Feature("int64", [], default=[0], min=0, max=1000),
}


def _person(tf, examples):
    parsed = tf.io.parse_example(
        examples,
        {
            "age": tf.io.FixedLenFeature([], tf.float32),
            "tags": tf.io.VarLenFeature(tf.string),
            "clicks": tf.io.FixedLenFeature([], tf.int64, default_value=0),
        },
    )
    hashed = tf.strings.to_hash_bucket_fast(tf.sparse.to_dense(parsed["tags"], default_value=""), 7)
    present = tf.sparse.to_dense(parsed["tags"], default_value="") != ""
    tags = tf.reduce_sum(tf.where(present, tf.cast(hashed, tf.float32), 0.0), axis=1)
    return parsed["age"] / 120 + tf.math.log1p(tf.cast(parsed["clicks"], tf.float32)) + 0.1 * tags


@sound(Signature(inputs={"examples": Tensor("string", ["batch"], features=PERSON)}, outputs=SCORE))
def examples_parsed(tf):
    @serving(tf, ("examples", tf.string, [None]))
    def serve(examples):
        return {"score": _person(tf, examples)}

    return serve


@sound(
    Signature(
        method="regress",
        inputs={"inputs": Tensor("string", ["batch"], features=PERSON)},
        outputs={"outputs": Tensor("float32", ["batch"])},
    )
)
def examples_regressed(tf):
    @serving(tf, ("examples", tf.string, [None]))
    def serve(examples):
        return {"outputs": _person(tf, examples)}

    return lambda path: save_as(tf, path, serve, "regress")


@sound(
    Signature(
        method="classify",
        inputs={"inputs": Tensor("string", ["batch"], features={"x": Feature("float32", [4], min=-3, max=3)})},
        outputs={
            "scores": Probabilities("float32", ["batch", 3]),
            "classes": Tensor("string", ["batch", 3], values=["a", "b", "c"]),
        },
    )
)
def examples_classified(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("examples", tf.string, [None]))
    def serve(examples):
        x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([4], tf.float32)})["x"]
        classes = tf.tile(tf.constant([["a", "b", "c"]]), [tf.shape(x)[0], 1])
        return {"scores": tf.nn.softmax(x @ w), "classes": classes}

    return lambda path: save_as(tf, path, serve, "classify", w)


@sound(Signature(inputs={"x": Tensor("float32", ["batch", 64], min=-4, max=4)}, outputs=SCORE))
def half_precision_inside(tf):
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        x = tf.keras.Input([64], name="x")
        hidden = tf.keras.layers.Dense(128, activation="relu")(x)
        score = tf.keras.layers.Dense(1, dtype="float32")(tf.keras.layers.Dense(64, activation="relu")(hidden))
        return tf.keras.Model(x, {"score": tf.keras.layers.Reshape([], dtype="float32")(score)})
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


@sound(
    Signature(
        inputs={"x": Tensor("float32", ["batch", 32], min=-100, max=100)},
        outputs={"probabilities": Probabilities("float32", ["batch", 20_000])},
        dims={"batch": (1, 24)},
    )
)
def large_softmax(tf):
    w = weights(tf, 32, 20_000)

    @serving(tf, ("x", tf.float32, [None, 32]))
    def serve(x):
        return {"probabilities": tf.nn.softmax(x @ w)}

    return serve, w


@sound(Signature(inputs=TEXT, outputs={"mean": Tensor("float32", ["batch"], min=0)}))
def ragged_to_dense(tf):
    @serving(tf, ("text", tf.string, [None]))
    def serve(text):
        lengths = tf.cast(tf.strings.length(tf.strings.split(text)), tf.float32)
        words = tf.cast(lengths.row_lengths(), tf.float32)
        return {"mean": tf.math.divide_no_nan(tf.reduce_sum(lengths.to_tensor(), axis=1), words)}

    return serve


@sound(IMAGES)
def augmentation_that_is_off(tf):
    layers = tf.keras.layers
    image = tf.keras.Input([16, 16, 3], name="image")
    hidden = layers.RandomFlip()(layers.Rescaling(1 / 255)(image), training=False)
    hidden = layers.RandomRotation(0.1)(hidden, training=False)
    hidden = layers.GaussianNoise(0.1)(layers.Conv2D(8, 3, activation="relu")(hidden))
    return tf.keras.Model(image, {"probabilities": layers.Dense(10, activation="softmax")(layers.Flatten()(hidden))})


@sound(
    Signature(
        inputs={"x": Tensor("int8", ["batch", 16])},
        outputs={"y": Tensor("int8", ["batch", 4])},
    )
)
def quantised(tf):
    w = tf.constant([[(7 * i + 3 * j) % 11 - 5 for j in range(4)] for i in range(16)], tf.int32)

    @serving(tf, ("x", tf.int8, [None, 16]))
    def serve(x):
        total = tf.cast(x, tf.int32) @ w
        return {"y": tf.cast(tf.clip_by_value(tf.round(tf.cast(total, tf.float32) / 37), -128, 127), tf.int8)}

    return serve


@sound(ARGMAX)
def argmax_with_ties(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        logits = 40 * x @ w
        return {"probabilities": tf.nn.softmax(logits), "class_id": tf.argmax(logits, axis=1)}

    return serve, w


@sound(POINTS)
def set_of_points(tf):
    w, v = weights(tf, 3, 32), weights(tf, 32, 1)

    @serving(tf, ("points", tf.float32, [None, None, 3]))
    def serve(points):
        pooled = tf.reduce_mean(tf.nn.gelu(points @ w), axis=1)
        return {"score": tf.squeeze(pooled @ v, axis=1)}

    return serve, w, v


@sound(
    Signature(
        inputs={"area": Tensor("float32", ["batch", 3], min=1, max=10_000)},
        outputs={"price": Tensor("float32", ["batch"], min=0)},
        relations=(Monotone("area", "price"), Monotone("area", "price", feature=2)),
    )
)
def price_that_grows(tf):
    @serving(tf, ("area", tf.float32, [None, 3]))
    def serve(area):
        return {"price": 1000 + tf.reduce_sum(area * [120.0, 75.0, 1.0], axis=1) + tf.sqrt(area[:, 0])}

    return serve


@sound(
    Signature(
        inputs={
            "tokens": Tensor("int32", ["batch", "time"], min=0, max=999),
            "mask": Tensor("int32", ["batch", "time"], min=0, max=1),
        },
        outputs={"vector": Tensor("float32", ["batch", 16])},
        relations=(PaddingInvariant("tokens"),),
        dims={"time": (1, 40)},
    )
)
def attention_with_mask(tf):
    table, q, k, v = weights(tf, 1000, 16), weights(tf, 16, 16), weights(tf, 16, 16), weights(tf, 16, 16)

    @serving(tf, ("tokens", tf.int32, [None, None]), ("mask", tf.int32, [None, None]))
    def serve(tokens, mask):
        hidden = tf.gather(table, tokens)
        seen = tf.cast(mask, tf.float32)
        scores = tf.matmul(hidden @ q, hidden @ k, transpose_b=True) / 4.0 + (seen[:, None, :] - 1) * 1e9
        mixed = tf.nn.softmax(scores) @ (hidden @ v) * seen[..., None]
        return {"vector": tf.reduce_sum(mixed, axis=1) / tf.reduce_sum(seen, axis=1, keepdims=True)}

    return serve, table, q, k, v


@sound(Signature(inputs={"x": Tensor("float32", ["batch", 16], min=-4, max=4)}, outputs=SCORE))
def fake_quantised(tf):
    w, v = weights(tf, 16, 64), weights(tf, 64, 1)

    def rounded(x):
        return tf.quantization.fake_quant_with_min_max_args(x, -8, 8)

    @serving(tf, ("x", tf.float32, [None, 16]))
    def serve(x):
        return {"score": tf.squeeze(rounded(rounded(x) @ w) @ v, axis=1)}

    return serve, w, v


@sound(
    Signature(
        inputs={"x": Tensor("float32", ["batch", 16], min=-4, max=4)},
        outputs={"stars": Tensor("int32", ["batch"], min=1, max=5)},
    )
)
def rounded_to_stars(tf):
    w = weights(tf, 16, 1)

    @serving(tf, ("x", tf.float32, [None, 16]))
    def serve(x):
        return {"stars": 1 + tf.cast(tf.round(4 * tf.sigmoid(tf.squeeze(x @ w, axis=1))), tf.int32)}

    return serve, w


@sound(CLASSIFIER)
def standardised(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        mean, variance = tf.nn.moments(x, [1], keepdims=True)
        return {"probabilities": tf.nn.softmax((x - mean) * tf.math.rsqrt(variance + 1e-3) @ w)}

    return serve, w


@sound(Signature(inputs={"image": Tensor("string", ["batch"], image="png")}, outputs=SCORE))
def images_decoded(tf):
    def decoded(data):
        return tf.image.resize(tf.io.decode_png(data, channels=3), [8, 8])

    @serving(tf, ("image", tf.string, [None]))
    def serve(image):
        pixels = tf.map_fn(decoded, image, fn_output_signature=tf.TensorSpec([8, 8, 3], tf.float32))
        return {"score": tf.reduce_mean(pixels, axis=[1, 2, 3]) / 255}

    return serve
