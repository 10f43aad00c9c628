"""Verdicts: what a measurement says about each budget, in a sentence and as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pytest_tfsig.latency import figures
from pytest_tfsig.latency.percentiles import PERCENTILES, Estimate, estimate
from pytest_tfsig.latency.units import milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_tfsig.contract import LatencyBudget
    from pytest_tfsig.latency.budgets import LoadShape
    from pytest_tfsig.latency.machine import Load

_CURVE_POINTS = 200


class Verdict(StrEnum):
    """What is known about a budget."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests sent under one load, and the circumstances.

    Attributes:
        shape: The load.
        latencies: Seconds, in the order of the requests; `math.inf` for a request that failed.
        errors: How often each error message came.
        seconds: How long the sampling took, warm-up apart.
        warmup: Requests sent beforehand.
        first_request: Seconds that the first request took, the first of the warm-up where there was one.
        floor: Median latency of the caller's ping on the same channel, None without a ping.
        machine: What else the machine did.
        block: Number of requests over which the evidence of one was spread.
        autocorrelation: Lag-1 autocorrelation of the slow tenth.
        self_check: p-value of the sample's first half against its second (A/A).
        seed: What the arrivals of an open loop were drawn from.
    """

    shape: LoadShape
    latencies: tuple[float, ...]
    errors: Mapping[str, int]
    seconds: float
    warmup: int
    first_request: float | None
    floor: Estimate | None
    machine: Load | None
    block: int
    autocorrelation: float
    self_check: float
    seed: int

    def percentile(self, name: str, first: int | None = None) -> Estimate | None:
        """Return a percentile by name, such as ``p99``, of all or of the first requests; None without requests."""
        ordered = sorted(self.latencies[:first])
        return estimate(ordered, PERCENTILES[name]) if ordered else None

    def curve(self) -> list[tuple[float, float]]:
        """Return the distribution as (seconds, share at or below) points, few enough for a figure; errors left out."""
        count = len(self.latencies)
        answered = sorted(value for value in self.latencies if math.isfinite(value))
        # Evenly spread ranks, and every one of the slowest: the tail is what a budget is about.
        stride = max(1, 2 * len(answered) // _CURVE_POINTS)
        ranks = {
            *range(stride, len(answered) + 1, stride),
            *range(len(answered) - _CURVE_POINTS // 2, len(answered) + 1),
        }
        return [(answered[rank - 1], rank / count) for rank in sorted(ranks) if rank >= 1]

    def notes(self) -> list[str]:
        """Return what a reader should know before trusting the figures, one sentence each."""
        notes = [
            f"{count} {'request' if count == 1 else 'requests'} failed: {text}"
            for text, count in sorted(self.errors.items(), key=lambda item: -item[1])[:3]
        ]
        if self.block > 1:
            notes.append(
                f"Requests resemble their neighbours (lag-1 autocorrelation {self.autocorrelation:.2f}), so that "
                f"{self.block} of them count as one."
            )
        if self.self_check < _DRIFTED:
            notes.append(
                f"The first and the second half of the sample differ (A/A check, p = {self.self_check:.2g}): "
                "the machine or the server changed while it was measured."
            )
        if self.machine is not None and self.machine.steal is not None and self.machine.steal > _STOLEN:
            notes.append(f"The hypervisor gave {self.machine.steal:.0%} of the processors to other guests.")
        return notes

    def as_dict(self) -> dict[str, Any]:
        """Return everything a report shows, as plain data; unbounded or failed values are None."""
        estimates = {name: self.percentile(name) for name in PERCENTILES}
        return {
            "load": {
                "transport": self.shape.transport,
                "batch": self.shape.batch,
                "concurrency": self.shape.concurrency,
                "rate": self.shape.rate,
            },
            "requests": len(self.latencies),
            "errors": dict(self.errors),
            "seconds": self.seconds,
            "warmup": self.warmup,
            "first_request": finite(self.first_request),
            "floor": estimate_as_dict(self.floor),
            "machine": None if self.machine is None else self.machine.as_dict(),
            "block": self.block,
            "autocorrelation": self.autocorrelation,
            "self_check": self.self_check,
            "seed": self.seed,
            "percentiles": {name: estimate_as_dict(found) for name, found in estimates.items()},
            "curve": [list(point) for point in self.curve()],
            "notes": self.notes(),
        }


@dataclass(frozen=True, slots=True)
class BudgetVerdict:
    """What a sample says about one budget.

    Attributes:
        budget: The budget.
        verdict: PASS, FAIL or INCONCLUSIVE.
        sentence: The verdict's reason, in one or two sentences.
        requests: Requests that were looked at for this budget.
        bad: Those over the limit, errors among them; for an error rate the errors; for a mean those over the limit.
        measured: The metric as measured, in seconds or as a share; None without requests, `math.inf` past an error.
        needed: Further good requests that would settle it in the model's favour; 0 once decided.
        sample: The requests and their circumstances, shared by the budgets of one load.
    """

    budget: LatencyBudget
    verdict: Verdict
    sentence: str
    requests: int
    bad: int
    measured: float | None
    needed: int
    sample: Sample

    @property
    def line(self) -> figures.Line | None:
        """The budget as a figure shows it; None for an error rate, which no latency is."""
        if self.budget.metric == "error_rate":
            return None
        return figures.Line(self.budget.description, self.budget.limit_seconds, self.budget.percentile)

    def text(self) -> str:
        """Return the sample's histogram with the budget, for a terminal; empty for an error rate."""
        return "" if self.line is None else figures.text(self.sample.latencies, self.line)

    def svg(self) -> str:
        """Return the sample's distribution with the budget, as inline SVG; empty for an error rate."""
        return "" if self.line is None else figures.svg(self.sample.curve(), self.line)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict, its sample and its figures as plain data."""
        return {
            "metric": self.budget.metric,
            "limit": self.budget.limit_seconds,
            "budget": self.budget.description,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "requests": self.requests,
            "bad": self.bad,
            "measured": finite(self.measured),
            "needed": self.needed,
            "test": self.budget.test,
            "confidence": self.budget.confidence,
            "text": self.text(),
            "svg": self.svg(),
            "sample": self.sample.as_dict(),
        }


def estimate_as_dict(found: Estimate | None) -> dict[str, float | None] | None:
    """Return a percentile and its bounds as plain data."""
    if found is None:
        return None
    return {
        "value": finite(found.value),
        "low": finite(found.low),
        "high": finite(found.high),
        "confidence": found.confidence,
    }


def finite(value: float | None) -> float | None:
    """Return the value, None in place of infinity and NaN, which JSON cannot say."""
    return value if value is not None and math.isfinite(value) else None


def spread(found: Estimate | None) -> str:
    """Write a percentile with its bounds: ``12.3 ms (95%: 11 ms to 14.2 ms)``."""
    if found is None:
        return "unknown"
    bounds = f"{milliseconds(found.low)} to {milliseconds(found.high)}"
    return f"{milliseconds(found.value)} ({found.confidence:.0%}: {bounds})"


def worst(verdicts: Sequence[BudgetVerdict]) -> Verdict:
    """Return the verdict on all budgets together: FAIL before INCONCLUSIVE before PASS."""
    found = {each.verdict for each in verdicts}
    return next((verdict for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE) if verdict in found), Verdict.PASS)


_DRIFTED = 0.01
_STOLEN = 0.05
