"""Sentences: a verdict in the reader's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.latency.means import CEILING
from pytest_tfsig.latency.percentiles import PERCENTILES
from pytest_tfsig.latency.verdicts import Sample, Verdict, milliseconds, spread

if TYPE_CHECKING:
    from pytest_tfsig.contract import LatencyBudget


def sentence(
    budget: LatencyBudget,
    verdict: Verdict,
    requests: int,
    bad: int,
    measured: float | None,
    needed: int,
    sample: Sample,
) -> str:
    """Return why a budget has this verdict, and for an inconclusive one what would settle it."""
    if budget.metric == "first_request":
        return _first_request(budget, measured)
    lead = _needs(budget, needed) if verdict is Verdict.INCONCLUSIVE else ""
    return lead + _findings(budget, requests, bad, measured, sample)


def _first_request(budget: LatencyBudget, measured: float | None) -> str:
    if measured is None:
        return "No request was sent."
    return f"The first request took {milliseconds(measured)} against {budget.limit_text} (one observation)."


def _needs(budget: LatencyBudget, needed: int) -> str:
    wish = "without an error" if budget.metric == "error_rate" else f"under {budget.limit_text}"
    if budget.metric == "mean":
        wish = "answered at once"
    return f"needs {needed} more {'request' if needed == 1 else 'requests'} {wish}: "


def _findings(budget: LatencyBudget, requests: int, bad: int, measured: float | None, sample: Sample) -> str:
    if measured is None:
        return "no request was answered in time."
    if budget.metric == "error_rate":
        return f"{bad} of {requests} requests failed, {measured:.2%} against {budget.limit_text}."
    over = f"{bad} of {requests} requests took longer than {budget.limit_text}"
    if sample.errors:
        over += f" or failed ({sum(sample.errors.values())} errors)"
    if budget.metric == "mean":
        capped = f"a request counting as {CEILING:g} times the limit at most"
        return f"the mean is {milliseconds(measured)}, {capped}; {over}."
    percentile = PERCENTILES[budget.metric]
    one_in = float(1 / (1 - percentile))
    return f"{over}, one in {one_in:g} may; {budget.metric} is {spread(sample.percentile(budget.metric))}."
