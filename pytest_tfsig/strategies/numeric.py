"""The numbers that a tensor of a contract may hold, and the ones among them that find bugs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import ml_dtypes
import numpy as np

from pytest_tfsig import tensors
from pytest_tfsig.errors import StrategyError
from pytest_tfsig.savedmodel.vocabulary import spread
from pytest_tfsig.strategies import bulk
from pytest_tfsig.strategies.limits import DEFAULT_FLOAT_END, DEFAULT_INTEGER_END, ELEMENTWISE
from pytest_tfsig.strategies.patterns import repeated
from pytest_tfsig.strategies.source import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.contract import Feature, Tensor
    from pytest_tfsig.strategies.source import Source

__all__ = ["Numbers", "numbers"]

_GENERATED: Final = (np.dtype(np.float32), np.dtype(np.float64))
# Of the words that draw a cell, those that stand for a point.
_POINT_WORDS: Final = WORDS * 2 // 3
# Past this many values the same ones come again: copying is several times faster than drawing. It is a prime number,
# so that no two rows of a batch, or channels of an image, begin at the same one.
_BLOCK: Final = 262_139

_KNOWN_POINTS: Final = 16

# Typical undeclared floats are standardised features and small measurements.
_TYPICAL_FLOAT: Final = 4.0
_INTEGER_POINTS: Final = (0, 1, -1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536)
_FLOAT_POINTS: Final = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 0.1, 10.0, -10.0, 100.0, -100.0)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a numeric or boolean tensor may hold.

    Attributes:
        dtype: The numpy dtype of every value.
        points: Values worth trying on their own, the simplest first. All of them may be held.
        low: Smallest value, of `dtype`; for complex dtypes of each part.
        high: Largest value, likewise.
        typical_range: Ends of the range where most values lie, within `low` and `high`, as Python numbers.
        closed: Whether `points` are all there is (`values` in the contract, and booleans).
        known: The contract's `vocabulary`, perhaps beyond `low` and `high`.
    """

    dtype: np.dtype[Any]
    points: tuple[Any, ...]
    low: Any
    high: Any
    typical_range: tuple[float, float]
    closed: bool = False
    known: tuple[Any, ...] = ()

    @property
    def simplest(self) -> Any:
        """The value that a shrunk example is full of: zero, or the nearest to it."""
        return self.points[0]

    @property
    def one(self) -> Any:
        """What marks a cell among simplest ones: 1 where it may be held."""
        return self.points[min(1, len(self.points) - 1)]

    @property
    def ends(self) -> tuple[Any, Any]:
        """The two ends; the last of `values`, or of `known`, is the far one: the last token id, the last category."""
        if self.closed:
            return self.points[0], self.points[-1]
        if self.known:
            return self.low, self.known[-1]
        return self.low, self.high

    def cells(self, source: Source, count: int) -> NDArray[Any]:
        """Return a vector of ``count`` values, two in three of them `points`, each drawn on its own."""
        # Points find bugs, but only other values tell cells apart. The choice is one of a fixed size, so that
        # Hypothesis can take it over when it tries a smaller tensor.
        words = source.words(max(count, ELEMENTWISE))[:count]
        points = np.array(self.points, dtype=self.dtype)
        if self.closed:
            return points[words * len(points) // WORDS]
        chosen = points[np.minimum(words * len(points) // _POINT_WORDS, len(points) - 1)]
        shares = (words - _POINT_WORDS) / (WORDS - 1 - _POINT_WORDS)
        low, high = self.typical_range
        between = low * (1 - shares) + high * shares
        other = self.cast(np.rint(between) if self._is_integer else between * (1 + 1j) if self._is_complex else between)
        return np.where(words < _POINT_WORDS, chosen, other)

    def simpler(self, value: Any) -> Iterator[Any]:
        """Yield values that are simpler than ``value``, the simplest first."""
        known = [point.tobytes() for point in self.points]
        raw = np.asarray(value, dtype=self.dtype).tobytes()
        yield from self.points[: known.index(raw) if raw in known else len(known)]
        if raw in known or self._is_complex or self._is_integer:
            return
        for digits in (0, 1):
            rounded = self.cast(round(float(value), digits))[()]
            if rounded.tobytes() not in {raw, *known}:
                yield rounded

    def typical(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return values as a caller usually sends them."""
        if self.known:
            others = replace(self, known=()).typical(shape, rng)
            return np.where(rng.integers(2, size=shape) == 0, others, self.some_of(self.known, shape, rng))
        low, high = self.typical_range
        if self.closed or self._is_integer or (low, high) == (float(self.low), float(self.high)):
            return self.anywhere(shape, rng)
        return self._in_parts(
            shape, lambda size, part: bulk.normal(part, size, rng, (low + high) / 2, (high - low) / 4)
        )

    def anywhere(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return values spread evenly over all that may be held."""
        if self.closed:
            return self.some_of(self.points, shape, rng)
        if self._is_integer:
            low, high = int(self.low), int(self.high)
            return _in_blocks(shape, lambda size: bulk.integers_between(self.dtype, low, high, size, rng))
        ends = float(self.low), float(self.high)
        return self._in_parts(shape, lambda size, part: bulk.uniform(part, size, rng, *ends))

    def near(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return values of every magnitude, most of them near the simplest one."""
        if self.closed or self._is_integer:
            return self.anywhere(shape, rng)
        ends = float(self.low), float(self.high)
        return self._in_parts(shape, lambda size, part: bulk.magnitudes(part, size, rng, *ends))

    def some_of(self, values: Sequence[Any], shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return an array of ``values``, each cell one of them."""
        pool = np.array(values, dtype=self.dtype)
        return _in_blocks(shape, lambda size: pool[rng.integers(len(pool), size=size)])

    def cast(self, values: Any) -> NDArray[Any]:
        """Return ``values`` as an array of `dtype`, brought back to what may be held where rounding left it."""
        with np.errstate(over="ignore", invalid="ignore"):
            array = np.asarray(values).astype(self.dtype, copy=False)
        if self.closed or self._is_complex:
            return array
        return np.asarray(np.clip(array, self.low, self.high)).astype(self.dtype, copy=False)

    @property
    def _is_integer(self) -> bool:
        return self.dtype.name.startswith(("int", "uint"))

    @property
    def _is_complex(self) -> bool:
        return self.dtype.kind == "c"

    def _in_parts(self, shape: tuple[int, ...], make: Callable[[int, np.dtype[Any]], NDArray[Any]]) -> NDArray[Any]:
        """Return floats or complex numbers of ``shape``, given a function that returns a vector of floats."""

        def block(size: int) -> NDArray[Any]:
            if not self._is_complex:
                return self.cast(make(size, self.dtype if self.dtype in _GENERATED else np.dtype(np.float32)))
            part = np.dtype(type(self.low))
            whole = make(size, part).astype(self.dtype)
            whole.imag = make(size, part)
            return whole

        return _in_blocks(shape, block)


def _in_blocks(shape: tuple[int, ...], make: Callable[[int], NDArray[Any]]) -> NDArray[Any]:
    """Return an array of ``shape`` whose values repeat after `_BLOCK`, given a function that returns a vector."""
    count = math.prod(shape)
    return make(count).reshape(shape) if count <= _BLOCK else repeated(make(_BLOCK), shape)


def numbers(tensor: Tensor | Feature, where: str = "tensor") -> Numbers:
    """Return what a numeric or boolean ``tensor`` may hold.

    Args:
        tensor: Its dtype, `min`, `max`, `values`, `vocabulary` and `finite` count.
        where: The key path that errors name.

    Raises:
        StrategyError: It may hold nothing.
    """
    entry = tensors.dtype(tensor.dtype)
    if tensor.values is not None:
        return _closed(entry.numpy, tensor.values)
    if entry.name == "bool":
        return _closed(entry.numpy, (False, True))
    if entry.is_complex:
        return _complex(entry.numpy, finite=_is_finite(tensor))
    found = _integers(entry.numpy, tensor, where) if entry.is_integer else _floats(entry.numpy, tensor, where)
    if tensor.vocabulary is None:
        return found
    known = tuple(entry.numpy.type(word) for word in tensor.vocabulary)
    points = _unique((found.simplest, known[0], *found.points, *spread(known, _KNOWN_POINTS)))
    return replace(found, points=points, known=known)


def _is_finite(tensor: Tensor | Feature) -> bool:
    return bool(getattr(tensor, "finite", True))


def _closed(dtype: np.dtype[Any], values: Iterable[Any]) -> Numbers:
    points = _unique(dtype.type(value) for value in values)
    ordered = sorted(points, key=float)
    return Numbers(dtype, points, ordered[0], ordered[-1], (float(ordered[0]), float(ordered[-1])), closed=True)


def _integers(dtype: np.dtype[Any], tensor: Tensor | Feature, where: str) -> Numbers:
    info = _limits(ml_dtypes.iinfo, dtype)
    least, most = int(info.min), int(info.max)
    if tensor.min is None and tensor.max is None:
        # Eight and sixteen bits are pixels, samples and quantised values, which use all of their range.
        low, high = (least, most) if most < 2**16 else (0, DEFAULT_INTEGER_END)
    else:
        low = least if tensor.min is None else max(least, math.ceil(tensor.min))
        high = most if tensor.max is None else min(most, math.floor(tensor.max))
        # Where one end is open, the range goes on from the other, or from zero, as far as undeclared ones do.
        low = low if tensor.min is not None else max(least, min(0, high - DEFAULT_INTEGER_END))
        high = high if tensor.max is not None else min(most, max(0, low) + DEFAULT_INTEGER_END)
    _require_order(low, high, tensor, where)
    near = (low, high, low + 1, high - 1, (low + high) // 2)
    simplest = min(max(0, low), high)
    points = [value for value in (simplest, *_INTEGER_POINTS[:3], *near, *_INTEGER_POINTS) if low <= value <= high]
    return Numbers(
        dtype=dtype,
        points=_unique(dtype.type(value) for value in points),
        low=dtype.type(low),
        high=dtype.type(high),
        typical_range=(low, high),
    )


def _floats(dtype: np.dtype[Any], tensor: Tensor | Feature, where: str) -> Numbers:
    info = _limits(ml_dtypes.finfo, dtype)
    most = float(info.max)
    end = min(DEFAULT_FLOAT_END, most / 4)
    low = -end if tensor.min is None else float(tensor.min)
    high = end if tensor.max is None else float(tensor.max)
    # Of two ends one may be declared, and lie beyond what the other is by default.
    if tensor.min is None and low > high - end:
        low = high - max(end, abs(high))
    if tensor.max is None and high < low + end:
        high = low + max(end, abs(low))
    first, last = _inside(dtype, max(low, -most), 1), _inside(dtype, min(high, most), -1)
    _require_order(float(first), float(last), tensor, where)
    points = _float_points(dtype, first, last)
    if not _is_finite(tensor):
        points += _unique(value for value in map(dtype.type, ("nan", "inf", "-inf")) if not np.isfinite(float(value)))
    return Numbers(dtype, points, first, last, _typical(float(first), float(last)))


def _typical(low: float, high: float) -> tuple[float, float]:
    """Return where most floats lie: everywhere in a range of moderate width, else around the simplest value."""
    if high - low <= DEFAULT_FLOAT_END:
        return low, high
    middle = min(max(0.0, low), high)
    return max(low, middle - _TYPICAL_FLOAT), min(high, middle + _TYPICAL_FLOAT)


def _float_points(dtype: np.dtype[Any], low: Any, high: Any) -> tuple[Any, ...]:
    info = _limits(ml_dtypes.finfo, dtype)
    tiny = float(info.smallest_subnormal)
    normal = float(info.smallest_normal)
    epsilon = float(info.eps)
    bottom, top = float(low), float(high)
    middle = bottom / 2 + top / 2
    simplest = min(max(0.0, bottom), top)
    values = (
        *(simplest, *_FLOAT_POINTS[:3], top, bottom, *_FLOAT_POINTS[3:], middle),
        *(float(np.nextafter(high, low)), float(np.nextafter(low, high))),
        *(1 + epsilon, tiny, -tiny, normal, -normal, -0.0),
    )
    with np.errstate(over="ignore"):
        return _unique(value for value in map(dtype.type, values) if bottom <= float(value) <= top)


def _complex(dtype: np.dtype[Any], *, finite: bool) -> Numbers:
    end = DEFAULT_FLOAT_END
    part: np.dtype[Any] = np.zeros((), dtype).real.dtype
    tiny = float(_limits(ml_dtypes.finfo, part).smallest_subnormal)
    values: tuple[complex, ...] = (
        0,
        1,
        1j,
        -1,
        -1j,
        1 + 1j,
        end,
        -end,
        end * 1j,
        -end * 1j,
        complex(end, -end),
        tiny,
        complex(0, tiny),
    )
    if not finite:
        values += (complex("nan"), complex("inf"), complex(0, -math.inf))
    points = _unique(dtype.type(value) for value in values)
    return Numbers(dtype, points, part.type(-end), part.type(end), (-_TYPICAL_FLOAT, _TYPICAL_FLOAT))


def _limits(info: Callable[..., Any], dtype: np.dtype[Any]) -> Any:
    """Return ``info(dtype)``: ml_dtypes knows numpy's dtypes too, but its functions have no types."""
    return info(dtype)


def _inside(dtype: np.dtype[Any], bound: float, direction: int) -> Any:
    """Return the value of ``dtype`` nearest to ``bound`` that is not outside of it: 0.1 itself is no float32."""
    value = dtype.type(bound)
    if (float(value) - bound) * direction < 0:
        value = np.nextafter(value, dtype.type(direction * math.inf) if dtype.kind == "f" else dtype.type(direction))
    return value


def _require_order(low: float, high: float, tensor: Tensor | Feature, where: str) -> None:
    if low > high:
        raise StrategyError(
            f"{where}: no {tensor.dtype} lies between min = {tensor.min} and max = {tensor.max}; "
            "widen the range or correct the ends."
        )


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return ``values`` without repetitions, in order; zeros of different sign, and NaN, count as different."""
    distinct: dict[bytes, Any] = {}
    for value in values:
        distinct.setdefault(np.asarray(value).tobytes(), value)
    return tuple(distinct.values())
