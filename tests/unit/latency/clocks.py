"""A clock that moves only when a test says so, and servers on it."""

from __future__ import annotations

from contextlib import contextmanager

from pytest_tfsig import progress


class Clock:
    """Seconds that pass by sleeping and serving alone."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


class Server:
    """Answers the n-th request after the n-th of these latencies, or raises it if it is an error."""

    def __init__(self, clock: Clock, latencies) -> None:
        self.clock = clock
        self.latencies = iter(latencies)
        self.received: list[object] = []

    def __call__(self, inputs) -> None:
        self.received.append(inputs)
        latency = next(self.latencies)
        if isinstance(latency, Exception):
            raise latency
        self.clock.now += latency


@contextmanager
def told_left(clock: Clock):
    """Collects what is told of the seconds that are left: (now, left), as often as it is told."""
    told: list[tuple[float, float | None]] = []
    meter = progress.Meter(lambda heard: told.append((clock.now, heard.left)), clock)
    token = progress.meter.set(meter)
    try:
        yield told
    finally:
        progress.meter.reset(token)
