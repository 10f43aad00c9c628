"""Ways to fill a whole tensor, each of a kind that has found bugs: zeros, ends, one-hot rows, repeated rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_tfsig.strategies.source import Source

__all__ = ["PATTERNS", "Pattern", "Values", "filled", "repeated"]

Shape = tuple[int, ...]

_COPIED: Final = 4096


class Values(Protocol):
    """What a tensor may hold: `Numbers`, `Strings`, or another kind of the same form."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of the arrays."""
        ...

    @property
    def points(self) -> Sequence[Any]:
        """Values worth trying on their own, the simplest first."""
        ...

    @property
    def simplest(self) -> Any:
        """The value that a shrunk example is full of."""
        ...

    @property
    def one(self) -> Any:
        """What marks a cell among simplest ones."""
        ...

    @property
    def ends(self) -> tuple[Any, Any]:
        """The two ends of what may be held."""
        ...

    def cells(self, source: Source, count: int) -> NDArray[Any]:
        """Return a vector of ``count`` values, some of them `points` and some of them not, each drawn on its own."""
        ...

    def simpler(self, value: Any) -> Iterator[Any]:
        """Yield values that are simpler than ``value``, the simplest first."""
        ...

    def typical(self, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
        """Return values as a caller usually sends them, in an array that may be written to."""
        ...

    def anywhere(self, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
        """Return values spread evenly over all that may be held."""
        ...

    def near(self, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
        """Return values of every magnitude, most of them near the simplest one."""
        ...

    def some_of(self, values: Sequence[Any], shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
        """Return an array of ``values``, each cell one of them."""
        ...


Pattern = Callable[[Values, Shape, np.random.Generator], "NDArray[Any]"]


def filled(values: Values, shape: Shape, value: Any) -> NDArray[Any]:
    """Return an array of ``shape`` that holds ``value`` everywhere."""
    array = np.empty(shape, dtype=values.dtype)
    array.fill(value)
    return array


def repeated(block: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Return an array of ``shape`` that holds ``block``, a vector, again and again."""
    flat = np.empty(math.prod(shape), dtype=block.dtype)
    if len(block) < _COPIED <= len(flat):
        # Copying a few cells at a time is slow.
        block = np.tile(block, _COPIED // len(block))
    whole = len(flat) // len(block) * len(block)
    flat[:whole].reshape(-1, len(block))[:] = block
    flat[whole:] = block[: len(flat) - whole]
    return flat.reshape(shape)


def _simplest(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    del rng
    return filled(values, shape, values.simplest)


def _low(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    del rng
    return filled(values, shape, values.ends[0])


def _high(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    del rng
    return filled(values, shape, values.ends[1])


def _constant(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    return filled(values, shape, values.points[int(rng.integers(len(values.points)))])


def _anywhere(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    return values.anywhere(shape, rng)


def _typical(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    return values.typical(shape, rng)


def _near(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    return values.near(shape, rng)


def _points(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    return values.some_of(values.points, shape, rng)


def _ends(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    return values.some_of(values.ends, shape, rng)


def _alternating(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    """Neighbours at opposite ends."""
    del rng
    low, high = values.ends
    array = filled(values, shape, low)
    array.reshape(-1)[1::2] = high
    return array


def _opposed(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    """As `_alternating`, the other way round."""
    del rng
    low, high = values.ends
    array = filled(values, shape, high)
    array.reshape(-1)[1::2] = low
    return array


def _cycle(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    """Every point in turn, so that each of a few categories occurs."""
    del rng
    points = np.empty(len(values.points), dtype=values.dtype)
    points[:] = values.points
    return repeated(points, shape)


def _one_hot(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    array = filled(values, shape, values.simplest)
    rows = _rows(array)
    if rows.size:
        rows[np.arange(len(rows)), rng.integers(rows.shape[1], size=len(rows))] = values.one
    return array


def _sparse(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    array = filled(values, shape, values.simplest)
    flat = array.reshape(-1)
    count = min(flat.size, 1 + flat.size // 16)
    flat[rng.integers(max(1, flat.size), size=count)] = values.typical((count,), rng)
    return array


def _constant_rows(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    array = np.empty(shape, dtype=values.dtype)
    rows = _rows(array)
    rows[:] = values.some_of(values.points, (len(rows), 1), rng)
    return array


def _constant_columns(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    return repeated(values.some_of(values.points, (shape[-1] or 1 if shape else 1,), rng), shape)


def _repeated_rows(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    if not shape or shape[0] < 2:  # noqa: PLR2004 - one row repeats nothing
        return values.typical(shape, rng)
    kinds = values.typical((2, *shape[1:]), rng)
    return kinds[rng.integers(2, size=shape[0])]


def _one_simple_row(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    """A row of zeros among others."""
    array = values.typical(shape, rng)
    rows = _rows(array)
    if rows.size:
        rows[int(rng.integers(len(rows)))] = values.simplest
    return array


def _one_far_row(values: Values, shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    """A row at the far end among others: what normalising over the batch mixes up."""
    array = values.typical(shape, rng)
    rows = _rows(array)
    if rows.size:
        rows[int(rng.integers(len(rows)))] = values.ends[1]
    return array


def _rows(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of ``array`` as rows; a vector's rows, like a scalar's only one, have one cell."""
    if not array.size:
        return array.reshape(0, 1)
    return array.reshape(len(array) if array.ndim else 1, -1)


PATTERNS: Final[dict[str, Pattern]] = {
    "simplest": _simplest,
    "high": _high,
    "low": _low,
    "constant": _constant,
    "one-hot": _one_hot,
    "sparse": _sparse,
    "constant rows": _constant_rows,
    "constant columns": _constant_columns,
    "alternating": _alternating,
    "opposed": _opposed,
    "cycle": _cycle,
    "repeated rows": _repeated_rows,
    "one simple row": _one_simple_row,
    "one far row": _one_far_row,
    "typical": _typical,
    "anywhere": _anywhere,
    "points": _points,
    "ends": _ends,
    "near": _near,
}
"""Every way to fill a tensor, the simplest first."""
