"""What the answers of one output had in common, and what that suggests for its contract."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_tfsig.checks.tolerances import is_inexact, widened
from pytest_tfsig.contract import ProbabilityRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_tfsig.contract import Tensor

_MOST_VALUES: Final = 10
"""Distinct values of what may be a list of labels."""
_EACH: Final = 3
"""How often every one of them must have been seen."""
_ENOUGH: Final = 20
"""Answers below which nothing but comments is suggested."""
_SATURATED: Final = 0.999
"""The part of its range that an output must have used up to be taken for a sigmoid's or a tanh's."""
_AS_JUDGED: Final = 100
"""Inputs that a run of pytest draws: what held for fewer may not hold there."""


@dataclass(slots=True)
class Answers:
    """The values of one output over many answers.

    Attributes:
        tensor: What its contract says already.
    """

    tensor: Tensor
    count: int = 0
    rows: int = 0
    strange: int = 0
    low: float = np.inf
    high: float = -np.inf
    values: Counter[Any] | None = field(default_factory=Counter)
    is_text: bool = True
    _axes: set[int] | None = None

    def add(self, array: NDArray[Any]) -> None:
        """Looks at one answer."""
        if array.size == 0:
            return
        self.count += 1
        self.rows += array.shape[0] if array.ndim else 1
        if array.dtype == object:
            self._list(array)
            self.is_text = self.is_text and all(_is_text(value) for value in array.ravel().tolist())
        elif array.dtype.kind in "iu":
            self._list(array)
            self._reach(array)
        elif is_inexact(array) and array.dtype.kind != "c":
            self._measure(array)

    def _list(self, array: NDArray[Any]) -> None:
        if self.values is not None:
            self.values.update(array.ravel().tolist())
            if len(self.values) > _MOST_VALUES:
                self.values = None

    def _reach(self, array: NDArray[Any]) -> None:
        self.low, self.high = min(self.low, array.min().item()), max(self.high, array.max().item())

    def _measure(self, array: NDArray[Any]) -> None:
        wide = widened(array)
        finite = np.isfinite(wide)
        if not finite.all():
            self.strange += 1
        if finite.any():
            self._reach(wide[finite])
        allowed = _tolerance(self.tensor)
        with np.errstate(all="ignore"):
            within = bool(np.all((wide >= -allowed) & (wide <= 1 + allowed)))
            axes = {
                axis - wide.ndim
                for axis in range(self._first_axis(), wide.ndim)
                if wide.shape[axis] > 1 and within and np.all(np.abs(wide.sum(axis=axis) - 1) <= allowed)
            }
        self._axes = axes if self._axes is None else self._axes & axes

    def _first_axis(self) -> int:
        """Returns the first axis that is no batch: sums over other callers' rows are no property."""
        shape = self.tensor.shape
        return 1 if shape and not isinstance(shape[0], int) else 0

    def proposal(self, asked: int) -> tuple[Tensor, list[str]]:
        """Returns the tensor with what every answer kept, and comments that say what was observed.

        Args:
            asked: Requests that were sent.
        """
        if not self.count:
            return self.tensor, ["no value was observed"]
        seen = f"in {self.count} answers with {self.rows:,} rows"
        if self.strange:
            told = f"NaN or infinite in {self.strange} of {self.count} answers"
            return replace(self.tensor, finite=False), [f"{told}; delete finite = false if callers may not get any"]
        if self._axes and self.count >= _ENOUGH:
            return self._probabilities(seen)
        if self.values and min(self.values.values()) >= _EACH:
            return self._listed(seen, asked)
        return self._text(seen, asked) if self.tensor.dtype == "string" else self._bounded(seen)

    def _probabilities(self, seen: str) -> tuple[Tensor, list[str]]:
        axis = max(self._axes or {-1})
        along = "" if axis == -1 else f" along axis {axis}"
        rule = replace(self.tensor, probabilities=True if axis == -1 else ProbabilityRule(axis))
        return rule, [f"in [0, 1] and summing to 1{along} {seen}"]

    def _listed(self, seen: str, asked: int) -> tuple[Tensor, list[str]]:
        values = sorted(self.values or ())
        if self.tensor.dtype == "string" and not self.is_text:
            return self.tensor, [f"{len(values)} distinct values, which are no text, {seen}"]
        if asked < _AS_JUDGED:
            return self.tensor, [f"{len(values)} distinct values {seen}; observe {_AS_JUDGED} inputs to see them here"]
        told = f"{len(values)} distinct values {seen}, each {_EACH} times or more; add those that were not met"
        return replace(self.tensor, values=values), [told]

    def _text(self, seen: str, asked: int) -> tuple[Tensor, list[str]]:
        if self.is_text and asked >= _AS_JUDGED:
            return replace(self.tensor, encoding="utf-8"), [f"UTF-8 text {seen}"]
        return self.tensor, [f"{'UTF-8 text' if self.is_text else 'bytes that are no text'} {seen}"]

    def _bounded(self, seen: str) -> tuple[Tensor, list[str]]:
        if self.low > self.high:
            return self.tensor, []
        span = f"from {self.low:g} to {self.high:g} {seen}"
        inexact = isinstance(self.low, float)
        for low, high, looks in ((0.0, 1.0, "a sigmoid"), (-1.0, 1.0, "a tanh")):
            # A range that is used up and never left is its output's own: both ends are met where a function saturates.
            # To come near to them, a sum of a few such outputs is enough.
            if inexact and self.count >= _ENOUGH and low <= self.low and self.high <= high:
                if self.high - self.low >= _SATURATED * (high - low):
                    return replace(self.tensor, min=low, max=high), [f"{span}: as {looks} is"]
                break
        return self.tensor, [span, f"min = {self.low:g}, max = {self.high:g} would hold for these alone"]


def _tolerance(tensor: Tensor) -> float:
    rule = replace(tensor, probabilities=True).probabilities
    return rule.atol or 0.0 if isinstance(rule, ProbabilityRule) else 0.0


def _is_text(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
