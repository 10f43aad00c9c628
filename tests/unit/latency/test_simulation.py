"""The simulation that shows the gate's error rates decides as the gate itself does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.latency_gate import DISTRIBUTIONS, Gate, LoadGen, Wald
from pytest_tfsig.contract import LatencyBudget
from pytest_tfsig.latency import gate
from tests.unit.latency.clocks import Clock, Server

VERDICTS = {"pass": 1, "fail": -1, "inconclusive": 0}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.5])
def test_simulated_runs_end_as_measured_ones_do(distribution, ratio):
    latencies = distribution(np.random.default_rng(9), 2, 7940) * ratio
    simulated = Gate(0.95).run(latencies)
    for series, verdict, requests in zip(latencies, simulated.verdicts, simulated.requests, strict=True):
        clock = Clock()
        budget = LatencyBudget("p99", 1.0, warmup=0)
        [found] = gate([budget], Server(clock, series.tolist()), itertools.count(), clock=clock)
        assert (VERDICTS[found.verdict], found.requests) == (verdict, requests)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda each: each.__name__)
def test_a_distribution_has_the_p99_it_claims(distribution):
    latencies = distribution(np.random.default_rng(2), 200, 2000)
    assert np.mean(latencies > 1) == pytest.approx(0.01, rel=0.15)


def test_the_loop_of_repeated_fixed_tests_passes_what_it_should_not():
    """LoadGen's loop at the budget: LATENCY's reason for a sequential test."""
    latencies = np.random.default_rng(1).random((500, 10_000)) / 0.99
    passed = np.mean(LoadGen(0.99).run(latencies).verdicts > 0)
    assert passed == pytest.approx(0.083, abs=0.04)
    assert np.mean(Wald(0.99).run(latencies).verdicts > 0) <= 0.025
