"""Runs one check on one subject and returns its outcome, whatever happens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_tfsig import progress
from pytest_tfsig.checks import causes
from pytest_tfsig.checks.outcome import Outcome, failed
from pytest_tfsig.checks.registry import options_of
from pytest_tfsig.checks.reproduce import reproduction
from pytest_tfsig.checks.shared_pass import inspect
from pytest_tfsig.checks.subject import ServerDied
from pytest_tfsig.checks.untried import untried
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import StrategyError, TfsigError
from pytest_tfsig.reports.sums import KEY as PROBABILITY_SUMS
from pytest_tfsig.strategies import explore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_tfsig.checks.registry import Check
    from pytest_tfsig.checks.subject import Subject


def run(entry: Check, subject: Subject) -> Outcome:
    """Runs a check. A violation's advice and reproduction are filled in; no exception of a server or check gets out."""
    subject.meter = progress.Meter(progress.listener.get())
    token = progress.meter.set(subject.meter)
    try:
        return _run(entry, subject)
    finally:
        progress.meter.reset(token)


def _run(entry: Check, subject: Subject) -> Outcome:
    try:
        outcome = _inspected(entry, subject) if entry.inspects else _proceeded(entry, subject)
    except ServerDied as died:
        outcome = failed(_death(died))
    except ServingError as error:
        subject.timed_out |= error.code == "DEADLINE_EXCEEDED"
        outcome = Outcome("error", f"could not be judged: {error}. {causes.advice(str(error))}".strip())
    except StrategyError as error:
        # What keeps all checks from drawing inputs is told once.
        told = entry.name == "outputs" or subject.signature.checks.get("outputs") is False
        outcome = Outcome("error", str(error) if told else "not judged: no inputs can be drawn; see the check outputs")
    except TfsigError as error:
        outcome = Outcome("error", str(error))
    if outcome.violation is not None:
        violation = outcome.violation
        violation.advice = violation.advice or causes.advice(f"{violation.sentence}\n{violation.actual}")
        violation.reproduction = reproduction(subject, violation.inputs, violation.rows)
        violation.serialized = [
            name for name, tensor in subject.signature.inputs.items() if tensor.features is not None
        ]
    return outcome


def _inspected(entry: Check, subject: Subject) -> Outcome:
    seen = subject.shared_pass()
    if entry.name in seen.broke:
        error = seen.broke[entry.name]
        return Outcome(
            "error", f"the check itself raised {type(error).__name__}: {error}; mend its function", seen.asked
        )
    sums = {name: tally.as_dict() for name, tally in seen.sums.items()}
    details: dict[str, Any] = {PROBABILITY_SUMS: sums} if sums and entry.name == "values" else {}
    if entry.name in seen.found:
        return replace(failed(_smallest(entry, subject, seen.found[entry.name]), seen.asked), details=details)
    if seen.died is not None:
        if entry.name == "outputs":
            return failed(_death(seen.died), seen.asked)
        return Outcome("error", "not judged: the server died while it answered; see the check outputs", seen.asked)
    if seen.answered == 0:
        return Outcome("error", "not judged: no request was answered; see the check outputs", seen.asked)
    notes = untried(subject.signature) if entry.name == "outputs" else []
    message = "; ".join([f"holds for {seen.answered} answers", *notes])
    return Outcome("pass", message, seen.asked, details={**details, **({"note": "; ".join(notes)} if notes else {})})


def _smallest(entry: Check, subject: Subject, first: Violation) -> Violation:
    """Returns the violation with the smallest inputs that show it, starting from the first that was seen."""
    if subject.settings.hasty:
        return first

    def examine(inputs: Mapping[str, Any]) -> None:
        observation = subject.observe(inputs)
        try:
            inspect(subject, entry, observation)
        except AssertionError:
            raise
        except Exception:  # noqa: BLE001, S110 - a user's own check that stumbles over another input shows nothing by it
            pass

    try:
        result = explore(
            subject.signature,
            examine,
            max_examples=subject.settings.max_examples,
            seed=subject.settings.seed,
            database=subject.settings.database,
            seeds=[] if first.inputs is None else [first.inputs],
        )
    except (ServerDied, TfsigError):
        return first
    if not isinstance(result.error, Violation):
        first.actual = f"{first.actual}\n(it did not show again when the same inputs were sent once more)".lstrip()
        return first
    return result.error


def _proceeded(entry: Check, subject: Subject) -> Outcome:
    try:
        outcome: Outcome = entry.run(subject, **options_of(entry, subject.signature))
    except Violation as violation:
        return failed(violation)
    return outcome


def search(subject: Subject, examine: Callable[[Mapping[str, Any]], None], *, holds: str) -> Outcome:
    """Looks for the smallest inputs for which `examine` raises a Violation.

    Args:
        subject: Whose inputs are drawn.
        examine: Called with each drawn input; may ask the server as often as it likes. A refusal of the server is
            passed over: the check `outputs` reports it.
        holds: The message where none is found; `{examples}` stands for the number of inputs tried.
    """
    judged = 0

    def judge(inputs: Mapping[str, Any]) -> None:
        nonlocal judged
        try:
            examine(inputs)
        except ServingError as error:
            if error.code == "DEADLINE_EXCEEDED":
                raise
        else:
            judged += 1

    result = explore(
        subject.signature,
        judge,
        max_examples=subject.settings.max_examples,
        seed=subject.settings.seed,
        database=subject.settings.database,
        shrink_requests=subject.settings.shrink_requests,
    )
    if isinstance(result.error, Violation):
        result.error.inputs = result.falsifying if result.error.inputs is None else result.error.inputs
        return failed(result.error, result.examples_run)
    if judged == 0:
        return Outcome("error", "not judged: no request was answered; see the check outputs", result.examples_run)
    return Outcome("pass", holds.format(examples=judged), result.examples_run)


def _death(died: ServerDied) -> Violation:
    return Violation(
        "the server died while it answered this request",
        died.inputs,
        expected="an answer, or an error from a server that goes on",
        actual=f"the server process ended. The end of its log:\n{died.log}",
        advice=causes.advice(died.log),
    )
