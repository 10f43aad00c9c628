"""The sequential test of a mean latency, by betting: valid for any distribution, at any moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_tfsig.latency.sequential import LEAST

if TYPE_CHECKING:
    from pytest_tfsig.latency.sequential import Decision

CEILING = 10.0
"""A request is counted as at most this many times the limit: no statement about a mean is possible without a bound."""

_STAKE = 0.75
"""Share of the wealth that one request may lose at most."""


@dataclass(slots=True)
class MeanTest:
    """Tests a mean latency against a limit, each request counted as at most `CEILING` limits.

    Two gamblers bet on every request before it is seen, one that the mean is below the limit, one that it is above.
    Each stake is set by what was seen before (the stake that would have made the most of it), so while the
    mean really is at or beyond the limit the first one's wealth is a non-negative supermartingale, and by Ville's
    inequality it reaches 1 / alpha with a probability of at most alpha; likewise the second one's and beta. This is
    Waudby-Smith and Ramdas's betting test of a bounded mean.

    Attributes:
        limit: Largest mean that the budget allows, in seconds.
        alpha: Largest probability of a false pass.
        beta: Largest probability of a false fail.
    """

    limit: float
    alpha: float
    beta: float
    requests: int = 0
    total: float = 0.0
    _below: float = 0.0
    _above: float = 0.0
    # Latencies in units of the limit, as if one of exactly the limit, with a spread of half of it, had been seen.
    _mean: float = 1.0
    _squares: float = 0.25

    @property
    def mean(self) -> float:
        """Mean of the latencies so far, in seconds and without a ceiling but for errors."""
        return self.total / self.requests if self.requests else math.nan

    def add(self, latency: float) -> None:
        """Settle the bets on one request, given its latency in seconds (`math.inf` for an error)."""
        self.requests += 1
        value = min(latency / self.limit, CEILING)
        # An error has no latency of its own; it costs what the slowest request can cost.
        self.total += latency if math.isfinite(latency) else CEILING * self.limit
        seen = self.requests
        gap = 1 - self._mean
        stake = gap / (self._squares / seen + gap * gap)
        self._below += math.log1p(min(max(stake, 0.0), _STAKE / (CEILING - 1)) * (1 - value))
        self._above += math.log1p(min(max(-stake, 0.0), _STAKE) * (value - 1))
        step = value - self._mean
        self._mean += step / (seen + 1)
        self._squares += step * (value - self._mean)

    def decide(self, block: int = 1) -> Decision | None:
        """Return the decision that the bets so far support, None for going on.

        Args:
            block: Number of requests after which the dependence between requests is over; their bets count as one,
                and those still to come within it are counted as lost.
        """
        if self.requests < LEAST:
            return None
        pending = (block - 1) * math.log1p(-_STAKE)
        # The raw mean is asked too: beyond the ceiling the bets cannot see what a few enormous latencies cost.
        if self._below + pending >= -block * math.log(self.alpha) and self.mean <= self.limit:
            return "pass"
        if self._above + pending >= -block * math.log(self.beta):
            return "fail"
        return None

    def good_needed(self, block: int = 1) -> int:
        """Return how many further requests, answered at once, would make this a pass."""
        target = -block * math.log(self.alpha) - (block - 1) * math.log1p(-_STAKE)
        best = math.log1p(_STAKE / (CEILING - 1))
        from_bets = math.ceil((target - self._below) / best)
        from_mean = math.ceil(self.total / self.limit) - self.requests
        return max(0, from_bets, from_mean, LEAST - self.requests)
