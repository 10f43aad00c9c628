"""Models whose answers TensorFlow Serving gave in tests/data/exchanges.jsonl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_DTYPES = (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "string",
    "complex64",
    "complex128",
)


def _save(base: Path, version: int, signatures: dict[str, Any], *, module: Any = None, **options: Any) -> None:
    import tensorflow as tf

    tf.saved_model.save(
        module or tf.Module(),
        str(base / str(version)),
        signatures=signatures,
        options=tf.saved_model.SaveOptions(**options),
    )


def _function(call: Callable[..., Any], *inputs: tuple[str, list[int | None] | None, str]) -> Any:
    """A concrete function of named inputs: (name, shape, dtype) each; shape None is any rank."""
    import tensorflow as tf

    specs = [tf.TensorSpec(shape, dtype, name=name) for name, shape, dtype in inputs]
    return tf.function(call, input_signature=specs)


def echo(base: Path) -> None:
    """Every dtype, as it came; `serving_default` is the one of float32."""
    import tensorflow as tf

    signatures = {dtype: _function(lambda x: {"y": tf.identity(x)}, ("x", [None], dtype)) for dtype in _DTYPES}
    signatures["serving_default"] = _function(lambda x: {"y": tf.identity(x)}, ("x", [None], "float32"))
    _save(base, 1, signatures)


def half_plus_two(base: Path) -> None:
    _save(base, 1, {"serving_default": _function(lambda x: {"y": 0.5 * x + 2.0}, ("x", [None], "float32"))})


def two(base: Path) -> None:
    """Two inputs, two outputs."""
    call = _function(
        lambda a, b: {"sum": a + b, "difference": a - b}, ("a", [None], "float32"), ("b", [None], "float32")
    )
    _save(base, 1, {"serving_default": call})


def matrix(base: Path) -> None:
    """A fixed inner dimension, whose first two columns it doubles, and one signature with only fixed ones."""
    _save(
        base,
        1,
        {
            "serving_default": _function(lambda x: {"y": x[:, :2] * 2.0}, ("x", [None, 3], "float32")),
            "fixed": _function(lambda x: {"y": x + 1.0}, ("x", [2, 3], "float32")),
        },
    )


def scalar(base: Path) -> None:
    _save(base, 1, {"serving_default": _function(lambda x: {"y": x * 2.0}, ("x", [], "float32"))})


def anyrank(base: Path) -> None:
    _save(base, 1, {"serving_default": _function(lambda x: {"y": x * 2.0}, ("x", None, "float32"))})


def unbatched(base: Path) -> None:
    """Outputs whose first dimension is not the inputs'."""
    import tensorflow as tf

    _save(
        base,
        1,
        {
            "serving_default": _function(
                lambda x: {"total": tf.reduce_sum(x)[tf.newaxis], "rows": tf.identity(x)}, ("x", [None], "float32")
            ),
            "scalar_out": _function(lambda x: {"total": tf.reduce_sum(x)}, ("x", [None], "float32")),
        },
    )


def text(base: Path) -> None:
    """Strings: an output whose name ends in `_bytes` is written as base64, others are not."""
    import tensorflow as tf

    def all_of_it(s: Any) -> dict[str, Any]:
        return {"upper": tf.strings.upper(s), "length": tf.strings.length(s), "raw_bytes": tf.identity(s)}

    _save(
        base,
        1,
        {
            "serving_default": _function(all_of_it, ("s", [None], "string")),
            "one": _function(lambda s: {"upper": tf.strings.upper(s)}, ("s", [None], "string")),
            "one_bytes": _function(
                lambda image_bytes: {"echo_bytes": tf.identity(image_bytes)}, ("image_bytes", [None], "string")
            ),
        },
    )


def nonfinite(base: Path) -> None:
    import tensorflow as tf

    call = _function(lambda x: {"y": tf.stack([x / 0.0, x, -x / 0.0], axis=1)}, ("x", [None], "float32"))
    _save(base, 1, {"serving_default": call})


def ocr(base: Path) -> None:
    """What the PyPI package tf-serving asks for: words and their logarithmic probabilities, best first."""
    import tensorflow as tf

    def read(image: Any) -> dict[str, Any]:
        length = tf.cast(tf.strings.length(image), tf.float32)
        words = tf.stack([tf.strings.upper(image), tf.strings.lower(image)], axis=1)
        return {"preds": words, "logprobs": tf.stack([-length, -2.0 * length], axis=1)}

    _save(base, 1, {"serving_default": _function(read, ("image", [None], "string"))})


def fails(base: Path) -> None:
    """Fails, when run, for indices that its table does not have."""
    import tensorflow as tf

    def pick(i: Any) -> dict[str, Any]:
        return {"y": tf.gather(tf.constant([10.0, 11.0, 12.0]), i)}

    _save(base, 1, {"serving_default": _function(pick, ("i", [None], "int32"))})


def nodefault(base: Path) -> None:
    import tensorflow as tf

    _save(base, 1, {"foo": _function(lambda x: {"y": tf.identity(x)}, ("x", [None], "float32"))})


def empty_out(base: Path) -> None:
    _save(base, 1, {"serving_default": _function(lambda x: {"y": x[:, :0]}, ("x", [None, 2], "float32"))})


def versions(base: Path) -> None:
    """Version n adds n."""
    for version in (1, 2, 3):
        call = _function(lambda x, n=float(version): {"y": x + n}, ("x", [None], "float32"))
        _save(base, version, {"serving_default": call})


def defaults(base: Path) -> None:
    """One input has a default value in its SignatureDef."""
    import tensorflow as tf

    module = tf.Module()
    call = _function(lambda a, b: {"sum": a + b}, ("a", [None], "float32"), ("b", [None], "float32"))
    _save(base, 1, {"serving_default": call}, module=module)
    _add_default(base / "1" / "saved_model.pb", "b", tf.constant([5.0]))


def _add_default(path: Path, name: str, value: Any) -> None:
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    signature = model.meta_graphs[0].signature_def["serving_default"]
    signature.defaults[name].CopyFrom(tf.make_tensor_proto(value))
    path.write_bytes(model.SerializeToString())


def examples(base: Path) -> None:
    """Signatures that classify and regress serialised tf.Examples, right ones and wrong ones."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(tf.eye(4)[:, :3], name="weights")

    def scores(x: Any) -> Any:
        return tf.nn.softmax(tf.matmul(x, module.weights))

    calls = {
        "classify": lambda parsed: {"scores": scores(parsed["x"]), "classes": _colours(parsed["x"])},
        "scores_only": lambda parsed: {"scores": scores(parsed["x"])},
        "classes_only": lambda parsed: {"classes": _colours(parsed["x"])},
        "regress": lambda parsed: {"outputs": tf.reduce_sum(parsed["x"], axis=1) + parsed["bias"]},
        "regress2d": lambda parsed: {"outputs": tf.reduce_sum(parsed["x"], axis=1, keepdims=True)},
        "bad_regress": lambda parsed: {"outputs": parsed["x"]},
        "bad_scores": lambda parsed: {"scores": tf.reduce_sum(parsed["x"], axis=1)},
    }
    signatures = {
        name: _function(lambda inputs, call=call: call(_parsed(inputs)), ("inputs", [None], "string"))
        for name, call in calls.items()
    }
    signatures["serving_default"] = _function(lambda x: {"probabilities": scores(x)}, ("x", [None, 4], "float32"))
    _save(base, 1, signatures, module=module)
    methods = {
        "classify": ("classify", "scores_only", "classes_only", "bad_scores"),
        "regress": ("regress", "regress2d", "bad_regress"),
    }
    _set_methods(base / "1" / "saved_model.pb", methods)


def _parsed(inputs: Any) -> dict[str, Any]:
    """Four floats `x` and a `bias` that may be missing."""
    import tensorflow as tf

    features = {
        "x": tf.io.FixedLenFeature([4], tf.float32),
        "bias": tf.io.FixedLenFeature([], tf.float32, default_value=0.0),
    }
    return tf.io.parse_example(inputs, features)


def _colours(x: Any) -> Any:
    import tensorflow as tf

    return tf.tile(tf.constant([["red", "green", "blue"]]), [tf.shape(x)[0], 1])


def _set_methods(path: Path, methods: dict[str, tuple[str, ...]]) -> None:
    """tf.saved_model.save knows only predict signatures."""
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for method, signatures in methods.items():
        for name in signatures:
            model.meta_graphs[0].signature_def[name].method_name = f"tensorflow/serving/{method}"
    path.write_bytes(model.SerializeToString())


MODELS: dict[str, Callable[[Path], None]] = {
    builder.__name__: builder
    for builder in (
        anyrank,
        defaults,
        echo,
        empty_out,
        examples,
        fails,
        half_plus_two,
        matrix,
        nodefault,
        nonfinite,
        ocr,
        scalar,
        text,
        two,
        unbatched,
        versions,
    )
}
