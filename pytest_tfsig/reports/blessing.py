"""The blessing: verdict.json, which binds a run's verdict to exactly what was judged, and its verification."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_tfsig.contract import load
from pytest_tfsig.errors import ContractError, UsageError
from pytest_tfsig.reports.files import write_whole
from pytest_tfsig.reports.result import worst
from pytest_tfsig.savedmodel import digest, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_tfsig.reports.result import Result

VERSION = 1
FILE = "verdict.json"
_CONTRACTS = ".tfsig.toml"
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Run:
    """How the run ended that a verdict is about.

    Attributes:
        exit_code: pytest's; 0 where nothing at all failed in it.
        left_out: Checks of judged contracts that were not run, "digits/3 serving_default: latency".
    """

    exit_code: int = 0
    left_out: Sequence[str] = ()


class _Model(msgspec.Struct):
    name: str
    version: int | None
    sha256: str

    @property
    def title(self) -> str:
        return self.name if self.version is None else f"{self.name}/{self.version}"


class _Contract(msgspec.Struct):
    file: str
    sha256: str
    consumer: str


class _File(msgspec.Struct):
    file: str
    sha256: str


class _Server(msgspec.Struct):
    kind: str
    identity: str


class _Run(msgspec.Struct):
    exit_code: int
    left_out: list[str]


class _Verdict(msgspec.Struct):
    """What `verdict.json` must hold, and of which types."""

    version: int
    verdict: str
    models: list[_Model]
    contracts: list[_Contract]
    baselines: list[str]
    server: _Server
    run: _Run
    seeds: dict[str, int | None]
    versions: dict[str, str]
    checks: dict[str, list[str]]
    report: _File
    seal: str


def withdraw(folder: Path) -> None:
    """Removes the verdict of a former run from a folder, so that a run that does not come to its own leaves none.

    Raises:
        UsageError: It cannot be removed.
    """
    file = folder / FILE
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"--tfsig-report {folder}: {file} cannot be removed: {error.strerror}") from None


def write(folder: Path, report: Mapping[str, Any], results: Sequence[Result], run: Run) -> Path:
    """Writes `verdict.json` beside `report.json` in a folder, whole or not at all, and returns its path.

    Args:
        folder: Where `report.json` has been written.
        report: The document of `report.json`.
        results: Of the run.
        run: How it ended.

    Raises:
        OSError: It cannot be written.
    """
    environment = report["environment"]
    checks: dict[str, list[str]] = {}
    for result in results:
        checks.setdefault(_subject(result), []).append(f"{result.check}: {result.verdict}")
    content = {
        "version": VERSION,
        "verdict": report["verdict"],
        "created": environment.get("created", ""),
        "models": [{key: model[key] for key in ("name", "version", "sha256")} for model in report["models"]],
        "contracts": _contracts(folder, results),
        "baselines": sorted({result.baseline_sha256 for result in results} - {""}),
        "server": {key: report["server"].get(key, "") for key in ("kind", "identity")},
        "run": {"exit_code": run.exit_code, "left_out": list(run.left_out)},
        "seeds": {_subject(result): result.seed for result in results},
        "versions": {"python": environment.get("python", ""), **environment.get("packages", {})},
        "checks": checks,
        "report": {"file": "report.json", "sha256": _sha256(folder / "report.json")},
    }
    text = json.dumps({**content, "seal": _seal(content)}, indent=2, ensure_ascii=False)
    return write_whole(folder, FILE, text + "\n")


def _contracts(folder: Path, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Returns what was judged of each consumer's contract, with the digest of the file that states it."""
    groups: dict[tuple[str, str, str, bool], list[Result]] = {}
    for result in results:
        if result.contract_file:
            file = Path(os.path.relpath(result.contract_file, folder)).as_posix()
            groups.setdefault((file, result.consumer, result.model.title, result.pending), []).append(result)
    return [
        {
            "file": file,
            "sha256": group[0].contract_sha256 if len({one.contract_sha256 for one in group}) == 1 else "",
            "consumer": consumer,
            "model": model,
            "verdict": worst(group),
            "pending": pending,
        }
        for (file, consumer, model, pending), group in sorted(groups.items(), key=lambda entry: entry[0])
    ]


def _subject(result: Result) -> str:
    whose = f" ({result.consumer})" if result.consumer else ""
    return f"{result.model.title} {result.signature}{whose}"


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
    verdict: str,
    model: str,
    contracts: Sequence[str] = (),
    expected: Mapping[str, str] | None = None,
    *,
    baseline: str | None = None,
) -> Verification:
    """Compares a blessing with what is about to be released.

    Args:
        verdict: A `verdict.json`.
        model: The SavedModel to be released: a version directory, a base directory, or any SavedModel.
        contracts: The contract files, or folders of them, that must have been judged, all of them and no others;
            empty: those that the blessing names, where they lie, and those beside them for the same model.
        expected: What else must be as it was, by dotted key: `server.identity`, `versions.tensorflow`.
        baseline: The SavedModel that the model must have been compared with; None: that does not matter.

    Raises:
        UsageError: The file is no verdict.json, or a folder holds no contracts.
        SavedModelError: There is no readable SavedModel.
    """
    file = Path(verdict)
    document = _read(file)
    content = {key: value for key, value in document.items() if key != "seal"}
    if document["seal"] != _seal(content):
        return Verification("", (f"{file} was changed after it was written: its seal does not fit its content.",))
    try:
        found = msgspec.convert(document, _Verdict)
    except msgspec.ValidationError as error:
        raise UsageError(f"{file}: no verdict.json that this tfsig knows: {error}.") from None
    sha256 = digest(resolve(model).directory)
    blessed = [one.title for one in found.models if one.sha256 == sha256]
    refusals = _of_the_run(found, blessed)
    if not blessed:
        refusals.append(_another_model(found, model, sha256))
    refusals += _not_as_given(found, contracts) if contracts else _changed_contracts(file, found)
    if baseline is not None:
        refusals += _another_baseline(found, baseline)
    report = file.parent / found.report.file
    if report.is_file() and _sha256(report) != found.report.sha256:
        refusals.append(f"{report} is not the report that it was written with.")
    refusals += [unlike for key, value in (expected or {}).items() if (unlike := _unlike(document, key, value))]
    return Verification(blessed[0] if blessed else "", tuple(refusals))


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: the verdict cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not JSON, so no verdict: {error}. Is it whole?") from None
    if not isinstance(document, dict) or not {"version", "verdict", "seal"} <= document.keys():
        raise UsageError(f"{file}: no verdict.json; pytest --tfsig-report DIR writes one beside report.json.")
    if document["version"] != VERSION:
        raise UsageError(f"{file}: a verdict of version {document['version']}; this tfsig knows version {VERSION}.")
    return document


def _of_the_run(found: _Verdict, blessed: Sequence[str]) -> list[str]:
    refusals = []
    if found.verdict != "pass":
        refusals.append(f"the verdict is {found.verdict}, not pass.")
    elif found.run.exit_code:
        refusals.append(
            f"something else failed in the run, or broke it off: pytest's exit code was {found.run.exit_code}."
        )
    left_out = [check for check in found.run.left_out if not blessed or check.split(" ", 1)[0] in blessed]
    if left_out:
        more = f" and {len(left_out) - _MOST_NAMED} more" if len(left_out) > _MOST_NAMED else ""
        told = ", ".join(left_out[:_MOST_NAMED])
        refusals.append(
            f"checks of its contracts were left out of the run: {told}{more}; select none with -k or by id."
        )
    if not found.server.identity:
        refusals.append("what served the model is not recorded.")
    return refusals


def _another_model(found: _Verdict, model: str, sha256: str) -> str:
    if found.models and not any(one.sha256 for one in found.models):
        return (
            f"{found.models[0].title} was judged on a running server, which shows no files: no SavedModel is blessed."
        )
    known = ", ".join(f"{one.title} ({one.sha256[:12]}…)" for one in found.models)
    return f"it is for another model: {known or 'none'}; {model} is {sha256[:12]}…."


def _another_baseline(found: _Verdict, baseline: str) -> list[str]:
    sha256 = digest(resolve(baseline).directory)
    if found.baselines == [sha256]:
        return []
    known = ", ".join(f"{one[:12]}…" for one in found.baselines)
    how = f"was compared with {known}" if known else "was compared with no released version (--tfsig-baseline)"
    return [f"the model {how}; {baseline} is {sha256[:12]}…."]


def _not_as_given(found: _Verdict, given: Sequence[str]) -> list[str]:
    files = [file for path in given for file in _files(Path(path))]
    present = {_digest_of(file): file for file in files}
    judged = {one.sha256: one.file for one in found.contracts}
    return [
        f"the contract {file} is not one that was judged."
        for sha256, file in present.items()
        if not sha256 or sha256 not in judged
    ] + [
        f"the contract {file} was judged and is not among those given."
        for sha256, file in judged.items()
        if not sha256 or sha256 not in present
    ]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.rglob(f"*{_CONTRACTS}"))
    if not found:
        raise UsageError(f"--contract {path}: no contract file, NAME{_CONTRACTS}, is in this folder.")
    return found


def _changed_contracts(verdict: Path, found: _Verdict) -> list[str]:
    """Returns what became of the judged contracts, and which ones for the same model were added beside them."""
    judged = {verdict.parent / one.file: one.sha256 for one in found.contracts}
    refusals = []
    for path, sha256 in judged.items():
        if not sha256 or _digest_of(path) != sha256:
            how = "has changed since" if path.is_file() else "is not there"
            where = os.path.normpath(path)
            refusals.append(f"the contract {where} {how}; name the contracts with --contract if they lie elsewhere.")
    files = {Path(os.path.normpath(path)) for path in judged if path.name.endswith(_CONTRACTS)}
    models = {_model_of(path) for path in files} | {None}
    beside = {one for folder in {path.parent for path in files} for one in folder.glob(f"*{_CONTRACTS}")} - files
    return refusals + [
        f"the contract {one} was not judged, and lies beside those that were."
        for one in sorted(beside)
        if _model_of(one) in models
    ]


def _model_of(contract: Path) -> Path | None:
    """Returns the model that a contract file names; None where it names none, or cannot be read."""
    try:
        return load(contract).model
    except ContractError:
        return None


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
