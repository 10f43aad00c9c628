"""Tracks: each follows one budget through a sample until it is decided or its cap is reached."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_tfsig.latency.budgets import allowed_rate, cap, rate_test, risk
from pytest_tfsig.latency.exact import binomial_at_least, binomial_at_most, requests_to_pass
from pytest_tfsig.latency.means import MeanTest
from pytest_tfsig.latency.percentiles import PERCENTILES

if TYPE_CHECKING:
    from pytest_tfsig.contract import LatencyBudget
    from pytest_tfsig.latency.sampling import Observation
    from pytest_tfsig.latency.sequential import Decision, RateTest


@dataclass(slots=True)
class Track(ABC):
    """Follows one budget.

    Attributes:
        budget: The budget.
        requests: Requests it has looked at.
        bad: Those of them that count against the budget.
        block: How many of them count as one.
        closed: Whether it looks at no more.
        decision: What was decided; None: nothing yet.
    """

    budget: LatencyBudget
    requests: int = 0
    bad: int = 0
    block: int = 1
    closed: bool = False
    decision: Decision | None = None

    @abstractmethod
    def add(self, observation: Observation) -> None:
        """Look at the next request."""

    @abstractmethod
    def decide(self) -> Decision | None:
        """Return what the requests so far support, where `block` of them count as one."""

    def conclude(self) -> Decision | None:
        """Return what they support if there are to be no more."""
        return self.decide()

    @abstractmethod
    def needed(self) -> int:
        """Return how many further good requests would make this a pass."""


@dataclass(slots=True)
class RateTrack(Track):
    """Follows a percentile or an error rate by the sequential test."""

    test: RateTest = field(init=False)

    def __post_init__(self) -> None:
        self.test = rate_test(self.budget)

    def add(self, observation: Observation) -> None:
        """Look at the next request."""
        self.requests += 1
        self.bad += is_bad(self.budget, observation)

    def decide(self) -> Decision | None:
        """Return what the evidence so far supports."""
        return self.test.decide(self.requests, self.bad, self.block)

    def needed(self) -> int:
        """Return how many further good requests would make this a pass."""
        return self.test.good_needed(self.requests, self.bad, self.block)


@dataclass(slots=True)
class FixedTrack(Track):
    """Follows a percentile or an error rate by the exact test of a sample whose size was fixed beforehand.

    Where neighbours depend on each other, every block-th request is tested, from each of the possible first ones, and
    the least favourable of these samples decides.
    """

    _series: bytearray = field(default_factory=bytearray)

    def add(self, observation: Observation) -> None:
        """Look at the next request."""
        bad = is_bad(self.budget, observation)
        self.requests += 1
        self.bad += bad
        self._series.append(bad)

    def decide(self) -> Decision | None:
        """Return nothing before the sample is whole, then what it says."""
        return self.conclude() if self.requests >= cap(self.budget) else None

    def conclude(self) -> Decision | None:
        """Return what the sample says; requests that were planned and not sent count against either decision.

        A sample that time has cut short is not one of a size fixed beforehand: slow requests cut it shorter.
        """
        allowed, accepted = allowed_rate(self.budget), risk(self.budget)
        planned = cap(self.budget)
        series = bytes(self._series)
        passed = failed = True
        for first in range(self.block):
            size = len(range(first, planned, self.block))
            seen = series[first :: self.block]
            bad = sum(seen)
            passed = passed and binomial_at_most(bad + size - len(seen), size, allowed) <= accepted
            failed = failed and binomial_at_least(bad, size, allowed) <= accepted
        return "pass" if passed else "fail" if failed else None

    def needed(self) -> int:
        """Return how many further good requests the sample lacks to be as large as planned, and to pass."""
        worst = max(sum(self._series[first :: self.block]) for first in range(self.block))
        size = requests_to_pass(allowed_rate(self.budget), self.budget.confidence, worst)
        return max(size * self.block, cap(self.budget)) - self.requests


@dataclass(slots=True)
class MeanTrack(Track):
    """Follows a mean by the betting test."""

    test: MeanTest = field(init=False)

    def __post_init__(self) -> None:
        self.test = MeanTest(self.budget.limit_seconds, alpha=risk(self.budget), beta=risk(self.budget))

    def add(self, observation: Observation) -> None:
        """Look at the next request."""
        self.requests += 1
        self.bad += is_bad(self.budget, observation)
        self.test.add(observation.charged)

    def decide(self) -> Decision | None:
        """Return what the bets so far support."""
        return self.test.decide(self.block)

    def needed(self) -> int:
        """Return how many further requests, answered at once, would make this a pass."""
        return self.test.good_needed(self.block)


@dataclass(slots=True)
class FirstTrack(Track):
    """Follows the first request: one observation, compared as it is."""

    latency: float = math.nan

    def add(self, observation: Observation) -> None:
        """Look at the first request, and at no other."""
        if not self.requests:
            self.requests = 1
            self.latency = observation.charged
            self.bad = int(is_bad(self.budget, observation))

    def decide(self) -> Decision | None:
        """Return whether it kept its limit."""
        if not self.requests:
            return None
        return "fail" if self.bad else "pass"

    def needed(self) -> int:
        """Return 1 before the request was seen."""
        return 1 - self.requests


def track(budget: LatencyBudget) -> Track:
    """Return what follows this budget."""
    if budget.metric == "first_request":
        return FirstTrack(budget)
    if budget.metric == "mean":
        return MeanTrack(budget)
    return FixedTrack(budget) if budget.test == "fixed" else RateTrack(budget)


def limit(budget: LatencyBudget) -> float:
    """Return the charged latency in seconds beyond which a request counts against a budget."""
    # An error is charged with infinity: the largest float tells it from every answer.
    return sys.float_info.max if budget.metric == "error_rate" else budget.limit_seconds


def tail(budget: LatencyBudget) -> float:
    """Return the share of the requests, the slowest, whose clustering a verdict on this budget depends on."""
    return allowed_rate(budget) if budget.metric in {*PERCENTILES, "error_rate"} else _MEANS_TAIL


_MEANS_TAIL = 0.1


def is_bad(budget: LatencyBudget, observation: Observation) -> bool:
    """Return whether a request counts against a budget: an error always does, a slow answer if latency is bounded."""
    return observation.charged > limit(budget)
