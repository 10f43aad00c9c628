"""Sizes of dimensions: drawn at boundaries, one for each name, bounded together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_tfsig.contract import BATCH_RANGE, SIZE_RANGE
from pytest_tfsig.strategies.limits import MAX_ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.contract import Dimension, Signature
    from pytest_tfsig.strategies.source import Source

__all__ = ["Dim", "Layout", "Shapes", "deck", "layout"]

Key = str | tuple[str, int]
"""A named dimension's name, or an input's name and axis for a dimension that has none."""

Shapes = dict[str, tuple[int, ...]]

_PRIMES: Final = (2, 3, 5, 7, 11, 13, 17, 23, 31, 61, 127, 251)
_WEIGHT: Final = 3
_DECK: Final = 64
_RANKS: Final = (1, 2, 0, 3)


@dataclass(frozen=True, slots=True)
class Dim:
    """A dimension whose size is free between `low` and `high`, both included."""

    key: Key
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The shapes of a signature's inputs, with what is free in them.

    Attributes:
        shapes: Per input the sizes and the keys of free dimensions, or None for any rank.
        dims: Every free dimension once, in the order in which they are drawn.
    """

    shapes: Mapping[str, tuple[int | Key, ...] | None]
    dims: tuple[Dim, ...]

    @property
    def leading(self) -> frozenset[Key]:
        """The keys of free dimensions that come first in an input: rows of a batch."""
        return frozenset(shape[0] for shape in self.shapes.values() if shape and not isinstance(shape[0], int))

    def draw(self, source: Source, known: Mapping[Key, int]) -> Shapes:
        """Return a shape for every input.

        Args:
            source: Makes the choices.
            known: Sizes that are already given.
        """
        ranked = self._with_ranks(source)
        sizes = dict(known)
        for dim in ranked.dims:
            if dim.key not in sizes:
                sizes[dim.key] = _drawn(source, dim, ranked.room(dim, sizes))
        return ranked.resolve(sizes)

    def resolve(self, sizes: Mapping[Key, int]) -> Shapes:
        """Return the shapes that ``sizes`` give; a dimension that is not among them has its smallest size."""
        smallest = {dim.key: dim.low for dim in self.dims}
        return {
            name: tuple(size if isinstance(size, int) else sizes.get(size, smallest[size]) for size in shape)
            for name, shape in self.shapes.items()
            if shape is not None
        }

    def with_rank(self, rank: int) -> Layout:
        """Return the layout in which every input of any rank has this one."""
        if all(shape is not None for shape in self.shapes.values()):
            return self
        shapes = dict(self.shapes)
        dims = list(self.dims)
        for name, shape in self.shapes.items():
            if shape is None:
                shapes[name] = tuple((name, axis) for axis in range(rank))
                dims += [Dim((name, axis), *SIZE_RANGE) for axis in range(rank)]
        return Layout(shapes, tuple(dims))

    def room(self, dim: Dim, sizes: Mapping[Key, int], limit: int = MAX_ELEMENTS) -> int:
        """Return the largest size of ``dim`` that keeps all inputs together within ``limit`` elements."""
        if self._elements({**sizes, dim.key: dim.high}) <= limit:
            return dim.high
        low, high = dim.low, dim.high
        while low < high:
            middle = (low + high + 1) // 2
            if self._elements({**sizes, dim.key: middle}) <= limit:
                low = middle
            else:
                high = middle - 1
        return low

    def _elements(self, sizes: Mapping[Key, int]) -> int:
        return sum(math.prod(shape) for shape in self.resolve(sizes).values())

    def _with_ranks(self, source: Source) -> Layout:
        if all(shape is not None for shape in self.shapes.values()):
            return self
        return self.with_rank(_RANKS[source.choose(len(_RANKS))])


def layout(signature: Signature) -> Layout:
    """Return the layout of a signature's inputs."""
    dims: dict[Key, Dim] = {}
    shapes: dict[str, tuple[int | Key, ...] | None] = {}
    for name, tensor in signature.inputs.items():
        if tensor.shape is None and (tensor.features is not None or signature.method != "predict"):
            # The ops that parse tf.Examples take a vector of them.
            shapes[name] = ((name, 0),)
            dims[name, 0] = Dim((name, 0), *BATCH_RANGE)
            continue
        if tensor.shape is None:
            shapes[name] = None
            continue
        shape = tuple(_entry(name, axis, size) for axis, size in enumerate(tensor.shape))
        shapes[name] = shape
        for size, written in zip(shape, tensor.shape, strict=True):
            if not isinstance(size, int):
                dims.setdefault(size, Dim(size, *signature.dim_range(written if isinstance(written, str) else None)))
    return Layout(shapes, tuple(dims.values()))


def deck(low: int, high: int) -> tuple[int, ...]:
    """Return sizes from ``low`` to ``high``, ascending, those at boundaries more than once.

    A number drawn as a position in it meets boundaries often, and shrinks to the smallest size that will do: every
    size is in the deck of a range of up to 64, and a spread of them in that of a wider one.
    """
    powers = [2**power + offset for power in range(1, high.bit_length() + 1) for offset in (-1, 0, 1)]
    boundaries = {size for size in (1, *_PRIMES, *powers, low, high - 1, high) if low <= size <= high}
    step = max(1, math.ceil((high - low) / _DECK))
    return tuple(sorted([*range(low, high + 1, step), *(size for size in boundaries for _ in range(_WEIGHT))]))


def _drawn(source: Source, dim: Dim, high: int) -> int:
    sizes = deck(dim.low, high)
    return sizes[source.choose(len(sizes))]


def _entry(name: str, axis: int, size: Dimension) -> int | Key:
    return (name, axis) if size is None else size
