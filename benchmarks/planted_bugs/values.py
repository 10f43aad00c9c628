"""Defects of values: not finite, out of range, wrong, or against a stated relation."""

from __future__ import annotations

from typing import Any

from benchmarks.planted_bugs.shapes import CLASSIFIER, PROBABILITIES, ROWS, SCORE, TOKENS, serving, weights
from benchmarks.planted_bugs.specimens import Collection
from pytest_tfsig.contract import (
    Argmax,
    Feature,
    Monotone,
    PaddingInvariant,
    PermutationInvariant,
    Probabilities,
    Signature,
    Tensor,
)

VALUES = Collection()
planted = VALUES.planted

COUNTS = {"counts": Tensor("int32", ["batch", 5], min=0, max=1000)}


def classifier(tf: Any, head: Any) -> Any:
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"probabilities": head(x @ w)}

    return serve, w


@planted("values batch_invariant", CLASSIFIER)
def softmax_over_the_batch(tf):
    return classifier(tf, lambda logits: tf.nn.softmax(logits, axis=0))


@planted("values", CLASSIFIER)
def logits_for_probabilities(tf):
    return classifier(tf, lambda logits: logits)


@planted("values", CLASSIFIER)
def sigmoid_for_softmax(tf):
    return classifier(tf, tf.nn.sigmoid)


@planted("values", CLASSIFIER)
def percent(tf):
    return classifier(tf, lambda logits: 100 * tf.nn.softmax(logits))


@planted("values", CLASSIFIER)
def softmax_in_half_precision(tf):
    return classifier(tf, lambda logits: tf.cast(tf.nn.softmax(tf.cast(logits, tf.float16)), tf.float32))


@planted("values", CLASSIFIER)
def clipped_probabilities(tf):
    return classifier(tf, lambda logits: tf.clip_by_value(tf.nn.softmax(4 * logits), 0.001, 0.999))


@planted("finite", Signature(inputs={"x": Tensor("float32", ["batch", 4])}, outputs=PROBABILITIES))
def softmax_by_hand(tf):
    return classifier(tf, lambda logits: tf.exp(logits) / tf.reduce_sum(tf.exp(logits), axis=-1, keepdims=True))


@planted("finite", Signature(inputs=ROWS, outputs={"unit": Tensor("float32", ["batch", 4], min=-1.001, max=1.001)}))
def division_by_norm(tf):
    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"unit": x / tf.norm(x, axis=-1, keepdims=True)}

    return serve


@planted("finite", Signature(inputs=ROWS, outputs={"standard": Tensor("float32", ["batch", 4])}))
def division_by_deviation(tf):
    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        mean, variance = tf.nn.moments(x, [1], keepdims=True)
        return {"standard": (x - mean) / tf.sqrt(variance)}

    return serve


@planted("finite", Signature(inputs=COUNTS, outputs=SCORE))
def log_of_zero(tf):
    @serving(tf, ("counts", tf.int32, [None, 5]))
    def serve(counts):
        return {"score": tf.reduce_sum(tf.math.log(tf.cast(counts, tf.float32)), axis=1)}

    return serve


@planted("finite", Signature(inputs={"x": Tensor("float32", ["batch", 7], min=0, max=5000)}, outputs=SCORE))
def root_of_a_negative_variance(tf):
    @serving(tf, ("x", tf.float32, [None, 7]))
    def serve(x):
        variance = tf.reduce_mean(x * x, axis=1) - tf.reduce_mean(x, axis=1) ** 2
        return {"score": tf.sqrt(variance)}

    return serve


@planted("finite", Signature(inputs={"x": Tensor("float32", ["batch", 2], min=-60, max=60)}, outputs=SCORE))
def opposite_ends(tf):
    @serving(tf, ("x", tf.float32, [None, 2]))
    def serve(x):
        return {"score": tf.exp(x[:, 0] - x[:, 1])}

    return serve


@planted(
    "finite",
    Signature(
        inputs={
            "price": Tensor("float32", ["batch"], min=0, max=1e4),
            "discount": Tensor("float32", ["batch"], min=0, max=1),
        },
        outputs=SCORE,
    ),
)
def free_of_charge(tf):
    @serving(tf, ("price", tf.float32, [None]), ("discount", tf.float32, [None]))
    def serve(price, discount):
        return {"score": (price + 1) / (1 - discount)}

    return serve


@planted("finite", Signature(inputs={"x": Tensor("float32", ["batch", 16], min=0, max=255)}, outputs=SCORE))
def half_precision_overflow(tf):
    @serving(tf, ("x", tf.float32, [None, 16]))
    def serve(x):
        half = tf.cast(x, tf.float16)
        return {"score": tf.cast(tf.reduce_sum(half * half, axis=1), tf.float32)}

    return serve


@planted("finite", Signature(inputs=TOKENS, outputs=SCORE))
def nothing_but_padding(tf):
    table = weights(tf, 1000, 8)

    @serving(tf, ("tokens", tf.int32, [None, None]))
    def serve(tokens):
        mask = tf.cast(tokens != 0, tf.float32)[..., None]
        return {
            "score": tf.reduce_mean(
                tf.reduce_sum(tf.gather(table, tokens) * mask, axis=1) / tf.reduce_sum(mask, axis=1), axis=-1
            )
        }

    return serve, table


@planted(
    "values",
    Signature(
        inputs={
            "price": Tensor("int32", ["batch"], min=0, max=100_000),
            "amount": Tensor("int32", ["batch"], min=0, max=100_000),
        },
        outputs={"total": Tensor("int32", ["batch"], min=0)},
    ),
)
def integer_overflow(tf):
    @serving(tf, ("price", tf.int32, [None]), ("amount", tf.int32, [None]))
    def serve(price, amount):
        return {"total": price * amount}

    return serve


@planted(
    "values",
    Signature(
        inputs={"image": Tensor("uint8", ["batch", 8, 8])}, outputs={"image": Tensor("uint8", ["batch", 8, 8], min=30)}
    ),
)
def brightness_wraps(tf):
    @serving(tf, ("image", tf.uint8, [None, 8, 8]))
    def serve(image):
        return {"image": image + tf.constant(30, tf.uint8)}

    return serve


@planted("values", Signature(inputs=ROWS, outputs={"price": Tensor("float32", ["batch"], min=0)}))
def negative_price(tf):
    w = weights(tf, 4, 1)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        return {"price": tf.reshape(x @ w, [-1]) + 6}

    return serve, w


@planted(
    "values", Signature(inputs=ROWS, outputs={"label": Tensor("string", ["batch"], values=["ham", "spam", "unknown"])})
)
def misspelt_label(tf):
    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        names = tf.constant(["ham", "spam", "unkown"])
        largest = tf.argmax(x[:, :2], axis=1)
        is_blank = tf.reduce_max(tf.abs(x), axis=1) < 0.01
        return {"label": tf.gather(names, tf.where(is_blank, tf.constant(2, tf.int64), largest))}

    return serve


ARGMAX = Signature(
    inputs=ROWS,
    outputs={**PROBABILITIES, "class_id": Tensor("int64", ["batch"])},
    relations=(Argmax("class_id", "probabilities"),),
)


@planted("relations", ARGMAX)
def classes_in_another_order(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("x", tf.float32, [None, 4]))
    def serve(x):
        logits = x @ w
        return {"probabilities": tf.nn.softmax(tf.gather(logits, [0, 2, 1], axis=1)), "class_id": tf.argmax(logits, 1)}

    return serve, w


@planted(
    "relations",
    Signature(
        inputs={"income": Tensor("float32", ["batch", 3], min=0, max=100)},
        outputs=SCORE,
        relations=(Monotone("income", "score", feature=1),),
    ),
)
def falls_near_the_end(tf):
    @serving(tf, ("income", tf.float32, [None, 3]))
    def serve(income):
        middle = income[:, 1]
        return {"score": income[:, 0] * 0.1 + tf.where(middle > 90, 180 - middle, middle)}

    return serve


@planted(
    "relations",
    Signature(
        inputs=TOKENS,
        outputs=SCORE,
        relations=(PaddingInvariant("tokens", outputs=("score",)),),
        dims={"time": (1, 32)},
    ),
)
def padding_counts(tf):
    table = weights(tf, 1000, 8)

    @serving(tf, ("tokens", tf.int32, [None, None]))
    def serve(tokens):
        return {"score": tf.reduce_mean(tf.gather(table, tokens), axis=[1, 2])}

    return serve, table


POINTS = Signature(
    inputs={"points": Tensor("float32", ["batch", "points", 3], min=-1, max=1)},
    outputs={"score": Tensor("float32", ["batch"])},
    relations=(PermutationInvariant("points"),),
)


@planted("relations", POINTS)
def order_of_points(tf):
    w = weights(tf, 3, 8)

    @serving(tf, ("points", tf.float32, [None, None, 3]))
    def serve(points):
        hidden = tf.nn.relu(points @ w)
        return {"score": tf.reduce_sum(hidden[:, -1] + 0.1 * tf.reduce_max(hidden, axis=1), axis=-1)}

    return serve, w


@planted(
    "values",
    Signature(
        method="classify",
        inputs={"inputs": Tensor("string", ["batch"], features={"x": Feature("float32", [4], min=-3, max=3)})},
        outputs={"scores": Probabilities("float32", ["batch", 3]), "classes": Tensor("string", ["batch", 3])},
    ),
)
def classify_with_logits(tf):
    w = weights(tf, 4, 3)

    @serving(tf, ("examples", tf.string, [None]))
    def serve(examples):
        x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([4], tf.float32)})["x"]
        classes = tf.tile(tf.constant([["a", "b", "c"]]), [tf.shape(x)[0], 1])
        return {"scores": x @ w, "classes": classes}

    return lambda path: save_as(tf, path, serve, "classify", w)


def save_as(tf: Any, path: Any, serve: Any, method: str, *kept: Any) -> None:
    """Writes a SavedModel whose signature is for classify or regress."""
    from tensorflow.core.protobuf import saved_model_pb2

    module = tf.Module()
    module.serve, module.kept = serve, kept
    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})
    file = path / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    signature = message.meta_graphs[0].signature_def["serving_default"]
    signature.method_name = f"tensorflow/serving/{method}"
    signature.inputs["inputs"].CopyFrom(signature.inputs.pop("examples"))
    file.write_bytes(message.SerializeToString())
