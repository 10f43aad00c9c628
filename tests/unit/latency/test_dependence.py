from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.latency.dependence import autocorrelation, block_length, self_check, slow_tenth


def autoregressive(phi: float, size: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(size)
    for i in range(1, size):
        noise[i] = phi * noise[i - 1] + math.sqrt(1 - phi * phi) * noise[i]
    return np.exp(noise)


def test_autocorrelation_of_what_alternates_and_of_what_never_varies():
    assert autocorrelation(np.array([1.0, -1.0] * 500)) == pytest.approx(-1, abs=0.01)
    assert autocorrelation(np.array([1.0, -1.0] * 500), lag=2) == pytest.approx(1, abs=0.01)
    assert autocorrelation(np.ones(10)) == 0
    assert autocorrelation(np.ones(3), lag=5) == 0


@pytest.mark.parametrize(("phi", "least", "most"), [(0.0, 1, 1.3), (0.5, 1.5, 4), (0.8, 3, 10), (0.95, 5, 60)], ids=str)
def test_a_block_grows_with_the_dependence(phi, least, most):
    # The limit is one that nothing exceeds, and that the slowest hundredth comes near to.
    samples = [autoregressive(phi, 4000, seed) for seed in range(20)]
    blocks = [block_length(sample, 1.9 * np.quantile(sample, 0.99), allowed=0.01) for sample in samples]
    assert least <= np.mean(blocks) <= most


def test_dependence_far_below_the_limit_is_no_matter():
    sample = autoregressive(0.9, 4000, 1)
    assert block_length(sample, 2.1 * np.quantile(sample, 0.99), allowed=0.01) >= block_length(
        sample, 100 * sample.max(), allowed=0.01
    )
    assert block_length(sample, 100 * sample.max(), allowed=0.01) == 1


def test_a_burst_over_the_limit_makes_a_block_even_where_the_rest_is_independent():
    latencies = np.random.default_rng(1).random(1000)
    assert block_length(latencies, 2.0, allowed=0.1) == 1
    latencies[500:520] = 3.0
    assert block_length(latencies, 2.0, allowed=0.1) >= 10


@pytest.mark.parametrize("latencies", [[0.5] * 1000, [math.inf] * 100, [0.1, 9.0] * 9, []], ids=len)
def test_what_shows_no_dependence_has_blocks_of_one(latencies):
    assert block_length(latencies, 1.0, allowed=0.01) == 1


def test_a_sample_alike_in_time_passes_the_self_check_and_a_drifting_one_does_not():
    rng = np.random.default_rng(3)
    steady = rng.lognormal(size=1000)
    assert self_check(steady.tolist()) > 0.01
    assert self_check((steady * np.linspace(1, 3, 1000)).tolist()) < 1e-4
    assert self_check([]) == 1
    assert self_check([1.0] * 1000) > 0.5


def test_the_self_check_is_exact_over_every_order():
    """However two slow requests fall among twenty, p <= level for at most that share of the orders."""
    found = []
    for slow in combinations(range(20), 2):
        latencies = [1.0] * 20
        for place in slow:
            latencies[place] = 2.0
        found.append(self_check(latencies))
    for level in (0.1, 0.48, 0.5):
        assert sum(1 for p in found if p <= level) <= level * len(found)
    assert min(found) < 0.5


@given(st.lists(st.floats(0, 10), max_size=50))
def test_at_most_a_tenth_is_slow(latencies):
    assert sum(slow_tenth(latencies)) <= len(latencies) / 10


def bursts(length: int, period: int, times: int, limit: float = 1.0) -> list[float]:
    """A burst over the limit in each period, at a place of its own."""
    rng = np.random.default_rng(6)
    series = np.full((times, period), limit / 10)
    for row in series:
        start = rng.integers(0, period - length)
        row[start : start + length] = 2 * limit
    return series.ravel().tolist()


@pytest.mark.parametrize("length", [2, 5, 10])
def test_a_block_is_about_as_long_as_the_bursts(length):
    """Of bursts of n at random places the autocorrelation at lag k is 1 - k / n: the integrated time is n."""
    assert block_length(bursts(length, 200, 40), 1.0, allowed=0.1) == pytest.approx(length, abs=1)


@pytest.mark.parametrize(("limit", "clustered"), [(3.0, True), (4.0, True), (4.3, False), (60.0, False)])
def test_slow_requests_within_half_of_the_limit_speak_for_those_over_it(limit, clustered):
    series = np.array(bursts(10, 200, 40))
    series += np.random.default_rng(7).random(len(series)) / 10  # bursts take from 2.0 to 2.1
    assert (block_length(series, limit, allowed=0.04) >= 6) is clustered


def test_what_took_exactly_the_limit_is_not_over_it():
    series = np.array(bursts(10, 200, 40))
    assert block_length(series, 2.0, allowed=0.5) == 1


def test_at_least_ten_slow_requests_speak_however_few_are_allowed():
    series = np.random.default_rng(8).random(1000) / 10
    series[500:511] = 2 + series[500:511]
    assert block_length(series, 3.0, allowed=0.001) > 1


@pytest.mark.parametrize(("size", "block"), [(19, 1), (20, 2)])
def test_fewer_than_twenty_requests_do_not_show_dependence(size, block):
    series = [2.0] * 4 + [0.1] * (size - 4)
    assert min(block_length(series, 1.0, allowed=0.1), 2) == block


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=30), st.integers(1, 4))
def test_autocorrelation_is_the_share_of_the_power_that_returns_after_a_lag(values, lag):
    centred = [value - sum(values) / len(values) for value in values]
    power = sum(value * value for value in centred)
    returned = sum(a * b for a, b in zip(centred, centred[lag:], strict=False))
    if power > 1e-9:
        assert autocorrelation(np.array(values), lag) == pytest.approx(returned / power, abs=1e-9)


def test_the_slowest_tenth_are_those_beyond_the_ninth_decile():
    assert slow_tenth([float(n) for n in range(1, 21)]).tolist() == [False] * 18 + [True] * 2
    assert slow_tenth([1.0] * 20).tolist() == [False] * 20
    assert slow_tenth([]).tolist() == []


@pytest.mark.parametrize(
    ("early", "late", "p"),
    [
        (5, 5, 1.0),
        (10, 0, 2 * math.comb(50, 10) / math.comb(100, 10)),
        (0, 10, 2 * math.comb(50, 10) / math.comb(100, 10)),
    ],
)
def test_the_self_check_counts_both_ways(early, late, p):
    latencies = [2.0] * early + [1.0] * (50 - early) + [1.0] * (50 - late) + [2.0] * late
    assert self_check(latencies) == pytest.approx(p)


def test_of_an_odd_sample_the_second_half_is_the_longer_one():
    # Two slow ones of 21, both among the last 11: (11 over 2) of (21 over 2) orders, doubled.
    assert self_check([1.0] * 19 + [2.0] * 2) == pytest.approx(2 * 55 / 210)
    assert self_check([2.0] * 2 + [1.0] * 19) == pytest.approx(2 * 45 / 210)
