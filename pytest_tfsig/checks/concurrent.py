"""concurrent: parallel requests give the answers that they give one at a time."""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.comparison import compare
from pytest_tfsig.checks.deterministic import NOT_REPEATED
from pytest_tfsig.checks.outcome import Outcome, failed, unanswered
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.rounding import precision, without_subnormals
from pytest_tfsig.checks.state import writes
from pytest_tfsig.checks.subject import ServerDied
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import ContractError
from pytest_tfsig.strategies import draws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Subject

    Answer = Mapping[str, NDArray[Any]]

_DISTINCT = 16
"""Requests of which each thread sends every one, in an order of its own."""
_ROUNDS = 4
"""How many requests are sent in parallel for each example that a check may try: a race is rare, and a request cheap."""
_ROUNDS_OF_WRITERS = 32
"""Likewise for a graph that writes variables as it serves, where a race is likely and its window short."""
_MOST_THREADS = 16
_MOST_SECONDS = 10.0
"""A slow model gets fewer requests."""
_PATIENCE = 60
"""How often a request is repeated that a busy server turned away."""
_BUSY = {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}
_ADVICE = (
    "Requests disturb each other: a tf.Variable is written while the signature runs, or something outside the graph is "
    "shared. A served signature must keep its intermediate values in tensors, never in variables."
)


@register("concurrent", holds_when="parallel requests give the answers that they give one at a time", inspects=False)
def concurrent(subject: Subject, *, threads: int = 0, rtol: float | None = None, atol: float | None = None) -> Outcome:
    """Sends distinct requests one at a time, twice, and then from many threads.

    Args:
        subject: Who is asked.
        threads: How many requests are under way at once; 0: more than there are CPUs, within what a server of
            TensorFlow Serving's defaults admits.
        rtol: As for `compare`.
        atol: As for `compare`.
    """
    if threads < 0:
        raise ContractError(f"checks.concurrent.threads = {threads} is below 0; 0 chooses a number.")
    crowd = _Crowd(subject, threads or _threads(), rtol, atol)
    crowd.ask_one_at_a_time()
    if not crowd.answers:
        return unanswered(crowd.refusal)
    if not subject.repeats or not crowd.repeats():
        return Outcome("error", NOT_REPEATED)
    wrong = crowd.ask_in_parallel()
    if wrong is not None:
        return failed(wrong, crowd.sent)
    if not crowd.sent:
        return Outcome("error", f"not judged: a busy server turned all requests from {crowd.threads} threads away")
    repeated = f" ({crowd.turned_away} turned away by a busy server and repeated)" if crowd.turned_away else ""
    return Outcome("pass", f"{crowd.sent} requests from {crowd.threads} threads agree{repeated}", crowd.sent)


def _threads() -> int:
    # TensorFlow Serving admits four requests for each CPU at once.
    return min(_MOST_THREADS, 3 * (os.cpu_count() or 1))


@dataclass(slots=True)
class _Crowd:
    """The requests, their answers one at a time, and what parallel ones came to."""

    subject: Subject
    threads: int
    rtol: float | None
    atol: float | None
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    refusal: ServingError | None = None
    sent: int = 0
    turned_away: int = 0
    _seconds: float = 0.0

    def ask_one_at_a_time(self) -> None:
        settings = self.subject.settings
        for drawn in draws(self.subject.signature, _DISTINCT, settings.seed):
            inputs = without_subnormals(self.subject.signature, drawn)
            began = time.perf_counter()
            observation = self.subject.observe(inputs)
            self.refusal = self.refusal or observation.error
            if observation.error is None:
                self._seconds += time.perf_counter() - began
                self.requests.append(inputs)
                self.answers.append(observation.outputs)

    def repeats(self) -> bool:
        """Asks once more and says whether the answers are the same: else parallel ones cannot be judged."""
        try:
            for number, inputs in enumerate(self.requests):
                self._compare(number, self.subject.ask(inputs))
        except (Violation, ServingError):
            return False
        return True

    def ask_in_parallel(self) -> Violation | None:
        """Returns what was wrong with the smallest request that got a wrong answer."""
        each = self._requests_of_a_thread()
        found: list[tuple[int, Violation]] = []
        start, stop = Barrier(self.threads), Event()

        def work(thread: int) -> tuple[int, int]:
            rng = random.Random(self.subject.settings.seed + thread)  # noqa: S311 - it orders requests
            order = [rng.randrange(len(self.requests)) for _ in range(each)]
            sent = busy = 0
            start.wait()
            try:
                for number in order:
                    if stop.is_set():
                        break
                    turned_away = self._ask(number, found)
                    busy += turned_away
                    sent += turned_away < _PATIENCE
                    self.subject.meter.tick()
                    if found:
                        stop.set()
            except ServerDied:
                stop.set()
                raise
            return sent, busy

        with ThreadPoolExecutor(self.threads) as pool:
            done = list(pool.map(work, range(self.threads)))
        self.sent = sum(sent for sent, _ in done)
        self.turned_away = sum(busy for _, busy in done)
        return min(found, key=lambda entry: self._size(entry[0]))[1] if found else None

    def _requests_of_a_thread(self) -> int:
        rounds = _ROUNDS_OF_WRITERS if writes(self.subject) else _ROUNDS
        wanted = rounds * self.subject.settings.max_examples
        affordable = int(_MOST_SECONDS * len(self.requests) / max(self._seconds, 1e-6))
        return max(2, min(wanted, affordable) // self.threads)

    def _ask(self, number: int, found: list[tuple[int, Violation]]) -> int:
        """Asks once, notes a wrong answer, and returns how often the server turned the request away: then for good."""
        inputs = self.requests[number]
        for attempt in range(_PATIENCE):
            try:
                self._compare(number, self.subject.ask(inputs))
            except ServingError as error:
                if error.code in _BUSY:
                    time.sleep(min(0.2, 0.002 * 2**attempt))
                    continue
                found.append((number, _refused(inputs, error)))
            except Violation as violation:
                violation.inputs = inputs
                found.append((number, violation))
            return attempt
        return _PATIENCE

    def _compare(self, number: int, answer: Answer) -> None:
        compare(
            "a parallel request gives another answer in output {output!r} than alone",
            self.answers[number], answer, inputs=self.requests[number], labels=("one at a time", "in parallel"),
            rtol=self.rtol, atol=self.atol, advice=_ADVICE, precision=precision(self.subject),
        )  # fmt: skip

    def _size(self, number: int) -> int:
        return sum(int(np.size(value)) for value in self.requests[number].values())


def _refused(inputs: Mapping[str, Any], error: ServingError) -> Violation:
    return Violation(
        "a request that is answered alone is refused among parallel ones",
        inputs,
        expected="the answer that it gets alone",
        actual=f"{error.code}: {error.message}",
        advice=_ADVICE,
    )
