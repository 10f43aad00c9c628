"""The compatibility of one tensor: its dtype and its shape, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pytest_tfsig.contract.compatibility.rules import GRPC, REST, Report
from pytest_tfsig.contract.tensor import shape_text
from pytest_tfsig.savedmodel.dtypes import COMPLEX_DTYPES, FLOAT_DTYPES, HALF_DTYPES, INTEGER_RANGES

if TYPE_CHECKING:
    from pytest_tfsig.savedmodel import TensorSpec

NO_JSON: Final = HALF_DTYPES | COMPLEX_DTYPES
"""Dtypes that TensorFlow Serving cannot write or read over REST."""

Side = Literal["input", "output"]


def compare_dtype(report: Report, side: Side, old: TensorSpec, new: TensorSpec) -> None:
    """Add what a changed dtype does to callers."""
    if old.dtype == new.dtype:
        return
    message = f'the {side} "{old.name}" was {old.dtype} and is {new.dtype}.'
    report.add(f"{side}-dtype-changed", side, old.name, message, GRPC)
    if side == "input":
        report.add(_json_input_rule(old.dtype, new.dtype), side, old.name, message, REST)
    elif new.dtype in NO_JSON:
        message = f'the output "{old.name}" is {new.dtype} now, so no REST answer can be written.'
        report.add("output-not-in-json", side, old.name, message, REST)
    else:
        are_numbers = _is_number(old.dtype) and _is_number(new.dtype)
        report.add("output-number-changed" if are_numbers else "output-dtype-changed", side, old.name, message, REST)


def _json_input_rule(old: str, new: str) -> str:
    """Return the rule for JSON numbers that were written for one dtype and are read into another."""
    if new in NO_JSON or not (_is_number(old) and _is_number(new)):
        return "input-dtype-changed"
    if new in FLOAT_DTYPES:
        is_exact = old in FLOAT_DTYPES or INTEGER_RANGES[old][1] < _EXACT_INTEGERS.get(new, 0)
        is_smaller = old in FLOAT_DTYPES and _EXACT_INTEGERS.get(new, 0) < _EXACT_INTEGERS.get(old, 0)
        return "input-dtype-widened" if is_exact and not is_smaller else "input-dtype-lossy"
    if old in FLOAT_DTYPES:
        return "input-dtype-changed"  # 1.0 is refused for an integer
    (old_low, old_high), (new_low, new_high) = INTEGER_RANGES[old], INTEGER_RANGES[new]
    return "input-dtype-widened" if new_low <= old_low and old_high <= new_high else "input-dtype-changed"


_EXACT_INTEGERS: Final = {"float32": 2**24, "float64": 2**53}
"""Up to where a float dtype holds every integer."""


def _is_number(dtype: str) -> bool:
    return dtype in FLOAT_DTYPES or dtype in INTEGER_RANGES


def compare_shape(report: Report, side: Side, old: TensorSpec, new: TensorSpec) -> None:
    """Add what a changed shape does to callers: the worst of its dimensions."""
    change = _shape_change(old.shape, new.shape)
    if change is not None:
        message = f'the {side} "{old.name}" had the shape {shape_text(old.shape)} and has {shape_text(new.shape)}.'
        report.add(f"{side}-{change}", side, old.name, message)


def _shape_change(old: tuple[int | None, ...] | None, new: tuple[int | None, ...] | None) -> str | None:
    if old == new:
        return None
    if old is None or new is None:
        return "narrowed" if old is None else "widened"
    if len(old) != len(new):
        return "rank-changed"
    pairs = [(before, after) for before, after in zip(old, new, strict=True) if before != after]
    are_widened = {after is None for _, after in pairs}
    if any(before is not None and after is not None for before, after in pairs) or len(are_widened) > 1:
        return "size-changed"  # neither shape takes all that the other does
    return "widened" if are_widened == {True} else "narrowed"
