from __future__ import annotations

import math

import pytest

from pytest_tfsig.contract import LatencyBudget
from pytest_tfsig.latency.exact import requests_to_pass
from pytest_tfsig.latency.sampling import Observation
from pytest_tfsig.latency.sequential import RateTest
from pytest_tfsig.latency.tracks import FirstTrack, FixedTrack, MeanTrack, RateTrack, is_bad, limit, tail, track

ANSWERED = Observation(0, 0.0, 0.01)
SLOW = Observation(0, 0.0, 9.0)
FAILED = Observation(0, 0.0, 0.01, "no")


def shown(budget, observations):
    found = track(budget)
    for observation in observations:
        found.add(observation)
    return found


@pytest.mark.parametrize(
    ("budget", "kind"),
    [
        (LatencyBudget("p99", 1.0), RateTrack),
        (LatencyBudget("error_rate", 0.1), RateTrack),
        (LatencyBudget("p99", 1.0, test="fixed"), FixedTrack),
        (LatencyBudget("error_rate", 0.1, test="fixed"), FixedTrack),
        (LatencyBudget("mean", 1.0), MeanTrack),
        (LatencyBudget("first_request", 1.0), FirstTrack),
        (LatencyBudget("first_request", 1.0, test="fixed"), FirstTrack),
    ],
    ids=str,
)
def test_each_metric_has_its_test(budget, kind):
    assert type(track(budget)) is kind


@pytest.mark.parametrize(
    ("metric", "bound", "observation", "bad"),
    [
        ("p99", 9.0, SLOW, False),
        ("p99", 8.9, SLOW, True),
        ("p99", 9.0, FAILED, True),
        ("mean", 8.9, SLOW, True),
        ("first_request", 9.0, FAILED, True),
        ("error_rate", 0.1, SLOW, False),
        ("error_rate", 0.1, FAILED, True),
        ("error_rate", 0.1, Observation(0, 0.0, 1e300), False),
    ],
)
def test_what_counts_against_a_budget(metric, bound, observation, bad):
    budget = LatencyBudget(metric, bound)
    assert is_bad(budget, observation) is bad
    assert (observation.charged > limit(budget)) is bad


@pytest.mark.parametrize(
    ("budget", "share"),
    [
        (LatencyBudget("p99.9", 1.0), 0.001),
        (LatencyBudget("p50", 1.0), 0.5),
        (LatencyBudget("error_rate", 0.02), 0.02),
        (LatencyBudget("mean", 5.0), 0.1),
        (LatencyBudget("first_request", 5.0), 0.1),
    ],
)
def test_the_tail_whose_clustering_matters(budget, share):
    assert tail(budget) == share


def test_a_rate_is_followed_by_the_sequential_test():
    found = shown(LatencyBudget("p90", 1.0), [ANSWERED] * 30 + [SLOW, FAILED])
    test = RateTest(0.1, 1 - 0.95, 1 - 0.95)
    assert (found.requests, found.bad) == (32, 2)
    for block in (1, 2, 5):
        found.block = block
        assert found.needed() == test.good_needed(32, 2, block)
        assert found.decide() == found.conclude() == test.decide(32, 2, block)
    assert shown(LatencyBudget("p90", 1.0), [ANSWERED] * 38).decide() == "pass"
    assert shown(LatencyBudget("p90", 1.0), [SLOW] * 20).decide() == "fail"


@pytest.mark.parametrize(
    ("good", "bad", "decision"), [(299, 0, "pass"), (298, 1, None), (293, 6, None), (292, 7, "fail"), (0, 299, "fail")]
)
def test_a_fixed_sample_says_nothing_before_it_is_whole(good, bad, decision):
    budget = LatencyBudget("p99", 1.0, test="fixed", requests=299)
    found = shown(budget, [SLOW] * bad + [ANSWERED] * good)
    assert found.decide() == decision
    assert (found.requests, found.bad) == (299, bad)
    assert shown(budget, ([SLOW] * bad + [ANSWERED] * good)[:-1]).decide() is None


def test_what_was_not_sent_counts_against_either_decision():
    budget = LatencyBudget("p99", 1.0, test="fixed", requests=473)  # of which one may be slow
    assert shown(budget, [ANSWERED] * 472).conclude() == "pass"
    assert shown(budget, [ANSWERED] * 471).conclude() is None
    assert shown(budget, [SLOW] + [ANSWERED] * 472).conclude() == "pass"
    assert shown(budget, [SLOW] + [ANSWERED] * 471).conclude() is None
    assert shown(budget, [SLOW] * 20).conclude() == "fail"


def test_of_dependent_requests_each_block_is_a_sample_and_the_least_favourable_decides():
    budget = LatencyBudget("p90", 1.0, test="fixed", requests=60)  # 29 without a slow one prove it
    found = shown(budget, [ANSWERED] * 60)
    for block, decision in ((1, "pass"), (2, "pass"), (3, None)):
        found.block = block
        assert found.conclude() == decision
    found = shown(budget, [ANSWERED, SLOW] * 30)
    assert found.conclude() == "fail"
    found.block = 2
    assert found.conclude() is None  # every other request is slow, those between are not


@pytest.mark.parametrize(
    ("observations", "block", "needed"),
    [
        ([ANSWERED] * 10, 1, 299 - 10),
        ([ANSWERED] * 10, 2, 2 * 299 - 10),
        ([SLOW] + [ANSWERED] * 9, 1, 473 - 10),
        ([SLOW, ANSWERED, SLOW, ANSWERED], 2, 2 * 628 - 4),
    ],
)
def test_a_fixed_sample_needs_to_be_as_large_as_its_bad_requests_allow(observations, block, needed):
    found = shown(LatencyBudget("p99", 1.0, test="fixed", requests=299), observations)
    found.block = block
    assert found.needed() == needed


def test_a_fixed_sample_needs_at_least_what_was_planned():
    found = shown(LatencyBudget("p99", 1.0, test="fixed", requests=1049), [ANSWERED] * 10)
    assert found.needed() == 1049 - 10
    assert requests_to_pass(0.01, 0.95, 0) < 1049


def test_a_mean_is_followed_by_the_bets():
    found = shown(LatencyBudget("mean", 1.0), [ANSWERED] * 40 + [SLOW, FAILED])
    assert (found.requests, found.bad) == (42, 2)
    assert found.test.total == pytest.approx(0.4 + 9 + 10)
    for block in (1, 2, 9):
        found.block = block
        assert found.decide() == found.conclude() == found.test.decide(block)
        assert found.needed() == found.test.good_needed(block)
    assert shown(LatencyBudget("mean", 1.0), [SLOW] * 20).decide() == "fail"
    assert shown(LatencyBudget("mean", 1.0, confidence=0.999), [ANSWERED] * 60).decide() is None


def test_the_first_request_is_looked_at_and_no_other():
    found = track(LatencyBudget("first_request", 1.0))
    assert (found.decide(), found.needed(), found.requests) == (None, 1, 0)
    assert math.isnan(found.latency)
    found.add(ANSWERED)
    found.add(SLOW)
    assert (found.decide(), found.conclude(), found.needed()) == ("pass", "pass", 0)
    assert (found.requests, found.bad, found.latency) == (1, 0, 0.01)
    assert shown(LatencyBudget("first_request", 1.0), [SLOW, ANSWERED]).decide() == "fail"
