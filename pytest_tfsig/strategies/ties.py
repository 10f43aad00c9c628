"""Inputs whose values depend on other inputs: masks and lengths of padded sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.contract import Dimension, Signature, Tensor

__all__ = ["Lengths", "Mask", "Tie", "ties"]

Arrays = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mask:
    """An input [batch, time] that is 1 up to the end of each row's sequence, and 0 after it.

    An input is one if its name says mask and another input has the same two leading named dimensions.
    """

    name: str

    def tied(self, arrays: Arrays) -> NDArray[Any]:
        """Return the mask whose sequences are as long as the input has cells that are not 0, at least 1."""
        mask = arrays[self.name]
        lengths = np.maximum(np.count_nonzero(mask, axis=1), min(1, mask.shape[1]))
        inside: NDArray[Any] = np.arange(mask.shape[1]) < lengths[:, None]
        return inside.astype(mask.dtype)


@dataclass(frozen=True, slots=True)
class Lengths:
    """An input [batch] that holds the length of each row's sequence.

    An input is one if its name says so and another input is [batch, time] in named dimensions.
    """

    name: str
    sequence: str

    def tied(self, arrays: Arrays) -> NDArray[Any]:
        """Return lengths from 1 to the size of the time dimension; those that are in there stay."""
        lengths = arrays[self.name]
        longest = arrays[self.sequence].shape[1]
        if longest == 0:
            return np.zeros_like(lengths)
        # What is too long wraps around, so that the longest is as likely as any other.
        return np.asarray((lengths.astype(np.int64) - 1) % longest + 1).astype(lengths.dtype)


Tie = Mask | Lengths


def ties(signature: Signature) -> tuple[Tie, ...]:
    """Return the masks and lengths among a signature's inputs, leaving out those with a strategy of the user's own."""
    return tuple(_found(signature))


def _found(signature: Signature) -> Iterator[Tie]:
    inputs = signature.inputs
    for name, tensor in inputs.items():
        if tensor.strategy is not None or tensor.shape is None or tensor.dtype in {None, "string"}:
            continue
        others = [other for other in inputs if other != name]
        sequences = [other for other in others if _is_sequence(inputs[other], tensor.shape[:2])]
        if not sequences:
            continue
        if "mask" in name.lower() and len(tensor.shape) == 2 and _holds_zero_and_one(tensor):  # noqa: PLR2004 - [batch, time]
            yield Mask(name)
        elif "len" in name.lower() and len(tensor.shape) == 1 and tensors.dtype(tensor.dtype).is_integer:
            yield Lengths(name, sequences[0])


def _is_sequence(tensor: Tensor, leading: Sequence[object]) -> bool:
    """Tell whether ``tensor`` starts with two named dimensions, and those with ``leading``."""
    padded: tuple[Dimension, ...] = (*(tensor.shape or ()), None, None)
    batch, time = padded[:2]
    return isinstance(batch, str) and isinstance(time, str) and (batch, time)[: len(leading)] == tuple(leading)


def _holds_zero_and_one(tensor: Tensor) -> bool:
    if tensor.values is not None:
        return {0, 1} <= set(tensor.values)
    return (tensor.min is None or tensor.min <= 0) and (tensor.max is None or tensor.max >= 1)
