"""swap: this version takes over from the released one, and gives back, while callers go on asking."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from pytest_tfsig.checks.outcome import Outcome, failed
from pytest_tfsig.checks.questions import Questionnaire, values
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.rounding import precision
from pytest_tfsig.checks.traffic import Stage, Traffic
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.contract.durations import parse_duration
from pytest_tfsig.errors import ContractError, ModelLoadError, ServerError
from pytest_tfsig.latency.units import milliseconds
from pytest_tfsig.savedmodel import resolve
from pytest_tfsig.serving.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_tfsig.checks.subject import Baseline, Subject

_GRPC_SENDERS: Final = 3
"""With one more over REST: within the four requests for each CPU that TensorFlow Serving admits at once."""
_ATTEMPTS: Final = 3
"""Swaps of which one must keep a bound: a machine that was busy elsewhere is no model's fault."""
_DYING_SECONDS: Final = 2.0
"""How long a process may take from closing its connections to its end."""
_GENEROUS_SECONDS: Final = 10.0
_GENEROUS_FACTOR: Final = 10.0
_OLD, _NEW = frozenset({1}), frozenset({2})
_EITHER = _OLD | _NEW
_CALLED: Final = {1: "the released version", 2: "the candidate"}
_ADVICE = (
    "If the first requests after a load are the slow ones, ship a warmup file with the model (tfsig warmup): the "
    "server sends what is in it before it makes the version available."
)


@register(
    "swap",
    holds_when="it takes over from the released version (--tfsig-baseline) and gives back while callers go on asking",
    inspects=False,
    against_baseline=True,
    alone=True,
)
def swap(subject: Subject, *, slowest: str = "") -> Outcome:
    """Loads both as versions 1 and 2 of one servable, moves traffic to the new one, and rolls back.

    Requests go on from several threads over gRPC and REST, with no version, with the label `stable` and with `canary`,
    while the candidate is loaded, `stable` is moved to it and the released version is unloaded, and on the way back. No
    request is refused, each is answered by a version that may answer it then, and as that version answers it alone,
    within rounding. The servable has a name of its own and is removed in the end.

    A request that a busy server turns away with RESOURCE_EXHAUSTED is repeated. The bound on the slowest request is
    broken where three swaps in a row break it.

    Args:
        subject: The candidate.
        slowest: How long the slowest request may take, such as "1s"; "": ten seconds, or ten times the slowest request
            of an idle server, whichever is longer.
    """
    bound = _parsed(slowest)
    if subject.baseline is None:
        return Outcome("skip", "no released version is given with --tfsig-baseline")
    if subject.saved_model is None:
        return Outcome("skip", "a remote server serves what it serves: versions of ours cannot be swapped there")
    if subject.signature.name not in subject.baseline.signatures:
        return Outcome("skip", "the signature is new: nobody asks it while versions are swapped")
    rehearsal = _Rehearsal(subject, subject.baseline, subject.saved_model.path)
    outcome = rehearsal.judged(bound)
    for _ in range(_ATTEMPTS - 1):
        if outcome.verdict == "fail" and (rehearsal.was_slow or rehearsal.disturbed):
            outcome = rehearsal.judged(bound)
    if outcome.verdict == "fail" and rehearsal.disturbed:
        return Outcome("error", "not judged: the server was started anew for another test meanwhile; run without -n")
    return outcome


def _parsed(slowest: str) -> float | None:
    try:
        return parse_duration(slowest) if slowest else None
    except ContractError as error:
        raise ContractError(f"checks.swap.slowest: {error}") from None


class _Rehearsal:
    """Swaps two versions under traffic, as often as it is asked to.

    Args:
        subject: The candidate.
        baseline: The released version.
        candidate: The candidate's directory.
    """

    def __init__(self, subject: Subject, baseline: Baseline, candidate: Path) -> None:
        self.disturbed = False
        self.was_slow = False
        self._subject = subject
        self._server = subject.model.server
        self._spec = baseline.signatures[subject.signature.name]
        self._released = resolve(baseline.path).directory
        self._candidate = candidate
        # Processes of one run may share the server.
        self._name = f"{subject.model.name}-swap-{os.getpid()}"

    def judged(self, bound: float | None) -> Outcome:
        """Swaps once, and judges that; `disturbed` says whether another process may have had a hand in it."""
        before = self._server.incarnation
        try:
            return self._swapped(bound)
        finally:
            with contextlib.suppress(ServerError):
                died = self._server.revive()
                changed = died or self._server.incarnation != before
                self.disturbed = self._subject.settings.under_xdist and changed
                self._server.remove(self._name)

    def _swapped(self, bound: float | None) -> Outcome:
        try:
            self._server.add(self._name, 1, self._released, labels={"stable": 1})
        except ModelLoadError as error:
            return Outcome("error", f"not judged: the released version does not load: {error}")
        questions = Questionnaire.of(self._subject, self._spec, {1: self._name, 2: self._subject.model.name})
        asked = questions.over_grpc
        if not asked:
            why = f"no request is answered by both versions ({questions.refusal})"
            return Outcome("skip", f"{why}; see the checks compatible and outputs")
        senders = [asked[number:] + asked[:number] for number in range(_GRPC_SENDERS)]
        senders += [questions.over_rest] if questions.over_rest else []
        steps = self._steps()
        stages = [stage for stage, _ in steps]
        with Traffic(self._name, senders, stages, _CALLED, precision(self._subject)) as traffic:
            for number, (stage, change) in enumerate(steps):
                traffic.begin(number)
                try:
                    change()
                except ServerError as error:
                    return failed(_unserved(stage, error))
                if not stage.changes and not traffic.settle():
                    break
        return self._verdict(traffic, stages, questions, bound)

    def _steps(self) -> list[tuple[Stage, Callable[[], None]]]:
        server, name = self._server, self._name

        def stage(when: str, newest: frozenset[int], stable: frozenset[int], *, canary: bool = False) -> Stage:
            answers = {"": newest, "stable": stable} | ({"canary": _NEW} if canary else {})
            return Stage(when, answers, changes=when.startswith("while"))

        def stay() -> None:
            pass

        return [
            (stage("before the candidate is loaded", _OLD, _OLD), stay),
            (
                stage("while the candidate is loaded", _EITHER, _OLD),
                lambda: server.add(name, 2, self._candidate, labels={"canary": 2}),
            ),
            (stage("with both versions served", _NEW, _OLD, canary=True), stay),
            (
                stage("while the label 'stable' moves to the candidate", _NEW, _EITHER, canary=True),
                lambda: server.label(name, {"stable": 2}),
            ),
            (stage("after the label 'stable' moved to the candidate", _NEW, _NEW, canary=True), stay),
            (
                stage("while the released version is unloaded", _NEW, _NEW, canary=True),
                lambda: server.remove(name, 1),
            ),
            (stage("with the candidate alone", _NEW, _NEW, canary=True), stay),
            (
                stage("while the released version is loaded again", _NEW, _NEW, canary=True),
                lambda: server.add(name, 1, self._released),
            ),
            (
                stage("while the label 'stable' moves back", _NEW, _EITHER, canary=True),
                lambda: server.label(name, {"stable": 1}),
            ),
            # The label canary goes with the version that it names: nobody asks for it any more.
            (stage("after the label 'stable' moved back", _NEW, _OLD), stay),
            (stage("while the candidate is unloaded", _EITHER, _OLD), lambda: server.remove(name, 2)),
            (stage("after the rollback", _OLD, _OLD), stay),
        ]

    def _verdict(
        self, traffic: Traffic, stages: Sequence[Stage], questions: Questionnaire, bound: float | None
    ) -> Outcome:
        rows = list(zip(stages, traffic.tallies, strict=True))
        requests = sum(tally.requests for _, tally in rows)
        details = {
            "stages": {
                stage.when: {"requests": tally.requests, "slowest": f"{tally.slowest * 1000:.3g} ms"}
                for stage, tally in rows
            }
        }
        self.was_slow = False
        if traffic.faults:
            fault = min(traffic.faults, key=lambda one: values(one.inputs or {}))
            if "UNAVAILABLE" in fault.actual and wait_until(lambda: not self._server.alive(), _DYING_SECONDS):
                fault.sentence = f"the server died: {fault.sentence}"
                fault.actual = f"{fault.actual}. The end of its log:\n{self._server.logs()}"
            return Outcome("fail", fault.sentence, requests, fault, details)
        alone = milliseconds(questions.slowest)
        limit = max(_GENEROUS_SECONDS, _GENEROUS_FACTOR * questions.slowest) if bound is None else bound
        slow_stage, slow = max(rows, key=lambda row: row[1].slowest)
        self.was_slow = slow.slowest > limit
        if self.was_slow:
            violation = Violation(
                f"a request took {milliseconds(slow.slowest)}, {slow_stage.when}",
                slow.inputs,
                expected=f"at most {milliseconds(limit)} (checks.swap.slowest)",
                actual=f"{milliseconds(slow.slowest)}; {alone} at most when nothing else was asked",
                advice=_ADVICE,
            )
            return Outcome("fail", violation.sentence, requests, violation, details)
        changing = sum(tally.requests for stage, tally in rows if stage.changes)
        transports = "gRPC and REST" if questions.over_rest else "gRPC"
        message = (
            f"{requests} requests over {transports}, {changing} of them while versions were swapped: all answered, the "
            f"slowest in {milliseconds(slow.slowest)}"
        )
        if not questions.repeats:
            message += "; answers were not compared, for the same request is answered differently each time"
        return Outcome("pass", message, requests, details=details)


def _unserved(stage: Stage, error: ServerError) -> Violation:
    return Violation(
        f"the server does not do what it is asked to {stage.when}",
        expected="both versions served by one server, and labels where they are wanted",
        actual=str(error),
    )
