from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.latency.means import CEILING, MeanTest
from pytest_tfsig.latency.sequential import LEAST


def run(latencies, limit=1.0, alpha=0.05):
    test = MeanTest(limit, alpha, alpha)
    for latency in latencies:
        test.add(float(latency))
        if (decision := test.decide()) is not None:
            return decision, test.requests
    return None, test.requests


def test_a_mean_well_within_its_limit_passes_quickly_and_one_beyond_it_fails():
    assert run([0.5] * 1000) == ("pass", pytest.approx(90, abs=40))
    assert run([2.0] * 1000) == ("fail", LEAST)


def wealths(latencies, limit=1.0):
    """Both gamblers' wealth after each request, each stake from the whole of what was seen before it."""
    seen, below, above = [1.0], 1.0, 1.0
    for latency in latencies:
        value = min(latency / limit, 10.0)
        gap = 1 - np.mean(seen)
        spread = (0.25 + np.sum((np.array(seen) - np.mean(seen)) ** 2)) / len(seen)
        stake = gap / (spread + gap**2)
        below *= 1 + min(max(stake, 0.0), 0.75 / 9) * (1 - value)
        above *= 1 + min(max(-stake, 0.0), 0.75) * (value - 1)
        seen.append(value)
        yield below, above


def wealth(latencies):
    return ([(1.0, 1.0), *wealths(latencies)])[-1]


@given(st.lists(st.floats(0, 3) | st.just(math.inf), max_size=60))
def test_a_gambler_stakes_what_would_have_made_the_most_of_the_requests_before(latencies):
    test = MeanTest(1.0, 0.05, 0.05)
    for latency in latencies:
        test.add(latency)
    below, above = wealth(latencies)
    assert math.exp(test._below) == pytest.approx(below, rel=1e-6)
    assert math.exp(test._above) == pytest.approx(above, rel=1e-6)


@pytest.mark.parametrize(("block", "alpha", "beta"), [(1, 0.05, 0.05), (1, 0.01, 0.2), (3, 0.05, 0.1)])
@pytest.mark.parametrize("latency", [0.5, 0.9, 1.2, 2.0])
def test_a_decision_falls_once_the_wealth_is_there_and_not_before(latency, block, alpha, beta):
    """The requests still to come of the last block are lost, each at a quarter of the wealth."""
    test = MeanTest(1.0, alpha, beta)
    for requests, (below, above) in enumerate(wealths([latency] * 400), start=1):
        test.add(latency)
        lost = 0.25 ** (block - 1)
        if requests < LEAST:
            expected = None
        elif below * lost >= alpha**-block:
            expected = "pass"
        elif above * lost >= beta**-block:
            expected = "fail"
        else:
            expected = None
        assert test.decide(block) == expected
        if expected:
            break


def test_a_mean_is_that_of_the_latencies_errors_counting_ten_limits():
    test = MeanTest(0.5, 0.05, 0.05)
    assert math.isnan(test.mean)
    for latency in (0.25, 60.0, math.inf):
        test.add(latency)
    assert test.mean == pytest.approx((0.25 + 60 + 5) / 3)
    assert test.requests == 3


@given(st.lists(st.floats(0, 5), max_size=40), st.integers(1, 4))
def test_so_many_answers_at_once_as_are_needed_pay_for_the_wealth_that_lacks(latencies, block):
    test = MeanTest(1.0, 0.05, 0.05)
    for latency in latencies:
        test.add(latency)
    needed = test.good_needed(block)
    assert test.requests + needed >= LEAST
    assert test.total <= test.requests + needed
    # The most that an answer at once can win is a twelfth of the wealth: three quarters over nine.
    below, _ = wealth(latencies)
    most = math.log(below) + needed * math.log1p(0.75 / 9) + (block - 1) * math.log(0.25)
    assert most >= block * math.log(20) - 1e-6
    if needed > max(0, LEAST - test.requests, math.ceil(test.total) - test.requests):
        assert most - math.log1p(0.75 / 9) < block * math.log(20) + 1e-6


def test_scale_is_of_no_matter():
    rng = np.random.default_rng(1)
    latencies = rng.lognormal(-0.5, 0.5, 3000)
    assert run(latencies) == run(latencies * 0.004, limit=0.004)


@pytest.mark.parametrize("shape", ["constant", "exponential", "two-point"])
def test_a_mean_at_its_limit_is_decided_no_oftener_than_stated(shape):
    rng = np.random.default_rng(7)
    draw = {
        "constant": lambda: np.ones(600),
        "exponential": lambda: np.minimum(rng.exponential(1, 600), CEILING),
        "two-point": lambda: np.where(rng.random(600) < 0.1, 5.5, 0.5),
    }[shape]
    decisions = [run(draw())[0] for _ in range(300)]
    # Three standard errors above 5 % of 300.
    assert decisions.count("pass") <= 26
    assert decisions.count("fail") <= 26


@given(st.lists(st.floats(0, 50), min_size=1, max_size=60), st.integers(1, 4))
def test_what_is_needed_passes(latencies, block):
    test = MeanTest(1.0, 0.05, 0.05)
    for latency in latencies:
        test.add(latency)
    needed = test.good_needed(block)
    assert needed >= 0
    if test.decide(block) == "pass":
        assert needed == 0
    if len(latencies) < LEAST:
        assert test.decide(block) is None


def test_latencies_beyond_the_ceiling_count_in_the_mean_if_not_in_the_bets():
    test = MeanTest(1.0, 0.05, 0.05)
    test.add(10_000.0)
    for _ in range(2000):
        test.add(0.1)
    assert test.mean > 1
    assert test.decide() is None
    assert test.good_needed() == math.ceil(test.total) - test.requests


def test_an_error_counts_as_the_ceiling():
    charged, failed = MeanTest(0.5, 0.05, 0.05), MeanTest(0.5, 0.05, 0.05)
    for latency in (0.1, CEILING * 0.5, 0.2):
        charged.add(latency)
    for latency in (0.1, math.inf, 0.2):
        failed.add(latency)
    assert failed == charged
