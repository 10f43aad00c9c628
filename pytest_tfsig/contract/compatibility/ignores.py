"""The ignore list: findings that a team has accepted, each until a day."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.contract.compatibility.rules import RULES, Finding
from pytest_tfsig.contract.keys import KeyedError, KeyPath
from pytest_tfsig.contract.naming import suggestion
from pytest_tfsig.errors import ContractError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

_KEYS: Final = ("rule", "until", "signature", "name", "reason")
_EXAMPLE: Final = 'write [[ignore]] with rule = "output-renamed" and until = 2030-12-31'


@dataclass(frozen=True, slots=True)
class Ignore:
    """One accepted change.

    Attributes:
        rule: The rule whose findings are accepted.
        until: The last day on which they are.
        signature: Of this signature alone; empty: of every one.
        name: For this input, output or feature alone; empty: for every one.
        reason: Why, for whoever reads the report.
    """

    rule: str
    until: date
    signature: str = ""
    name: str = ""
    reason: str = ""

    def matches(self, finding: Finding) -> bool:
        """Tell whether a finding is one of those accepted, today or not."""
        return (
            self.rule == finding.rule and self.signature in ("", finding.signature) and self.name in ("", finding.name)
        )


@dataclass(frozen=True, slots=True)
class Sifted:
    """Findings, after the ignore list.

    Attributes:
        kept: Those that count.
        ignored: Those that are accepted, with what accepts them.
        notes: What is to be done about the list itself: entries that ran out, and those that match nothing.
    """

    kept: tuple[Finding, ...]
    ignored: tuple[tuple[Finding, Ignore], ...] = ()
    notes: tuple[str, ...] = ()


def sift(findings: Iterable[Finding], ignores: Sequence[Ignore], today: date) -> Sifted:
    """Return which findings count on a day; an entry that ran out accepts nothing any more."""
    kept: list[Finding] = []
    ignored: list[tuple[Finding, Ignore]] = []
    used: set[Ignore] = set()
    for finding in findings:
        matching = [entry for entry in ignores if entry.matches(finding)]
        used.update(matching)
        valid = next((entry for entry in matching if today <= entry.until), None)
        if valid is None:
            kept.append(finding)
        else:
            ignored.append((finding, valid))
    notes = []
    for entry in dict.fromkeys(ignores):
        if entry not in used:
            notes.append(f"the ignore list's {_entry(entry)} matches nothing: remove it.")
        elif today > entry.until:
            notes.append(f"the ignore list's {_entry(entry)} ran out on {entry.until}: it counts again.")
    return Sifted(tuple(kept), tuple(ignored), tuple(notes))


def _entry(entry: Ignore) -> str:
    where = " ".join(part for part in (entry.signature, f'"{entry.name}"' if entry.name else "") if part)
    return f"{entry.rule} ({where})" if where else entry.rule


def load_ignores(path: str | os.PathLike[str]) -> tuple[Ignore, ...]:
    """Read an ignore list: a TOML file of ``[[ignore]]`` tables, each with a ``rule`` and ``until``, a date.

    Raises:
        ContractError: The file is missing, not TOML, or names a key or rule that there is not; the message says where.
    """
    file = Path(path)
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ContractError(f"{file}: the ignore list cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ContractError(f"{file}: not TOML: {error}.") from None
    try:
        return _ignores(document)
    except KeyedError as error:
        raise ContractError(f"{file}: {error}") from None


def _ignores(document: dict[str, Any]) -> tuple[Ignore, ...]:
    for key in document:
        if key != "ignore":
            raise KeyedError((key,), f"unknown key; {_EXAMPLE}.")
    tables = document.get("ignore", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise KeyedError(("ignore",), f"not a list of tables; {_EXAMPLE}.")
    return tuple(_ignore(table, ("ignore", index)) for index, table in enumerate(tables))


def _ignore(table: dict[str, Any], path: KeyPath) -> Ignore:
    for key in table:
        if key not in _KEYS:
            raise KeyedError((*path, key), f"unknown key; {suggestion(key, _KEYS)}")
    for key in ("rule", "signature", "name", "reason"):
        if not isinstance(table.get(key, ""), str):
            raise KeyedError((*path, key), f"{table[key]!r} is not text.")
    rule, until = table.get("rule", ""), table.get("until")
    if rule not in RULES:
        what = f'"{rule}" is no rule' if rule else 'the key "rule" is missing'
        raise KeyedError((*path, "rule"), f"{what}; {suggestion(rule, RULES)}")
    if not isinstance(until, date) or isinstance(until, datetime):
        what = 'the key "until" is missing' if until is None else f"{until!r} is not a date"
        raise KeyedError((*path, "until"), f"{what}; write the last day on which this is accepted: until = 2030-12-31.")
    return Ignore(rule, until, table.get("signature", ""), table.get("name", ""), table.get("reason", ""))
