"""How far two answers may differ and still be the same answer.

The order of additions depends on the batch's size and on threads, so float answers to the same row differ by rounding.
A sum's rounding error grows with the magnitude of its terms, of which the inputs and the outputs are all that is seen
from outside. So two numbers a and b are the same when

    |a - b| <= rtol * max(|a|, |b|) + atol

with rtol some thousand units in the last place, and atol from the same units, the largest output and the largest
input. A contract that states rtol and atol is taken at its word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_UNITS_OF_VALUE = 1024
"""rtol in units in the last place, 1.2e-4 for float32: a sum of a few thousand terms, reordered."""
_UNITS_OF_SCALE = 64
"""atol in units in the last place of the largest output, 7.6e-6 for float32 and outputs up to 1."""
_UNITS_OF_INPUT = 8
"""What each unit in the last place of the largest input may do to an output through weights of a usual size."""
_UNITS_OF_NARROW_SCALE = 8
"""Units of narrower floats inside the model, of the largest output, 7.8e-3 for half precision and outputs up to 1:
such models keep their values near 1, and their sums are kept in single precision."""
_COARSE = 0.05
"""The most that rtol, and atol for outputs up to 1, may be: for narrow floats so many units would be everything."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Two numbers are the same within `rtol` of the larger plus `atol`."""

    rtol: float
    atol: float

    def __str__(self) -> str:
        return f"rtol {self.rtol:.2g}, atol {self.atol:.2g}"


def tolerance(
    output: NDArray[Any],
    inputs: Mapping[str, Any],
    rtol: float | None = None,
    atol: float | None = None,
    *,
    precision: float = 0.0,
) -> Tolerance:
    """Returns what rounding explains for one output of one request.

    Args:
        output: The answer, any float or complex dtype; other dtypes are compared exactly.
        inputs: The request's arrays by name.
        rtol: The contract's own, or None.
        atol: The contract's own, or None.
        precision: The unit in the last place of narrower floats that the model computes in, or 0.
    """
    if not is_inexact(output):
        return Tolerance(0.0, 0.0)
    step = unit(output)
    scale = max(1.0, magnitude(output))
    derived = step * (_UNITS_OF_SCALE * scale + _UNITS_OF_INPUT * _largest(inputs))
    derived = max(min(derived, _COARSE * scale), precision * _UNITS_OF_NARROW_SCALE * scale)
    return Tolerance(
        min(_COARSE, max(_UNITS_OF_VALUE * step, precision * _UNITS_OF_NARROW_SCALE)) if rtol is None else rtol,
        derived if atol is None else atol,
    )


def unit(array: NDArray[Any]) -> float:
    """Returns the distance from 1 to the next number of an array's dtype; 0 for those that are exact."""
    if not is_inexact(array):
        return 0.0
    return float(ml_dtypes.finfo(array.dtype).eps)  # type: ignore[no-untyped-call] # ml_dtypes has no types


def is_inexact(array: NDArray[Any]) -> bool:
    """Whether an array holds real or complex floating-point numbers, ml_dtypes' kinds included."""
    return array.dtype.kind in "fc" or (array.dtype.kind == "V" and array.dtype.name.startswith(("bfloat", "float")))


def is_numeric(array: NDArray[Any]) -> bool:
    """Whether an array holds numbers."""
    return array.dtype.kind in "iufc" or array.dtype.kind == "V"


def has_axis(array: NDArray[Any], axis: int) -> bool:
    """Whether an array has an axis: a model may answer with fewer than its contract says."""
    return -array.ndim <= axis < array.ndim


def magnitude(array: NDArray[Any]) -> float:
    """Returns the largest finite absolute value, 0 where there is none."""
    with np.errstate(all="ignore"):
        size = np.abs(widened(array))
        finite = size[np.isfinite(size)]
    return float(finite.max()) if finite.size else 0.0


def widened(array: NDArray[Any]) -> NDArray[Any]:
    """Returns numbers as float64 or complex128, in which small kinds compute without surprises."""
    with np.errstate(all="ignore"):
        return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def differs(a: NDArray[Any], b: NDArray[Any], allowed: Tolerance) -> NDArray[np.bool_]:
    """Returns where two arrays of one shape are not the same; NaN is the same as NaN, infinity as itself."""
    if not is_inexact(a):
        return np.asarray(a != b, bool)
    with np.errstate(all="ignore"):
        wide_a, wide_b = widened(a), widened(b)
        near = np.abs(wide_a - wide_b) <= allowed.rtol * np.maximum(np.abs(wide_a), np.abs(wide_b)) + allowed.atol
        same = (wide_a == wide_b) | (np.isnan(wide_a) & np.isnan(wide_b))
    finite = np.isfinite(wide_a) & np.isfinite(wide_b)
    different: NDArray[np.bool_] = ~(same | (near & finite))
    return different


def _largest(inputs: Mapping[str, Any]) -> float:
    arrays = [array for array in inputs.values() if isinstance(array, np.ndarray) and is_numeric(array)]
    return max((magnitude(array) for array in arrays), default=0.0)
