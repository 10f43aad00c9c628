"""Dependence: over how many requests neighbours resemble each other, and whether the machine drifted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_tfsig.latency.exact import hypergeometric_at_least
from pytest_tfsig.latency.sequential import LEAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SIGNIFICANT = 2.0
"""Standard errors above which an autocorrelation is taken for real: blocking in vain costs requests, never validity."""

_LEAST_SLOW = 10
"""So many slow requests show whether they come in clusters; the limit itself may not have been exceeded so often."""

_NEAR = 2
"""Slow requests speak for those over the limit if they come within this factor of it."""

_SLOW = 0.9


def autocorrelation(values: NDArray[np.floating] | NDArray[np.bool_], lag: int = 1) -> float:
    """Return the autocorrelation of a series at a lag; 0 where it does not vary."""
    if lag >= len(values):
        return 0.0
    centred = np.asarray(values, dtype=np.float64) - np.mean(values)
    power = float(centred @ centred)
    return float(centred[:-lag] @ centred[lag:]) / power if power else 0.0


def block_length(latencies: Sequence[float] | NDArray[np.float64], limit: float, allowed: float) -> int:
    """Return over how many requests the evidence of one has to be spread: 1 for independent requests.

    It is the integrated autocorrelation time 1 + 2 * sum(rho_k), up to the first lag that is not significant, of the
    requests over the limit and, where these are slow enough to speak for them, of as many slow ones as the budget
    allows (10 at least); the longer one counts.

    Args:
        latencies: Latencies in seconds in the order of the requests; `math.inf` for an error.
        limit: Limit in seconds.
        allowed: Share of the requests that may exceed it.
    """
    series = np.asarray(latencies, dtype=np.float64)
    count = len(series)
    if count < LEAST:
        return 1
    slow = max(allowed, _LEAST_SLOW / count)
    rank = count - 1 - int(slow * count)
    threshold = float(np.partition(series, rank)[rank])
    levels = [limit, threshold] if threshold * _NEAR >= limit else [limit]
    return max(_integrated_time(series > level) for level in levels)


def _integrated_time(exceeds: NDArray[np.bool_]) -> int:
    count = len(exceeds)
    noise = _SIGNIFICANT / math.sqrt(count)
    total = 0.0
    for lag in range(1, count // 4):
        correlation = autocorrelation(exceeds, lag)
        if correlation <= (noise if lag == 1 else noise / 2):
            break
        total += correlation
    return math.ceil(1 + 2 * total)


def self_check(latencies: Sequence[float]) -> float:
    """Compare a sample with itself: the p-value that its two halves, in time, are alike (A/A).

    A small value says that the machine changed while it was measured, not the model. The halves' numbers of slow
    requests are compared exactly, both ways, with Bonferroni's correction.

    Args:
        latencies: Latencies in seconds in the order of the requests.
    """
    half = len(latencies) // 2
    slow = slow_tenth(latencies)
    early, late = int(slow[:half].sum()), int(slow[half:].sum())
    return min(
        1.0,
        2 * hypergeometric_at_least(early, len(slow), early + late, half),
        2 * hypergeometric_at_least(late, len(slow), early + late, len(slow) - half),
    )


def slow_tenth(latencies: Sequence[float]) -> NDArray[np.bool_]:
    """Return for each request whether it is among the slowest tenth."""
    series = np.asarray(latencies, dtype=np.float64)
    if not len(series):
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(series > np.quantile(series, _SLOW, method="inverted_cdf"))
