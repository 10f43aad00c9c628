"""Rounding inside a model: how coarse its arithmetic is, and how far rounding can move an answer."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import protos, tensors
from pytest_tfsig.checks.tolerances import is_inexact, unit, widened
from pytest_tfsig.clients import ServingError
from pytest_tfsig.strategies.numeric import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Subject

_TRIES = 6
_UNITS = 4
"""Units in the last place by which inputs are moved: what the first sums of a model round by."""
_FIELD = "T"
_NARROW = {tensors.dtype("float16").number: 2.0**-10, tensors.dtype("bfloat16").number: 2.0**-7}
_CARRIERS = frozenset(
    {"Cast", "Const", "Identity", "IdentityN", "Placeholder", "PlaceholderWithDefault", "Reshape", "Shape", "NoOp"}
)
"""Ops that pass values on and do not compute: weights may be kept in half precision and used in single."""


def precision(subject: Subject) -> float:
    """Returns the unit in the last place of the narrowest floats that the graph computes in; 0 where none is narrow."""
    return 0.0 if subject.saved_model is None else _narrowest(subject.saved_model.path / "saved_model.pb")


@lru_cache(maxsize=64)
def _narrowest(path: Path) -> float:
    try:
        message: Any = protos.SavedModel.FromString(path.read_bytes())
    except OSError:
        return 0.0
    widest = 0.0
    for meta_graph in message.meta_graphs:
        graph = meta_graph.graph_def
        for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
            for node in nodes:
                if node.op not in _CARRIERS and _FIELD in node.attr:
                    widest = max(widest, _NARROW.get(node.attr[_FIELD].type, 0.0))
    return widest


def without_subnormals(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a request whose subnormal floats are zero.

    Some of a server's threads flush them to zero and some do not, so that the same request may be answered as either:
    that is no model's fault. Those of float32 count for wider dtypes too, for they may be cast inside.
    """
    return {name: _flushed(value) if isinstance(value, np.ndarray) else value for name, value in inputs.items()}


def _flushed(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return array
    with np.errstate(all="ignore"):
        return np.where(np.abs(array) < np.finfo(np.float32).tiny, array.dtype.type(0), array)


def sensitivity(subject: Subject, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Returns how far each number of an answer moves when the float inputs move by a few units in the last place.

    Where a model rounds, compares or subtracts large numbers, rounding alone moves an answer that far, and two answers
    that differ by no more tell of no fault. Infinite where the answer changes in kind: another integer, NaN or text.

    Args:
        subject: Who is asked.
        inputs: The request.

    Returns:
        An array of the answer's shape by output name; empty where nothing can be moved or asked.
    """
    rng = np.random.default_rng(subject.settings.seed)
    step = precision(subject)
    moved = {name for name, value in inputs.items() if isinstance(value, np.ndarray) and _is_real(value)}
    if not moved:
        return {}
    found: dict[str, NDArray[Any]] = {}
    try:
        base = subject.ask(inputs)
        for _ in range(_TRIES):
            changed = {name: _moved(subject, name, value, step, rng) for name, value in inputs.items() if name in moved}
            for name, array in subject.ask({**inputs, **changed}).items():
                if name in base and array.shape == base[name].shape:
                    far = _distance(base[name], array)
                    found[name] = np.maximum(found.get(name, far), far)
    except ServingError:
        return {}
    return found


def _is_real(array: NDArray[Any]) -> bool:
    return is_inexact(array) and array.dtype.kind != "c"


def _moved(subject: Subject, name: str, array: NDArray[Any], step: float, rng: np.random.Generator) -> NDArray[Any]:
    share = _UNITS * max(unit(array), step)
    with np.errstate(all="ignore"):
        wide = array.astype(np.float64) * (1 + share * rng.uniform(-1, 1, array.shape))
    return numbers(subject.signature.inputs[name], name).cast(wide)


def _distance(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    if not is_inexact(one):
        return np.where(one == other, 0.0, np.inf)
    with np.errstate(all="ignore"):
        wide_one, wide_other = widened(one), widened(other)
        same = (wide_one == wide_other) | (np.isnan(wide_one) & np.isnan(wide_other))
        return np.where(same, 0.0, np.nan_to_num(np.abs(wide_one - wide_other), nan=np.inf))
