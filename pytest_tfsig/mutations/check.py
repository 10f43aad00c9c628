"""The item that measures a contract's strength: a check like any other to pytest, which follows the contract's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.checks import Check, Outcome, Violation
from pytest_tfsig.mutations.strength import Finding, Strength, measure
from pytest_tfsig.reports.strength import CHECK

if TYPE_CHECKING:
    from pytest_tfsig.checks import Subject


def strength_check(minimum: float = 0.0, *, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> Check:
    """Returns the check that measures how strong a contract is.

    Args:
        minimum: The percentage of mutations that must be noticed; 0: it reports, and never fails.
        only: The checks that a marker selects; empty: all.
        skip: The checks that a marker leaves out.
    """

    def run(subject: Subject) -> Outcome:
        return outcome(measure(subject, only=only, skip=skip), minimum)

    holds_when = f"at least {minimum:g} % of the mutations that apply are noticed" if minimum else "it is measured"
    # Given a released version, drift may notice a mutation; and rejects_invalid may bring the server down.
    return Check(CHECK, holds_when, run, inspects=False, wanted=lambda _: True, against_baseline=True, alone=True)


def outcome(strength: Strength, minimum: float) -> Outcome:
    """Returns the outcome of a measurement; only one below the minimum fails, or one that could not be made for it."""
    details = {CHECK: {**strength.as_dict(), "minimum": minimum or None}}
    if strength.broken:
        message = f"not measured: the contract does not hold without any mutation ({strength.broken})"
        return Outcome("error" if minimum else "skip", message, strength.requests)
    if not strength.applied:
        return Outcome("skip", "not measured: no mutation applies", strength.requests, details=details)
    share = 100 * strength.killed / strength.applied
    told = f"{strength.killed} of {strength.applied} mutations killed ({_percent(share)})"
    if share >= minimum:
        return Outcome("pass", told, strength.requests, details=details)
    violation = Violation(
        told,
        expected=f"at least {minimum:g} % (--tfsig-mutate)",
        actual="\n".join(_survivor(finding) for finding in strength.survivors),
        advice="State the lines named above where they are true of what callers may rely on.",
    )
    return Outcome("fail", told, strength.requests, violation, details)


def _survivor(finding: Finding) -> str:
    told = "no line of a contract would notice it" if finding.remedy is None else finding.remedy.stated
    return f"{finding.name}: {finding.description}\n    {told}"


def _percent(share: float) -> str:
    # 99.6 % is not all.
    return f"{int(share)} %"
