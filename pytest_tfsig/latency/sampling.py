"""Sampling: requests sent in a closed or an open loop, timed one by one and judged in the order they were due."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

Send = Callable[[Any], None]
Ticks = Callable[[], float]


class Judge(Protocol):
    """Looks at every request in turn."""

    def __call__(self, observation: Observation, /) -> bool:
        """Return whether enough is known: no request after this one will be looked at."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One request.

    Attributes:
        index: Its place among the requests of the run, from 0.
        due: When it was due, in seconds since the run began: its scheduled send in an open loop, else its send.
        latency: Seconds from when it was due to its answer, or to its error.
        error: What the sender raised, None for an answer.
    """

    index: int
    due: float
    latency: float
    error: str | None = None

    @property
    def charged(self) -> float:
        """Latency in seconds that a budget is charged with: an error is over every limit."""
        return math.inf if self.error is not None else self.latency


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run ends without a decision.

    Attributes:
        requests: Largest number of requests.
        seconds: No request is due later than this many seconds after the run began.
    """

    requests: int
    seconds: float


def closed_loop(
    send: Send,
    draws: Iterator[Any],
    judge: Judge,
    limits: Limits,
    *,
    concurrency: int = 1,
    clock: Ticks = time.perf_counter,
) -> None:
    """Send from `concurrency` callers, each waiting for its answer before it sends again.

    One caller runs in the calling thread; more of them run in threads of their own, and `send` must allow that.
    """
    run = _Run(draws, judge, limits, clock)
    _work(run, lambda: _call_in_turn(run, send), concurrency)


def open_loop(
    send: Send,
    draws: Iterator[Any],
    judge: Judge,
    limits: Limits,
    *,
    gaps: Iterator[float],
    callers: int,
    clock: Ticks = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send at scheduled moments, whether or not earlier requests have been answered.

    Each request is timed from its scheduled moment. One that had to wait for a free caller behind a stall has waited
    as a user would have, and its latency says so: nothing is hidden by coordinated omission.

    Args:
        send: Sends one request, raising on error; called from `callers` threads.
        draws: Inputs to send.
        judge: Sees each request, in the order of the schedule.
        limits: When to end undecided.
        gaps: Seconds between one scheduled send and the next.
        callers: How many requests may be under way at once.
        clock: Current time in seconds.
        sleep: Waits for so many seconds.
    """
    run = _Run(draws, judge, limits, clock, gaps)
    _work(run, lambda: _call_on_schedule(run, send, sleep), callers)


def poisson_gaps(rate: float, seed: int) -> Iterator[float]:
    """Yield the gaps, in seconds, between arrivals that know nothing of each other, at so many a second."""
    source = random.Random(seed)  # noqa: S311 - arrivals, not secrets
    while True:
        yield source.expovariate(rate)


def warm_up(
    send: Send,
    draws: Iterator[Any],
    requests: int,
    *,
    concurrency: int = 1,
    clock: Ticks = time.perf_counter,
) -> list[Observation]:
    """Send so many requests that no percentile is charged with; return what they took."""
    seen: list[Observation] = []

    def keep(observation: Observation) -> bool:
        seen.append(observation)
        return False

    closed_loop(send, draws, keep, Limits(requests, math.inf), concurrency=concurrency, clock=clock)
    return seen


@dataclass(frozen=True, slots=True)
class _Job:
    index: int
    due: float
    inputs: Any


@dataclass(slots=True)
class _Run:
    """What the callers of one run share."""

    draws: Iterator[Any]
    judge: Judge
    limits: Limits
    clock: Ticks
    gaps: Iterator[float] | None = None
    began: float = 0.0
    taken: int = 0
    judged: int = 0
    scheduled: float = 0.0
    exhausted: bool = False
    decided: bool = False
    failure: BaseException | None = None
    waiting: dict[int, Observation] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        self.began = self.clock()

    def elapsed(self) -> float:
        return self.clock() - self.began

    def take(self) -> _Job | None:
        """Return the next request to send, None when there is none to send any more."""
        with self.lock:
            if self.decided or self.exhausted or self.taken >= self.limits.requests:
                return None
            inputs = next(self.draws, _NOTHING)
            if self.gaps is None:
                due = self.elapsed()
            else:
                due = self.scheduled = self.scheduled + next(self.gaps)
            if inputs is _NOTHING or due > self.limits.seconds:
                self.exhausted = True
                return None
            job = _Job(self.taken, due, inputs)
            self.taken += 1
            return job

    def answer(self, observation: Observation) -> None:
        """Hand requests to the judge in their order.

        Were they judged as they are answered, a decision could fall while the slow ones are still under way, and the
        fast ones alone would be counted.
        """
        with self.lock:
            self.waiting[observation.index] = observation
            while not self.decided and (due := self.waiting.pop(self.judged, None)) is not None:
                self.judged += 1
                self.decided = self.judge(due)

    def stop(self, failure: BaseException | None = None) -> None:
        with self.lock:
            self.decided = True
            self.failure = self.failure or failure


_NOTHING = object()


def _call_in_turn(run: _Run, send: Send) -> None:
    while (job := run.take()) is not None:
        began = run.clock()
        error = _try(send, job.inputs)
        run.answer(Observation(job.index, job.due, run.clock() - began, error))


def _call_on_schedule(run: _Run, send: Send, sleep: Callable[[float], None]) -> None:
    while (job := run.take()) is not None:
        early = job.due - run.elapsed()
        if early > 0:
            sleep(early)
        if run.decided:
            return
        error = _try(send, job.inputs)
        run.answer(Observation(job.index, job.due, run.elapsed() - job.due, error))


def _try(send: Send, inputs: Any) -> str | None:
    try:
        send(inputs)
    except Exception as error:  # noqa: BLE001 - whatever a sender raises, its request was not answered
        return str(error) or type(error).__name__
    return None


def _work(run: _Run, caller: Callable[[], None], callers: int) -> None:
    if callers == 1:
        run.begin()
        caller()
        return
    # The run begins once all callers stand ready: starting threads is no part of any request.
    ready = threading.Barrier(callers, action=run.begin)

    def guarded() -> None:
        try:
            ready.wait()
            caller()
        except BaseException as failure:  # noqa: BLE001 - raised again in the thread that began the run
            run.stop(failure)

    threads = [threading.Thread(target=guarded, name=f"tfsig-caller-{i}", daemon=True) for i in range(callers)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        run.stop()
    if run.failure is not None:
        raise run.failure
