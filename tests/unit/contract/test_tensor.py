"""Tensors of a contract: what they accept, and the errors of what they do not."""

import sys

import numpy as np
import pytest

from pytest_tfsig.contract import Feature, Probabilities, ProbabilityRule, Tensor, shape_text
from pytest_tfsig.contract.tensor import has_default_tolerance
from pytest_tfsig.errors import ContractError

MAX = sys.float_info.max


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Feature("int32"), "a tf.Example carries float32, int64, string, never int32."),
        (lambda: Feature("float32", kind="sparse"), 'kind = "sparse" is none of fixed, variable and ragged.'),
        (
            lambda: Feature("float32", ["batch", 2]),
            "shape = [batch, 2]: a feature's sizes are numbers; use kind for a length that varies.",
        ),
        (
            lambda: Feature("float32", [None]),
            "shape = [?]: a feature's sizes are numbers; use kind for a length that varies.",
        ),
        (lambda: Feature("float32", None), "a fixed feature needs a shape; [] is a single value."),
        (lambda: Feature("float32", values=[2], max=1), "values: 2 lies outside min and max."),
        (lambda: Feature("float32", values=[0], min=1), "values: 0 lies outside min and max."),
        (lambda: Feature("float32", default=["a"]), "default: 'a' is not of dtype float32."),
        (
            lambda: ProbabilityRule(axis=1.5),
            "probabilities: axis = 1.5 is not a whole number; -1 is the last axis.",
        ),
        (lambda: ProbabilityRule(atol="x"), "probabilities: atol = 'x' is not a number from 0 to below 1."),
        (lambda: Feature("int64", max=0.5), "max = 0.5 is not a whole number, but the dtype is int64."),
        (
            lambda: Tensor("float64", max=10**400),
            f"max = {10**400} does not fit float64, which holds {-MAX} to {MAX}.",
        ),
        (
            lambda: Tensor("float64", values=[10**400]),
            f"values = {10**400} does not fit float64, which holds {-MAX} to {MAX}.",
        ),
        (
            lambda: Tensor("int8", min=-(10**400)),
            f"min = -{10**400} does not fit int8, which holds -128 to 127.",
        ),
        (
            lambda: Tensor("float32", probabilities={"axis": -1}),
            "probabilities = {'axis': -1} is neither True nor a rule; write Probabilities(dtype, shape, axis=-1).",
        ),
        (
            lambda: Tensor(features=["age"]),
            'features = [\'age\'] is no mapping; write {"age": Feature("int64")}.',
        ),
        (lambda: Tensor(values=[0], min=1), "values: 0 lies outside min and max."),
        (lambda: ProbabilityRule(atol=True), "probabilities: atol = True is not a number from 0 to below 1."),
        (lambda: Tensor(finite=1), "finite = 1 is neither true nor false."),
        (
            lambda: Tensor("int8", finite=False),
            "finite = false says that NaN is allowed, but int8 has none; remove it.",
        ),
        (
            lambda: Tensor("float32", features={}),
            "features describe serialized tf.Examples of dtype string, but the dtype is float32.",
        ),
        (
            lambda: Tensor(features={}, encoding="utf-8"),
            "features contradict encoding and image: a tf.Example is neither text nor an image.",
        ),
        (lambda: Tensor(features={"x": 1}), 'feature "x" is 1; write Feature(dtype, shape).'),
        (
            lambda: Tensor(strategy="nothing"),
            'strategy = "nothing" does not name a function; write "module:function".',
        ),
        (lambda: Tensor("int8", probabilities=True), "probabilities are floats, but the dtype is int8."),
        (lambda: Tensor(shape=[3], probabilities=ProbabilityRule(1)), "probabilities: axis 1 is not an axis of [3]."),
        (lambda: Tensor(shape=[3], probabilities=ProbabilityRule(-2)), "probabilities: axis -2 is not an axis of [3]."),
        (lambda: Tensor(shape=[]), None),
        (lambda: Tensor(shape=b"ab"), "shape = b'ab' is not a list; write shape = [\"batch\", 8, 8]."),
        (lambda: Tensor(shape=3), 'shape = 3 is not a list; write shape = ["batch", 8, 8].'),
        (lambda: Tensor(shape=[-1]), 'shape = [-1]: -1 is not a dimension; write "?" for any size.'),
        (
            lambda: Tensor(shape=[2, -2]),
            'shape = [2, -2]: -2 is not a dimension; a dimension is a size, a name such as "batch", or "?".',
        ),
    ],
)
def test_what_is_wrong_with_a_tensor_is_said_in_full(make, message):
    if message is None:
        assert make().shape == ()
        return
    with pytest.raises(ContractError) as raised:
        make()
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("dtype", "atol"),
    [
        ("float64", 1e-9),
        ("float32", 1e-5),
        ("float16", 5e-3),
        ("bfloat16", 4e-2),
        ("float8_e5m2", 0.25),
        (None, None),
    ],
)
def test_probabilities_sum_to_one_as_nearly_as_their_dtype_can(dtype, atol):
    assert Tensor(dtype, probabilities=True).probabilities == ProbabilityRule(-1, atol)
    assert Tensor(dtype, probabilities=ProbabilityRule(0, 0.125)).probabilities == ProbabilityRule(0, 0.125)
    assert Tensor(dtype, probabilities=False).probabilities is None


def test_what_a_tensor_may_be():
    assert Probabilities("float32", strategy="my:draw").strategy == "my:draw"
    assert ProbabilityRule(atol=0).atol == 0
    assert has_default_tolerance(ProbabilityRule(-1, 0.25), "float8_e5m2")
    assert not has_default_tolerance(ProbabilityRule(-1, None), None)
    assert Tensor("float32", [0, 3], probabilities=ProbabilityRule(-2)).shape == (0, 3)
    assert Tensor("complex64", finite=False).finite is False
    assert Tensor(finite=False).dtype is None
    assert Tensor(strategy="my.module:draw_1").strategy == "my.module:draw_1"
    assert Tensor("string", features={"x": Feature("int64")}).features == {"x": Feature("int64")}
    assert Feature("string", image="png", values=None).image == "png"
    assert Feature("float32", [0]).shape == (0,)
    assert Feature("int64", [2], kind="ragged", min=1, max=1).required is False


BOTH = "vocabulary and {} both say what is sent; keep one."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tensor("string", vocabulary=["a"], values=["a"]), BOTH.format("values")),
        (lambda: Tensor("string", vocabulary=["a"], image="png"), BOTH.format("image")),
        (lambda: Tensor("string", vocabulary=["a"], features={}), BOTH.format("features")),
        (lambda: Tensor("string", vocabulary=["a"], strategy="m:f"), BOTH.format("strategy")),
        (lambda: Feature("string", vocabulary=["a"], values=["a"]), BOTH.format("values")),
        (lambda: Feature("string", vocabulary=["a"], image="png"), BOTH.format("image")),
        (
            lambda: Tensor("bool", vocabulary=[True]),
            "vocabulary lists strings or numbers, but the dtype is bool; remove it.",
        ),
        (lambda: Tensor("string", vocabulary=[]), "vocabulary is empty: list some or remove the key."),
        (lambda: Tensor("string", vocabulary="red"), "vocabulary = 'red' is not a list; write vocabulary = [...]."),
        (lambda: Tensor("string", vocabulary=["é"], encoding="ascii"), "vocabulary: 'é' cannot be encoded as ascii."),
        (lambda: Tensor("int8", vocabulary=[200]), "vocabulary = 200 does not fit int8, which holds -128 to 127."),
        (lambda: Tensor("int8", vocabulary=[5], max=4), "vocabulary: 5 lies outside min and max."),
        (lambda: Feature("int64", vocabulary=["a"]), "vocabulary: 'a' is not of dtype int64."),
        (lambda: Feature("int64", vocabulary=[1], min=2), "vocabulary: 1 lies outside min and max."),
    ],
)
def test_what_is_wrong_with_a_vocabulary_is_said_in_full(make, message):
    with pytest.raises(ContractError) as raised:
        make()
    assert str(raised.value) == message


def test_a_vocabulary_is_of_the_dtype():
    assert Tensor("string", vocabulary=["é", b"\xff"], encoding="latin-1").vocabulary == (b"\xe9", b"\xff")
    assert Tensor("int64", vocabulary=np.array([7])).vocabulary == (7,)
    assert Tensor(vocabulary=["é"]).vocabulary == ("é",)
    assert Feature("string", vocabulary=["é"]).vocabulary == ("é".encode(),)
