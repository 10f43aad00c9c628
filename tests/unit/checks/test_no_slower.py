"""The check no_slower: both versions on one clock, which moves as a test says."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pytest_tfsig.checks import Baseline, checks, run
from pytest_tfsig.contract import Feature, Signature, Tensor
from tests.unit.checks.fakes import FakeModel, refusal, spec_of, subject

X = {"x": Tensor("float32", ["batch", 2], min=-2, max=2)}
Y = {"y": Tensor("float32", ["batch"])}


class Clock:
    """Seconds that pass while a version answers, and at no other time."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    from pytest_tfsig.latency import comparison

    defaults = dict(comparison.compare.__kwdefaults__ or {})
    monkeypatch.setattr(comparison.compare, "__kwdefaults__", {**defaults, "clock": clock})
    return clock


def judge(clock, candidate, released, *, inputs=X, known=None, settings=None, dims=None, **options):
    """Judges versions that take as many seconds as the functions say, or raise what those raise."""
    signature = Signature(inputs=inputs, outputs=Y, dims=dims or {}, checks={"no_slower": options})
    spec = spec_of(Signature(inputs=known or inputs, outputs=Y))
    sent = {"candidate": [], "released": []}

    def answering(name, seconds):
        def answer(asked):
            sent[name].append(asked)
            clock.now += seconds(asked)
            return {"y": np.zeros(len(asked["x"]), np.float32)}

        return answer

    beside = FakeModel(answering("released", released), None, spec)
    beside.name = "before"
    baseline = Baseline("/released", 1, {spec.name: spec}, lambda: beside)
    judged = subject(
        answering("candidate", candidate), signature, baseline=baseline, compares=False, settings=settings or {}
    )
    return run(checks()["no_slower"], judged), sent


def steady(seconds):
    return lambda _: seconds


def test_a_version_that_is_as_fast_passes(clock):
    outcome, sent = judge(clock, steady(0.001), steady(0.001))
    assert outcome.verdict == "pass"
    assert outcome.examples == 2000
    assert outcome.message == outcome.details["comparison"]["sentence"]
    assert outcome.details["comparison"]["tolerance"] == 0.1
    assert outcome.details["comparison"]["confidence"] == 0.95
    assert outcome.details["comparison"]["seed"] == 1
    assert len(sent["candidate"]) == len(sent["released"]) == 1010


@pytest.mark.parametrize(
    ("share", "tolerance", "verdict"), [(1.05, 0.1, "pass"), (1.2, 0.1, "fail"), (1.2, 0.3, "pass")]
)
def test_the_tolerance_says_how_much_slower_is_too_slow(clock, share, tolerance, verdict):
    outcome, _ = judge(clock, steady(0.001 * share), steady(0.001), tolerance=tolerance, requests=300)
    assert outcome.verdict == verdict
    assert outcome.examples == 600


def test_a_slower_version_fails_with_how_sure_that_is(clock):
    outcome, _ = judge(clock, steady(0.003), steady(0.001), requests=600, confidence=0.99, tolerance=0.25)
    violation = outcome.violation
    assert outcome.verdict == "fail"
    assert violation.sentence == outcome.message == outcome.details["comparison"]["sentence"]
    assert violation.expected == "at most 25% slower than before, judged at confidence 0.99"
    p90, p99 = violation.actual.split("; ")
    assert p90.startswith("p90: p-value ")
    assert p99.startswith("p99: p-value ")
    assert float(p90.rpartition(" ")[2]) < 0.01
    assert violation.advice.startswith("Profile the candidate")
    assert outcome.examples == 1200
    assert outcome.details["comparison"]["verdict"] == "fail"


def test_the_same_requests_go_to_both(clock):
    _, sent = judge(clock, steady(0.001), steady(0.001), requests=300, batch=3)
    sums = {name: sorted(float(one["x"].sum()) for one in asked) for name, asked in sent.items()}
    assert sums["candidate"] == sums["released"]
    assert {len(one["x"]) for one in sent["candidate"]} == {3}
    assert len({one["x"].tobytes() for one in sent["candidate"]}) > 100


def test_a_request_has_one_row_unless_more_are_asked_for(clock):
    _, sent = judge(clock, steady(0.001), steady(0.001), requests=300)
    assert {len(one["x"]) for one in sent["candidate"]} == {1}
    fixed = {"x": Tensor("float32", [5, 2])}
    _, sent = judge(clock, steady(0.001), steady(0.001), requests=300, inputs=fixed)
    assert {len(one["x"]) for one in sent["candidate"]} == {5}


def test_a_request_has_as_many_rows_as_the_contract_wants_at_least(clock):
    _, sent = judge(clock, steady(0.001), steady(0.001), requests=300, dims={"batch": (4, 8)})
    assert {len(one["x"]) for one in sent["candidate"]} == {4}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"confidence": 95.0}, "confidence = 95.0: it must be a number between 0.5 and 1, such as 0.95."),
        ({"confidence": 1.0}, "confidence = 1.0: it must be"),
        ({"confidence": 0.5}, "confidence = 0.5: it must be"),
        ({"confidence": float("nan")}, "confidence = nan: it must be"),
        ({"tolerance": -0.1}, "tolerance = -0.1: it must be a share of 0 or more"),
        ({"tolerance": float("inf")}, "tolerance = inf: it must be"),
        ({"seconds": 0.0}, "seconds = 0.0: it must be a number above 0."),
        ({"batch": 0}, "batch = 0: it must be 1 or more, and no more than dims.batch allows, 8."),
        ({"batch": 9}, "batch = 9: it must be 1 or more, and no more than dims.batch allows, 8."),
    ],
)
def test_options_by_which_nothing_could_be_judged_are_told(clock, options, told):
    outcome, sent = judge(clock, steady(0.001), steady(0.001), dims={"batch": (1, 8)}, **options)
    assert outcome.verdict == "error"
    assert outcome.message.startswith(f"checks.no_slower.{told}")
    assert sent["candidate"] == []


def test_other_test_processes_make_it_a_report(clock):
    crowded = {"under_xdist": True}
    outcome, _ = judge(clock, steady(0.003), steady(0.001), requests=300, settings=crowded)
    assert outcome.verdict == "skip"
    assert outcome.message == (f"reported, not gated, under pytest-xdist: {outcome.details['comparison']['sentence']}")
    assert outcome.examples == 600
    outcome, _ = judge(clock, steady(0.003), steady(0.001), requests=300, settings=crowded, gate_under_xdist=True)
    assert outcome.verdict == "fail"


def test_a_version_that_refuses_is_not_judged(clock):
    def refuses(_):
        raise refusal(message="no such op")

    outcome, _ = judge(clock, refuses, steady(0.001), requests=300)
    assert outcome.verdict == "error"
    assert outcome.message.startswith("not judged: requests were refused by the candidate: ")
    assert "no such op" in outcome.message
    assert outcome.examples == 600
    assert set(outcome.details["comparison"]["errors"]) == {"candidate"}
    outcome, _ = judge(clock, refuses, refuses, requests=300)
    assert outcome.message.count("; the ") == 1


def test_so_few_requests_that_nothing_could_be_shown_are_an_error(clock):
    outcome, sent = judge(clock, steady(0.001), steady(0.001), requests=2)
    assert outcome.verdict == "error"
    assert "requests = 2" in outcome.message
    assert sent["candidate"] == []


def test_it_ends_in_time_undecided_where_too_little_was_sent(clock):
    outcome, sent = judge(clock, steady(1.0), steady(1.0), requests=300, seconds=3.0)
    assert outcome.verdict == "inconclusive"
    assert outcome.message == outcome.details["comparison"]["sentence"]
    assert len(sent["candidate"]) < 20


def test_an_input_that_is_new_is_not_sent_to_the_released_version(clock):
    inputs = {**X, "weight": Tensor("float32", ["batch"])}
    _, sent = judge(clock, steady(0.001), steady(0.001), requests=300, inputs=inputs, known=X)
    assert {frozenset(one) for one in sent["released"]} == {frozenset({"x"})}
    assert {frozenset(one) for one in sent["candidate"]} == {frozenset({"x", "weight"})}


def test_tf_examples_go_to_both_as_they_are(clock):
    signature = Signature(
        method="regress",
        inputs={"inputs": Tensor("string", ["batch"], features={"a": Feature("float32", [])})},
        outputs={"outputs": Tensor("float32", ["batch"])},
        checks={"no_slower": {"requests": 300, "batch": 2}},
    )
    spec = spec_of(signature)
    sent = []

    def answer(examples):
        sent.append(len(examples))
        clock.now += 0.001
        return {"outputs": np.zeros(len(examples), np.float32)}

    beside = FakeModel(answer, None, spec)
    judged = subject(answer, signature, baseline=Baseline("/released", 1, {spec.name: spec}, lambda: beside))
    outcome = run(checks()["no_slower"], judged)
    assert outcome.verdict == "pass", outcome.message
    assert sent == [2] * 620
