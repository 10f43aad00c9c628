"""Sentences: a verdict in the reader's words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_tfsig.latency.means import CEILING
from pytest_tfsig.latency.percentiles import PERCENTILES
from pytest_tfsig.latency.units import milliseconds
from pytest_tfsig.latency.verdicts import Sample, Verdict, spread

if TYPE_CHECKING:
    from pytest_tfsig.contract import LatencyBudget
    from pytest_tfsig.latency.tracks import Track


def sentence(track: Track, verdict: Verdict, measured: float | None, sample: Sample) -> str:
    """Return why a budget has this verdict, and for an inconclusive one what would settle it.

    Args:
        track: What followed the budget.
        verdict: The verdict.
        measured: The metric over the requests that the track has looked at, in seconds or as a share.
        sample: The whole sample.
    """
    if track.budget.metric == "first_request":
        return _first_request(track.budget, measured)
    lead = _needs(track) if verdict is Verdict.INCONCLUSIVE else ""
    return lead + _findings(track, measured, sample)


def _first_request(budget: LatencyBudget, measured: float | None) -> str:
    if measured is None:
        return "No request was sent."
    return f"The first request took {milliseconds(measured)} against {budget.limit_text} (one observation)."


def _needs(track: Track) -> str:
    needed = track.needed()
    wish = {"error_rate": "without an error", "mean": "answered at once"}.get(
        track.budget.metric, f"under {track.budget.limit_text}"
    )
    return f"needs {needed} more {'request' if needed == 1 else 'requests'} {wish}: "


def _findings(track: Track, measured: float | None, sample: Sample) -> str:
    budget, requests = track.budget, track.requests
    if measured is None:
        return "no request was sent within the time allowed."
    if budget.metric == "error_rate":
        return f"{track.bad} of {requests} requests failed, {measured:.2%} against {budget.limit_text}."
    over = f"{track.bad} of {requests} requests took longer than {budget.limit_text}"
    failed = sum(1 for latency in sample.latencies[:requests] if math.isinf(latency))
    if failed:
        over += f" ({failed} of them failed)"
    if budget.metric == "mean":
        counted = f"a request counting as {CEILING:g} times the limit at most"
        return f"the mean is {milliseconds(measured)}, {counted}; {over}."
    one_in = float(1 / (1 - PERCENTILES[budget.metric]))
    found = spread(sample.percentile(budget.metric, requests))
    return f"{over} and one in {one_in:g} may; {budget.metric} is {found}."
