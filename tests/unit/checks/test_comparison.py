"""Two answers to what should be the same question: what is told of their difference."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig.checks.comparison import compare
from pytest_tfsig.checks.violation import Violation


def f32(*values):
    return np.array(values, np.float32)


def told(one, other, **options):
    """Returns the violation of comparing two answers, None where there is none."""
    try:
        compare(
            "{output} is another",
            one,
            other,
            inputs={"x": f32(1)},
            labels=("here", "there"),
            advice="mend it",
            **options,
        )
    except Violation as violation:
        return violation
    return None


@pytest.mark.parametrize(
    ("one", "other"),
    [(np.array([1.7e308]), np.array([-1.7e308])), (np.array([complex(np.inf, 0)]), np.array([complex(np.inf, 1)]))],
)
@pytest.mark.filterwarnings("error")
def test_a_difference_that_no_number_holds_is_told_without_a_warning(one, other):
    assert told({"y": one}, {"y": other}).sentence == "y is another"


def test_what_is_the_same_is_no_violation():
    assert told({"y": f32(1, np.nan, np.inf)}, {"y": f32(1, np.nan, np.inf)}) is None
    assert told({}, {}) is None


@pytest.mark.parametrize(
    ("one", "other", "expected", "actual"),
    [
        (f32(1, 2), f32(1, 2, 3), "here: float32 [2]", "there: float32 [3]"),
        (f32(1), np.array([1.0]), "here: float32 [1]", "there: float64 [1]"),
        (f32(1), f32([1]), "here: float32 [1]", "there: float32 [1, 1]"),
        (
            f32(1, 2, 4),
            f32(1, 2.5, 9),
            "here: y = float32 [3] [1., 2., 4.]",
            "there: y = float32 [3] [1. , 2.5, 9. ]\nfirst at [1], 0.5 apart (allowed: rtol 0.00012, atol 3.1e-05)",
        ),
        (
            np.array([[1, 2], [3, 4]]),
            np.array([[1, 2], [3, 5]]),
            "here: y = int64 [2, 2]\n[[1, 2],\n [3, 4]]",
            "there: y = int64 [2, 2]\n[[1, 2],\n [3, 5]]\nfirst at [1, 1]",
        ),
        (
            np.array([b"a", b"b"], object),
            np.array([b"a", b"c"], object),
            "here: y = string [2] [b'a', b'b']",
            "there: y = string [2] [b'a', b'c']\nfirst at [1]",
        ),
        (
            np.array([1 + 1j]),
            np.array([1 + 2j]),
            "here: y = complex128 [1] [1.+1.j]",
            "there: y = complex128 [1] [1.+2.j]\nfirst at [0], 1 apart (allowed: rtol 2.3e-13, atol 2.2e-14)",
        ),
    ],
)
def test_a_difference_is_told_with_its_place_and_size(one, other, expected, actual):
    violation = told({"same": f32(0), "y": one}, {"same": f32(0), "y": other})
    assert violation.sentence == "y is another"
    assert violation.expected == expected
    assert violation.actual == actual
    assert violation.advice == "mend it"
    assert violation.inputs is None


def test_answers_with_other_outputs_are_not_compared():
    violation = told({"b": f32(1), "a": f32(1)}, {"c": f32(1), "b": f32(1)})
    assert violation.sentence == "two answers have different outputs"
    assert (violation.expected, violation.actual) == ("here: a, b", "there: b, c")


@pytest.mark.parametrize(
    ("allowed", "differs"),
    [
        ({"rtol": 0.1}, False),
        ({"rtol": 0.01}, True),
        ({"atol": 0.2}, False),
        ({"atol": 0.01}, True),
        ({"precision": 0.01}, False),
        ({"precision": 0.001}, True),
        ({}, True),
    ],
)
def test_the_contract_and_the_models_precision_say_how_far_apart_is_the_same(allowed, differs):
    assert (told({"y": f32(2.0)}, {"y": f32(2.1)}, **allowed) is not None) == differs


def test_large_inputs_round_more():
    one, other = {"y": f32(1.0)}, {"y": f32(1.04)}
    compare("", one, other, inputs={"x": f32(1e6)}, labels=("", ""))
    with pytest.raises(Violation):
        compare("", one, other, inputs={"x": f32(1)}, labels=("", ""))


def explaining(*where):
    return SimpleNamespace(
        explains=lambda name, one, other, wrong: np.array(where) & (name == "y") & (one < other) & wrong
    )


def test_what_rounding_explains_is_the_same():
    one, other = {"y": f32(1, 2)}, {"y": f32(3, 4)}
    assert told(one, other, rounding=explaining(True, True)) is None
    assert "first at [0], 2 apart" in told(one, other, rounding=explaining(False, True)).actual
    assert "first at [1], 2 apart" in told(one, other, rounding=explaining(True, False)).actual


def test_rounding_is_asked_only_where_answers_differ():
    never = SimpleNamespace(explains=lambda *_: pytest.fail("nothing differs"))
    assert told({"y": f32(1)}, {"y": f32(1)}, rounding=never) is None


def test_what_is_the_same_needs_no_explanation():
    assert told({"y": f32(1, 2)}, {"y": f32(1, 4)}, rounding=explaining(True, True)) is None
