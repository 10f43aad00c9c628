"""The sequential test of a rate: likelihood ratios that may be looked at after every request."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Decision = Literal["pass", "fail"]

LEAST = 20
"""No decision falls before so many requests: fewer cannot show whether they resemble their neighbours."""

_MARGIN = 4
"""The test is at its quickest where the true rate is this many times below the one allowed."""

_INSURANCE = 1 / 2000
"""Share of the evidence staked on smaller margins: too little to cost a model without a fault a single request."""

_SMALL_MARGINS = (1.25, 1.6, 2.5)
"""Those margins, as ratios of odds; without them a p50 that a third of the requests exceed could never pass."""

_EXCESSES = (1.5, 3.0, 10.0, 40.0)
"""How far beyond its budget, as ratios of odds, the model is imagined when the budget is to be refuted."""

_RESERVE = math.log(4 / 3)
"""Further evidence wanted of a pass with bad requests among them, for dependence that a sample does not reveal."""

# Sums of a few thousand equal weights may miss an exact threshold by their rounding; this is far above that and far
# below the weight of one request.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class RateTest:
    """Tests a rate of bad requests against `allowed`, at any moment and as often as one likes.

    Two wagers are kept. The first is on the budget being kept: E = prod (q1/q0)^x ((1-q1)/(1-q0))^(1-x), with
    x = 1 for a bad request, q0 = `allowed` and q1 = q0 / 4; one part in 2,000 of it is staked on smaller margins.
    While the rate given all that went before is at least q0, E is a non-negative supermartingale that starts at 1,
    so by Ville's inequality it ever reaches 1 / alpha with a probability of at most alpha: a false pass, however
    often one looks and whenever one stops. The second is the same against the budget, a mixture over rates above q0:
    while the rate is at most q0 it reaches 1 / beta with a probability of at most beta. Neither reached is neither
    proved. A sample with bad requests in it has to exceed 1 / alpha by a third: that keeps a part of alpha in reserve
    for what the look for dependence may miss.

    Where requests depend on their neighbours, `block` is the number of requests after which the dependence is over.
    The requests of a block share one request's evidence (each counts with the power 1 / block, which Hölder's
    inequality allows for any dependence within it), and those whose dependence still reaches beyond the moment of
    looking are counted as lost.

    Attributes:
        allowed: Largest rate of bad requests that the budget allows, between 0 and 1: 0.01 for p99.
        alpha: Largest probability of a false pass.
        beta: Largest probability of a false fail.
    """

    allowed: float
    alpha: float
    beta: float
    _kept: tuple[_Wager, ...] = field(init=False, repr=False)
    _broken: tuple[_Wager, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        odds = self.allowed / (1 - self.allowed)
        cautious = [
            _wager(_rate(odds / ratio), self.allowed, _INSURANCE / len(_SMALL_MARGINS)) for ratio in _SMALL_MARGINS
        ]
        kept = (_wager(self.allowed / _MARGIN, self.allowed, 1 - _INSURANCE), *cautious)
        broken = tuple(_wager(_rate(odds * ratio), self.allowed, 1 / len(_EXCESSES)) for ratio in _EXCESSES)
        object.__setattr__(self, "_kept", kept)
        object.__setattr__(self, "_broken", broken)

    def log_kept(self, requests: int, bad: int, block: int = 1) -> float:
        """Return the logarithm of the evidence that the rate is below `allowed`, after so many requests."""
        return _log_wealth(self._kept, requests, bad, block)

    def log_broken(self, requests: int, bad: int, block: int = 1) -> float:
        """Return the logarithm of the evidence that the rate is above `allowed`, after so many requests."""
        return _log_wealth(self._broken, requests, bad, block)

    def decide(self, requests: int, bad: int, block: int = 1) -> Decision | None:
        """Return the decision that the evidence so far supports, None for going on."""
        if requests < LEAST:
            return None
        pending = block - 1
        wanted = -math.log(self.alpha) + (_RESERVE if bad else 0.0)
        if self.log_kept(requests + pending, bad + pending, block) >= wanted - _ROUNDING:
            return "pass"
        if self.log_broken(requests + pending, bad, block) >= -math.log(self.beta) - _ROUNDING:
            return "fail"
        return None

    def good_needed(self, requests: int = 0, bad: int = 0, block: int = 1) -> int:
        """Return how many further requests, all good, would make this a pass: 397 for p99 at alpha 0.05."""

        def passes(more: int) -> bool:
            return self.decide(requests + more, bad, block) == "pass"

        low, high = -1, 1
        while not passes(high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if passes(middle) else (middle, high)
        return high

    def boundaries(self, cap: int, block: int = 1) -> Iterator[tuple[int, int]]:
        """Yield, for 1 … `cap` requests, the most bad ones that pass (-1: none may) and the fewest that fail."""
        most, fewest = -1, 0
        for requests in range(1, cap + 1):
            if requests < LEAST:
                yield -1, requests + 1
                continue
            while self.decide(requests, most + 1, block) == "pass":
                most += 1
            while fewest <= requests and self.decide(requests, fewest, block) != "fail":
                fewest += 1
            yield most, fewest

    def expect(self, rate: float, cap: int) -> Expectation:
        """Return what the test does with independent requests of this true rate, computed exactly.

        Args:
            rate: True rate of bad requests, from 0 to 1.
            cap: Number of requests after which the test stops undecided.
        """
        passed = failed = mean = 0.0
        running = {0: 1.0}
        for requests, (most, fewest) in enumerate(self.boundaries(cap), start=1):
            arrived: dict[int, float] = {}
            for bad, mass in running.items():
                arrived[bad] = arrived.get(bad, 0.0) + mass * (1 - rate)
                arrived[bad + 1] = arrived.get(bad + 1, 0.0) + mass * rate
            won = math.fsum(mass for bad, mass in arrived.items() if bad <= most)
            lost = math.fsum(mass for bad, mass in arrived.items() if bad >= fewest)
            passed, failed, mean = passed + won, failed + lost, mean + requests * (won + lost)
            running = {bad: mass for bad, mass in arrived.items() if most < bad < fewest and mass > _VANISHED}
        undecided = math.fsum(running.values())
        return Expectation(passed, failed, undecided, mean + cap * undecided)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a sequential test does on average.

    Attributes:
        passed: Probability of PASS.
        failed: Probability of FAIL.
        undecided: Probability of reaching the cap.
        requests: Mean number of requests.
    """

    passed: float
    failed: float
    undecided: float
    requests: float


@dataclass(frozen=True, slots=True)
class _Wager:
    """A share of the wealth staked on one rate, and what each request changes the logarithm of it by."""

    log_share: float
    bad: float
    good: float


def _wager(rate: float, allowed: float, share: float) -> _Wager:
    return _Wager(math.log(share), math.log(rate / allowed), math.log1p(-rate) - math.log1p(-allowed))


def _rate(odds: float) -> float:
    return odds / (1 + odds)


def _log_wealth(wagers: tuple[_Wager, ...], requests: int, bad: int, block: int) -> float:
    good = requests - bad
    parts = [each.log_share + (bad * each.bad + good * each.good) / block for each in wagers]
    highest = max(parts)
    return highest + math.log(math.fsum(math.exp(part - highest) for part in parts))


_VANISHED = 1e-30
