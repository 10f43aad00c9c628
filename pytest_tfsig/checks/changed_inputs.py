"""Changed inputs: a request as a relation changes it, still within the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.strategies.numeric import numbers
from pytest_tfsig.strategies.ties import Lengths, Mask, ties

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.contract import Monotone, PaddingInvariant, PermutationInvariant, Signature
    from pytest_tfsig.strategies.numeric import Numbers

    Inputs = Mapping[str, Any]

_STEPS = (0.02, 0.25, 1.0)
"""How far an input grows, as shares of what is left up to its largest value."""
_PADDINGS = (1, 3)
"""How many steps are appended: one, and enough to reach past a convolution's edge."""
_SHUFFLE = 4


def growing(signature: Signature, relation: Monotone, inputs: Inputs) -> Iterator[dict[str, Any]]:
    """Yields the request with its input grown further and further, never beyond what the contract allows."""
    array = np.asarray(inputs[relation.input])
    if not relation.fits(array.shape[-1] if array.ndim else 0):
        return  # the last axis was drawn shorter than that
    values = numbers(signature.inputs[relation.input], f"inputs.{relation.input}")
    last = array
    for step in _STEPS:
        grown = _grown(values, array, step)
        if relation.feature is not None:
            whole, grown = grown, array.copy()
            grown[..., relation.feature] = whole[..., relation.feature]
        if not np.array_equal(grown, last, equal_nan=True):
            yield {**inputs, relation.input: grown}
            last = grown


def _grown(values: Numbers, array: NDArray[Any], step: float) -> NDArray[Any]:
    if values.closed:
        ordered = np.sort(np.array(values.points, dtype=values.dtype))
        places = np.searchsorted(ordered, array)
        left = len(ordered) - 1 - places
        return np.asarray(ordered[places + np.ceil(left * step).astype(int)])
    wide = array.astype(np.float64)
    with np.errstate(all="ignore"):
        more = wide + np.maximum(float(values.high) - wide, 0) * step
    grown = values.cast(np.ceil(more) if array.dtype.kind in "iu" else more)
    # Rounding to a narrow dtype must not make it smaller.
    return np.where(grown.astype(np.float64) >= wide, grown, array)


def permuted(
    signature: Signature, relation: PermutationInvariant, inputs: Inputs
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the request with an input reversed and shuffled along an axis, with its mask, and within its lengths."""
    array = np.asarray(inputs[relation.input])
    axis = _axis(relation, array)
    if axis is None or array.shape[axis] < 2:  # noqa: PLR2004 - one step has one order
        return
    size = array.shape[axis]
    masks, lengths = _tied(signature, relation.input, axis, inputs)
    shuffled = np.random.default_rng(_SHUFFLE).permutation(size)
    for said, order in (("reversed", np.arange(size)[::-1]), ("shuffled", shuffled)):
        changed = dict(inputs)
        if lengths is None:
            for name in (relation.input, *masks):
                changed[name] = np.take(np.asarray(inputs[name]), order, axis=axis)
        else:
            # What lies behind a row's length is padding, and stays where it is.
            changed[relation.input] = _within(array, np.asarray(inputs[lengths]), order)
        yield f"{said} along axis {relation.axis}", changed


def _axis(relation: PermutationInvariant | PaddingInvariant, array: NDArray[Any]) -> int | None:
    """Returns a relation's axis, counted from the front; None where an array has none there behind its batch."""
    axis = relation.axis + array.ndim if relation.axis < 0 else relation.axis
    return axis if 0 < axis < array.ndim else None


def _within(array: NDArray[Any], lengths: NDArray[Any], order: NDArray[Any]) -> NDArray[Any]:
    changed = array.copy()
    for row, length in enumerate(lengths.tolist()):
        kept = order[order < length]
        changed[row, : len(kept)] = array[row, kept]
    return changed


def padded(signature: Signature, relation: PaddingInvariant, inputs: Inputs) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the request with padding appended to an input, and zeros to the inputs that share the dimension."""
    array = np.asarray(inputs[relation.input])
    axis = _axis(relation, array)
    if axis is None:
        return
    shape = signature.inputs[relation.input].shape
    step = None if shape is None else shape[axis]
    room = signature.dim_range(step if isinstance(step, str) else None)[1] - array.shape[axis]
    for count in sorted({min(count, room) for count in _PADDINGS}):
        if count < 1:
            continue
        changed = {**inputs, relation.input: _with_padding(array, axis, count, relation.value)}
        for name, other in _sharing(signature, relation.input, step):
            values = np.asarray(inputs[name])
            changed[name] = _with_padding(values, other, count, "" if values.dtype == object else 0)
        yield f"padded with {count} x {relation.value!r} along axis {relation.axis}", changed


def _with_padding(array: NDArray[Any], axis: int, count: int, value: float | str) -> NDArray[Any]:
    block = np.empty((*array.shape[:axis], count, *array.shape[axis + 1 :]), dtype=array.dtype)
    block[...] = value.encode() if isinstance(value, str) and array.dtype == object else value
    return np.concatenate([array, block], axis=axis)


def _sharing(signature: Signature, name: str, step: object) -> Iterator[tuple[str, int]]:
    """Yields the other inputs that have the named dimension, and on which axis."""
    for other, tensor in signature.inputs.items():
        if other != name and isinstance(step, str) and step in (tensor.shape or ()):
            yield other, (tensor.shape or ()).index(step)


def _tied(signature: Signature, name: str, axis: int, inputs: Inputs) -> tuple[list[str], str | None]:
    """Returns the masks over an input's steps, and the input that holds their number."""
    if axis != 1:
        return [], None
    size = np.shape(inputs[name])[:2]
    found = ties(signature)
    masks = [
        tie.name for tie in found if isinstance(tie, Mask) and tie.name != name and np.shape(inputs[tie.name]) == size
    ]
    lengths = [tie.name for tie in found if isinstance(tie, Lengths) and tie.sequence == name]
    return masks, lengths[0] if lengths else None
