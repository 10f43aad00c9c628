from __future__ import annotations

from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfsig import protos, tensors
from pytest_tfsig.checks.rounding import precision
from pytest_tfsig.checks.tolerances import (
    Tolerance,
    differs,
    is_inexact,
    is_numeric,
    magnitude,
    tolerance,
    unit,
    widened,
)

FLOATS = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16]


@pytest.mark.parametrize("dtype", FLOATS)
@given(data=st.data())
def test_another_order_of_additions_is_no_difference(dtype, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    # What a sum rounds by grows with its terms, and bfloat16 has seven bits: models sum longer ones in float32.
    most = 30 if dtype is ml_dtypes.bfloat16 else 200
    terms = (rng.standard_normal((data.draw(st.integers(1, most)), 3)) * 0.1).astype(dtype)
    forwards, backwards = np.zeros(3, dtype), np.zeros(3, dtype)
    for term, mirrored in zip(terms, terms[::-1], strict=True):
        forwards, backwards = (forwards + term).astype(dtype), (backwards + mirrored).astype(dtype)
    assert not differs(forwards, backwards, tolerance(forwards, {"x": terms})).any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_tenth_is_a_difference(dtype):
    one = np.array([0.5, 1.0], dtype)
    other = np.array([0.5, 0.8], dtype)
    assert differs(one, other, tolerance(one, {})).tolist() == [False, True]


@given(hnp.arrays(np.float32, 5, elements=st.floats(width=32)))
def test_an_array_is_the_same_as_itself(array):
    assert not differs(array, array, Tolerance(0, 0)).any()


@pytest.mark.parametrize(("one", "other"), [(np.nan, 1.0), (np.inf, 1e30), (np.inf, -np.inf), (np.inf, np.nan)])
def test_what_is_not_finite_is_near_nothing_else(one, other):
    assert differs(np.array([one]), np.array([other]), Tolerance(1, 1e300)).all()


def test_exact_dtypes_have_no_tolerance():
    for array in (np.array([1, 2]), np.array([True]), np.array([b"a"], object)):
        assert not is_inexact(array)
        assert unit(array) == 0
        assert tolerance(array, {}) == Tolerance(0, 0)


def test_the_contract_is_taken_at_its_word():
    assert tolerance(np.ones(1, np.float32), {}, 0.5, 0.25) == Tolerance(0.5, 0.25)
    assert str(Tolerance(0.5, 0.25)) == "rtol 0.5, atol 0.25"


@pytest.mark.parametrize(
    ("op", "dtype", "expected"),
    [
        ("MatMul", "float16", 2.0**-10),
        ("MatMul", "bfloat16", 2.0**-7),
        ("MatMul", "float32", 0),
        ("Identity", "float16", 0),
    ],
)
def test_precision_is_that_of_the_narrowest_arithmetic(tmp_path, op, dtype, expected):
    message = protos.SavedModel()
    function = message.meta_graphs.add().graph_def.library.function.add()
    node = function.node_def.add(op=op)
    node.attr["T"].type = tensors.dtype(dtype).number
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert precision(SimpleNamespace(saved_model=SimpleNamespace(path=tmp_path))) == expected


def test_the_precision_of_what_is_out_of_sight_is_unknown():
    assert precision(SimpleNamespace(saved_model=None)) == 0


EPS = 2.0**-23


@pytest.mark.parametrize(
    ("output", "inputs", "precision", "rtol", "atol"),
    [
        # 1024 units of the value; 64 units of the largest output, at least of 1, and 8 of the largest input.
        ([0.5], {}, 0.0, 1024 * EPS, 64 * EPS),
        ([3.0, -10.0], {}, 0.0, 1024 * EPS, 640 * EPS),
        ([0.5], {"x": np.array([-100.0])}, 0.0, 1024 * EPS, (64 + 800) * EPS),
        ([0.5], {"x": np.array([1]), "z": np.array([100])}, 0.0, 1024 * EPS, (64 + 800) * EPS),
        ([0.5], {"x": np.array([b"a"], object), "examples": [{"a": [1e9]}]}, 0.0, 1024 * EPS, 64 * EPS),
        ([np.nan, 2.0, np.inf], {}, 0.0, 1024 * EPS, 128 * EPS),
        ([0.5], {"x": np.array([1e9])}, 0.0, 1024 * EPS, 0.05),
        ([4.0], {"x": np.array([1e9])}, 0.0, 1024 * EPS, 0.2),
        # Narrow arithmetic inside: 8 of its units.
        ([4.0], {}, 2.0**-10, 8 * 2.0**-10, 32 * 2.0**-10),
        ([0.5], {}, 2.0**-7, 0.05, 8 * 2.0**-7),
    ],
)
def test_tolerances_in_units_in_the_last_place(output, inputs, precision, rtol, atol):
    found = tolerance(np.array(output, np.float32), inputs, precision=precision)
    assert found.rtol == pytest.approx(rtol, rel=1e-12)
    assert found.atol == pytest.approx(atol, rel=1e-12)


@pytest.mark.parametrize(
    ("dtype", "step"), [(np.float16, 2.0**-10), (ml_dtypes.bfloat16, 2.0**-7), (np.float64, 2.0**-52)]
)
def test_the_unit_of_each_dtype(dtype, step):
    assert unit(np.ones(1, dtype)) == step


@pytest.mark.parametrize(
    ("rtol", "atol", "expected"), [(0.5, None, (0.5, 64 * EPS)), (None, 0.25, (1024 * EPS, 0.25)), (0, 0, (0, 0))]
)
def test_each_of_the_contracts_own_stands_for_itself(rtol, atol, expected):
    found = tolerance(np.ones(1, np.float32), {}, rtol, atol)
    assert (found.rtol, found.atol) == pytest.approx(expected)


def test_half_precision_outputs_are_never_allowed_everything():
    found = tolerance(np.ones(1, np.float16), {"x": np.array([1e6])})
    assert (found.rtol, found.atol) == (0.05, 0.05)


@pytest.mark.parametrize(
    ("one", "other", "rtol", "atol", "expected"),
    [
        (1.0, 1.5, 0.0, 0.5, False),
        (1.0, 1.75, 0.0, 0.5, True),
        (8.0, 10.0, 0.25, 0.0, False),
        (-8.0, -10.0, 0.25, 0.0, False),
        (10.0, 8.0, 0.25, 0.0, False),
        (8.0, 11.0, 0.25, 0.0, True),
        (8.0, 11.0, 0.25, 0.5, False),
        (-1.0, 1.0, 0.5, 1.0, True),
        (np.inf, np.inf, 0.0, 0.0, False),
        (np.nan, np.nan, 0.0, 0.0, False),
        (1.0, np.nan, 9.0, 9.0, True),
        (1 + 1j, 1 + 1.5j, 0.0, 0.5, False),
        (1 + 1j, 1 + 2j, 0.0, 0.5, True),
    ],
)
def test_two_numbers_are_the_same_within_rtol_of_the_larger_and_atol(one, other, rtol, atol, expected):
    assert differs(np.array([one]), np.array([other]), Tolerance(rtol, atol)).tolist() == [expected]


def test_exact_values_differ_where_they_do():
    assert differs(np.array([1, 2]), np.array([1, 3]), Tolerance(9, 9)).tolist() == [False, True]
    assert differs(np.array([b"a"], object), np.array([b"b"], object), Tolerance(9, 9)).tolist() == [True]


@pytest.mark.parametrize(
    ("dtype", "inexact", "numeric"),
    [
        ("float32", True, True),
        ("complex64", True, True),
        (ml_dtypes.bfloat16, True, True),
        (ml_dtypes.float8_e4m3fn, True, True),
        (ml_dtypes.int4, False, True),
        ("int8", False, True),
        ("uint64", False, True),
        ("bool", False, False),
        (object, False, False),
    ],
)
def test_kinds_of_numbers(dtype, inexact, numeric):
    array = np.zeros(1, dtype)
    assert (is_inexact(array), is_numeric(array)) == (inexact, numeric)


@pytest.mark.parametrize(
    ("array", "size"),
    [([1, -3], 3), ([np.nan, 2, np.inf], 2), ([np.nan], 0), ([], 0), ([3 + 4j], 5)],
)
def test_magnitude(array, size):
    found = magnitude(np.array(array))
    assert found == size
    assert isinstance(found, float)


def test_what_is_widened_is_computed_in_double_precision():
    assert widened(np.ones(1, np.float16)).dtype == np.float64
    assert widened(np.ones(1, np.complex64)).dtype == np.complex128
    assert widened(np.array([3], np.int8)).tolist() == [3.0]


def test_a_tolerance_is_told_in_two_digits():
    assert str(Tolerance(1 / 3, 1e-9)) == "rtol 0.33, atol 1e-09"


def test_a_magnitude_beyond_all_floats_is_none():
    assert magnitude(np.array([1.7e308 + 1.7e308j, 2])) == 2
