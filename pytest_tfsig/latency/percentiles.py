"""Percentiles by nearest rank, with bounds that hold for any distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_tfsig.latency.exact import binomial_at_least, binomial_at_most

if TYPE_CHECKING:
    from collections.abc import Sequence

PERCENTILES: dict[str, Fraction] = {
    "p50": Fraction(1, 2),
    "p90": Fraction(9, 10),
    "p95": Fraction(19, 20),
    "p99": Fraction(99, 100),
    "p99.9": Fraction(999, 1000),
}
"""The percentiles a budget may name, as exact fractions."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A percentile of a sample and the bounds of the true one.

    Attributes:
        value: Nearest-rank percentile, in seconds.
        low: Lower bound in seconds; None where the sample is too small to have one.
        high: Upper bound in seconds; None where the sample is too small to have one.
        confidence: Probability that the bounds enclose the true percentile, for independent requests.
    """

    value: float
    low: float | None
    high: float | None
    confidence: float = 0.95


def nearest_rank(requests: int, percentile: Fraction) -> int:
    """Return the rank, counted from 1, of a percentile among so many sorted values."""
    return max(1, math.ceil(percentile * requests))


def bound_ranks(requests: int, percentile: Fraction, confidence: float = 0.95) -> tuple[int | None, int | None]:
    """Return the ranks, counted from 1, whose values enclose the true percentile at this confidence.

    For p99 and 1,000 requests at 95 % these are 983 and 997. A side on which no order statistic is safe is None.
    """
    share = float(percentile)
    risk = (1 - confidence) / 2
    # Both searches rest on monotone tails: the true percentile lies below rank r only if fewer than r values do.
    first, last = 0, requests
    while first < last:
        middle = (first + last + 1) // 2
        if binomial_at_most(middle - 1, requests, share) <= risk:
            first = middle
        else:
            last = middle - 1
    low = first
    first, last = 1, requests + 1
    while first < last:
        middle = (first + last) // 2
        if binomial_at_least(middle, requests, share) <= risk:
            last = middle
        else:
            first = middle + 1
    high = first
    return (low or None), (high if high <= requests else None)


def estimate(ordered: Sequence[float], percentile: Fraction, confidence: float = 0.95) -> Estimate:
    """Return a percentile of sorted latencies with distribution-free bounds.

    Args:
        ordered: At least one latency in seconds, ascending; `math.inf` for a request that failed.
        percentile: One of `PERCENTILES`.
        confidence: Two-sided confidence of the bounds.
    """
    low, high = bound_ranks(len(ordered), percentile, confidence)
    return Estimate(
        value=ordered[nearest_rank(len(ordered), percentile) - 1],
        low=None if low is None else ordered[low - 1],
        high=None if high is None else ordered[high - 1],
        confidence=confidence,
    )
