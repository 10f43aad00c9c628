"""How far two answers lie apart: numbers, classes, shapes."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfsig.checks.differences import Difference, Tally, difference

INF, NAN = np.inf, np.nan


def f32(*values):
    return np.array(values, np.float32)


def text(*values):
    return np.array(values, object)


@pytest.mark.parametrize(
    ("released", "candidate", "expected"),
    [
        (f32(1, 2), f32(1, 2.5), Difference(0.5, 0, 0)),
        (f32([0.4, 0.6]), f32([0.6, 0.4]), Difference(pytest.approx(0.2), 1, 1)),
        (f32([0.4, 0.6], [1, 0]), f32([0.3, 0.7], [0, 1]), Difference(1.0, 1, 2)),
        (f32(NAN, INF), f32(NAN, INF), Difference(0.0, 0, 0)),
        (f32(NAN), f32(1), Difference(math.inf, 0, 0)),
        (f32(INF), f32(-INF), Difference(math.inf, 0, 0)),
        (f32(1, 2), f32(1, 2, 3), Difference(math.inf, 0, 0)),
        (f32([1, 2], [3, 4]), f32([1, 2]), Difference(math.inf, 2, 2)),
        (np.array([1, 2]), np.array([1, 5]), Difference(3.0, 1, 2)),
        (text(b"cat", b"dog"), text(b"cat", b"cow"), Difference(0.0, 1, 2)),
        (text(b"1"), f32(1), Difference(math.inf, 1, 1)),
        (np.array([True, False]), np.array([True, True]), Difference(0.0, 1, 2)),
        (np.array([1j]), np.array([2j]), Difference(1.0, 0, 0)),
        (f32([1], [2]), f32([5], [2]), Difference(4.0, 0, 0)),
        (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), Difference(0.0, 0, 0)),
        (np.array([1], ml_dtypes.bfloat16), np.array([2], ml_dtypes.bfloat16), Difference(1.0, 0, 0)),
        (np.array([[1j, 2]]), np.array([[2, 1j]]), Difference(pytest.approx(5**0.5), 0, 0)),
        (np.zeros((2, 0), np.float32), np.zeros((2, 0), np.float32), Difference(0.0, 0, 0)),
        (f32([[1, 2], [3, 4]]), f32([[2, 1], [3, 4]]), Difference(1.0, 1, 2)),
        (np.array([[2**53]]), np.array([[2**53 + 4]]), Difference(4.0, 1, 1)),
    ],
)
def test_differences(released, candidate, expected):
    assert difference(released, candidate) == expected


def test_classes_may_lie_along_any_axis():
    released, candidate = f32([0, 1], [1, 0]), f32([1, 0], [0, 1])
    assert difference(released, candidate, axis=0) == Difference(1.0, 2, 2)


@pytest.mark.parametrize("axis", [2, -3])
def test_along_an_axis_that_answers_lack_there_are_no_classes(axis):
    assert difference(f32([0, 1]), f32([1, 0]), axis=axis) == Difference(1.0, 0, 0)


arrays = hnp.arrays(np.float32, (3, 4), elements=st.floats(width=32))


@given(array=arrays)
def test_an_answer_does_not_differ_from_itself(array):
    assert difference(array, array.copy()) == Difference(0.0, 0, 3)


@given(one=arrays, other=arrays)
def test_the_order_of_versions_does_not_matter(one, other):
    assert difference(one, other) == difference(other, one)


def test_a_tally_sums_up():
    tally = Tally()
    for gap, flips in ((0.1, 0), (0.5, 1), (0.2, 0)):
        tally.add(Difference(gap, flips, 10))
    assert (tally.largest, tally.typical, tally.flip_rate) == (0.5, 0.2, pytest.approx(1 / 30))
    assert str(tally) == "differs by 0.5 at most, 0.2 typically, 1 of 30 rows change class"
    assert tally.as_dict() == {"largest": 0.5, "typical": 0.2, "flips": 1, "rows": 30, "requests": 3}
