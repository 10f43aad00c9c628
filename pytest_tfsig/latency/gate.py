"""The gate: samples a server until each latency budget is decided, or may cost no more."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_tfsig import progress
from pytest_tfsig.errors import UsageError
from pytest_tfsig.latency.budgets import LONGEST, LoadShape, by_load, cap, undecidable
from pytest_tfsig.latency.dependence import autocorrelation, block_length, self_check, slow_tenth
from pytest_tfsig.latency.machine import LoadMeter, quiet_collector
from pytest_tfsig.latency.percentiles import PERCENTILES, Estimate, estimate
from pytest_tfsig.latency.sampling import (
    Limits,
    Observation,
    Send,
    Ticks,
    closed_loop,
    open_loop,
    poisson_gaps,
    warm_up,
)
from pytest_tfsig.latency.sentences import sentence
from pytest_tfsig.latency.tracks import FirstTrack, MeanTrack, Track, limit, tail, track
from pytest_tfsig.latency.verdicts import BudgetVerdict, Sample, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_tfsig.contract import LatencyBudget

_PINGS = 50
_OPEN_LOOP_CALLERS = 32
"""An open loop needs a free caller whenever a request is due; a request that finds none is timed all the same."""


def gate(
    budgets: Sequence[LatencyBudget],
    send: Send,
    draws: Iterator[Any],
    *,
    ping: Callable[[], None] | None = None,
    seed: int = 0,
    clock: Ticks = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> list[BudgetVerdict]:
    """Decide budgets from as few requests as they need; budgets of one load share one sample.

    Args:
        budgets: What must hold. Those for another batch or transport need inputs and a `send` of their own: see
            `budgets.by_load`.
        send: Sends one request and returns when it is answered; raises on an error, a time-out among them. With
            concurrency or a rate it is called from several threads.
        draws: Inputs to send, one after another; drawing is not timed.
        ping: A request that costs the model nothing, on the same channel: the floor under every latency.
        seed: What the arrivals of an open loop are drawn from.
        clock: Current time in seconds.
        sleep: Waits for so many seconds.

    Returns:
        One verdict for each budget, in the order given.

    Raises:
        UsageError: A budget can never be decided within its cap; the message has the number it needs.
    """
    for budget in budgets:
        if (reason := undecidable(budget)) is not None:
            raise UsageError(reason)
    found: dict[int, BudgetVerdict] = {}
    for shape, group in by_load(budgets).items():
        measurement = _Measurement(shape, group, seed)
        verdicts = measurement.run(send, draws, ping, clock, sleep)
        found.update({id(budget): verdict for budget, verdict in zip(group, verdicts, strict=True)})
    return [found[id(budget)] for budget in budgets]


@dataclass(slots=True)
class _Measurement:
    """One sample and the budgets it decides."""

    shape: LoadShape
    budgets: Sequence[LatencyBudget]
    seed: int
    tracks: list[Track] = field(init=False)
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    _began: float = 0.0
    _clock: Ticks = time.perf_counter
    _meter: progress.Meter = field(default_factory=progress.meter.get)

    def __post_init__(self) -> None:
        self.tracks = [track(budget) for budget in self.budgets]

    def run(
        self,
        send: Send,
        draws: Iterator[Any],
        ping: Callable[[], None] | None,
        clock: Ticks,
        sleep: Callable[[float], None],
    ) -> list[BudgetVerdict]:
        """Warm up, find the floor, sample, and say what was found."""
        warmup = self._warm_up(send, draws, clock)
        floor = _floor(ping, clock)
        meter = LoadMeter()
        began = self._began = clock()
        self._clock = clock
        if not all(each.closed for each in self.tracks):
            with quiet_collector():
                self._sample(send, draws, clock, sleep)
        seconds = clock() - began
        self._conclude()
        sample = Sample(
            shape=self.shape,
            latencies=tuple(self.latencies),
            errors=dict(self.errors),
            seconds=seconds,
            warmup=len(warmup),
            first_request=next((each.latency for each in warmup), None),
            floor=floor,
            machine=meter.read(),
            block=max(each.block for each in self.tracks),
            autocorrelation=autocorrelation(slow_tenth(self.latencies)),
            self_check=self_check(self.latencies),
            seed=self.seed,
        )
        return [self._verdict(each, sample) for each in self.tracks]

    def _sample(self, send: Send, draws: Iterator[Any], clock: Ticks, sleep: Callable[[float], None]) -> None:
        seconds = [math.inf if budget.seconds is None else budget.seconds for budget in self.budgets]
        limits = Limits(max(cap(budget, LONGEST) for budget in self.budgets), max(seconds))
        if self.shape.rate is None:
            closed_loop(send, draws, self._judge, limits, concurrency=self.shape.concurrency, clock=clock)
            return
        open_loop(
            send,
            draws,
            self._judge,
            limits,
            gaps=poisson_gaps(self.shape.rate, self.seed),
            callers=max(self.shape.concurrency, _OPEN_LOOP_CALLERS),
            clock=clock,
            sleep=sleep,
        )

    def _warm_up(self, send: Send, draws: Iterator[Any], clock: Ticks) -> list[Observation]:
        """Warm up, the first request alone and the others as many at once as will be sampled."""
        requests = max(budget.warmup for budget in self.budgets)
        warmup = warm_up(send, draws, min(requests, 1), clock=clock)
        for first in warmup:
            self._see_first(first)
        return warmup + warm_up(send, draws, requests - len(warmup), concurrency=self.shape.concurrency, clock=clock)

    def _see_first(self, observation: Observation) -> None:
        for each in self.tracks:
            if isinstance(each, FirstTrack):
                each.add(observation)
                each.closed = True

    def _judge(self, observation: Observation) -> bool:
        """Show a request to every open track; return whether none is left."""
        self.latencies.append(observation.charged)
        if observation.error is not None:
            self.errors[observation.error] += 1
        for each in self.tracks:
            if each.closed:
                continue
            if each.budget.seconds is not None and observation.due > each.budget.seconds:
                each.closed = True
                continue
            each.add(observation)
            if each.decide() is not None:
                # Only a decision is worth the cost of looking for dependence; once found it stays.
                self._look_for_dependence(each)
                each.decision = each.decide()
            each.closed = each.decision is not None or each.requests >= cap(each.budget, each.block)
        self._meter.tick(self._left)
        return all(each.closed for each in self.tracks)

    def _left(self) -> float | None:
        """Return the seconds that the evidence so far would need, were all further requests good ones."""
        waiting = [each for each in self.tracks if not each.closed]
        if not waiting:
            return 0.0
        elapsed = self._clock() - self._began
        wanted = max(min(each.needed(), cap(each.budget, each.block) - each.requests) for each in waiting)
        left = wanted * elapsed / len(self.latencies)
        bounds = [each.budget.seconds for each in waiting]
        return left if None in bounds else min(left, max(0.0, *(bound - elapsed for bound in bounds if bound)))

    def _look_for_dependence(self, each: Track) -> None:
        each.block = max(each.block, block_length(self.latencies, limit(each.budget), tail(each.budget)))

    def _conclude(self) -> None:
        """Let those have their say that time cut short."""
        for each in self.tracks:
            if each.decision is None and each.conclude() is not None:
                self._look_for_dependence(each)
                each.decision = each.conclude()

    def _verdict(self, each: Track, sample: Sample) -> BudgetVerdict:
        verdict = Verdict.INCONCLUSIVE if each.decision is None else Verdict(each.decision)
        needed = each.needed() if verdict is Verdict.INCONCLUSIVE else 0
        measured = _measured(each, sample)
        return BudgetVerdict(
            budget=each.budget,
            verdict=verdict,
            sentence=sentence(each, verdict, measured, sample),
            requests=each.requests,
            bad=each.bad,
            measured=measured,
            needed=needed,
            sample=sample,
        )


def _measured(each: Track, sample: Sample) -> float | None:
    """Return the metric as the requests show it."""
    if not each.requests:
        return None
    if isinstance(each, FirstTrack):
        return each.latency
    if isinstance(each, MeanTrack):
        return each.test.mean
    if each.budget.metric in PERCENTILES:
        return estimate(sorted(sample.latencies[: each.requests]), PERCENTILES[each.budget.metric]).value
    return each.bad / each.requests


def _floor(ping: Callable[[], None] | None, clock: Ticks) -> Estimate | None:
    """Return the median latency of the ping, None where there is none or it fails."""
    if ping is None:
        return None
    seen = warm_up(lambda _: ping(), iter(range(_PINGS)), _PINGS, clock=clock)
    answered = sorted(each.latency for each in seen if each.error is None)
    return estimate(answered, PERCENTILES["p50"]) if answered else None
