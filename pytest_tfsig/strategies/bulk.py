"""Whole arrays of random numbers, as fast as numpy makes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["integers_between", "magnitudes", "normal", "uniform"]

# How many powers of ten below the far end `magnitudes` reaches.
_DECADES: Final = 9


def uniform(part: np.dtype[Any], size: int, rng: np.random.Generator, low: float, high: float) -> NDArray[Any]:
    """Return values spread evenly from ``low`` to ``high``."""
    values: NDArray[Any] = rng.random(size, dtype=part)
    width = high - low
    if width <= np.finfo(part).max:
        values *= width
        values += low
        return values
    # The width itself is past what the dtype holds.
    return values * high + (1 - values) * low


def normal(part: np.dtype[Any], size: int, rng: np.random.Generator, middle: float, scale: float) -> NDArray[Any]:
    """Return normally distributed values."""
    values: NDArray[Any] = rng.standard_normal(size, dtype=part)
    values *= scale
    values += middle
    return values


def magnitudes(part: np.dtype[Any], size: int, rng: np.random.Generator, low: float, high: float) -> NDArray[Any]:
    """Return values of every magnitude up to the far end, from `_DECADES` powers of ten below it."""
    far = max(abs(low), abs(high), 1e-30)
    powers = uniform(part, size, rng, math.log(far) - _DECADES * math.log(10), math.log(far))
    values: NDArray[Any] = np.exp(powers, out=powers)
    if low < 0 < high:
        values *= rng.integers(2, size=size, dtype=np.int8) * np.int8(2) - np.int8(1)
    return -values if high <= 0 else values


def integers_between(dtype: np.dtype[Any], low: int, high: int, size: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return integers of ``dtype``, spread evenly from ``low`` to ``high``, both included."""
    native = dtype if dtype.kind in "iu" else np.dtype(np.int8)
    return rng.integers(low, high, size=size, dtype=native, endpoint=True).astype(dtype, copy=False)
