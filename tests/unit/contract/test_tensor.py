"""Tensors of a contract: what they accept, and the errors of what they do not."""

import numpy as np
import pytest

from pytest_tfsig.contract import Feature, Probabilities, ProbabilityRule, Tensor, shape_text
from pytest_tfsig.errors import ContractError


def test_shape_is_normalised():
    assert Tensor("float32", ["batch", 8, "?", None]).shape == ("batch", 8, None, None)
    assert Tensor("float32").shape is None
    assert Tensor("float32", ()).shape == ()
    assert Tensor("float32", ["batch", "?", "batch", "time"]).dimension_names == ("batch", "batch", "time")


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32")])
def test_dtype_is_a_name(dtype):
    assert Tensor(dtype).dtype == "float32"


def test_probabilities_is_a_tensor_with_the_rule():
    assert Probabilities("float32", ["batch", 10]) == Tensor("float32", ["batch", 10], probabilities=True)
    assert Probabilities("float32", ["batch", 10]).probabilities == ProbabilityRule(-1, 1e-5)
    assert Probabilities("bfloat16").probabilities.atol > Probabilities("float64").probabilities.atol
    assert Probabilities("float32", axis=1, atol=0.5).probabilities == ProbabilityRule(1, 0.5)
    assert Probabilities().probabilities.atol is None


def test_values_of_a_string_are_bytes():
    assert Tensor("string", values=["é", b"\xff"]).values == ("é".encode(), b"\xff")
    assert Tensor("string", values=["é"], encoding="latin-1").values == (b"\xe9",)


def test_values_of_numpy_become_python():
    (value,) = Tensor("int32", values=np.array([3], np.int32)).values
    assert type(value) is int


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "flot32"}, 'flot32" is not a dtype of TensorFlow; did you mean "float32"'),
        ({"dtype": "float"}, 'did you mean "float32"'),
        ({"dtype": "str"}, 'did you mean "string"'),
        ({"dtype": 3}, '"3" is not a dtype'),
        ({"shape": "batch"}, "is not a list; write shape ="),
        ({"shape": [-1, 3]}, 'shape = .-1, 3.: -1 is not a dimension; write "." for any size'),
        ({"shape": [-2]}, "-2 is not a dimension; a dimension is a size, a name"),
        ({"shape": [1.0]}, "1.0 is not a dimension"),
        ({"shape": [True]}, "True is not a dimension"),
        ({"shape": ["a b"]}, "'a b' is not a dimension"),
        ({"min": 2, "max": 1}, "min = 2 is above max = 1"),
        ({"min": float("nan")}, "min = nan is not a finite number"),
        ({"max": float("inf")}, "max = inf is not a finite number"),
        ({"min": "0"}, "min = '0' is not a finite number"),
        ({"min": True}, "min = True is not a finite number"),
        ({"dtype": "string", "min": 0}, "min has no meaning for dtype string"),
        ({"dtype": "bool", "max": 1}, "max has no meaning for dtype bool"),
        ({"dtype": "complex64", "max": 1}, "max has no meaning for dtype complex64"),
        ({"dtype": "uint8", "max": 300}, "max = 300 does not fit uint8, which holds 0 to 255"),
        ({"dtype": "int8", "min": 0.5}, "min = 0.5 is not a whole number, but the dtype is int8"),
        ({"dtype": "float16", "max": 1e6}, "does not fit float16"),
        ({"values": []}, "values is empty"),
        ({"values": "abc"}, "'abc' is not a list"),
        ({"values": ["a"]}, "values: 'a' is not of dtype float32"),
        ({"values": [float("nan")]}, "values: nan is not a number"),
        ({"values": [[1]]}, r"values: \[1\] is not a number"),
        ({"values": [3], "max": 2}, "values: 3 lies outside min and max"),
        ({"dtype": "int32", "values": [1.5]}, "values = 1.5 is not a whole number"),
        ({"dtype": "int32", "values": [float("inf")]}, "not a whole number"),
        ({"dtype": "int32", "values": [True]}, "True is not of dtype int32"),
        ({"dtype": "uint8", "values": [256]}, "values = 256 does not fit uint8"),
        ({"dtype": "bool", "values": [1]}, "1 is not of dtype bool"),
        ({"dtype": "variant", "values": [1]}, "values cannot be listed for dtype variant"),
        ({"dtype": "string", "values": ["é"], "encoding": "ascii"}, "cannot be encoded as ascii"),
        ({"finite": 1}, "finite = 1 is neither true nor false"),
        ({"dtype": "int32", "finite": False}, "finite = false says that NaN is allowed, but int32 has none"),
        ({"encoding": "utf-8"}, 'encoding = "utf-8" describes dtype string, but the dtype is float32'),
        ({"dtype": "string", "encoding": "utf-9"}, '"utf-9" is not a text encoding'),
        ({"dtype": "string", "encoding": "base64"}, '"base64" is not a text encoding'),
        ({"dtype": "string", "encoding": "a\0b"}, "is not a text encoding"),
        ({"dtype": "string", "image": "gif"}, '"gif" is not a format we can draw'),
        ({"dtype": "string", "image": "png", "encoding": "utf-8"}, "encoding and image contradict each other"),
        ({"features": {}}, "features describe serialized tf.Examples of dtype string"),
        ({"dtype": "string", "features": {"x": 1}}, 'feature "x" is 1'),
        ({"dtype": "string", "features": {}, "image": "png"}, "features contradict encoding and image"),
        ({"strategy": "nothing"}, 'write "module:function"'),
        ({"dtype": "int32", "probabilities": True}, "probabilities are floats, but the dtype is int32"),
        ({"shape": [3], "probabilities": ProbabilityRule(1)}, r"axis 1 is not an axis of \[3\]"),
    ],
)
def test_bad_tensors(arguments, message):
    with pytest.raises(ContractError, match=message):
        Tensor(**{"dtype": "float32", **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"axis": 1.5}, "axis = 1.5"),
        ({"axis": True}, "axis = True"),
        ({"atol": -1}, "atol = -1"),
        ({"atol": 1}, "atol = 1"),
    ],
)
def test_bad_probability_rules(arguments, message):
    with pytest.raises(ContractError, match=message):
        ProbabilityRule(**arguments)


def test_what_needs_the_dtype_waits_for_it():
    assert Tensor(min=0, max=300).dtype is None
    assert Tensor(encoding="utf-8", values=["é"]).values == ("é",)


def test_features():
    assert Feature("float32", [2]).required
    assert not Feature("float32", [2], default=[1, 2]).required
    assert not Feature("int64", None, kind="variable").required
    assert Feature("string", default=["a"]).default == (b"a",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "int32"}, "a tf.Example carries float32, int64, string, never int32"),
        ({"kind": "sparse"}, '"sparse" is none of fixed, variable and ragged'),
        ({"shape": ["batch"]}, "a feature's sizes are numbers"),
        ({"shape": None}, "a fixed feature needs a shape"),
        ({"min": 2, "max": 1}, "min = 2 is above max = 1"),
        ({"values": []}, "values is empty"),
        ({"default": ["a"]}, "default: 'a' is not of dtype float32"),
        ({"default": 1}, "default = 1 is not a list"),
        ({"image": "png"}, 'image = "png" describes dtype string, but the dtype is float32'),
        ({"dtype": "string", "image": "bmp"}, 'image = "bmp" is not a format we can draw'),
    ],
)
def test_bad_features(arguments, message):
    with pytest.raises(ContractError, match=message):
        Feature(**{"dtype": "float32", **arguments})


def test_shapes_for_people():
    assert shape_text(("batch", 8, None)) == "[batch, 8, ?]"
    assert shape_text(()) == "[]"
    assert shape_text(None) == "any rank"
