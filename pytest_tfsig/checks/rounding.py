"""Rounding inside a model: how coarse its arithmetic is, how far it can move an answer, and what that explains."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import protos, tensors
from pytest_tfsig.checks.tolerances import is_inexact, unit, widened
from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies.examples import parsed, serialized
from pytest_tfsig.strategies.numeric import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract import Feature, Signature

    Copies = Callable[[str, NDArray[np.bool_]], NDArray[Any]]

_TRIES = 6
_TRIES_FROM_ZERO = 24
"""From zero, an answer may go one of two ways only, as a sign does; so often, it does not go the same way by chance."""
_UNITS = 4
"""Units in the last place by which inputs are moved: what the first sums of a model round by."""
_AMPLIFIED = 8
"""How much farther than the few inputs that were tried a rounding error may move an answer."""
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


def without_subnormals(signature: Signature, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a request whose tiny floats are zero: those that are subnormal in float32, or have subnormal squares.

    Some of a server's threads flush subnormal numbers to zero and some do not, so that the same request may be answered
    as either, and a model that divides by a norm makes much of it: that is no model's fault. What is tiny in float32
    counts for wider dtypes too, for they may be cast inside.
    """
    if signature.method != "predict":
        return {name: [_flushed_example(example) for example in examples] for name, examples in inputs.items()}
    return {
        name: _flushed_examples(value, features) if (features := signature.inputs[name].features) else _flushed(value)
        for name, value in inputs.items()
    }


_TINY = float(np.sqrt(np.finfo(np.float32).tiny))


def _flushed(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return array
    with np.errstate(all="ignore"):
        return np.where(np.abs(array) < _TINY, array.dtype.type(0), array)


def _flushed_example(example: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [0.0 if isinstance(cell, float) and abs(cell) < _TINY else cell for cell in cells]
        for name, cells in example.items()
    }


def _flushed_examples(array: NDArray[Any], features: Mapping[str, Feature]) -> NDArray[Any]:
    """Returns serialized tf.Examples without tiny floats; what is no tf.Example stays as it is."""
    flushed = array.copy()
    for place, cell in np.ndenumerate(array):
        with contextlib.suppress(StrategyError):
            flushed[place] = serialized(_flushed_example(parsed(cell)), features)
    return flushed


class Rounding:
    """What rounding explains of the differences between two answers to the same question.

    Where a model rounds, compares or subtracts large numbers, moving its inputs by a few units in the last place moves
    an answer that far, and two answers that differ by no more tell of no fault.

    Where an input is zero, it has no last place, and yet a model may amplify the rounding of its own constants there:
    silence through a logarithm, a row divided by its tiny norm. Moving such inputs by a few units of the largest that
    callers send shows that; but so much could be a true dependence on other rows, too. So the difference must also
    come about where all rows are the same, and nothing but their number and place differs.

    Args:
        subject: Who is asked.
        inputs: The request.
        copies: Returns, for an output's name and where its answers differ, how far apart the answers to copies of those
            rows lie, in the same places of batches of the same sizes; None: rows have no places to differ by.
    """

    def __init__(self, subject: Subject, inputs: Mapping[str, Any], copies: Copies | None = None) -> None:
        self._subject = subject
        self._inputs = inputs
        self._copies = copies
        self._known: dict[bool, dict[str, NDArray[Any]]] = {}

    def explains(
        self, name: str, one: NDArray[Any], other: NDArray[Any], wrong: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Returns where rounding explains that two answers for an output differ.

        Args:
            name: The output.
            one: The one answer.
            other: The other, of the same shape and dtype.
            wrong: Where they differ by more than a tolerance allows.
        """
        explained = _within(one, other, self._moves(name, from_zero=False))
        left = wrong & ~explained
        if self._copies is None or not left.any():
            return explained
        # Copies cost the fewer requests, and a true dependence on other rows ends here.
        left &= _within(one, other, self._copies(name, left))
        if left.any():
            explained |= left & _within(one, other, self._moves(name, from_zero=True))
        return explained

    def _moves(self, name: str, *, from_zero: bool) -> NDArray[Any] | None:
        if from_zero not in self._known:
            self._known[from_zero] = sensitivity(self._subject, self._inputs, from_zero=from_zero)
        return self._known[from_zero].get(name)


def _within(one: NDArray[Any], other: NDArray[Any], moves: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Returns where two answers are about as far apart as rounding moves an answer."""
    if moves is None or moves.shape != one.shape:
        return np.zeros(one.shape, dtype=bool)
    if not is_inexact(one):
        return np.asarray(np.isinf(moves), bool)
    with np.errstate(all="ignore"):
        near = np.abs(widened(one) - widened(other)) <= _AMPLIFIED * moves
    return np.asarray(near | np.isinf(moves), bool)


def sensitivity(subject: Subject, inputs: Mapping[str, Any], *, from_zero: bool = False) -> dict[str, NDArray[Any]]:
    """Returns how far each number of an answer moves when the float inputs move by a few units in the last place.

    Infinite where the answer changes in kind: another integer, NaN or text.

    Args:
        subject: Who is asked.
        inputs: The request.
        from_zero: Whether zeros move, too: by as much as the largest number that the contract lets callers send moves;
            integers of 8 and 16 bits, which are pixels and samples, by one.

    Returns:
        An array of the answer's shape by output name; empty where nothing can be moved or asked.
    """
    rng = np.random.default_rng(subject.settings.seed)
    step = precision(subject)
    moved = [
        name
        for name, value in inputs.items()
        if isinstance(value, np.ndarray) and (_is_real(value) or (from_zero and _is_sampled(value)))
    ]
    if not moved:
        return {}
    found: dict[str, NDArray[Any]] = {}
    try:
        base = subject.ask(inputs)
        for _ in range(_TRIES_FROM_ZERO if from_zero else _TRIES):
            changed = {name: _moved(subject, name, inputs[name], rng, step, from_zero=from_zero) for name in moved}
            for name, array in subject.ask({**inputs, **changed}).items():
                if name in base and array.shape == base[name].shape:
                    far = distance(base[name], array)
                    found[name] = np.maximum(found.get(name, far), far)
    except ServingError:
        return {}
    return found


def _is_real(array: NDArray[Any]) -> bool:
    return is_inexact(array) and array.dtype.kind != "c"


def _is_sampled(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "iu" and array.dtype.itemsize <= 2  # noqa: PLR2004 - 16 bits


def _moved(
    subject: Subject, name: str, array: NDArray[Any], rng: np.random.Generator, step: float, *, from_zero: bool
) -> NDArray[Any]:
    tensor = subject.signature.inputs[name]
    if _is_sampled(array):
        return numbers(tensor, name).cast(array.astype(np.int64) + rng.integers(-1, 2, array.shape))
    share = _UNITS * max(unit(array), step)
    with np.errstate(all="ignore"):
        wide = array.astype(np.float64) * (1 + share * rng.uniform(-1, 1, array.shape))
        if from_zero:
            largest = max([1.0, *(abs(end) for end in (tensor.min, tensor.max) if end is not None)])
            wide += share * largest * rng.uniform(-1, 1, array.shape)
    return numbers(tensor, name).cast(wide)


def distance(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Returns how far apart two answers are, number by number; infinite where they differ in kind."""
    if not is_inexact(one):
        return np.where(one == other, 0.0, np.inf)
    with np.errstate(all="ignore"):
        wide_one, wide_other = widened(one), widened(other)
        same = (wide_one == wide_other) | (np.isnan(wide_one) & np.isnan(wide_other))
        return np.where(same, 0.0, np.nan_to_num(np.abs(wide_one - wide_other), nan=np.inf, posinf=np.inf))
