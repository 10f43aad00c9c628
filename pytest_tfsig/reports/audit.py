"""The ending of an audit: what signatures alone cannot say, and how to write a contract that does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.reports.saved_model import declaration
from pytest_tfsig.reports.visible import first_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_tfsig.reports.result import ModelIdentity, Result
    from pytest_tfsig.reports.terminal import Writer

_UNSTATED: Final = {
    "values": "signatures promise no range, no probabilities, no labels",
    "latency": "no budget is stated",
    "relations": "no relation between answers is stated",
    "examples": "no recorded requests are named",
    "warmup": "the SavedModel has no warmup requests",
}
"""Why a check that was not run had nothing to judge, by its name."""
_RELEASED: Final = ("compatible", "drift", "no_slower")
_NUMBERS: Final = re.compile(r"(?:u?int|float|bfloat)\d+")
_MOST_NAMES: Final = 4


def ending(writer: Writer, results: Sequence[Result]) -> None:
    """Writes what could not be judged and why, what a contract would add, and the line that begins one.

    Args:
        writer: Where to.
        results: Of the run; those of contracts that somebody wrote are passed over.
    """
    groups: dict[ModelIdentity, dict[str, list[Result]]] = {}
    for result in results:
        if not result.contract:
            groups.setdefault(result.model, {}).setdefault(result.signature, []).append(result)
    if not groups:
        return
    writer.write_sep("-", "what the signatures alone leave open")
    for model, signatures in groups.items():
        declared = declaration(model).get("signatures", {})
        alike: dict[tuple[str, ...], list[str]] = {}
        for name, group in signatures.items():
            alike.setdefault(tuple(_lines(group, declared.get(name, {}))), []).append(name)
        version = "" if model.version is None else f"/{model.version}"
        for lines, names in alike.items():
            writer.write_line(visible(f"{model.name}{version} {', '.join(names)}"))
            for line in lines:
                writer.write_line(f"  {visible(line)}")
        file = _file(model.name)
        path = shlex.quote(visible(_as_typed(model.path)))
        writer.write_line(f"begin one:  tfsig init {path} --observe 100 > {file}")


def _lines(group: Sequence[Result], declared: Mapping[str, Any]) -> Iterator[str]:
    for check, why in _unjudged(group):
        yield f"not judged: {check}: {first_line(why)}"
    for added in _open(declared):
        yield f"a contract would add: {added}"


def _unjudged(group: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Yields the checks that proved nothing of a signature, and why: those that were run, then those that were not."""
    for result in group:
        if result.verdict in {"skip", "error", "inconclusive"}:
            yield result.check, result.message
    ran = {result.check for result in group}
    for check, why in _UNSTATED.items():
        if check not in ran:
            yield check, why
    if ran.isdisjoint(_RELEASED):
        yield ", ".join(_RELEASED), "no --tfsig-baseline was given"


def _open(signature: Mapping[str, Any]) -> Iterator[str]:
    """Yields what callers would learn from a contract."""
    if not signature:
        return
    numbers = [name for name, tensor in signature["inputs"].items() if _NUMBERS.fullmatch(tensor["dtype"])]
    texts = [
        name for name, tensor in signature["inputs"].items() if tensor["dtype"] == "string" and not tensor["features"]
    ]
    outputs = [name for name, tensor in signature["outputs"].items() if _NUMBERS.fullmatch(tensor["dtype"])]
    if numbers:
        yield f"what is sent in {_names(numbers)} (min, max, values)"
    if texts:
        yield f"what the bytes in {_names(texts)} are (encoding, image, values)"
    if outputs:
        yield f"what comes back in {_names(outputs)} (probabilities, min, max)"
    yield "sizes of batches, latency budgets, checks to leave out"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def _as_typed(path: str) -> str:
    """Returns a path as users write it: relative to the current directory where it lies below it."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def _file(name: str) -> str:
    """Returns a contract file's name that needs no quotes in a shell."""
    return f"{re.sub(r'[^A-Za-z0-9_.+-]+', '-', name).strip('-') or 'model'}.tfsig.toml"
