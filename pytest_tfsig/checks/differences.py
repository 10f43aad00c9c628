"""How far the answers of two versions to the same requests lie apart, output by output."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.tolerances import has_axis, is_numeric, widened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Difference:
    """One output of one request, from both versions.

    Attributes:
        largest: The largest absolute difference between two numbers; infinite where the answers have different shapes,
            where one has numbers and the other has none, and where only one of two numbers is finite; 0 for text and
            truth values.
        flips: Rows whose class differs: the largest entry's place along the class axis for floats, the value itself
            for integers, text and truth values.
        rows: Rows in all.
    """

    largest: float
    flips: int
    rows: int


def difference(released: NDArray[Any], candidate: NDArray[Any], axis: int = -1) -> Difference:
    """Returns how far one output's two answers lie apart.

    Args:
        released: The released version's answer.
        candidate: The candidate's, of any shape and dtype.
        axis: Along which floats hold the scores of classes.
    """
    is_float = is_numeric(released) and released.dtype.kind not in "iu"
    rows = released.size
    if is_float:
        rows = released.size // released.shape[axis] if _has_classes(released, axis) else 0
    if released.shape != candidate.shape or is_numeric(released) != is_numeric(candidate):
        return Difference(math.inf, rows, rows)
    gap = _gap(released, candidate) if is_numeric(released) else 0.0
    if not is_float:
        return Difference(gap, int(np.count_nonzero(np.asarray(released != candidate))), rows)
    return Difference(gap, _moved(released, candidate, axis) if rows else 0, rows)


def _has_classes(array: NDArray[Any], axis: int) -> bool:
    return array.ndim > 1 and has_axis(array, axis) and array.shape[axis] > 1 and array.dtype.kind != "c"


def _gap(released: NDArray[Any], candidate: NDArray[Any]) -> float:
    with np.errstate(all="ignore"):
        one, other = widened(released), widened(candidate)
        gaps = np.abs(one - other)
        same = (one == other) | (np.isnan(one) & np.isnan(other))
    gaps = np.where(same, 0.0, np.where(np.isnan(gaps), np.inf, gaps))
    return float(gaps.max()) if gaps.size else 0.0


def _moved(released: NDArray[Any], candidate: NDArray[Any], axis: int) -> int:
    places = widened(released).argmax(axis=axis), widened(candidate).argmax(axis=axis)
    return int(np.count_nonzero(places[0] != places[1]))


@dataclass(slots=True)
class Tally:
    """What all requests together show about one output.

    Attributes:
        gaps: The largest difference of each request.
        flips: Rows whose class differs.
        rows: Rows in all.
    """

    gaps: list[float] = field(default_factory=list)
    flips: int = 0
    rows: int = 0

    def add(self, found: Difference) -> None:
        """Counts one request."""
        self.gaps.append(found.largest)
        self.flips += found.flips
        self.rows += found.rows

    @property
    def largest(self) -> float:
        """The largest difference of all."""
        return max(self.gaps, default=0.0)

    @property
    def typical(self) -> float:
        """The median of the requests' largest differences."""
        return statistics.median(self.gaps) if self.gaps else 0.0

    @property
    def flip_rate(self) -> float:
        """The share of rows whose class differs."""
        return self.flips / self.rows if self.rows else 0.0

    def as_dict(self) -> Mapping[str, Any]:
        """Returns plain data."""
        return {
            "largest": self.largest,
            "typical": self.typical,
            "flips": self.flips,
            "rows": self.rows,
            "requests": len(self.gaps),
        }

    def __str__(self) -> str:
        flips = f", {self.flips} of {self.rows} rows change class" if self.rows else ""
        return f"differs by {self.largest:.3g} at most, {self.typical:.3g} typically{flips}"
