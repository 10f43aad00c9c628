"""Pairs of signatures with the findings that judging them must give, and for which callers."""

from __future__ import annotations

from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec

F32 = ("float32", (None, 8))
X, Y, BOTH = {"x": F32}, {"y": ("float32", (None, 3))}, {"y": ("float32", (None, 3)), "z": ("float32", (None, 2))}
TEXT = {"t": ("string", (None,))}


def sig(inputs=X, outputs=Y, method="predict", defaults=(), features=None):
    sides = ({name: TensorSpec(name, *of) for name, of in side.items()} for side in (inputs, outputs))
    return SignatureSpec("s", method, *sides, frozenset(defaults), features)


def x(dtype="float32", shape=(None, 8)):
    return sig({"x": (dtype, shape)})


def y(dtype="float32", shape=(None, 3)):
    return sig(outputs={"y": (dtype, shape)})


def examples(*specs, method="classify"):
    features = None if specs == (None,) else {spec.name: spec for spec in specs}
    inputs = {"inputs": TensorSpec("inputs", "string", (None,), features=features)}
    return SignatureSpec("s", method, inputs, {"scores": TensorSpec("scores", "float32", (None, 3))})


A = FeatureSpec("a", "float32", (2,))
B = FeatureSpec("b", "int64", ())
A_OPTIONAL = FeatureSpec("a", "float32", (2,), "fixed", (0.0, 0.0))
A_VARIABLE = FeatureSpec("a", "float32", None, "variable")

LETTERS = {"grpc": "g", "rest_row": "r", "rest_columnar": "c"}
"""How the table writes callers."""

PAIRS = [
    # what a signature is
    ("same", sig(), sig(), {}),
    ("predict to regress", sig(), sig(method="regress"), {"method-repurposed": "grc"}),
    ("predict to classify", sig(), sig(method="classify"), {"method-repurposed": "grc"}),
    ("classify to predict", sig(method="classify"), sig(), {"method-changed": "gr"}),
    ("regress to classify", sig(method="regress"), sig(method="classify"), {"method-changed": "gr"}),
    # inputs by name
    ("input renamed", sig(), sig({"w": F32}), {"input-renamed": "grc"}),
    (
        "input renamed, wider",
        x(),
        sig({"w": ("float32", (None, None))}),
        {"input-renamed": "grc", "input-widened": "grc"},
    ),
    ("second input", sig(), sig({**X, "w": F32}), {"input-added": "grc"}),
    (
        "second input with a default",
        sig(),
        sig({**X, "w": F32}, defaults=["w"]),
        {"input-added": "rc", "input-added-optional": "g"},
    ),
    ("input gone", sig({**X, "w": F32}), sig(), {"input-removed": "gr", "input-ignored": "c"}),
    (
        "one of two inputs renamed",
        sig({**X, "w": F32}),
        sig({**X, "v": F32}),
        {"input-removed": "gr", "input-ignored": "c", "input-added": "grc"},
    ),
    ("no input to one", sig({}), sig(), {"input-added": "grc"}),
    ("default gone", sig(defaults=["x"]), sig(), {"input-default-removed": "g"}),
    ("default new", sig(), sig(defaults=["x"]), {"input-default-added": "g"}),
    # input dtypes: strict on gRPC, read from JSON on REST
    ("int32 to int64", x("int32"), x("int64"), {"input-dtype-changed": "g", "input-dtype-widened": "rc"}),
    ("int64 to int32", x("int64"), x("int32"), {"input-dtype-changed": "grc"}),
    ("uint8 to int8 wraps", x("uint8"), x("int8"), {"input-dtype-changed": "grc"}),
    ("uint8 to int16", x("uint8"), x("int16"), {"input-dtype-changed": "g", "input-dtype-widened": "rc"}),
    ("int32 to uint32", x("int32"), x("uint32"), {"input-dtype-changed": "grc"}),
    (
        "int32 to float32 loses digits",
        x("int32"),
        x("float32"),
        {"input-dtype-changed": "g", "input-dtype-lossy": "rc"},
    ),
    ("int16 to float32", x("int16"), x("float32"), {"input-dtype-changed": "g", "input-dtype-widened": "rc"}),
    ("int32 to float64", x("int32"), x("float64"), {"input-dtype-changed": "g", "input-dtype-widened": "rc"}),
    ("int64 to float64", x("int64"), x("float64"), {"input-dtype-changed": "g", "input-dtype-lossy": "rc"}),
    ("float32 to float64", x(), x("float64"), {"input-dtype-changed": "g", "input-dtype-widened": "rc"}),
    ("float64 to float32", x("float64"), x(), {"input-dtype-changed": "g", "input-dtype-lossy": "rc"}),
    ("float32 to int32", x(), x("int32"), {"input-dtype-changed": "grc"}),
    ("float32 to string", x(), x("string"), {"input-dtype-changed": "grc"}),
    ("string to float32", x("string"), x(), {"input-dtype-changed": "grc"}),
    ("bool to int32", x("bool"), x("int32"), {"input-dtype-changed": "grc"}),
    ("float32 to float16", x(), x("float16"), {"input-dtype-changed": "grc"}),
    ("float16 to float32: REST had no callers", x("float16"), x(), {"input-dtype-changed": "g"}),
    ("float32 to complex64", x(), x("complex64"), {"input-dtype-changed": "grc"}),
    # input shapes
    ("8 to any", x(), x(shape=(None, None)), {"input-widened": "grc"}),
    ("any to 8", x(shape=(None, None)), x(), {"input-narrowed": "grc"}),
    ("8 to 9", x(), x(shape=(None, 9)), {"input-size-changed": "grc"}),
    ("wider and narrower", x(shape=(None, 8)), x(shape=(4, None)), {"input-size-changed": "grc"}),
    ("wider and another size", x(shape=(4, 8)), x(shape=(None, 9)), {"input-size-changed": "grc"}),
    ("batch fixed", x(), x(shape=(1, 8)), {"input-narrowed": "grc"}),
    ("rank", x(), x(shape=(None, 8, 1)), {"input-rank-changed": "grc"}),
    ("to a scalar", x(), x(shape=()), {"input-rank-changed": "grc"}),
    ("to any rank", x(), x(shape=None), {"input-widened": "grc"}),
    ("from any rank", x(shape=None), x(), {"input-narrowed": "grc"}),
    # outputs by name
    ("output renamed", sig(), sig(outputs={"p": Y["y"]}), {"output-renamed": "g"}),
    ("output gone", sig(outputs={**BOTH, "w": F32}), sig(outputs=BOTH), {"output-removed": "grc"}),
    ("output gone, one left", sig(outputs=BOTH), sig(), {"output-removed": "grc", "outputs-bared": "rc"}),
    ("output new", sig(outputs=BOTH), sig(outputs={**BOTH, "w": F32}), {"output-added": "grc"}),
    ("second output", sig(), sig(outputs=BOTH), {"output-added": "grc", "outputs-nested": "rc"}),
    (
        "second output without rows",
        sig(),
        sig(outputs={**Y, "loss": ("float32", ())}),
        {"output-added": "grc", "outputs-nested": "rc", "output-breaks-rows": "r"},
    ),
    (
        "third output with other rows",
        sig(outputs={"y": ("float32", (4, 3)), "z": F32}),
        sig(outputs={"y": ("float32", (4, 3)), "z": F32, "w": ("float32", (7,))}),
        {"output-added": "grc", "output-breaks-rows": "r"},
    ),
    (
        "third output in half precision",
        sig(outputs=BOTH),
        sig(outputs={**BOTH, "h": ("float16", (None,))}),
        {"output-added": "grc", "output-not-in-json": "rc"},
    ),
    (
        "text becomes bytes",
        sig(outputs=TEXT),
        sig(outputs={"t_bytes": TEXT["t"]}),
        {"output-renamed": "g", "output-encoding-changed": "rc"},
    ),
    (
        "bytes become text",
        sig(outputs={"t_bytes": TEXT["t"], **Y}),
        sig(outputs={**TEXT, **Y}),
        {"output-removed": "grc", "output-added": "grc", "output-encoding-changed": "rc"},
    ),
    ("numbers called _bytes are numbers", sig(), sig(outputs={"y_bytes": Y["y"]}), {"output-renamed": "g"}),
    # output dtypes
    ("output to float64", y(), y("float64"), {"output-dtype-changed": "g", "output-number-changed": "rc"}),
    ("output to int32", y(), y("int32"), {"output-dtype-changed": "g", "output-number-changed": "rc"}),
    ("output to string", y(), y("string"), {"output-dtype-changed": "grc"}),
    ("output to bool", y(), y("bool"), {"output-dtype-changed": "grc"}),
    ("output to bfloat16", y(), y("bfloat16"), {"output-dtype-changed": "g", "output-not-in-json": "rc"}),
    ("output from bfloat16", y("bfloat16"), y(), {"output-dtype-changed": "g"}),
    # output shapes
    ("output any to 3", y(shape=(None, None)), y(), {"output-narrowed": "grc"}),
    ("output 3 to any", y(), y(shape=(None, None)), {"output-widened": "grc"}),
    ("output 3 to 4", y(), y(shape=(None, 4)), {"output-size-changed": "grc"}),
    ("output rank", y(), y(shape=(None,)), {"output-rank-changed": "grc"}),
    ("output to a scalar", y(), y(shape=()), {"output-rank-changed": "grc", "output-breaks-rows": "r"}),
    ("output to any rank", y(), y(shape=None), {"output-widened": "grc"}),
    ("output from any rank", y(shape=None), y(), {"output-narrowed": "grc"}),
    ("a scalar never had rows", y(shape=()), y(shape=(None,)), {"output-rank-changed": "gc"}),
    # tf.Examples
    ("same features", examples(A, B), examples(A, B), {}),
    ("feature needed", examples(A), examples(A, B), {"feature-added": "gr"}),
    ("feature possible", examples(B), examples(A_OPTIONAL, B), {"feature-added-optional": "gr"}),
    ("feature ignored", examples(A, B), examples(A), {"feature-ignored": "gr"}),
    ("feature dtype", examples(A), examples(FeatureSpec("a", "int64", (2,))), {"feature-dtype-changed": "gr"}),
    ("feature values", examples(A), examples(FeatureSpec("a", "float32", (3,))), {"feature-shape-changed": "gr"}),
    ("feature reshaped only", examples(A), examples(FeatureSpec("a", "float32", (2, 1))), {}),
    ("feature relaxed", examples(A), examples(A_VARIABLE), {"feature-relaxed": "gr", "feature-optional": "gr"}),
    ("feature fixed", examples(A_VARIABLE), examples(A), {"feature-shape-changed": "gr", "feature-required": "gr"}),
    ("feature default gone", examples(A_OPTIONAL), examples(A), {"feature-required": "gr"}),
    ("feature default new", examples(A), examples(A_OPTIONAL), {"feature-optional": "gr"}),
    (
        "feature default other",
        examples(A_OPTIONAL),
        examples(FeatureSpec("a", "float32", (2,), "fixed", (1.0, 0.0))),
        {"feature-default-changed": "gr"},
    ),
    ("features unknown", examples(A), examples(None), {"features-unknown": "gr"}),
    ("features unknown before", examples(None), examples(A), {"features-unknown": "gr"}),
    (
        "features over predict",
        examples(A, method="predict"),
        examples(A, B, method="predict"),
        {"feature-added": "grc"},
    ),
]
MORE_EXAMPLES = [
    ("classify to predict", examples(A), examples(A, method="predict"), {"method-changed": "gr"}),
    ("predict to classify", examples(A, method="predict"), examples(A), {"method-repurposed": "grc"}),
]
"""Changes of method that can be shown: Classify takes tf.Examples and nothing else."""


def _can_be_served(spec):
    """Tells whether the method answers for the signature at all: classify and regress want tf.Examples."""
    return spec.method == "predict" or any(of.dtype == "string" for of in spec.inputs.values())


SHOWN = [pair for pair in (*PAIRS, *MORE_EXAMPLES) if _can_be_served(pair[1]) and _can_be_served(pair[2])]
"""The pairs that can be demonstrated on a server."""

SERVED = list({repr(spec): spec for _, old, new, _ in SHOWN for spec in (old, new)}.values())
"""Every signature of them, once."""
