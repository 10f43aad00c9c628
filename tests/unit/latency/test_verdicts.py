from __future__ import annotations

import dataclasses
import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.contract import LatencyBudget
from pytest_tfsig.latency import BudgetVerdict, LoadShape, Sample, Verdict, figures, worst
from pytest_tfsig.latency.machine import Load
from pytest_tfsig.latency.percentiles import Estimate
from pytest_tfsig.latency.verdicts import estimate_as_dict, finite, spread

QUIET = Sample(
    shape=LoadShape("grpc", 1, 1, None),
    latencies=(0.01,) * 10,
    errors={},
    seconds=0.1,
    warmup=10,
    first_request=0.02,
    floor=None,
    machine=Load(2, 0.25, 0.5, 0.0),
    block=1,
    autocorrelation=0.0,
    self_check=1.0,
    seed=3,
)


def test_a_sample_is_plain_data():
    sample = dataclasses.replace(
        QUIET,
        shape=LoadShape("rest", 8, 4, 20.0),
        latencies=(0.02, 0.01, math.inf),
        errors={"UNAVAILABLE": 1},
        floor=Estimate(0.001, 0.0009, None),
    )
    failed = {"value": None, "high": None, "confidence": 0.95}
    data = sample.as_dict()
    assert data == {
        "load": {"transport": "rest", "batch": 8, "concurrency": 4, "rate": 20.0},
        "requests": 3,
        "errors": {"UNAVAILABLE": 1},
        "seconds": 0.1,
        "warmup": 10,
        "first_request": 0.02,
        "floor": {"value": 0.001, "low": 0.0009, "high": None, "confidence": 0.95},
        "machine": {"processors": 2, "own": 0.25, "other": 0.5, "steal": 0.0},
        "block": 1,
        "autocorrelation": 0.0,
        "self_check": 1.0,
        "seed": 3,
        "percentiles": {
            "p50": {"value": 0.02, "low": None, "high": None, "confidence": 0.95},
            "p90": {**failed, "low": 0.01},
            **{name: {**failed, "low": 0.02} for name in ("p95", "p99")},
            "p99.9": {**failed, "low": None},
        },
        "curve": [[0.01, 1 / 3], [0.02, 2 / 3]],
        "notes": ["1 request failed: UNAVAILABLE"],
    }
    json.dumps(data, allow_nan=False)


def test_a_sample_of_nothing_is_plain_data():
    nothing = dataclasses.replace(QUIET, latencies=(), first_request=None, machine=None)
    data = nothing.as_dict()
    assert data["percentiles"] == dict.fromkeys(["p50", "p90", "p95", "p99", "p99.9"])
    assert (data["requests"], data["machine"], data["first_request"], data["curve"]) == (0, None, None, [])


def test_percentiles_of_the_first_requests():
    sample = dataclasses.replace(QUIET, latencies=(0.3, 0.1, 0.2, 9.0, 9.0))
    assert sample.percentile("p50", 3).value == 0.2
    assert sample.percentile("p50").value == 0.3
    assert sample.percentile("p50", 0) is None


@given(st.lists(st.floats(0, 10) | st.just(math.inf), max_size=1500))
def test_a_curve_passes_through_the_sample_and_keeps_all_of_its_tail(latencies):
    curve = dataclasses.replace(QUIET, latencies=tuple(latencies)).curve()
    answered = sorted(latency for latency in latencies if math.isfinite(latency))
    count = len(latencies)
    ranks = [round(share * count) for _, share in curve]
    assert ranks == sorted(set(ranks))
    assert [answered[rank - 1] for rank in ranks] == [seconds for seconds, _ in curve]
    assert [share for _, share in curve] == [rank / count for rank in ranks]
    tail = range(max(1, len(answered) - 99), len(answered) + 1)
    assert set(tail) <= set(ranks)
    stride = max(1, len(answered) // 100)
    assert all(later - earlier <= stride for earlier, later in itertools.pairwise([0, *ranks]))
    assert len(curve) <= 300
    if len(answered) < 200:
        assert len(curve) == len(answered)


def test_a_curve_of_few_requests_has_all_of_them():
    curve = dataclasses.replace(QUIET, latencies=tuple(range(1, 151))).curve()
    assert [seconds for seconds, _ in curve] == list(range(1, 151))


def test_a_long_curve_has_evenly_spread_points_and_the_hundred_slowest():
    curve = dataclasses.replace(QUIET, latencies=tuple(range(1, 1001))).curve()
    assert [seconds for seconds, _ in curve] == [*range(10, 901, 10), *range(901, 1001)]


@pytest.mark.parametrize(
    ("change", "notes"),
    [
        ({}, []),
        (
            {"errors": {"d": 1, "c": 2, "b": 30, "a": 4}},
            ["30 requests failed: b", "4 requests failed: a", "2 requests failed: c"],
        ),
        (
            {"block": 2, "autocorrelation": 0.256},
            ["Requests resemble their neighbours (lag-1 autocorrelation 0.26), so that 2 of them count as one."],
        ),
        (
            {"self_check": 0.00987},
            [
                (
                    "The first and the second half of the sample differ (A/A check, p = 0.0099): the machine or the "
                    "server changed while it was measured."
                )
            ],
        ),
        ({"self_check": 0.01}, []),
        ({"machine": Load(2, 0.0, 0.0, 0.06)}, ["The hypervisor gave 6% of the processors to other guests."]),
        ({"machine": Load(2, 0.0, 0.0, 0.05)}, []),
        ({"machine": Load(2, 0.0, None, None)}, []),
        ({"machine": None}, []),
    ],
    ids=str,
)
def test_notes_say_what_makes_figures_doubtful(change, notes):
    assert dataclasses.replace(QUIET, **change).notes() == notes


def test_a_verdict_is_plain_data_with_its_figures():
    budget = LatencyBudget("p99", 0.025, test="fixed", confidence=0.99)
    found = BudgetVerdict(budget, Verdict.INCONCLUSIVE, "needs more.", 10, 1, math.inf, 449, QUIET)
    line = figures.Line("p99 <= 25ms", 0.025, 0.99)
    assert found.as_dict() == {
        "metric": "p99",
        "limit": 0.025,
        "budget": "p99 <= 25ms",
        "verdict": "inconclusive",
        "sentence": "needs more.",
        "requests": 10,
        "bad": 1,
        "measured": None,
        "needed": 449,
        "test": "fixed",
        "confidence": 0.99,
        "text": figures.text(QUIET.latencies, line),
        "svg": figures.svg(QUIET.curve(), line),
        "sample": QUIET.as_dict(),
    }


def test_an_error_rate_is_no_figure():
    found = BudgetVerdict(LatencyBudget("error_rate", 0.1), Verdict.PASS, "", 10, 1, 0.1, 0, QUIET)
    assert (found.line, found.text(), found.svg()) == (None, "", "")
    assert found.as_dict()["measured"] == 0.1


@pytest.mark.parametrize(
    ("value", "said"), [(0.5, 0.5), (0.0, 0.0), (None, None), (math.inf, None), (-math.inf, None), (math.nan, None)]
)
def test_what_json_cannot_say_is_left_out(value, said):
    assert finite(value) == said
    assert estimate_as_dict(Estimate(1.0, value, value, 0.9)) == {
        "value": 1.0,
        "low": said,
        "high": said,
        "confidence": 0.9,
    }


@pytest.mark.parametrize(
    ("found", "written"),
    [
        (None, "unknown"),
        (Estimate(0.0123, 0.011, 0.0142), "12.3 ms (95%: 11 ms to 14.2 ms)"),
        (Estimate(math.inf, 0.011, None, 0.9), "an error (90%: 11 ms to unbounded)"),
    ],
)
def test_a_percentile_is_written_with_its_bounds(found, written):
    assert spread(found) == written


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [("", "pass"), ("pp", "pass"), ("pip", "inconclusive"), ("pfi", "fail"), ("if", "fail")],
)
def test_the_worst_verdict_is_that_of_all(verdicts, together):
    names = {"p": Verdict.PASS, "i": Verdict.INCONCLUSIVE, "f": Verdict.FAIL}
    budget = LatencyBudget("p99", 0.025)
    assert worst([BudgetVerdict(budget, names[name], "", 0, 0, None, 0, QUIET) for name in verdicts]) == together
