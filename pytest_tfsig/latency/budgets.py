"""What a budget asks of a sample: the rate it allows, the requests it may cost, and whether they can suffice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_tfsig.latency.exact import requests_to_pass
from pytest_tfsig.latency.means import MeanTest
from pytest_tfsig.latency.percentiles import PERCENTILES
from pytest_tfsig.latency.sequential import RateTest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_tfsig.contract import LatencyBudget

_SPARE_OVER = 5
"""A fixed sample that nobody sized may have so many requests over the limit and still pass."""

_PATIENCE = 5
"""A sequential test that nobody capped may take so many times the requests of a run without a fault, …"""

_LEAST_CAP = 1000
"""… and at least so many: the tests of low percentiles are quick, and may as well be thorough."""

LONGEST = 4
"""A dependence over more requests than this is left INCONCLUSIVE rather than waited for."""


@dataclass(frozen=True, slots=True)
class LoadShape:
    """The load under which budgets must hold; those with the same one share a sample.

    Attributes:
        transport: `grpc` or `rest`.
        batch: Rows in each request.
        concurrency: Callers in a closed loop; in an open loop the least number of them.
        rate: Requests a second of an open loop, None for a closed loop.
    """

    transport: str
    batch: int
    concurrency: int
    rate: float | None

    def __str__(self) -> str:
        """Say it in one line."""
        loop = f"{self.rate:g} requests/s" if self.rate is not None else f"concurrency {self.concurrency}"
        return f"{'REST' if self.transport == 'rest' else 'gRPC'}, batch {self.batch}, {loop}"


def by_load(budgets: Iterable[LatencyBudget]) -> dict[LoadShape, list[LatencyBudget]]:
    """Group budgets by the load they share; a load that a first-request budget names comes first, while it is cold."""
    groups: dict[LoadShape, list[LatencyBudget]] = {}
    for budget in sorted(budgets, key=lambda budget: budget.metric != "first_request"):
        shape = LoadShape(budget.transport, budget.batch, budget.concurrency, budget.rate)
        groups.setdefault(shape, []).append(budget)
    return groups


def allowed_rate(budget: LatencyBudget) -> float:
    """Return the largest share of bad requests that a percentile's or an error rate's budget allows."""
    if budget.metric in PERCENTILES:
        return float(1 - PERCENTILES[budget.metric])
    return float(budget.limit_seconds)


def risk(budget: LatencyBudget) -> float:
    """Return the probability of a wrong verdict that the budget tolerates, on either side."""
    return 1 - budget.confidence


def rate_test(budget: LatencyBudget) -> RateTest:
    """Return the sequential test of a percentile's or an error rate's budget."""
    return RateTest(allowed_rate(budget), alpha=risk(budget), beta=risk(budget))


def least_requests(budget: LatencyBudget) -> int:
    """Return the requests, none of them bad, without which the budget cannot pass."""
    if budget.metric == "first_request":
        return 1
    if budget.metric == "mean":
        return MeanTest(budget.limit_seconds, risk(budget), risk(budget)).good_needed()
    if budget.test == "fixed":
        return requests_to_pass(allowed_rate(budget), budget.confidence)
    return rate_test(budget).good_needed()


def cap(budget: LatencyBudget, block: int = 1) -> int:
    """Return the number of requests the budget may cost: what it says, else what its test usually needs.

    Args:
        budget: The budget.
        block: Number of requests that count as one. Nobody having set a cap, they raise it, up to `LONGEST` times.
    """
    if budget.metric == "first_request":
        return 1
    if budget.requests is not None:
        return budget.requests
    if budget.test == "fixed":
        return requests_to_pass(allowed_rate(budget), budget.confidence, _SPARE_OVER)
    return max(_LEAST_CAP, _PATIENCE * least_requests(budget)) * min(block, LONGEST)


def undecidable(budget: LatencyBudget) -> str | None:
    """Return why no sample within the budget's own cap could ever pass it, with the number it needs; else None."""
    if budget.metric == "error_rate" and budget.limit_seconds == 0:
        return (
            "error_rate = 0 cannot be proved by any number of requests; state a share that is tolerable, such as 0.001 "
            f"({requests_to_pass(0.001, budget.confidence)} requests without an error prove it)."
        )
    if budget.metric == "mean" and budget.test == "fixed":
        return (
            'A mean has no exact test of fixed size without knowing its distribution; leave out test = "fixed", '
            "the sequential test of a mean holds for any."
        )
    needed = least_requests(budget)
    sure = f"at confidence {budget.confidence:g}"
    if cap(budget) < needed:
        return (
            f"{budget.description} cannot be decided with requests = {cap(budget)}: {sure} it needs at least {needed} "
            f"requests, all of them good; raise requests to {needed} or more."
        )
    if budget.rate is not None and budget.seconds is not None and budget.rate * budget.seconds < needed:
        seconds = math.ceil(needed / budget.rate)
        return (
            f"{budget.description} cannot be decided in {budget.seconds:g} s: {sure} it needs at least {needed} "
            f"requests; raise seconds to {seconds} or more."
        )
    return None
