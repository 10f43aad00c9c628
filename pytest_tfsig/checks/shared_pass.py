"""The one pass over drawn inputs that serves every inspection: each request is sent once and looked at by all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_tfsig.checks.registry import applicable, options_of
from pytest_tfsig.checks.subject import ServerDied, SharedPass
from pytest_tfsig.checks.values import tally_sums
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.strategies import explore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.checks.registry import Check
    from pytest_tfsig.checks.subject import Observation, Subject


class _Over(Exception):  # noqa: N818 - it ends a pass, it is no error
    """A pass ends early: a request timed out, and a pass of such would take hours; or the first violation is enough."""


def make(subject: Subject) -> SharedPass:
    """Draws the inputs, asks the server once for each and shows every answer to every inspection.

    No inspection stops the pass, so that each sees all inputs, but for the hasty; only a dead or silent server does.
    """
    seen = SharedPass()
    inspections = [entry for entry in applicable(subject.signature) if entry.inspects]

    def examine(inputs: Mapping[str, Any]) -> None:
        observation = subject.observe(inputs)
        seen.asked += 1
        seen.answered += observation.error is None
        tally_sums(subject.signature, observation, seen.sums)
        for entry in inspections:
            _show(subject, entry, observation, seen)
        if observation.timed_out:
            raise _Over
        if subject.settings.hasty and seen.found:
            raise _Over

    try:
        explore(
            subject.signature,
            examine,
            max_examples=subject.settings.max_examples,
            seed=subject.settings.seed,
            database=subject.settings.database,
        )
    except _Over:
        pass
    except ServerDied as died:
        seen.died = died
    return seen


def _show(subject: Subject, entry: Check, observation: Observation, seen: SharedPass) -> None:
    if entry.name in seen.found or entry.name in seen.broke:
        return
    try:
        inspect(subject, entry, observation)
    except Violation as violation:
        seen.found[entry.name] = violation
    except Exception as error:  # noqa: BLE001 - a user's own check may raise anything; it is reported as its own error
        seen.broke[entry.name] = error


def inspect(subject: Subject, entry: Check, observation: Observation) -> None:
    """Shows one observation to one inspection.

    Raises:
        Violation: What the inspection saw; the AssertionError of a user's own check becomes one.
    """
    try:
        entry.run(subject, observation, **options_of(entry, subject.signature))
    except Violation as violation:
        violation.inputs = observation.inputs
        raise
    except AssertionError as error:
        sentence = str(error).strip() or f"the check {entry.name} does not hold"
        raise Violation(sentence, observation.inputs, expected=entry.holds_when) from error
