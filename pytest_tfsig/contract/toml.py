"""Contract files: ``NAME.tfsig.toml`` read into contracts, with the key path in every error."""

from __future__ import annotations

import base64
import dataclasses
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_type_hints

import msgspec

from pytest_tfsig.contract.agreement import Contract
from pytest_tfsig.contract.keys import KeyedError, KeyPath, at
from pytest_tfsig.contract.latency import LatencyBudget, budgets
from pytest_tfsig.contract.naming import choices, suggestion
from pytest_tfsig.contract.relations import KINDS, Relation
from pytest_tfsig.contract.signature import Signature
from pytest_tfsig.contract.tensor import Feature, ProbabilityRule, Tensor
from pytest_tfsig.errors import ContractError

_LARGEST_FILE: Final = 16 * 2**20
_T = TypeVar("_T")
_S = TypeVar("_S", bound=msgspec.Struct)


class _TensorTable(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a tensor's table and their TOML types."""

    dtype: str | None = None
    shape: list[int | str] | None = None
    min: int | float | None = None
    max: int | float | None = None
    values: list[bool | int | float | str | dict[str, str]] | None = None
    finite: bool = True
    encoding: str | None = None
    image: str | None = None
    features: dict[str, Any] | None = None
    vocabulary: list[int | float | str | dict[str, str]] | None = None
    strategy: str | None = None
    probabilities: bool | dict[str, Any] | None = None


class _FeatureTable(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a feature's table and their TOML types."""

    dtype: str
    shape: list[int] | None = None
    kind: str = "fixed"
    default: list[bool | int | float | str | dict[str, str]] | None = None
    min: int | float | None = None
    max: int | float | None = None
    values: list[bool | int | float | str | dict[str, str]] | None = None
    image: str | None = None
    vocabulary: list[int | float | str | dict[str, str]] | None = None


class _SignatureTable(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a signature's table and their TOML types."""

    method: str = "predict"
    inputs: dict[str, dict[str, Any]] = {}
    outputs: dict[str, dict[str, Any]] = {}
    dims: dict[str, list[int]] = {}
    latency: list[dict[str, Any]] = []
    checks: dict[str, bool | dict[str, Any]] = {}
    relations: list[dict[str, Any]] = []


class _ContractTable(msgspec.Struct, forbid_unknown_fields=True):
    """The keys at the top of a contract file."""

    model: str | None = None
    consumer: str | None = None
    pending: bool = False
    signatures: dict[str, dict[str, Any]] = {}


def load(path: str | os.PathLike[str]) -> Contract:
    """Read a contract file.

    Args:
        path: A ``.tfsig.toml`` file. A relative ``model`` in it is relative to the file.

    Raises:
        ContractError: The file is missing, not TOML, or holds a key or value that is no contract's; the message
            names the file and the key's path.
    """
    file = Path(path)
    try:
        return loads(_read(file), source=str(file), directory=file.parent)
    except OSError as error:
        raise ContractError(f"{file}: the contract cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ContractError(
            f"{file}: not UTF-8 text, byte {error.start} is {error.object[error.start]:#04x}."
        ) from None


def loads(text: str, *, source: str = "contract", directory: Path | None = None) -> Contract:
    """Read the text of a contract file.

    Args:
        text: TOML.
        source: Where the text is from, for messages.
        directory: What a relative ``model`` is relative to; None: the current directory.

    Raises:
        ContractError: As for ``load``.
    """
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # that of Python, too, for an integer of too many digits
        raise ContractError(f"{source}: not TOML: {error}.") from None
    except RecursionError:
        raise ContractError(f"{source}: not a contract: its values are nested too deeply.") from None
    try:
        return _contract(document, source, directory or Path())
    except KeyedError as error:
        raise ContractError(f"{source}: {error}") from None


def _read(file: Path) -> str:
    # A fifo would block when opened for reading, so ask what the file is first.
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ContractError(f"{file}: a contract is a file, this is not one.")
    if status.st_size > _LARGEST_FILE:
        raise ContractError(f"{file}: {status.st_size} bytes is no contract; the largest we read is {_LARGEST_FILE}.")
    return file.read_bytes().decode("utf-8")


def _table(form: type[_S], table: Mapping[str, Any], path: KeyPath) -> _S:
    """Convert a TOML table into its struct: known keys with values of their types only."""
    known = [field.name for field in msgspec.structs.fields(form)]
    _check_keys(table, known, path)
    try:
        return msgspec.convert(table, form)
    except msgspec.ValidationError as error:
        what, inner = _told(error)
        # msgspec writes `[...]` for keys that are the user's; find the value they lead to.
        raise KeyedError((*path, *_real_path(inner, table, form)), f"{_in_toml_words(what)}.") from None


def _check_keys(table: Mapping[str, Any], known: list[str], path: KeyPath) -> None:
    for key in table:
        if key not in known:
            raise KeyedError((*path, key), f"unknown key; {suggestion(key, known)}")


def _real_path(inner: str, table: Mapping[str, Any], form: type[msgspec.Struct]) -> KeyPath:
    """Return the keys behind msgspec's path ``.dims[...][0]``, where ``[...]`` stands for some user's key."""
    steps = re.findall(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])", inner)
    path: list[str | int] = []
    for name, index, _ in steps:
        if name:
            path.append(name)
        elif index:
            path.append(int(index))
        else:
            path.append(_offending_key(table, path, form))
    return tuple(path)


def _offending_key(table: Mapping[str, Any], path: list[str | int], form: type[msgspec.Struct]) -> str:
    """Return the first of the user's keys at a path whose value alone does not convert."""
    field = next(field for field in msgspec.structs.fields(form) if field.name == path[0])
    there: Any = table
    for step in path:
        there = there[step]
    for key, value in there.items():
        alone = {key: value}
        try:
            msgspec.convert([alone] if len(path) > 1 else alone, field.type)  # in a list of values, or the field itself
        except msgspec.ValidationError:
            return str(key)
    raise AssertionError(path)


def _in_toml_words(what: str) -> str:
    missing = re.fullmatch(r"Object missing required field `(\w+)`", what)
    if missing is not None:
        return f'the key "{missing[1]}" is missing'
    what = re.sub(r"`([^`]*)`", lambda match: " or ".join(_words(match[1])), what)
    return what[:1].lower() + what[1:]


_TOML_WORDS: Final = {
    "object": "a table",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}


def _words(union: str) -> list[str]:
    names = union.replace("int | float", "float").split(" | ")
    return [_TOML_WORDS.get(name, name) for name in names if name != "null"]


def _contract(document: Mapping[str, Any], source: str, directory: Path) -> Contract:
    table = _table(_ContractTable, document, ())
    signatures = {
        name: _signature(name, signature, ("signatures", name)) for name, signature in table.signatures.items()
    }
    model = None if table.model is None else Path(os.path.abspath(directory / Path(table.model).expanduser()))  # noqa: PTH100 - resolve() would follow links, absolute() keeps ".."
    if table.model == "":
        raise KeyedError(("model",), "empty; write the SavedModel's path or remove the key.")
    if table.consumer is not None and not table.consumer.strip():
        raise KeyedError(("consumer",), "empty; write whose contract it is or remove the key.")
    return Contract(signatures, model, source, table.consumer or "", table.pending)


def _signature(name: str, stated: Mapping[str, Any], path: KeyPath) -> Signature:
    table = _table(_SignatureTable, stated, path)
    sides = {
        side: {key: _tensor(tensor, (*path, side, key)) for key, tensor in getattr(table, side).items()}
        for side in ("inputs", "outputs")
    }
    latency: list[LatencyBudget] = []
    for index, budget in enumerate(table.latency):
        latency.extend(at((*path, "latency", index), partial(budgets, budget)))
    relations = tuple(_relation(relation, (*path, "relations", i)) for i, relation in enumerate(table.relations))
    return at(
        path,
        lambda: Signature(
            name,
            sides["inputs"],
            sides["outputs"],
            method=table.method,
            dims=table.dims,  # type: ignore[arg-type] # Signature makes pairs of lists
            latency=tuple(latency),
            checks=table.checks,
            relations=relations,
        ),
    )


def _tensor(stated: Mapping[str, Any], path: KeyPath) -> Tensor:
    table = _table(_TensorTable, stated, path)
    keys = {key: value for key, value in msgspec.structs.asdict(table).items() if value is not None}
    for key in ("values", "vocabulary"):
        if key in keys:
            keys[key] = _values(keys[key], (*path, key))
    if table.features is not None:
        keys["features"] = {
            name: _feature(feature, (*path, "features", name)) for name, feature in table.features.items()
        }
    if isinstance(table.probabilities, dict):
        keys["probabilities"] = _dataclass(ProbabilityRule, table.probabilities, (*path, "probabilities"))
    return at(path, lambda: Tensor(**keys))


def _values(stated: list[Any], path: KeyPath) -> list[Any]:
    """Return listed values, those written as ``{ b64 = "..." }`` as the bytes they mean."""
    return [_bytes(value, (*path, i)) if isinstance(value, dict) else value for i, value in enumerate(stated)]


def _bytes(table: dict[str, str], path: KeyPath) -> bytes:
    _check_keys(table, ["b64"], path)
    if "b64" not in table:
        raise KeyedError(path, 'the key "b64" is missing.')
    try:
        return base64.b64decode(table["b64"], validate=True)
    except ValueError:
        raise KeyedError((*path, "b64"), f'"{table["b64"]}" is not base64.') from None


def _feature(stated: object, path: KeyPath) -> Feature:
    if not isinstance(stated, Mapping):
        raise KeyedError(path, f'{stated!r} is not a table; write {{ dtype = "float32", shape = [] }}.')
    table = _table(_FeatureTable, stated, path)
    keys = {key: value for key, value in msgspec.structs.asdict(table).items() if value is not None}
    for key in ("values", "vocabulary", "default"):
        if key in keys:
            keys[key] = _values(keys[key], (*path, key))
    if table.shape is None and table.kind == "fixed":
        keys["shape"] = ()
    elif table.shape is None:
        keys["shape"] = None
    return at(path, lambda: Feature(**keys))


def _relation(stated: Mapping[str, Any], path: KeyPath) -> Relation:
    kind = stated.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        given = f'"{kind}" is no kind of relation' if isinstance(kind, str) else "a relation needs a kind"
        raise KeyedError((*path, "kind"), f"{given}; write {choices(KINDS)}.")
    form: type[Any] = KINDS[kind]
    relation: Relation = _dataclass(form, {key: value for key, value in stated.items() if key != "kind"}, path)
    return relation


def _dataclass(form: type[_T], stated: Mapping[str, Any], path: KeyPath) -> _T:
    """Build one of our small dataclasses from a table that has its fields as keys."""
    fields = {field.name: field for field in dataclasses.fields(form)}  # type: ignore[arg-type] # form is a dataclass
    _check_keys(stated, list(fields), path)
    for name, field in fields.items():
        if name not in stated and field.default is dataclasses.MISSING:
            raise KeyedError(path, f'the key "{name}" is missing.')
    try:
        built: _T = at(path, partial(msgspec.convert, stated, form))
    except msgspec.ValidationError as error:
        what, inner = _told(error)
        keys = tuple(int(step) if step.isdigit() else step for step in re.findall(r"\w+", inner))
        if what.startswith("Invalid enum value"):
            words = get_args(get_type_hints(form)[str(keys[0])])
            raise KeyedError((*path, *keys), f"{stated[str(keys[0])]!r} is none of {choices(words)}.") from None
        raise KeyedError((*path, *keys), f"{_in_toml_words(what)}.") from None
    return built


def _told(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return msgspec's sentence and the path it names, which is empty for the value itself."""
    what, _, path = str(error).partition(" - at `$")
    return what, path.rstrip("`")
