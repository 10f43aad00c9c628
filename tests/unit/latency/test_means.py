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
