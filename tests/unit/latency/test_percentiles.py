from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.latency.exact import binomial_at_least, binomial_at_most
from pytest_tfsig.latency.percentiles import PERCENTILES, bound_ranks, estimate, nearest_rank

names = st.sampled_from(sorted(PERCENTILES))


def test_bounds_of_p99_in_a_thousand_are_the_published_ranks():
    assert bound_ranks(1000, PERCENTILES["p99"]) == (983, 997)


@pytest.mark.parametrize(
    ("requests", "name", "rank"),
    [(1, "p99", 1), (100, "p99", 99), (101, "p99", 100), (1000, "p99.9", 999), (1000, "p90", 900), (10, "p50", 5)],
)
def test_nearest_rank_is_not_moved_by_rounding(requests, name, rank):
    assert nearest_rank(requests, PERCENTILES[name]) == rank


@pytest.mark.parametrize(
    ("requests", "name", "ranks"),
    [
        (1, "p50", (None, None)),
        (5, "p50", (None, None)),
        (6, "p50", (1, 6)),
        (10, "p50", (2, 9)),
        (100, "p99", (97, None)),
        (367, "p99", (359, None)),
        (368, "p99", (360, 368)),
        (20, "p90", (15, None)),
    ],
)
def test_a_side_without_a_safe_rank_has_no_bound(requests, name, ranks):
    assert bound_ranks(requests, PERCENTILES[name]) == ranks


def test_an_estimate_is_the_latencies_at_its_ranks():
    found = estimate([float(rank) for rank in range(1, 1001)], PERCENTILES["p99"])
    assert (found.value, found.low, found.high, found.confidence) == (990, 983, 997, 0.95)
    found = estimate([float(rank) for rank in range(1, 1001)], PERCENTILES["p99"], 0.5)
    assert 983 < found.low < found.value < found.high < 997
    assert found.confidence == 0.5


@given(requests=st.integers(1, 3000), name=names, confidence=st.floats(0.5, 0.999))
def test_bounds_are_the_narrowest_ranks_that_are_safe(requests, name, confidence):
    share, risk = float(PERCENTILES[name]), (1 - confidence) / 2
    low, high = bound_ranks(requests, PERCENTILES[name], confidence)
    assert binomial_at_most((low or 0) - 1, requests, share) <= risk
    assert binomial_at_most(low or 0, requests, share) > risk
    if high is None:
        assert binomial_at_least(requests, requests, share) > risk
    else:
        assert binomial_at_least(high, requests, share) <= risk < binomial_at_least(high - 1, requests, share)


@given(latencies=st.lists(st.floats(1e-6, 10) | st.just(math.inf), min_size=1, max_size=300).map(sorted), name=names)
def test_an_estimate_lies_between_its_bounds_and_is_a_latency_of_the_sample(latencies, name):
    found = estimate(latencies, PERCENTILES[name])
    assert found.value in latencies
    assert found.low is None or found.low <= found.value
    assert found.high is None or found.value <= found.high
    within = sum(1 for latency in latencies if latency <= found.value)
    assert Fraction(within, len(latencies)) >= PERCENTILES[name]
