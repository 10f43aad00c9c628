from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig import tensors
from pytest_tfsig.clients.inputs import as_array
from pytest_tfsig.errors import UsageError


@pytest.mark.parametrize(
    ("value", "declared", "dtype", "expected"),
    [
        ([1, 2], "float32", "float32", [1.0, 2.0]),
        ([1.5], "float16", "float16", [1.5]),
        ([1.5], "bfloat16", "bfloat16", [1.5]),
        (3, "int8", "int8", 3),
        ([[1], [2]], "int64", "int64", [[1], [2]]),
        ([2**64 - 1], "uint64", "uint64", [2**64 - 1]),
        ([True, False], "bool", "bool", [True, False]),
        ([True], "int32", "int32", [1]),
        ([1 + 2j], "complex64", "complex64", [1 + 2j]),
        ([1], "complex128", "complex128", [1]),
        ([], "int32", "int32", []),
        ([1.5], None, "float32", [1.5]),
        ([1], None, "int32", [1]),
        ([2**40], None, "int64", [2**40]),
        ([True], None, "bool", [True]),
    ],
)
def test_values_take_the_declared_dtype(value, declared, dtype, expected):
    array = as_array("x", value, declared)
    assert tensors.dtype(array.dtype).name == dtype
    assert array.tolist() == expected


@pytest.mark.parametrize("array", [np.array([1.5], np.float64), np.array([1], np.int16), np.float32(2)])
def test_an_array_keeps_its_dtype_whatever_is_declared(array):
    assert as_array("x", array, "string").dtype == array.dtype


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["ä", b"\xff\x00"], ["ä", b"\xff\x00"]),
        (b"tail\x00", b"tail\x00"),
        ([["a"], ["b"]], [["a"], ["b"]]),
        (np.array(["a", "b"]), ["a", "b"]),
    ],
)
@pytest.mark.parametrize("declared", ["string", None])
def test_strings_are_objects_and_keep_every_byte(value, expected, declared):
    array = as_array("x", value, declared)
    assert array.dtype == object
    assert array.tolist() == expected


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        ([1.5], "int32"),
        ([300], "int8"),
        ([-1], "uint8"),
        ([2**64], "uint64"),
        (["1"], "float32"),
        ([1], "bool"),
        ([1j], "float32"),
        ([[1], [1, 2]], "float32"),
        ([[1], [1, 2]], None),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(value, declared):
    with pytest.raises(UsageError, match="'x'"):
        as_array("x", value, declared)


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_integers_are_exact(values):
    assert as_array("x", values, "int64").tolist() == values
