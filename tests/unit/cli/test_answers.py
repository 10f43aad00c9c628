"""What answers suggest for a contract."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig import Tensor
from pytest_tfsig.cli.answers import Answers
from pytest_tfsig.contract import ProbabilityRule

RNG = np.random.default_rng(7)


def proposal(tensor, arrays, asked=None):
    answers = Answers(tensor)
    for array in arrays:
        answers.add(array)
    return answers.proposal(len(arrays) if asked is None else asked)


def softmax(shape, axis):
    logits = RNG.normal(size=shape)
    return (np.exp(logits) / np.exp(logits).sum(axis=axis, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (4, 3)), (-2, (4, 3, 5)), (-1, (1, 3))])
def test_probabilities(axis, shape):
    tensor = Tensor("float32", ["batch", *shape[1:]])
    found, [told] = proposal(tensor, [softmax(shape, axis) for _ in range(40)])
    assert found.probabilities == ProbabilityRule(axis, 1e-5)
    assert told.startswith("in [0, 1] and summing to 1")


def test_sums_over_the_batch_are_no_property():
    found, _ = proposal(Tensor("float32", ["batch", 3]), [softmax((4, 3), 0) for _ in range(40)])
    assert found.probabilities is None


def test_one_answer_that_does_not_sum_to_one_is_enough():
    answers = [softmax((4, 3), -1) for _ in range(40)]
    found, _ = proposal(Tensor("float32", ["batch", 3]), [*answers, np.full((1, 3), 0.5, np.float32)])
    assert found.probabilities is None


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        (np.linspace(0, 1, 50), (0.0, 1.0)),
        (np.linspace(-1, 1, 50), (-1.0, 1.0)),
        (np.linspace(0.2, 0.4, 50), (None, None)),
        (np.linspace(-0.893, 0.962, 50), (None, None)),  # a sum that comes near to both ends goes beyond them, too
        (np.linspace(0.0004, 0.9998, 50), (0.0, 1.0)),
        (np.linspace(-5, 90, 50), (None, None)),
    ],
)
def test_ranges(values, bounds):
    arrays = [np.float32([[value]]) for value in values]
    found, comments = proposal(Tensor("float32", ["batch", 1]), arrays)
    assert (found.min, found.max) == bounds
    assert "50 answers with 50 rows" in comments[0]
    assert bounds[0] is not None or "would hold for these alone" in comments[1]


def test_what_is_not_finite():
    found, [told] = proposal(Tensor("float32", ["batch"]), [np.float32([1, np.nan]), np.float32([1, 2])])
    assert found.finite is False
    assert told.startswith("NaN or infinite in 1 of 2 answers")


def labels(*values, times=50):
    return [np.array([value] * 2, object) for value in values for _ in range(times)]


def test_labels_are_listed():
    found, [told] = proposal(Tensor("string", ["batch"]), labels(b"cat", b"dog"))
    assert found.values == (b"cat", b"dog")
    assert told.startswith("2 distinct values in 100 answers")


@pytest.mark.parametrize(
    ("arrays", "asked"),
    [
        (labels(b"cat", b"dog", times=20), 40),
        ([*labels(b"cat"), *labels(b"rare", times=1)], 51),
        ([np.array([b"%d" % n], object) for n in range(100)], 40),
        (labels(b"\xff\xfe"), 100),
    ],
    ids=["few", "rare", "many", "bytes"],
)
def test_what_may_be_chance_is_not_listed(arrays, asked):
    found, [_] = proposal(Tensor("string", ["batch"]), arrays, asked)
    assert (found.values, found.encoding) == (None, None)


def test_text():
    found, _ = proposal(Tensor("string", ["batch"]), [np.array([b"text %d" % n], object) for n in range(100)])
    assert found.encoding == "utf-8"


def test_classes_are_listed():
    found, _ = proposal(Tensor("int64", ["batch"]), [np.int64([n % 3]) for n in range(120)])
    assert found.values == (0, 1, 2)


def test_counts_are_told_without_a_promise():
    found, comments = proposal(Tensor("int64", ["batch"]), [np.int64([n]) for n in range(120)])
    assert (found.min, found.max, found.values) == (None, None, None)
    assert comments[1] == "min = 0, max = 119 would hold for these alone"


def test_an_output_without_values():
    tensor = Tensor("float32", ["batch"])
    assert proposal(tensor, [np.zeros(0, np.float32)]) == (tensor, ["no value was observed"])
