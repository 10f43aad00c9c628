"""The domain of values: what dtypes hold, and how what was written is named when it does not fit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.contract import domain
from pytest_tfsig.contract.keys import KeyedError, at, dotted
from pytest_tfsig.contract.naming import choices, suggestion
from pytest_tfsig.errors import ContractError

INTEGERS = {f"{sign}int{bits}": bits for sign in ("", "u") for bits in (8, 16, 32, 64)}


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_hold_what_numpy_says(dtype):
    held = np.iinfo(dtype)
    domain.check_bounds(dtype, int(held.min), int(held.max))
    for beyond in (int(held.min) - 1, int(held.max) + 1):
        with pytest.raises(ContractError) as raised:
            domain.check_fits(dtype, "max", beyond)
        assert str(raised.value) == f"max = {beyond} does not fit {dtype}, which holds {held.min} to {held.max}."


@pytest.mark.parametrize("dtype", ["float16", "float32", "bfloat16"])
def test_floats_hold_what_their_largest_is(dtype):
    largest = {"float16": 65504.0, "float32": float(np.finfo("float32").max), "bfloat16": 3.3895313892515355e38}[dtype]
    domain.check_bounds(dtype, -largest, largest)
    for beyond in (-largest * 1.01, largest * 1.01):
        with pytest.raises(ContractError, match=f"does not fit {dtype}, which holds -"):
            domain.check_fits(dtype, "min", beyond)
    domain.check_fits("float64", "max", 1e308)


@pytest.mark.parametrize(
    ("low", "high", "dtype", "message"),
    [
        (2, 1, None, "min = 2 is above max = 1: no value satisfies both; swap them."),
        (None, True, None, "max = True is not a finite number."),
        ("0", None, None, "min = '0' is not a finite number."),
        (-math.inf, None, "float32", "min = -inf is not a finite number."),
        (0, None, "string", "min has no meaning for dtype string: its values have no order; remove it."),
        (None, 1, "bool", "max has no meaning for dtype bool: its values have no order; remove it."),
        (None, 1, "complex64", "max has no meaning for dtype complex64: its values have no order; remove it."),
        (0.5, None, "int8", "min = 0.5 is not a whole number, but the dtype is int8."),
        (None, 300, "uint8", "max = 300 does not fit uint8, which holds 0 to 255."),
    ],
)
def test_bounds_that_say_nothing(low, high, dtype, message):
    with pytest.raises(ContractError) as raised:
        domain.check_bounds(dtype, low, high)
    assert str(raised.value) == message


def test_bounds_may_be_one_value_or_one_side():
    domain.check_bounds("int32", 3, 3)
    domain.check_bounds(None, None, -5)
    domain.check_bounds("int8", 1.0, None)


@pytest.mark.parametrize(
    ("dtype", "values", "message"),
    [
        (None, [], "values is empty: list some or remove the key."),
        (None, "abc", "values = 'abc' is not a list; write values = [...]."),
        (None, b"abc", "values = b'abc' is not a list; write values = [...]."),
        (None, 3, "values = 3 is not a list; write values = [...]."),
        (None, [math.nan], "values: nan is not a number, text, bytes or a boolean."),
        (None, [None], "values: None is not a number, text, bytes or a boolean."),
        ("string", [1], "values: 1 is not of dtype string."),
        ("bool", [0], "values: 0 is not of dtype bool."),
        ("int32", [False], "values: False is not of dtype int32."),
        ("float32", ["1"], "values: '1' is not of dtype float32."),
        ("int32", [1.5], "values = 1.5 is not a whole number, but the dtype is int32."),
        ("int32", [math.inf], "values = inf is not a whole number, but the dtype is int32."),
        ("uint8", [0, 256], "values = 256 does not fit uint8, which holds 0 to 255."),
        ("variant", [1], "values cannot be listed for dtype variant; remove the key."),
        ("complex64", [1], "values cannot be listed for dtype complex64; remove the key."),
    ],
)
def test_values_that_do_not_fit_are_named(dtype, values, message):
    with pytest.raises(ContractError) as raised:
        domain.checked_values(dtype, values)
    assert str(raised.value) == message


@pytest.mark.parametrize("dtype", ["bool", "complex64", "variant"])
def test_a_vocabulary_is_of_strings_or_numbers(dtype):
    with pytest.raises(ContractError) as raised:
        domain.check_vocabulary(dtype)
    assert str(raised.value) == f"vocabulary lists strings or numbers, but the dtype is {dtype}; remove it."
    for fine in ("string", "uint8", "bfloat16", None):
        domain.check_vocabulary(fine, values=None, image=None)


def test_a_default_is_named_as_such_and_may_be_empty():
    assert domain.checked_default("float32", []) == ()
    with pytest.raises(ContractError, match=r"^default = 3 is not a list; write default = \[\.\.\.\]\.$"):
        domain.checked_default("float32", 3)


@pytest.mark.parametrize(
    ("dtype", "values", "plain"),
    [
        ("float32", [math.inf, -math.inf, 1, 0.5], (math.inf, -math.inf, 1, 0.5)),
        ("bfloat16", [math.inf], (math.inf,)),
        ("string", ["é", b"\xff"], ("é".encode(), b"\xff")),
        ("bool", [True, np.bool_(False)], (True, False)),
        ("int64", np.array([2**62]), (2**62,)),
        (None, ["a", b"b", True, 1.5], ("a", b"b", True, 1.5)),
        ("int8", {1: None, 2: None}.keys(), (1, 2)),
    ],
)
def test_values_become_plain(dtype, values, plain):
    found = domain.checked_values(dtype, values)
    assert found == plain
    assert [type(value) for value in found] == [type(value) for value in plain]


@pytest.mark.parametrize(
    ("values", "outside"), [([1, 2], None), ([0.5], 0.5), ([1, 3], 3), ([2.5], 2.5), (["a"], None)]
)
def test_values_lie_within_the_bounds(values, outside):
    if outside is None:
        assert domain.checked_values(None, values, 1, 2) == tuple(values)
        return
    with pytest.raises(ContractError) as raised:
        domain.checked_values(None, values, 1, 2)
    assert str(raised.value) == f"values: {outside!r} lies outside min and max."


def test_one_bound_bounds_one_side():
    assert domain.checked_values("int32", [5, -7], high=5) == (5, -7)
    assert domain.checked_values("int32", [5, 700], low=5) == (5, 700)
    assert domain.checked_values("bool", [True]) == (True,)


def test_text_is_encoded_as_stated():
    assert domain.checked_values("string", ["é"], encoding="utf-16-le") == (b"\xe9\x00",)
    for encoding in ("ascii", "no such"):
        with pytest.raises(ContractError) as raised:
            domain.checked_values("string", ["é"], encoding=encoding)
        assert str(raised.value) == f"values: 'é' cannot be encoded as {encoding}."


@pytest.mark.parametrize(
    ("meant", "dtype"),
    [
        ("float", "float32"),
        ("double", "float64"),
        ("half", "float16"),
        ("int", "int64"),
        ("long", "int64"),
        ("str", "string"),
        ("bytes", "string"),
        ("object", "string"),
        ("boolean", "bool"),
        ("flaot32", "float32"),
    ],
)
def test_another_name_of_a_dtype_is_understood_as_a_mistake(meant, dtype):
    with pytest.raises(ContractError) as raised:
        domain.checked_dtype(meant)
    assert str(raised.value) == f'"{meant}" is not a dtype of TensorFlow; did you mean "{dtype}"?'


def test_dtypes_are_known_by_name_by_numpy_and_by_class():
    assert domain.checked_dtype("bfloat16") == "bfloat16"
    assert domain.checked_dtype(np.dtype("int8")) == domain.checked_dtype(np.int8) == "int8"
    with pytest.raises(ContractError, match=r'^"3" is not a dtype of TensorFlow; known: '):
        domain.checked_dtype(3)


@pytest.mark.parametrize(
    ("dtype", "is_number", "has_infinities"),
    [
        ("int8", True, False),
        ("uint64", True, False),
        ("float16", True, True),
        ("bfloat16", True, True),
        ("complex64", False, True),
        ("string", False, False),
        ("bool", False, False),
    ],
)
def test_what_has_an_order_and_what_infinities(dtype, is_number, has_infinities):
    assert domain.is_number(dtype) is is_number
    assert domain.has_infinities(dtype) is has_infinities


@pytest.mark.parametrize(
    ("dtype", "encoding", "image", "message"),
    [
        ("int8", "utf-8", None, 'encoding = "utf-8" describes dtype string, but the dtype is int8; remove it.'),
        ("float32", None, "png", 'image = "png" describes dtype string, but the dtype is float32; remove it.'),
        (None, "utf-8", "png", "encoding and image contradict each other: bytes are text or an image; keep one."),
        ("string", None, "gif", 'image = "gif" is not a format we can draw; write "png" or "jpeg".'),
        ("string", "hex", None, 'encoding = "hex" is not a text encoding of Python; "utf-8" is the usual one.'),
        ("string", "no such", None, 'encoding = "no such" is not a text encoding of Python; "utf-8" is the usual one.'),
    ],
)
def test_what_strings_are_not(dtype, encoding, image, message):
    with pytest.raises(ContractError) as raised:
        domain.check_text(dtype, encoding=encoding, image=image)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("dtype", "encoding", "image"),
    [
        ("string", "latin-1", None),
        (None, "utf-8", None),
        ("string", None, "jpeg"),
        (None, None, "png"),
        ("int8", None, None),
    ],
)
def test_what_strings_may_be(dtype, encoding, image):
    domain.check_text(dtype, encoding=encoding, image=image)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ((), ""),
        (("a",), "a"),
        (("a", "b-c", "d_1"), "a.b-c.d_1"),
        (("signatures", "s", "latency", 0, "p99.9"), "signatures.s.latency[0].p99.9"),
        (("a b", 3, ""), '"a b"[3].""'),
        ((0, "x"), "[0].x"),
        (("ü",), '"ü"'),
    ],
)
def test_key_paths_are_written_as_toml_does(path, written):
    assert dotted(path) == written


def test_an_error_is_told_with_the_path_from_the_outside_in():
    def build():
        return at(("inner", 2), lambda: (_ for _ in ()).throw(KeyedError(("key",), "wrong.")))

    with pytest.raises(KeyedError) as raised:
        at(("outer",), build)
    assert str(raised.value) == "outer.inner[2].key: wrong."
    assert (raised.value.path, raised.value.what) == (("outer", "inner", 2, "key"), "wrong.")
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert str(KeyedError((), "wrong.")) == "wrong."


def test_an_error_without_a_path_gets_one_and_a_result_is_returned():
    def fail():
        raise ContractError("wrong.")

    with pytest.raises(KeyedError) as raised:
        at(("a", "b"), fail)
    assert (str(raised.value), raised.value.what) == ("a.b: wrong.", "wrong.")
    assert at(("a",), lambda: 3) == 3


@pytest.mark.parametrize(("names", "listed"), [(["a"], "a"), (["b", "a"], "a or b"), ({"c", "a", "b"}, "a, b or c")])
def test_names_are_listed_as_in_a_sentence(names, listed):
    assert choices(names) == listed


@pytest.mark.parametrize(
    ("name", "known", "helps"),
    [
        ("x", [], "there is none."),
        ("scors", ["scores", "classes"], 'did you mean "scores"?'),
        ("zzz", ["scores", "classes"], "known: classes, scores."),
        ("abcde", ["abcxy"], 'did you mean "abcxy"?'),
        ("abcde", ["abxyz"], "known: abxyz."),
        ("input", {"output": 1, "inputs": 2}.keys(), 'did you mean "inputs"?'),
    ],
)
def test_what_may_have_been_meant(name, known, helps):
    assert suggestion(name, known) == helps


@given(st.sampled_from(sorted(INTEGERS)), st.integers(-(2**65), 2**65))
def test_an_integer_fits_or_is_refused_as_numpy_would(dtype, number):
    held = np.iinfo(dtype)
    try:
        assert domain.checked_values(dtype, [number]) == (number,)
    except ContractError:
        assert not held.min <= number <= held.max
    else:
        assert held.min <= number <= held.max
