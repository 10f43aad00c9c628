"""Traffic: requests that go on while what is served changes, each judged by what may answer meanwhile."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Condition
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pytest_tfsig.checks.comparison import compare
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from pytest_tfsig.checks.questions import Outputs, Question

EACH = 8
"""Answers that each sender gets in a stage before the next one begins."""
_PATIENCE = 60
"""How often a request is repeated that a busy server turned away."""
_BUSY = "RESOURCE_EXHAUSTED"
_NEITHER = "an answer that neither version gives alone"
_PAUSE = 0.001
"""Seconds between two requests of a sender, so that loading has a processor to itself."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A time during which the same versions may answer.

    Attributes:
        when: In a message: "while the candidate is loaded".
        answers: The versions that may answer, by label; "": requests that name neither label nor version.
        changes: Whether the server is changing meanwhile.
    """

    when: str
    answers: Mapping[str, frozenset[int]]
    changes: bool = False


@dataclass(slots=True)
class Tally:
    """What was seen of a stage.

    Attributes:
        requests: Those that began in it.
        slowest: Seconds of the slowest of them.
        inputs: The slowest one.
    """

    requests: int = 0
    slowest: float = 0.0
    inputs: Mapping[str, Any] = field(default_factory=dict)


class Traffic:
    """Senders that ask one servable without a break, from entering to leaving it.

    Args:
        name: The servable.
        senders: What each sender asks, over and over.
        stages: In the order in which they come; the first begins with the traffic.
        called: What messages call the versions.
        precision: As for `tolerance`.
    """

    def __init__(
        self,
        name: str,
        senders: Sequence[Sequence[Question]],
        stages: Sequence[Stage],
        called: Mapping[int, str],
        precision: float,
    ) -> None:
        self.faults: list[Violation] = []
        self.tallies = [Tally() for _ in stages]
        self._name = name
        self._senders = senders
        self._stages = stages
        self._called = called
        self._precision = precision
        self._stage = 0
        self._stopped = False
        self._changed = Condition()
        self._finished = [[0] * len(stages) for _ in senders]
        self._pool = ThreadPoolExecutor(len(senders), "traffic")
        self._work: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._work = [self._pool.submit(self._send, number) for number in range(len(self._senders))]
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._pool.shutdown()
        for work in self._work:
            work.result()

    def begin(self, stage: int) -> None:
        """Says that a stage begins."""
        self._stage = stage

    def settle(self) -> bool:
        """Waits until every sender got `EACH` answers to requests that it began in this stage.

        Nothing that began earlier is under way then. Returns False, at once, where a fault was found.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or all(finished[self._stage] >= EACH for finished in self._finished)
            )
            return not self._stopped

    def _send(self, number: int) -> None:
        questions, turn = self._senders[number], number
        try:
            while not self._stopped:
                self._send_one(number, questions, turn)
                turn += 1
                time.sleep(_PAUSE)
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()

    def _send_one(self, number: int, questions: Sequence[Question], turn: int) -> None:
        begun = self._stage
        labels = sorted(self._stages[begun].answers)
        question = questions[turn // len(labels) % len(questions)]
        label = labels[turn % len(labels)]
        start = time.perf_counter()
        fault = self._asked(question, label, begun)
        seconds = time.perf_counter() - start
        with self._changed:
            if fault is not None:
                self.faults.append(fault)
                self._stopped = True
            tally = self.tallies[begun]
            tally.requests += 1
            if seconds > tally.slowest:
                tally.slowest, tally.inputs = seconds, question.inputs
            self._finished[number][begun] += 1
            self._changed.notify_all()

    def _asked(self, question: Question, label: str, begun: int) -> Violation | None:
        """Asks, repeating what a busy server turns away, and returns what is wrong with the answer."""
        for attempt in range(_PATIENCE):
            try:
                version, outputs = question.channel.ask(question.inputs, self._name, label)
            except ServingError as error:
                if error.code == _BUSY and attempt < _PATIENCE - 1:
                    time.sleep(min(0.2, 0.002 * 2**attempt))
                    continue
                return self._refused(question, label, begun, error)
            return self._judged(question, label, begun, version, outputs)
        return None

    def _judged(
        self, question: Question, label: str, begun: int, version: int | None, outputs: Outputs
    ) -> Violation | None:
        allowed = self._allowed(label, begun)
        if version is not None and version not in allowed:
            answering = self._called.get(version, f"version {version}, which nobody asked for,")
            return Violation(
                f"{answering} answers {_addressed(label)}, {self._when(begun)}",
                question.inputs,
                expected=f"an answer of {self._either(allowed)}",
                actual=f"the answer says that it is of version {version}",
            )
        named = allowed if version is None else frozenset({version})
        if not question.answers or any(self._unlike(question, one, outputs) is None for one in named):
            return None
        unlike = {one: self._unlike(question, one, outputs) for one in sorted(question.answers)}
        says = "" if version is None else f", which says that it is of {self._called[version]}"
        what = next((f"the answer of {self._called[one]}{says}" for one in unlike if unlike[one] is None), _NEITHER)
        violation = unlike[max(named)]
        if violation is not None:
            violation.sentence = f"{_addressed(label)} gets {what}, {self._when(begun)}"
        return violation

    def _unlike(self, question: Question, version: int, outputs: Outputs) -> Violation | None:
        """Returns how an answer differs from a version's by more than rounding explains; None: it does not."""
        alone = question.answers[version]
        if alone.keys() == outputs.keys() and all(np.array_equal(alone[name], outputs[name]) for name in alone):
            return None
        try:
            compare(
                "output {output!r} differs", alone, outputs, inputs=question.inputs,
                labels=(f"{self._called[version]}, asked alone", "now"), precision=self._precision,
            )  # fmt: skip
        except Violation as violation:
            violation.inputs = question.inputs
            return violation
        return None

    def _refused(self, question: Question, label: str, begun: int, error: ServingError) -> Violation:
        return Violation(
            f"{_addressed(label)} is refused {self._when(begun)}",
            question.inputs,
            expected=f"an answer of {self._either(self._allowed(label, begun))}",
            actual=f"{question.channel.transport} {error.code}: {error.message}",
        )

    def _allowed(self, label: str, begun: int) -> frozenset[int]:
        """Returns the versions that may have answered a request which began in a stage and ended now."""
        passed = self._stages[begun : self._stage + 1]
        return frozenset().union(*(stage.answers.get(label, frozenset()) for stage in passed))

    def _either(self, versions: frozenset[int]) -> str:
        return " or ".join(self._called[version] for version in sorted(versions))

    def _when(self, begun: int) -> str:
        passed = self._stages[begun : self._stage + 1]
        return next((stage for stage in passed if stage.changes), passed[0]).when


def _addressed(label: str) -> str:
    return f"a request for the label {label!r}" if label else "a request that names no version"
