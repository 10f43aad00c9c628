"""Exact tail probabilities of the binomial and hypergeometric distributions, and the sample sizes they imply."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A term this much smaller than the sum so far cannot change a float64, nor can the shrinking terms after it.
_NEGLIGIBLE = 1e-18


def binomial_at_most(over: int, requests: int, rate: float) -> float:
    """Return P(Bin(requests, rate) <= over).

    Args:
        over: Number of events, any integer.
        requests: Number of trials, at least 0.
        rate: Probability of the event in one trial, from 0 to 1.

    Returns:
        A probability with about 12 correct digits in either tail.
    """
    if over < 0:
        return 0.0
    if over >= requests or rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    if over + 1 > requests * rate:
        return 1.0 - _binomial_upwards(over + 1, requests, rate)
    odds = (1 - rate) / rate
    return _sum(_log_binomial(over, requests, rate), lambda i: _down(i, over, requests) * odds)


def binomial_at_least(over: int, requests: int, rate: float) -> float:
    """Return P(Bin(requests, rate) >= over), as exact in the far tail as `binomial_at_most` is in the other."""
    if over <= 0:
        return 1.0
    if over > requests or rate <= 0:
        return 0.0
    if rate >= 1:
        return 1.0
    if over < requests * rate:
        return 1.0 - binomial_at_most(over - 1, requests, rate)
    return _binomial_upwards(over, requests, rate)


def hypergeometric_at_least(marked_drawn: int, population: int, marked: int, drawn: int) -> float:
    """Return the probability that a draw without replacement holds at least so many marked members.

    Args:
        marked_drawn: Least number of marked members among those drawn.
        population: Number of members.
        marked: Number of them that are marked.
        drawn: Number drawn without replacement.
    """
    least, most = max(0, drawn + marked - population), min(marked, drawn)
    if marked_drawn <= least:
        return 1.0
    if marked_drawn > most:
        return 0.0
    if marked_drawn * population > drawn * marked:
        return _hypergeometric_run(marked_drawn, population, marked, drawn, upwards=True)
    return 1.0 - _hypergeometric_run(marked_drawn - 1, population, marked, drawn, upwards=False)


def requests_to_pass(rate: float, confidence: float, over: int = 0) -> int:
    """Return the smallest fixed sample in which `over` events still prove a rate below `rate`.

    That is the smallest n with P(Bin(n, rate) <= over) <= 1 - confidence: 459 for a rate of 0.01, a confidence of
    0.99 and no event, as in MLPerf LoadGen.
    """
    risk = 1 - confidence
    high = over + 1
    while binomial_at_most(over, high, rate) > risk:
        high *= 2
    low = over
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_at_most(over, middle, rate) <= risk:
            high = middle
        else:
            low = middle
    return high


def _binomial_upwards(over: int, requests: int, rate: float) -> float:
    odds = rate / (1 - rate)
    return _sum(_log_binomial(over, requests, rate), lambda i: (requests - over - i) / (over + i + 1) * odds)


def _down(step: int, over: int, requests: int) -> float:
    return (over - step) / (requests - over + step + 1)


def _log_binomial(over: int, requests: int, rate: float) -> float:
    # The logarithm of an exact integer: differences of lgamma would lose digits with thousands of requests.
    return math.log(math.comb(requests, over)) + over * math.log(rate) + (requests - over) * math.log1p(-rate)


def _hypergeometric_run(start: int, population: int, marked: int, drawn: int, *, upwards: bool) -> float:
    """Sum the probabilities of `start` marked members drawn and of all numbers above or below it."""
    unmarked = population - marked
    log_first = (
        math.log(math.comb(marked, start))
        + math.log(math.comb(unmarked, drawn - start))
        - math.log(math.comb(population, drawn))
    )

    def more(step: int) -> float:
        k = start + step
        return (marked - k) * (drawn - k) / ((k + 1) * (unmarked - drawn + k + 1))

    def fewer(step: int) -> float:
        k = start - step
        return k * (unmarked - drawn + k) / ((marked - k + 1) * (drawn - k + 1))

    return _sum(log_first, more if upwards else fewer)


def _sum(log_first: float, ratio: Callable[[int], float]) -> float:
    """Sum a run of terms that shrink, given the first one's logarithm and the ratio of each to the one before."""
    term = total = 1.0
    step = 0
    while term > _NEGLIGIBLE * total:
        term *= ratio(step)
        total += term
        step += 1
    return min(1.0, math.exp(log_first + math.log(total)))
