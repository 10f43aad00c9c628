"""The blessing: verdict.json, which binds a run's verdict to exactly what was judged, and its verification."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_tfsig.errors import UsageError
from pytest_tfsig.reports.files import write_whole
from pytest_tfsig.savedmodel import digest, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_tfsig.reports.result import Result

VERSION = 1
FILE = "verdict.json"
_KEYS = ("version", "verdict", "models", "contracts", "server", "seeds", "versions", "checks", "report", "seal")


def write(folder: Path, report: Mapping[str, Any], results: Sequence[Result]) -> Path:
    """Writes `verdict.json` beside `report.json` in a folder, whole or not at all, and returns its path.

    Args:
        folder: Where `report.json` has been written.
        report: The document of `report.json`.
        results: Of the run.

    Raises:
        OSError: It cannot be written.
    """
    environment = report["environment"]
    contracts = {
        Path(os.path.relpath(result.contract_file, folder)).as_posix(): result.contract_sha256
        for result in results
        if result.contract_file
    }
    checks: dict[str, list[str]] = {}
    for result in results:
        checks.setdefault(_subject(result), []).append(f"{result.check}: {result.verdict}")
    content = {
        "version": VERSION,
        "verdict": report["verdict"],
        "created": environment.get("created", ""),
        "models": [{key: model[key] for key in ("name", "version", "sha256")} for model in report["models"]],
        "contracts": [{"file": file, "sha256": sha256} for file, sha256 in sorted(contracts.items())],
        "server": {key: report["server"].get(key, "") for key in ("kind", "identity")},
        "seeds": {_subject(result): result.seed for result in results},
        "versions": {"python": environment.get("python", ""), **environment.get("packages", {})},
        "checks": checks,
        "report": {"file": "report.json", "sha256": _sha256(folder / "report.json")},
    }
    text = json.dumps({**content, "seal": _seal(content)}, indent=2, ensure_ascii=False)
    return write_whole(folder, FILE, text + "\n")


def _subject(result: Result) -> str:
    return result.title.rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a blessing is worth for one model.

    Attributes:
        blessed: The model that it is for, where it is for this one: "digits/3".
        refusals: Why it does not count, a sentence each; none: it counts.
    """

    blessed: str
    refusals: tuple[str, ...]


def verify(
    verdict: str, model: str, contracts: Sequence[str] = (), expected: Mapping[str, str] | None = None
) -> Verification:
    """Compares a blessing with what is about to be released.

    Args:
        verdict: A `verdict.json`.
        model: The SavedModel to be released: a version directory, a base directory, or any SavedModel.
        contracts: The contract files that must have been judged, all of them and no others; empty: those that the
            blessing names, where they lie.
        expected: What else must be as it was, by dotted key: `server.identity`, `versions.tensorflow`.

    Raises:
        UsageError: The file is no verdict.json.
        SavedModelError: There is no readable SavedModel.
    """
    file = Path(verdict)
    document = _read(file)
    content = {key: value for key, value in document.items() if key != "seal"}
    if document["seal"] != _seal(content):
        return Verification("", (f"{file} was changed after it was written: its seal does not fit its content.",))
    sha256 = digest(resolve(model).directory)
    blessed = [f"{one['name']}/{one['version']}" for one in document["models"] if one["sha256"] == sha256]
    refusals: list[str] = []
    if document["verdict"] != "pass":
        refusals.append(f"the verdict is {document['verdict']}, not pass.")
    if not blessed:
        known = ", ".join(f"{one['name']}/{one['version']} ({one['sha256'][:12]}…)" for one in document["models"])
        refusals.append(f"it is for another model: {known or 'none'}; {model} is {sha256[:12]}….")
    refusals += _changed_contracts(file, document["contracts"], contracts)
    report = file.parent / document["report"]["file"]
    if report.is_file() and _sha256(report) != document["report"]["sha256"]:
        refusals.append(f"{report} is not the report that it was written with.")
    refusals += [found for key, value in (expected or {}).items() if (found := _unlike(document, key, value))]
    return Verification(blessed[0] if blessed else "", tuple(refusals))


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: the verdict cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"{file}: not JSON, so no verdict: {error}.") from None
    if not isinstance(document, dict) or any(key not in document for key in _KEYS):
        raise UsageError(f"{file}: no verdict.json; pytest --tfsig-report DIR writes one beside report.json.")
    if document["version"] != VERSION:
        raise UsageError(f"{file}: a verdict of version {document['version']}; this tfsig knows version {VERSION}.")
    return document


def _changed_contracts(file: Path, blessed: Sequence[Mapping[str, str]], given: Sequence[str]) -> list[str]:
    if given:
        present = {_digest_of(Path(path)): path for path in given}
        judged = {entry["sha256"]: entry["file"] for entry in blessed}
        return [
            f"the contract {path} is not one that was judged."
            for sha256, path in present.items()
            if not sha256 or sha256 not in judged
        ] + [
            f"the contract {path} was judged and is not among those given."
            for sha256, path in judged.items()
            if not sha256 or sha256 not in present
        ]
    found = []
    for entry in blessed:
        path = file.parent / entry["file"]
        if not entry["sha256"] or _digest_of(path) != entry["sha256"]:
            how = "has changed since" if path.is_file() else "is not there"
            found.append(f"the contract {path} {how}; name the contracts with --contract if they lie elsewhere.")
    return found


def _digest_of(path: Path) -> str:
    return _sha256(path) if path.is_file() else ""


def _unlike(document: Mapping[str, Any], key: str, value: str) -> str:
    found: Any = document
    for part in key.split(".", 1):
        found = found.get(part) if isinstance(found, dict) else None
    if str(found) == value:
        return ""
    return f"{key} was {'not recorded' if found is None else found}, not {value}."


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _seal(content: Mapping[str, Any]) -> str:
    """Returns a digest of everything else, so that a change is noticed; whoever can write can also seal anew."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
