"""The malformed neighbours of a request: which there are, and that each is wrong in the way that it says."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig import protos
from pytest_tfsig.checks.malformed import malformed
from pytest_tfsig.contract import Feature, Signature, Tensor
from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec
from pytest_tfsig.strategies.examples import parsed, serialized
from tests.unit.checks.fakes import spec_of, subject


def neighbours(declared, inputs, *, rest=False, rows=False, defaults=frozenset()):
    signature = Signature(inputs=declared, outputs={})
    judged = subject(None, signature, spec=spec_of(signature, defaults))
    return list(malformed(judged, inputs, rest=rest, rows=rows))


def shown(request):
    """Returns a request's way and each input as dtype, shape and first value."""
    inputs = {
        name: (str(array.dtype), array.shape, array.ravel()[0] if array.size else None)
        for name, array in ((name, np.asarray(value)) for name, value in request.inputs.items())
    }
    return request.what, request.refused_by, request.transport, request.form, inputs


X = np.full((2, 3), 1.5, np.float32)
N = np.full(2, 7, np.int64)
AS_X, AS_N = ("float32", (2, 3), 1.5), ("int64", (2,), 7)
TWO = {"x": Tensor("float32", ["batch", 3]), "n": Tensor("int64", ["batch"])}


def over_grpc(what, inputs, refused_by="server"):
    return what, refused_by, "grpc", "columns", inputs


def test_numbers_over_grpc():
    found = [shown(one) for one in neighbours(TWO, {"x": X, "n": N})]
    text = ("object", (2, 3), b"text")
    assert found == [
        over_grpc("input 'x' is missing", {"n": AS_N}),
        over_grpc("input 'x' is called 'x_'", {"n": AS_N, "x_": AS_X}),
        over_grpc("input 'n' is missing", {"x": AS_X}),
        over_grpc("input 'n' is called 'n_'", {"x": AS_X, "n_": AS_N}),
        over_grpc("there is an extra input 'extra'", {"x": AS_X, "n": AS_N, "extra": AS_X}),
        over_grpc("input 'x' has dtype string instead of float32", {"x": text, "n": AS_N}),
        over_grpc("input 'x' has dtype float64 instead of float32", {"x": ("float64", (2, 3), 1.5), "n": AS_N}),
        over_grpc(
            "input 'x' has shape [2, 3, 1] instead of [batch, 3]",
            {"x": ("float32", (2, 3, 1), 1.5), "n": AS_N},
            "model",
        ),
        over_grpc("input 'x' has shape [3] instead of [batch, 3]", {"x": ("float32", (3,), 1.5), "n": AS_N}, "model"),
        over_grpc(
            "input 'x' has shape [2, 4] instead of [batch, 3]", {"x": ("float32", (2, 4), 1.5), "n": AS_N}, "model"
        ),
        over_grpc("input 'n' has dtype string instead of int64", {"x": AS_X, "n": ("object", (2,), b"text")}),
        over_grpc("input 'n' has dtype int32 instead of int64", {"x": AS_X, "n": ("int32", (2,), 7)}),
        over_grpc("input 'n' has shape [2, 1] instead of [batch]", {"x": AS_X, "n": ("int64", (2, 1), 7)}, "model"),
        over_grpc("input 'n' has shape [] instead of [batch]", {"x": AS_X, "n": ("int64", (), 7)}, "model"),
    ]


def test_numbers_over_rest():
    over = [shown(one) for one in neighbours(TWO, {"x": X, "n": N}, rest=True, rows=True)]
    rest = [one for one in over if one[2] == "rest"]
    assert rest == [
        ("input 'x' is missing", "server", "rest", "columns", {"n": AS_N}),
        ("input 'x' is missing", "server", "rest", "rows", {"n": AS_N}),
        (
            "input 'x' holds strings instead of numbers", "server", "rest", "columns",
            {"x": ("object", (2, 3), b"text"), "n": AS_N},
        ),
        ("input 'n' is missing", "server", "rest", "columns", {"x": AS_X}),
        ("input 'n' is missing", "server", "rest", "rows", {"x": AS_X}),
        (
            "input 'n' holds strings instead of numbers", "server", "rest", "columns",
            {"x": AS_X, "n": ("object", (2,), b"text")},
        ),
        ("there is an extra input 'extra'", "server", "rest", "rows", {"x": AS_X, "n": AS_N, "extra": AS_X}),
    ]  # fmt: skip
    columns = neighbours(TWO, {"x": X, "n": N}, rest=True, rows=False)
    assert [shown(one) for one in columns if one.transport == "rest"] == [one for one in rest if one[3] == "columns"]


def test_a_single_input_over_rest_may_come_without_its_name():
    text = {"s": np.array([b"a", b"b"], object)}
    found = neighbours({"s": Tensor("string", ["batch"])}, text, rest=True, rows=True)
    assert [shown(one) for one in found if one.transport == "rest"] == [
        ("input 's' holds numbers instead of strings", "server", "rest", "columns", {"s": ("float32", (2,), 0.0)})
    ]


def test_strings_over_grpc():
    found = neighbours({"s": Tensor("string", ["batch"])}, {"s": np.array([b"a", b"b"], object)})
    assert [shown(one) for one in found] == [
        over_grpc("input 's' is missing", {}),
        over_grpc("input 's' is called 's_'", {"s_": ("object", (2,), b"a")}),
        over_grpc("there is an extra input 'extra'", {"s": ("object", (2,), b"a"), "extra": ("object", (2,), b"a")}),
        over_grpc("input 's' has dtype float32 instead of string", {"s": ("float32", (2,), 0.0)}),
        over_grpc("input 's' has shape [2, 1] instead of [batch]", {"s": ("object", (2, 1), b"a")}, "model"),
        over_grpc("input 's' has shape [] instead of [batch]", {"s": ("object", (), b"a")}, "model"),
    ]


def test_names_that_are_taken_are_passed_over():
    inputs = {"x": N, "x_": N, "extra": N}
    whats = [one.what for one in neighbours(dict.fromkeys(inputs, TWO["n"]), inputs)]
    assert "input 'x' is called 'x__'" in whats
    assert "there is an extra input 'extra_'" in whats
    assert whats.count("input 'x_' is called 'x__'") == 1


def test_what_has_a_default_may_be_missing():
    whats = [one.what for one in neighbours(TWO, {"x": X, "n": N}, defaults=frozenset({"n"}))]
    assert "input 'x' is missing" in whats
    assert "input 'n' is missing" not in whats
    assert "input 'n' is called 'n_'" in whats


@pytest.mark.parametrize(
    ("dtype", "wrong"),
    [("float32", "float64"), ("float64", "float32"), ("int32", "int64"), ("int64", "int32"), ("uint8", "float32"),
     ("bool", "float32"), ("complex64", "float32")],
)  # fmt: skip
def test_the_dtype_that_callers_send_by_mistake(dtype, wrong):
    found = neighbours({"x": Tensor(dtype, ["batch"])}, {"x": np.ones(2, dtype)})
    whats = [one.what for one in found]
    assert f"input 'x' has dtype {wrong} instead of {dtype}" in whats
    assert f"input 'x' has dtype string instead of {dtype}" in whats
    numbers = next(one for one in found if f"dtype {wrong}" in one.what)
    assert numbers.inputs["x"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("shape", "sent", "wrong"),
    [
        (None, (2, 3), []),
        ([], (), [(1,)]),
        (["batch", None], (2, 5), [(2, 5, 1), (5,)]),
        (["batch"], (0,), [(0, 1)]),
        ([2, "n", 3], (2, 4, 3), [(2, 4, 3, 1), (4, 3), (3, 4, 3), (2, 4, 4)]),
        (["n", 0], (2, 0), [(2, 0, 1), (0,)]),
    ],
)
def test_wrong_shapes(shape, sent, wrong):
    found = neighbours({"x": Tensor("float32", shape)}, {"x": np.zeros(sent, np.float32)})
    assert [one.inputs["x"].shape for one in found if one.refused_by == "model"] == wrong


def test_what_is_empty_holds_nothing_over_rest():
    found = neighbours({"x": Tensor("float32", ["batch"])}, {"x": np.zeros(0, np.float32)}, rest=True)
    assert [one for one in found if one.transport == "rest"] == []


FEATURES = {
    "age": Feature("float32", []),
    "name": Feature("string", [], default=[""]),
    "id": Feature("int64", []),
}
PARSED = {
    "age": FeatureSpec("age", "float32", ()),
    "name": FeatureSpec("name", "string", (), default=(b"",)),
    "id": FeatureSpec("id", "int64", ()),
}
EXAMPLE = {"age": [1.5], "name": [b"a"], "id": [3]}
OTHER = {"age": [2.5], "name": [b"b"], "id": [4]}


def kinds(message):
    return {name: feature.WhichOneof("kind") for name, feature in message.features.feature.items()}


WRONG = [
    ("age", "float32", {"age": "bytes_list", "name": "bytes_list", "id": "int64_list"}, b"text"),
    ("name", "string", {"age": "float_list", "name": "float_list", "id": "int64_list"}, 1.0),
    ("id", "int64", {"age": "float_list", "name": "bytes_list", "id": "bytes_list"}, b"text"),
]


def test_serialized_examples_are_wrong_feature_by_feature():
    signature = Signature(inputs={"s": Tensor("string", ["batch"], features=FEATURES)}, outputs={})
    spec = SignatureSpec("serving_default", "predict", {"s": TensorSpec("s", "string", (None,), "s:0", PARSED)}, {})
    sent = np.array([serialized(EXAMPLE, FEATURES), serialized(OTHER, FEATURES)], object)
    found = list(malformed(subject(None, signature, spec=spec), {"s": sent}, rest=False, rows=False))
    found = [one for one in found if "tf.Example" in one.what]
    assert [one.what for one in found] == [
        "input 's' holds bytes that are no tf.Example",
        "input 's' holds a tf.Example without the required feature 'age'",
        "input 's' holds a tf.Example without the required feature 'id'",
        "input 's' holds a tf.Example whose feature 'age' is not float32",
        "input 's' holds a tf.Example whose feature 'name' is not string",
        "input 's' holds a tf.Example whose feature 'id' is not int64",
    ]
    assert {one.refused_by for one in found} == {"server"}
    assert all(one.inputs["s"][1] == sent[1] for one in found)
    first = [one.inputs["s"][0] for one in found]
    assert first[0].startswith(b"\xff\xff\xff\xff")
    assert parsed(first[1]) == {"name": [b"a"], "id": [3]}
    assert parsed(first[2]) == {"age": [1.5], "name": [b"a"]}
    for data, (name, _, expected, value) in zip(first[3:], WRONG, strict=True):
        assert kinds(protos.Example.FromString(data)) == expected
        assert parsed(data)[name] == [value]
    assert sent[0] == serialized(EXAMPLE, FEATURES)


@pytest.mark.parametrize("missing", ["spec", "features", "stated", "values"])
def test_what_is_not_known_to_be_examples_is_not_made_wrong(missing):
    stated = None if missing == "stated" else FEATURES
    signature = Signature(inputs={"s": Tensor("string", ["batch"], features=stated)}, outputs={})
    tensor = TensorSpec("s", "string", (None,), "s:0", None if missing == "features" else PARSED)
    spec = SignatureSpec("serving_default", "predict", {"t" if missing == "spec" else "s": tensor}, {})
    rows = [] if missing == "values" else [serialized(EXAMPLE, FEATURES)]
    sent = {"s": np.array(rows, object)}
    found = malformed(subject(None, signature, spec=spec), sent, rest=False, rows=False)
    assert not [one for one in found if "tf.Example" in one.what]


def test_examples_of_classify_and_regress_are_wrong_feature_by_feature():
    signature = Signature(
        method="classify", inputs={"inputs": Tensor("string", ["batch"], features=FEATURES)}, outputs={}
    )
    spec = SignatureSpec("serving_default", "classify", {}, {}, features=PARSED)
    found = list(malformed(subject(None, signature, spec=spec), {"examples": [EXAMPLE, OTHER]}, rest=True, rows=True))
    assert [one.what for one in found] == [
        "there are no examples",
        "an example lacks the required feature 'age'",
        "feature 'age' of an example is not float32",
        "feature 'name' of an example is not string",
        "an example lacks the required feature 'id'",
        "feature 'id' of an example is not int64",
    ]
    assert {(one.refused_by, one.transport) for one in found} == {("server", "grpc")}
    assert found[0].inputs == {"examples": []}
    assert found[1].inputs == {"examples": [{"name": [b"a"], "id": [3]}, OTHER]}
    for one, (name, _, expected, value) in zip([found[2], found[3], found[5]], WRONG, strict=True):
        message, second = one.inputs["examples"]
        assert second == OTHER
        assert kinds(message) == expected
        assert parsed(message.SerializeToString())[name] == [value]


def test_examples_whose_features_nobody_knows_can_only_be_left_out():
    signature = Signature(method="classify", inputs={"inputs": Tensor("string", ["batch"])}, outputs={})
    spec = SignatureSpec("serving_default", "classify", {}, {})
    found = malformed(subject(None, signature, spec=spec), {"examples": [EXAMPLE]}, rest=True, rows=True)
    assert [one.what for one in found] == ["there are no examples"]
