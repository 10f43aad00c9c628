from __future__ import annotations

import math

import pytest

from pytest_tfsig.contract import LatencyBudget
from pytest_tfsig.latency import LoadShape, Sample, Verdict
from pytest_tfsig.latency.sampling import Observation
from pytest_tfsig.latency.sentences import sentence
from pytest_tfsig.latency.tracks import track

FIXED = {"test": "fixed", "requests": 40}


@pytest.mark.parametrize(
    ("budget", "verdict", "measured", "says"),
    [
        (
            LatencyBudget("p50", 0.02),
            Verdict.FAIL,
            0.01,
            (
                "3 of 30 requests took longer than 20ms (2 of them failed) and one in 2 may; "
                "p50 is 10 ms (95%: 10 ms to 10 ms)."
            ),
        ),
        (
            LatencyBudget("p99.9", 0.5),
            Verdict.PASS,
            0.01,
            (
                "2 of 30 requests took longer than 500ms (2 of them failed) and one in 1000 may; "
                "p99.9 is an error (95%: an error to unbounded)."
            ),
        ),
        (
            LatencyBudget("p90", 0.02, **FIXED),
            Verdict.INCONCLUSIVE,
            0.01,
            (
                "needs 46 more requests under 20ms: 3 of 30 requests took longer than 20ms (2 of them failed) "
                "and one in 10 may; p90 is 10 ms (95%: 10 ms to unbounded)."
            ),
        ),
        (
            LatencyBudget("error_rate", 0.1),
            Verdict.PASS,
            2 / 30,
            "2 of 30 requests failed, 6.67% against 10%.",
        ),
        (
            LatencyBudget("error_rate", 0.1, **FIXED),
            Verdict.INCONCLUSIVE,
            2 / 30,
            "needs 31 more requests without an error: 2 of 30 requests failed, 6.67% against 10%.",
        ),
        (
            LatencyBudget("mean", 0.02),
            Verdict.FAIL,
            0.0125,
            (
                "the mean is 12.5 ms, a request counting as 10 times the limit at most; "
                "3 of 30 requests took longer than 20ms (2 of them failed)."
            ),
        ),
        (
            LatencyBudget("mean", 0.02),
            Verdict.INCONCLUSIVE,
            None,
            "needs 49 more requests answered at once: no request was sent within the time allowed.",
        ),
        (
            LatencyBudget("first_request", 0.02),
            Verdict.PASS,
            0.01,
            "The first request took 10 ms against 20ms (one observation).",
        ),
        (LatencyBudget("first_request", 0.02), Verdict.INCONCLUSIVE, None, "No request was sent."),
    ],
    ids=lambda value: value.description if isinstance(value, LatencyBudget) else "",
)
def test_a_verdict_is_told_with_what_was_counted_and_what_it_lacks(budget, verdict, measured, says):
    followed = track(budget)
    latencies = [0.01] * 27 + [0.03] + [math.inf] * 2
    for index, latency in enumerate(latencies):
        error = "no" if math.isinf(latency) else None
        followed.add(Observation(index, 0.0, 0.01 if error else latency, error))
    # What other budgets looked at afterwards is no matter.
    sample = Sample(
        LoadShape("grpc", 1, 1, None), (*latencies, *[math.inf] * 50), {}, 1.0, 0, None, None, None, 1, 0.0, 1.0, 0
    )
    assert sentence(followed, verdict, measured, sample) == says


def test_one_request_that_lacks_is_told_as_one():
    followed = track(LatencyBudget("p99", 0.02, test="fixed", requests=299))
    for index in range(298):
        followed.add(Observation(index, 0.0, 0.01))
    sample = Sample(LoadShape("grpc", 1, 1, None), (0.01,) * 298, {}, 1.0, 0, None, None, None, 1, 0.0, 1.0, 0)
    told = sentence(followed, Verdict.INCONCLUSIVE, 0.01, sample)
    assert told.startswith(
        "needs 1 more request under 20ms: 0 of 298 requests took longer than 20ms and one in 100 may;"
    )
