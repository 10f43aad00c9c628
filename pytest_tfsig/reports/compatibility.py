"""What a new version changes for the callers of an old one, for people, programs and GitHub: `tfsig diff`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.contract.compatibility import (
    ALL_WIRES,
    RULES,
    Finding,
    Ignore,
    Level,
    Sifted,
    are_related,
    compatibility,
    sift,
)
from pytest_tfsig.contract.compatibility.wording import concerns, where
from pytest_tfsig.errors import SavedModelError
from pytest_tfsig.reports.visible import in_line
from pytest_tfsig.reports.workflow import command
from pytest_tfsig.savedmodel import VARIABLES_NOT_RESTORED, digest, read, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_tfsig.savedmodel import SignatureSpec

_COMMANDS: Final = {Level.ERROR: "error", Level.WARN: "warning", Level.INFO: "notice"}


@dataclass(frozen=True, slots=True)
class Version:
    """One of two versions that are compared.

    Attributes:
        path: As the user gave it.
        name: Of the model.
        version: Its number.
        sha256: Of its files.
        signatures: What it declares.
        unanswered: Why signatures fail every request, as far as the files tell, by their names.
    """

    path: str
    name: str
    version: int
    sha256: str
    signatures: Mapping[str, SignatureSpec] = field(repr=False)
    unanswered: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class Diff:
    """Two versions and what callers of the old one meet in the new.

    Attributes:
        old: The version that callers were written for.
        new: The version that will answer them.
        sifted: The findings.
    """

    old: Version
    new: Version
    sifted: Sifted

    @property
    def breaks(self) -> bool:
        """Whether any caller breaks."""
        return any(finding.level is Level.ERROR for finding in self.sifted.kept)


def compare(old: str, new: str, ignores: Sequence[Ignore] = (), today: date | None = None) -> Diff:
    """Returns what changes from one SavedModel to another.

    Args:
        old: The released version's path.
        new: The candidate's path.
        ignores: Changes that are accepted.
        today: The day on which the ignore list is read; None: today, in UTC.

    Raises:
        SavedModelError: A path holds no readable SavedModel, or the two have nothing in common.
    """
    before, after = _version(old), _version(new)
    if not are_related(before.signatures, after.signatures):
        raise SavedModelError(
            f"{old} and {new} have no signature, input or output in common: these are two models, not two versions "
            "of one; check both paths."
        )
    findings = [*compatibility(before.signatures, after.signatures), *_unanswered(before, after)]
    return Diff(before, after, sift(findings, ignores, today or datetime.now(tz=UTC).date()))


def _unanswered(old: Version, new: Version) -> Iterator[Finding]:
    """Yields what breaks callers though no signature tells: a model that was saved so that each request fails."""
    rule = RULES[VARIABLES_NOT_RESTORED]
    for name, message in new.unanswered.items():
        if name in old.signatures and name not in old.unanswered:
            yield Finding(rule.id, rule.level, name, "signature", "", ALL_WIRES, message)


def _version(path: str) -> Version:
    found = resolve(path)
    model = read(found.directory)
    if not model.signatures:
        raise SavedModelError(f"{path}: the SavedModel has no signatures, so it has no callers; export it with some.")
    unanswered = {entry.signature: str(entry) for entry in model.warnings if entry.id == VARIABLES_NOT_RESTORED}
    return Version(path, found.name, found.version, digest(found.directory), model.signatures, unanswered)


def as_text(diff: Diff) -> str:
    """Returns a diff for people: a line for each finding and a sentence below it, then what it comes to."""
    lines = [f"{diff.old} -> {diff.new}"]
    for finding in diff.sifted.kept:
        lines.append(f"  {finding.level:<5}  {finding.rule}  {where(finding)}: {concerns(finding)}")
        lines.append(f"         {finding.message}")
    for finding, entry in diff.sifted.ignored:
        because = f": {entry.reason}" if entry.reason else ""
        lines.append(f"  ignored until {entry.until}  {finding.rule}  {where(finding)}{because}")
    lines += [f"  note: {note}" for note in diff.sifted.notes]
    return "\n".join(map(in_line, [*lines, _sum(diff)]))


def _sum(diff: Diff) -> str:
    if not diff.sifted.kept and not diff.sifted.ignored:
        same = diff.old.sha256 == diff.new.sha256
        return "nothing changed: both are the same SavedModel." if same else "nothing changed for callers."
    counts = [(level, sum(finding.level is level for finding in diff.sifted.kept)) for level in Level]
    words = ", ".join(f"{count} {level}" for level, count in counts if count) or "nothing left"
    ignored = f", {len(diff.sifted.ignored)} ignored" if diff.sifted.ignored else ""
    return f"{'breaks' if diff.breaks else 'breaks nobody'}: {words}{ignored}."


def as_json(diff: Diff) -> str:
    """Returns a diff for programs: one object."""
    return json.dumps(
        {
            "version": 1,
            "breaks": diff.breaks,
            "old": _identity(diff.old),
            "new": _identity(diff.new),
            "findings": [_finding(finding) for finding in diff.sifted.kept],
            "ignored": [
                {**_finding(finding), "until": entry.until.isoformat(), "reason": entry.reason}
                for finding, entry in diff.sifted.ignored
            ],
            "notes": list(diff.sifted.notes),
        },
        indent=2,
    )


def _identity(version: Version) -> dict[str, Any]:
    return {"path": version.path, "name": version.name, "version": version.version, "sha256": version.sha256}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "level": str(finding.level),
        "signature": finding.signature,
        "part": finding.part,
        "name": finding.name,
        "wires": list(finding.wires),
        "message": finding.message,
    }


def as_github(diff: Diff) -> str:
    """Returns a diff as GitHub Actions' workflow commands, which annotate a run; then what it comes to."""
    return "\n".join([*_annotations(diff), _sum(diff)])


def _annotations(diff: Diff) -> Iterator[str]:
    for finding in diff.sifted.kept:
        message = f"{where(finding)}: {finding.message} It {concerns(finding)}."
        yield command(_COMMANDS[finding.level], message, {"title": f"{diff.new}: {finding.rule}"})
    for note in diff.sifted.notes:
        yield command("warning", note, {"title": f"{diff.new}: ignore list"})
