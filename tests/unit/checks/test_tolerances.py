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
from pytest_tfsig.checks.tolerances import Tolerance, differs, is_inexact, tolerance, unit

FLOATS = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16]


@pytest.mark.parametrize("dtype", FLOATS)
@given(data=st.data())
def test_another_order_of_additions_is_no_difference(dtype, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    terms = (rng.standard_normal((data.draw(st.integers(1, 200)), 3)) * 0.1).astype(dtype)
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
