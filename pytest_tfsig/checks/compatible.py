"""compatible: callers of the released version can go on with this one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_tfsig.checks.outcome import Outcome, failed
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.contract.compatibility import Level, are_related, compatibility, load_ignores, sift
from pytest_tfsig.contract.compatibility.wording import concerns, where

if TYPE_CHECKING:
    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract.compatibility import Finding, Sifted

_ADVICE = (
    "Keep what the released version's callers send and read: add rather than rename or remove, widen inputs, narrow "
    "outputs. A change that all callers know of goes into an ignore list, with a date. docs/compatibility.md says what "
    "each rule is about."
)


@register(
    "compatible",
    holds_when="callers of the released version (--tfsig-baseline) can go on with this one",
    inspects=False,
    against_baseline=True,
)
def compatible(subject: Subject, *, ignore: str = "") -> Outcome:
    """Compares the signature with the released version's, caller by caller: gRPC, REST rows, REST columns.

    A signature of the released version that this one lacks fails the check, too. Nothing is sent.

    Args:
        subject: Whose signature is compared.
        ignore: An ignore list (TOML), relative to the contract's file.
    """
    baseline = subject.baseline
    if baseline is None:
        return Outcome("skip", "no released version is given with --tfsig-baseline")
    served = subject.model.signatures
    if not are_related(baseline.signatures, served):
        return Outcome(
            "error",
            f"{baseline.path} has no signature, input or output in common with {subject.model.name}: it is another "
            "model, not an earlier version; check --tfsig-baseline",
        )
    name = subject.signature.name
    found = [
        finding
        for finding in compatibility(baseline.signatures, served)
        if finding.signature == name or finding.rule == "signature-removed"
    ]
    ignores = load_ignores(subject.folder / ignore) if ignore else ()
    sifted = sift(found, ignores, datetime.now(tz=UTC).date())
    if any(finding.level is Level.ERROR for finding in sifted.kept):
        return failed(_violation(sifted, baseline.path))
    return Outcome("pass", _holds(sifted, is_new=name not in baseline.signatures))


def _violation(sifted: Sifted, released: str) -> Violation:
    breaking = [finding for finding in sifted.kept if finding.level is Level.ERROR]
    return Violation(
        f"callers of the released version break: {breaking[0].message}",
        expected=f"what {released} takes and answers",
        actual="\n".join([_line(finding) for finding in sifted.kept] + _list_notes(sifted)),
        advice=_ADVICE,
    )


def _line(finding: Finding) -> str:
    return f"{finding.level:<5}  {finding.rule}  {where(finding)}: {concerns(finding)}; {finding.message}"


def _list_notes(sifted: Sifted) -> list[str]:
    # An entry that matches nothing here may be about another signature; one that ran out matched.
    return [f"note: {note}" for note in sifted.notes if "ran out" in note]


def _holds(sifted: Sifted, *, is_new: bool) -> str:
    if is_new:
        return "the signature is new, so nobody calls it yet"
    told = "; ".join(f"{finding.level} {finding.rule}: {finding.message}" for finding in sifted.kept)
    ignored = f"; {len(sifted.ignored)} accepted changes ignored" if sifted.ignored else ""
    return f"{told or 'nothing changed for callers'}{ignored}"
