"""How far a check has come: counted where it works, and heard, a few times a second, by whoever wants to show it."""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[["Progress"], None]

INTERVAL: Final = 0.25
"""Seconds between two calls of a listener."""
_ENOUGH = 5
"""Examples after which the time that is left can be estimated from theirs."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a check has come.

    Attributes:
        seconds: Since it began.
        requests: Sent so far.
        examples: Inputs tried so far.
        of: Inputs that it tries at most; 0: it does not count in inputs.
        left: Estimate of the seconds that are left; None: nobody knows.
        phase: What it does, where that is not trying inputs.
    """

    seconds: float
    requests: int
    examples: int = 0
    of: int = 0
    left: float | None = None
    phase: str = ""


class Meter:
    """Counts what one check does. Cheap where nobody listens; may be used from several threads.

    Args:
        listener: Is told; None: nobody is.
        clock: Current time in seconds.
    """

    def __init__(self, listener: Listener | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._listener = listener
        self._clock = clock
        self._began = clock()
        self._next = self._began + INTERVAL
        self._counter = count(1)
        self._requests = 0
        self._examples = self._of = 0
        self._phase = ""
        self._telling = threading.Lock()

    def request(self) -> None:
        """Counts a request. Tells nobody: the request may be timed."""
        self._requests = next(self._counter)

    def example(self, done: int, of: int) -> None:
        """Notes how many inputs were tried, of how many."""
        self._examples, self._of = done, of
        self.tick()

    def phase(self, name: str) -> None:
        """Notes what the check does next."""
        self._phase = name
        self.tick()

    def tick(self, left: Callable[[], float | None] | None = None) -> None:
        """Tells the listener, if it is time to.

        Args:
            left: Returns an estimate of the seconds that are left; asked only where it is told.
        """
        if self._listener is None or self._clock() < self._next or not self._telling.acquire(blocking=False):
            return
        try:
            now = self._clock()
            self._next = now + INTERVAL
            seconds = now - self._began
            estimate = self._by_examples(seconds) if left is None else left()
            self._listener(Progress(seconds, self._requests, self._examples, self._of, estimate, self._phase))
        finally:
            self._telling.release()

    def _by_examples(self, seconds: float) -> float | None:
        if self._examples < _ENOUGH or self._phase:
            return None
        return seconds / self._examples * (self._of - self._examples)


listener: ContextVar[Listener | None] = ContextVar("tfsig_progress_listener", default=None)
"""Who is told how far checks have come."""
meter: ContextVar[Meter] = ContextVar("tfsig_meter", default=Meter())  # noqa: B039 - it has no listener: it keeps nothing
"""Of the check at work."""
