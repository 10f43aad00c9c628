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
