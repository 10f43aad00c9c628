"""From markers and contract files to what is judged: a model, its contract, and the checks to run."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_tfsig.errors import ContractError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pytest

    from pytest_tfsig.checks import Check
    from pytest_tfsig.contract import Contract, Signature
    from pytest_tfsig.models import Target
    from pytest_tfsig.options import Options
    from pytest_tfsig.savedmodel import SavedModel


@dataclass(frozen=True, slots=True)
class Case:
    """One item's work: one check of one signature of a target."""

    target: Target
    signature: str
    check: Check

    @property
    def id(self) -> str:
        """What the item's id ends in: "serving_default-outputs"."""
        return f"{self.signature}-{self.check.name}"


def cases(target: Target, options: Options, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> list[Case]:
    """Returns every case of a target, signature by signature, in the order in which checks run.

    Raises:
        SavedModelError: The model cannot be read.
        ContractError: The contract contradicts itself, or names a check that does not exist.
    """
    from pytest_tfsig.checks import applicable
    from pytest_tfsig.savedmodel import read

    saved_model = None if options.is_remote else read(target.model)
    contract = target.contract if saved_model is None else _completed(target.contract, saved_model)
    if not contract.signatures:
        raise UsageError(
            f"{target.model}: a model on a running server needs a contract that names its signatures"
            if saved_model is None
            else f"{target.model}: the SavedModel has no signatures, so nothing in it can be called; export it with "
            "model.export(), or with tf.saved_model.save(..., signatures=...)"
        )
    try:
        for signature in contract.signatures.values():
            _decidable(signature)
        found = [
            Case(target, name, check)
            for name, signature in contract.signatures.items()
            for check in applicable(signature, only, skip)
            if options.baseline is not None or not check.against_baseline
            if check.name != "warmup" or "warmup" in only or saved_model is None or saved_model.warmup is not None
        ]
        return found if options.mutate is None else _with_strength(found, options.mutate, only, skip)
    except ContractError as error:
        raise ContractError(f"{target.source or contract.source}: {error}") from None


def _with_strength(cases: list[Case], minimum: float, only: tuple[str, ...], skip: tuple[str, ...]) -> list[Case]:
    """Returns the cases with one more behind those of each signature: how strong the checks before it are."""
    from pytest_tfsig.mutations import strength_check

    measured = strength_check(minimum, only=only, skip=skip)
    found = []
    for case, following in zip(cases, [*cases[1:], None], strict=True):
        found.append(case)
        if following is None or following.signature != case.signature:
            found.append(replace(case, check=measured))
    return found


def _completed(contract: Contract, saved_model: SavedModel) -> Contract:
    """Returns a contract as far as the model completes it; where the two contradict each other, checks will say so."""
    if not contract.signatures:
        return contract.completed(saved_model.signatures)
    completed = {}
    for name, signature in contract.signatures.items():
        try:
            alone = replace(contract, signatures={name: signature})
            completed[name] = alone.completed(saved_model.signatures).signatures[name]
        except ContractError:
            completed[name] = signature
    return replace(contract, signatures=completed)


def _decidable(signature: Signature) -> None:
    """Raises ContractError for a latency budget that no sample within its own cap can decide."""
    if signature.latency:
        from pytest_tfsig.latency import undecidable

        for index, budget in enumerate(signature.latency):
            reason = undecidable(budget) or _too_large_a_batch(signature, budget.batch)
            if reason is not None:
                raise ContractError(f"signatures.{signature.name}.latency[{index}].{budget.metric}: {reason}")


def _too_large_a_batch(signature: Signature, batch: int) -> str | None:
    from pytest_tfsig.checks.batch_invariant import batch_dimension

    dimension = batch_dimension(signature)
    if dimension is None or dimension not in signature.dims or batch <= signature.dims[dimension][1]:
        return None
    return f"batch = {batch} is more than dims.{dimension} allows, {signature.dims[dimension][1]}; widen one of them"


def of_file(file: Path, options: Options) -> Target:
    """Returns the target of a contract file.

    Raises:
        ContractError: The file is no contract, or neither it nor --tfsig-model names a model.
    """
    from pytest_tfsig.contract import load
    from pytest_tfsig.models import Target

    contract = load(_as_typed(file))
    model = options.model or (str(contract.model) if contract.model is not None else None)
    if model is None:
        raise ContractError(
            f'{file}: no model to judge; say model = "path/of/the/SavedModel", or pass --tfsig-model PATH'
        )
    if options.model is None and not options.is_remote:
        _refuse_relative_to_here(Path(model), file)
    return Target(model, contract, source=file.name, file=file)


def _refuse_relative_to_here(model: Path, file: Path) -> None:
    """Raises ContractError for a model that lies where the current directory and not the file would have it."""
    if model.exists() or not model.is_relative_to(file.parent):
        return
    stated = model.relative_to(file.parent)
    if stated.exists():
        meant = os.path.relpath(stated, file.parent)
        raise ContractError(
            f'{_as_typed(file)}: model = "{stated}" is relative to this file, and not there; say model = "{meant}"'
        )


def of_item(node: pytest.Item, options: Options, rootpath: Path) -> Target:
    """Returns the target that a test's markers name: the nearest model, and every contract.

    Raises:
        UsageError: There is no model, or a marker is malformed.
        ContractError: A contract is malformed.
    """
    _refuse_unknown(node)
    return _of_markers(
        [(marker, _file_of(owner)) for owner, marker in node.iter_markers_with_node()], options, rootpath, node.name
    )


def _as_typed(file: Path) -> Path:
    """Returns a path as users write it: relative to the current directory where it lies below it."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def _file_of(node: Any) -> Path:
    return Path(node.path)


def _of_markers(markers: list[tuple[pytest.Mark, Path]], options: Options, rootpath: Path, test: str) -> Target:
    from pytest_tfsig.models import Target

    contract, source, stated_model, stated_in = _contract(markers, test)
    name = None
    model = options.model
    for marker, file in markers:
        if marker.name == "tfsig_model":
            path, name = _model_arguments(marker, test)
            model = model or (path if options.is_remote else _located(path, file, rootpath))
            break
    model = model or stated_model
    if model is None:
        raise UsageError(
            f"{test} has no model to judge: mark it with @pytest.mark.tfsig_model(path), or pass --tfsig-model PATH"
        )
    return Target(model, contract, name, source, stated_in)


def _refuse_unknown(node: pytest.Item) -> None:
    """Raises UsageError for a marker of ours that is misspelled: pytest only warns, and its contract is not judged."""
    from pytest_tfsig.contract.naming import suggestion

    declared = {re.split(r"[:( ]", line)[0] for line in node.config.getini("markers")}
    for marker in node.iter_markers():
        if marker.name.startswith("tfsig_") and marker.name not in declared:
            known = [name for name in declared if name.startswith("tfsig_")]
            raise UsageError(f"{node.name}: there is no marker {marker.name!r}; {suggestion(marker.name, known)}")


def _model_arguments(marker: pytest.Mark, test: str) -> tuple[str, str | None]:
    name = marker.kwargs.get("name")
    is_path = len(marker.args) == 1 and isinstance(marker.args[0], str | Path)
    if not is_path or not isinstance(name, str | None) or set(marker.kwargs) - {"name"}:
        raise UsageError(
            f"{test}: tfsig_model takes one path and, if wanted, name=...; write tfsig_model('models/digits')"
        )
    return str(marker.args[0]), name


def _located(path: str, file: Path, rootpath: Path) -> str:
    """Returns a marker's path: relative to the marker's own file first, then to rootdir."""
    beside = file.parent / path
    # Without "..", as contract files have it: one model has one path in a report.
    return os.path.abspath(beside if beside.exists() else rootpath / path)  # noqa: PTH100 - resolve() would follow links


def _contract(markers: list[tuple[pytest.Mark, Path]], test: str) -> tuple[Any, str, str | None, Path | None]:
    """Returns the contract of all markers together, where it is written, the model that it names, and its file."""
    from pytest_tfsig.contract import Contract

    signatures: dict[str, Any] = {}
    stated: list[Contract] = []
    sources: list[str] = []
    model = nearest = None
    for marker, file in markers:
        if marker.name != "tfsig_contract":
            continue
        contract = _one_contract(marker, file)
        if not contract.signatures or contract.signatures.keys() - signatures.keys():
            stated.append(contract)
        signatures = {**contract.signatures, **signatures}  # the nearest wins
        model = model or contract.model
        nearest = nearest or _stated_in(marker, file)
        if contract.source not in sources:
            sources.append(contract.source)
    signatures = _with_latency(signatures, markers)
    source = ", ".join(sources)
    contract = Contract(signatures, None, source or "contract", _consumer(stated, test), _is_pending(stated, test))
    return contract, source, None if model is None else str(model), nearest


def _consumer(stated: Sequence[Contract], test: str) -> str:
    named = {contract.consumer: None for contract in stated if contract.consumer}
    if len(named) > 1:
        told = " and ".join(map(repr, named))
        raise ContractError(f"{test} states contracts of several consumers, {told}: give each a test of its own")
    return next(iter(named), "")


def _is_pending(stated: Sequence[Contract], test: str) -> bool:
    pending = {contract.pending for contract in stated}
    if len(pending) > 1:
        raise ContractError(f"{test} states contracts of which only some are pending: give those a test of their own")
    return pending == {True}


def _stated_in(marker: pytest.Mark, file: Path) -> Path:
    """Returns the file that a marker's contract is written in: the one that it names, or its own."""
    named = str(marker.args[0]) if marker.args else ""
    return file.parent / named if named.endswith(".toml") else file


_FIELDS = ("inputs", "outputs", "dims", "method", "latency", "checks", "relations", "consumer", "pending")


def _one_contract(marker: pytest.Mark, file: Path) -> Any:
    from pytest_tfsig.contract import Contract, Signature, load

    first = marker.args[0] if marker.args else "serving_default"
    if len(marker.args) > 1 or not isinstance(first, str | Path):
        raise ContractError(f"{file.name}: tfsig_contract takes one file or signature name, and {', '.join(_FIELDS)}")
    if str(first).endswith(".toml"):
        if marker.kwargs:
            raise ContractError(f"{file.name}: tfsig_contract({str(first)!r}) states the contract in the file alone")
        return load(_as_typed(file.parent / first))
    unknown = set(marker.kwargs) - set(_FIELDS)
    if unknown:
        raise ContractError(
            f"{file.name}: tfsig_contract has no argument {min(unknown)!r}; it has {', '.join(_FIELDS)}"
        )
    stated = {key: value for key, value in marker.kwargs.items() if value is not None}
    whose = {key: stated.pop(key) for key in ("consumer", "pending") if key in stated}
    try:
        return Contract({str(first): Signature(str(first), **stated)}, None, file.name, **whose)
    except ContractError as error:
        raise ContractError(f"{file.name}: tfsig_contract({str(first)!r}): {error}") from None


def _with_latency(signatures: Mapping[str, Any], markers: Iterable[tuple[pytest.Mark, Path]]) -> dict[str, Any]:
    """Returns the signatures with the budgets of tfsig_latency markers added to each."""
    from pytest_tfsig.contract import Signature

    added: list[Any] = []
    for marker, file in markers:
        if marker.name == "tfsig_latency":
            stated: Any = (*marker.args, *([marker.kwargs] if marker.kwargs else []))
            try:
                added += Signature(latency=stated).latency
            except ContractError as error:
                raise ContractError(f"{file.name}: tfsig_latency: {error}") from None
    if not added:
        return dict(signatures)
    all_signatures = signatures or {"serving_default": Signature()}
    return {name: replace(entry, latency=(*entry.latency, *added)) for name, entry in all_signatures.items()}


def selection(markers: Iterable[pytest.Mark]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the checks that tfsig_checks markers select: those wanted alone, and those left out.

    Raises:
        UsageError: A marker is malformed.
    """
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    for marker in markers:
        if marker.args or set(marker.kwargs) - {"only", "skip"}:
            raise UsageError("tfsig_checks takes only=[...] and skip=[...], lists of check names")
        only += _names(marker.kwargs.get("only", ()))
        skip += _names(marker.kwargs.get("skip", ()))
    return only, skip


def _names(stated: object) -> tuple[str, ...]:
    """Returns the names in a marker's argument; one name needs no list around it."""
    listed = (stated,) if isinstance(stated, str) else stated
    if not isinstance(listed, Collection) or not all(isinstance(name, str) for name in listed):
        raise UsageError(f"tfsig_checks takes lists of check names, such as skip=['latency'], not {stated!r}")
    return tuple(listed)
