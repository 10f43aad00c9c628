"""Makes a falsifying input small: fewer rows, shorter dimensions, zeros, simple cells."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_tfsig.strategies.patterns import Values
    from pytest_tfsig.strategies.signatures import Arrays, Plan
    from pytest_tfsig.strategies.sizes import Key

__all__ = ["Spent", "minimized"]

# More cells than these are not simplified one by one: nobody would read them.
_MOST_CELLS: Final = 16
_ROUNDS: Final = 4
_SMALL: Final = 4


class Spent(Exception):  # noqa: N818 - it ends the work, it is no error
    """As much time or as many requests as shrinking may take are used up."""


def minimized(
    ready: Plan, arrays: Arrays, error: AssertionError, attempt: Callable[[Arrays], AssertionError | None]
) -> tuple[Arrays, AssertionError]:
    """Return smaller arrays that still fail and how they do, or ``arrays`` and ``error`` themselves.

    Hypothesis shrinks the choices that made an example, and can only shrink those. This works on the arrays, so it
    also shrinks corner cases, recorded requests and values that came from a seed. Inputs with a strategy of the user's
    own stay as they are, with all dimensions that they have: only the user knows what makes them valid.

    Args:
        ready: The signature's plan.
        arrays: One array for each input.
        error: The violation that they show.
        attempt: Returns the violation that smaller arrays show, None where it is none or another one. It raises
            `Spent` to end the work.
    """
    shrinking = _Shrinking(ready, arrays, error, attempt)
    with contextlib.suppress(Spent):
        for _ in range(_ROUNDS):
            before = shrinking.arrays
            shrinking.dimensions()
            shrinking.whole_inputs()
            shrinking.cells()
            if shrinking.arrays is before:
                break
    return shrinking.arrays, shrinking.error


class _Shrinking:
    __slots__ = ("_attempt", "_ready", "arrays", "error")

    def __init__(
        self,
        ready: Plan,
        arrays: Arrays,
        error: AssertionError,
        attempt: Callable[[Arrays], AssertionError | None],
    ) -> None:
        self._ready = ready
        self._attempt = attempt
        self.arrays = arrays
        self.error = error

    def dimensions(self) -> None:
        """Take away rows, steps and whatever else a free dimension counts."""
        for low, axes in self._axes():
            self._dimension(low, axes)

    def whole_inputs(self) -> None:
        """Set whole inputs to the simplest value, or all their other cells to one value."""
        for name, values in self._ready.values.items():
            array = self.arrays[name]
            others = ~_same(array, values.simplest)
            if not others.any():
                continue
            for value in (values.simplest, *values.points[1:3]):
                candidate = np.array(array)
                candidate[others] = value
                if _equal(candidate, array) or self._accepts(name, candidate):
                    break

    def cells(self) -> None:
        """Set cells to the simplest value, half of them at a time, then what is left one by one."""
        for name, values in self._ready.values.items():
            uniform = (self.arrays, self.error) if _is_uniform(self.arrays[name]) else None
            try:
                self._clear(name, values)
            finally:
                left = np.flatnonzero(~_same(self.arrays[name], values.simplest))
                if uniform is not None and len(left) > _MOST_CELLS:
                    # One value everywhere reads better than many cells here and there.
                    self.arrays, self.error = uniform
            if len(left) <= _MOST_CELLS:
                for position in left:
                    self._simplify(name, values, int(position))

    def _axes(self) -> list[tuple[int, list[tuple[str, int]]]]:
        """Return the smallest size of each free dimension, and the inputs and axes where it appears."""
        lay = self._ready.layout
        lows = {dim.key: dim.low for dim in lay.dims}
        found: dict[Key, list[tuple[str, int]]] = {}
        for name, shape in lay.shapes.items():
            # Of an input of any rank the dimensions that it happens to have are free.
            keys = shape if shape is not None else tuple((name, axis) for axis in range(self.arrays[name].ndim))
            for axis, key in enumerate(keys):
                if not isinstance(key, int):
                    found.setdefault(key, []).append((name, axis))
        owned = self._ready.owns
        return [(lows.get(key, 1), axes) for key, axes in found.items() if not any(name in owned for name, _ in axes)]

    def _dimension(self, low: int, axes: list[tuple[str, int]]) -> None:
        name, axis = axes[0]
        size = self.arrays[name].shape[axis]
        for keep in (slice(0, low), slice(size - low, size)):
            if size > low and self._try_keeping(axes, np.arange(size)[keep]):
                return
        for chunk in _chunks(size - low):
            start = 0
            while start < (size := self.arrays[name].shape[axis]):
                kept = np.delete(np.arange(size), slice(start, start + chunk))
                if len(kept) < low or not self._try_keeping(axes, kept):
                    start += chunk

    def _try_keeping(self, axes: list[tuple[str, int]], kept: NDArray[Any]) -> bool:
        candidate = dict(self.arrays)
        for name, axis in axes:
            candidate[name] = np.take(candidate[name], kept, axis=axis)
        return self._accepts_all(candidate)

    def _clear(self, name: str, values: Values) -> None:
        array = self.arrays[name]
        left = np.flatnonzero(~_same(array, values.simplest))
        chunk = math.ceil(len(left) / 2)
        while chunk and len(left):
            start = 0
            while start < len(left):
                candidate = np.array(self.arrays[name])
                candidate.reshape(-1)[left[start : start + chunk]] = values.simplest
                if self._accepts(name, candidate):
                    left = np.delete(left, slice(start, start + chunk))
                else:
                    start += chunk
            chunk = 0 if chunk == 1 else math.ceil(chunk / 2)

    def _simplify(self, name: str, values: Values, position: int) -> None:
        """Replace a cell by simpler values, starting anew from each that still fails."""
        while any(
            self._accepts(name, _with_cell(self.arrays[name], position, value))
            for value in values.simpler(self.arrays[name].reshape(-1)[position])
        ):
            pass

    def _accepts(self, name: str, candidate: NDArray[Any]) -> bool:
        return self._accepts_all({**self.arrays, name: candidate})

    def _accepts_all(self, candidate: Arrays) -> bool:
        error = self._attempt(candidate)
        if error is None:
            return False
        self.arrays, self.error = candidate, error
        return True


def _chunks(most: int) -> list[int]:
    """Return how many slices to take away at once: halves of halves, and small numbers that keep a size odd or even."""
    halves = {most >> shift for shift in range(1, most.bit_length())}
    return sorted({*halves, *range(1, min(most, _SMALL) + 1)}, reverse=True)


def _with_cell(array: NDArray[Any], position: int, value: Any) -> NDArray[Any]:
    changed = np.array(array)
    changed.reshape(-1)[position] = value
    return changed


def _same(array: NDArray[Any], value: Any) -> NDArray[np.bool_]:
    """Return where ``array`` holds just ``value``; a zero of the other sign is another value."""
    if array.dtype == object:
        return np.array([cell == value for cell in array.flat], dtype=bool).reshape(array.shape)
    equal = np.asarray(array == value)
    if array.dtype.kind in "iub" or value != 0:
        return equal
    negative: NDArray[np.bool_] = np.signbit(array.real)
    return equal & ~negative


def _is_uniform(array: NDArray[Any]) -> bool:
    return bool(array.size) and bool(_same(array, array.reshape(-1)[0]).all())


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.dtype == object:
        return bool(one.tolist() == other.tolist())
    return one.tobytes() == other.tobytes()
