"""The comparison: whether one version is slower than another, both measured in turn in one run."""

from __future__ import annotations

import itertools
import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_tfsig import progress
from pytest_tfsig.errors import UsageError
from pytest_tfsig.latency.dependence import self_check
from pytest_tfsig.latency.exact import hypergeometric_at_least
from pytest_tfsig.latency.machine import Load, LoadMeter, quiet_collector
from pytest_tfsig.latency.percentiles import PERCENTILES, Estimate, estimate
from pytest_tfsig.latency.units import milliseconds
from pytest_tfsig.latency.verdicts import Verdict, estimate_as_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_tfsig.latency.sampling import Send, Ticks

_TESTED = ("p90", "p99")
_BLOCK = "ABBA", "BAAB"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a run of both versions says about the candidate.

    Attributes:
        verdict: FAIL: slower beyond the tolerance, at the stated confidence. PASS: enough requests to have shown it
            and nothing shown. INCONCLUSIVE: too few for any result to be significant.
        sentence: The verdict's reason.
        tolerance: By how much the candidate may be slower: 0.1 for a tenth.
        confidence: One less the largest probability of a false FAIL.
        p_values: For each percentile tested, the probability of the candidate's share of the slowest, were it
            no slower than tolerated.
        baseline: Latencies of the baseline in seconds, in the order of the requests; `math.inf` for an error.
        candidate: Latencies of the candidate.
        needed: Further requests to each version without which nothing could be significant; 0 once decided.
        errors: The first error message of each version, where there was one.
        machine: What else the machine did.
        self_check: p-value of the baseline's first half against its second (A/A).
        seed: What the order of the versions was drawn from.
    """

    verdict: Verdict
    sentence: str
    tolerance: float
    confidence: float
    p_values: dict[str, float]
    baseline: tuple[float, ...]
    candidate: tuple[float, ...]
    needed: int
    errors: dict[str, str]
    machine: Load
    self_check: float
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """Return everything a report shows, as plain data."""
        return {
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "tolerance": self.tolerance,
            "confidence": self.confidence,
            "p_values": dict(self.p_values),
            "requests": len(self.candidate),
            "needed": self.needed,
            "baseline": _percentiles(self.baseline),
            "candidate": _percentiles(self.candidate),
            "errors": dict(self.errors),
            "machine": self.machine.as_dict(),
            "self_check": self.self_check,
            "seed": self.seed,
        }


def compare(
    send_a: Send,
    send_b: Send,
    draws: Iterator[Any],
    *,
    tolerance: float = 0.1,
    requests: int = 1000,
    seconds: float | None = None,
    confidence: float = 0.95,
    warmup: int = 10,
    seed: int = 0,
    clock: Ticks = time.perf_counter,
) -> Comparison:
    """Send the same inputs to a baseline and a candidate, in random ABBA blocks, and test which is slower.

    Args:
        send_a: Sends one request to the baseline and returns when it is answered; raises on an error.
        send_b: Sends one request to the candidate.
        draws: Inputs; each goes to both versions.
        tolerance: By how much the candidate may be slower: 0.1 for a tenth.
        requests: Requests to each version.
        seconds: Stop after this many seconds; None for no bound.
        confidence: One less the largest probability of failing a candidate that is within the tolerance.
        warmup: Requests to each version beforehand, not counted.
        seed: What the order of the versions is drawn from.
        clock: Current time in seconds.

    Raises:
        UsageError: So few requests can never be significant; the message has the number needed.
    """
    least = least_requests(confidence)
    if requests < least:
        raise UsageError(
            f"no_slower cannot be decided with requests = {requests}: at confidence {confidence:g} even a candidate "
            f"that is always slower needs {least} requests to each version; raise requests to {least} or more."
        )
    arms = _Arms(send_a, send_b, clock)
    for inputs in itertools.islice(draws, warmup):
        arms.send("A", inputs)
        arms.send("B", inputs)
    arms.forget()
    order = random.Random(seed)  # noqa: S311 - an order, not a secret
    meter = LoadMeter()
    began = clock()
    counted = progress.meter.get()

    def left() -> float:
        elapsed, sent = clock() - began, len(arms.latencies["A"])
        wanted = (requests - sent) * elapsed / sent
        return wanted if seconds is None else min(wanted, max(0.0, seconds - elapsed))

    with quiet_collector():
        for first, second in itertools.islice(zip(draws, draws, strict=False), math.ceil(requests / 2)):
            if seconds is not None and clock() - began > seconds:
                break
            arms.block(order.choice(_BLOCK), first, second)
            counted.tick(left)
    return _judge(arms, tolerance, confidence, meter.read(), seed)


def slower_p_value(baseline: Sequence[float], candidate: Sequence[float], tolerance: float, share: float) -> float:
    """Return the probability of so many of the candidate's requests among the slowest, were it as slow as tolerated.

    Of all requests, the baseline's scaled by 1 + tolerance, the slowest K = floor((1 - share) * n) are taken; the
    number of the candidate's among them is hypergeometric if its latencies are no different from the scaled ones. Ties
    count for the candidate. Balanced blocks make the number vary less than that, so the value errs on the safe side.

    Args:
        baseline: Latencies in seconds; `math.inf` for an error.
        candidate: Latencies in seconds.
        tolerance: By how much the candidate may be slower.
        share: Percentile at which the slow requests begin, such as 0.99.
    """
    population = len(baseline) + len(candidate)
    slowest = math.floor(population * (1 - share) + 1e-9)
    pooled = [(latency * (1 + tolerance), 1) for latency in baseline] + [(latency, 0) for latency in candidate]
    pooled.sort(reverse=True)
    of_candidate = sum(1 for _, is_baseline in pooled[:slowest] if not is_baseline)
    return hypergeometric_at_least(of_candidate, population, slowest, len(candidate))


def least_requests(confidence: float) -> int:
    """Return the requests to each version without which not even the worst candidate could fail."""
    level = (1 - confidence) / len(_TESTED)
    requests = 1
    while not all(_best_p_value(requests, _share(name)) <= level for name in _TESTED):
        requests += 1
    return requests


class _Arms:
    """Both versions and what was measured of each."""

    def __init__(self, send_a: Send, send_b: Send, clock: Ticks) -> None:
        self._sends = {"A": send_a, "B": send_b}
        self._clock = clock
        self.latencies: dict[str, list[float]] = {"A": [], "B": []}
        self.errors: dict[str, str] = {}

    def send(self, arm: str, inputs: Any) -> None:
        began = self._clock()
        try:
            self._sends[arm](inputs)
        except Exception as error:  # noqa: BLE001 - whatever a sender raises, its request was not answered
            self.latencies[arm].append(math.inf)
            self.errors.setdefault(arm, str(error) or type(error).__name__)
            return
        self.latencies[arm].append(self._clock() - began)

    def block(self, order: str, first: Any, second: Any) -> None:
        """Send two inputs to both versions, the order of the second pair reversed: drift within a block cancels."""
        for arm, inputs in zip(order, (first, first, second, second), strict=True):
            self.send(arm, inputs)

    def forget(self) -> None:
        self.latencies = {"A": [], "B": []}
        self.errors = {}


def _judge(arms: _Arms, tolerance: float, confidence: float, machine: Load, seed: int) -> Comparison:
    baseline, candidate = tuple(arms.latencies["A"]), tuple(arms.latencies["B"])
    p_values = {name: slower_p_value(baseline, candidate, tolerance, _share(name)) for name in _TESTED}
    needed = max(0, least_requests(confidence) - len(candidate))
    level = (1 - confidence) / len(_TESTED)
    significant = [name for name in _TESTED if p_values[name] <= level]
    if significant:
        verdict, needed = Verdict.FAIL, 0
    else:
        verdict = Verdict.INCONCLUSIVE if needed else Verdict.PASS
    return Comparison(
        verdict=verdict,
        sentence=_sentence(arms, significant, tolerance, needed),
        tolerance=tolerance,
        confidence=confidence,
        p_values=p_values,
        baseline=baseline,
        candidate=candidate,
        needed=needed,
        errors={{"A": "baseline", "B": "candidate"}[arm]: text for arm, text in arms.errors.items()},
        machine=machine,
        self_check=self_check(baseline),
        seed=seed,
    )


def _sentence(arms: _Arms, significant: Sequence[str], tolerance: float, needed: int) -> str:
    baseline, candidate = arms.latencies["A"], arms.latencies["B"]
    if needed:
        return f"needs {needed} more requests to each version: {len(candidate)} were sent within the time allowed."
    measured = {
        name: [milliseconds(_estimate(latencies, name).value) for latencies in (candidate, baseline)]
        for name in (significant or _TESTED)
    }
    shown = "; ".join(f"{name} {ours} against {theirs}" for name, (ours, theirs) in measured.items())
    sent = f"{len(candidate)} requests to each version"
    if significant:
        return f"slower than the baseline by more than {tolerance:.0%}: {shown} ({sent})."
    return f"{sent} do not show it slower than the baseline by more than {tolerance:.0%}: {shown}."


def _percentiles(latencies: Sequence[float]) -> dict[str, Any]:
    return {name: estimate_as_dict(_estimate(latencies, name)) for name in PERCENTILES} if latencies else {}


def _estimate(latencies: Sequence[float], name: str) -> Estimate:
    return estimate(sorted(latencies), PERCENTILES[name])


def _best_p_value(requests: int, share: float) -> float:
    slowest = math.floor(2 * requests * (1 - share) + 1e-9)
    return hypergeometric_at_least(slowest, 2 * requests, slowest, requests)


def _share(name: str) -> float:
    return float(PERCENTILES[name])
