"""How values and violations are written for people."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies.examples import parsed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.checks.violation import Violation

PRINTED = 200
"""Arrays of more elements are summarised; their values go to a file."""
PRINTED_BYTES = 4_000
"""So are strings that take more than this, such as photographs: base64 of them would fill the terminal."""
_WIDTH = 100
_LONGEST = 120
_LONGEST_EXAMPLE = 1_000
_ROWS = 10
_EXCEPTIONS = 8
"""Cells that are listed beside the one value of all others."""


def is_large(inputs: Mapping[str, Any]) -> bool:
    """Whether inputs are too large to print whole."""
    return any(
        isinstance(value, np.ndarray) and (value.size > PRINTED or _string_bytes(value) > PRINTED_BYTES)
        for value in inputs.values()
    )


def _string_bytes(array: NDArray[Any]) -> int:
    return sum(len(string) for string in array.flat) if array.dtype == object else 0


def array_text(array: NDArray[Any]) -> str:
    """Returns an array as text: dtype, shape, and its values, summarised where they are many."""
    head = f"{'string' if array.dtype == object else array.dtype} {list(array.shape)}"
    if array.size == 0:
        return f"{head} (no values)"
    if array.size > PRINTED and (few := _few_values(array)):
        return f"{head}{few}"
    with np.errstate(all="ignore"), np.printoptions(linewidth=_WIDTH, threshold=PRINTED, edgeitems=3):
        body = np.array2string(array, separator=", ", formatter={"object": _value_text})
    if array.size > PRINTED:
        body += f"\n{_summary(array)}"
    joint = "\n" if "\n" in body else " "
    return f"{head}{joint}{body}"


def _few_values(array: NDArray[Any]) -> str:
    """Returns an array of one value, but for a few cells, as shrunk inputs are; "" of any other."""
    cells = array.ravel()
    usual = Counter(cells[:PRINTED].tolist()).most_common(1)[0][0]
    with np.errstate(all="ignore"):
        same = cells == usual if usual == usual else cells != cells  # noqa: PLR0124 - NaN is not itself
    others = np.flatnonzero(~same)
    if len(others) > _EXCEPTIONS:
        return ""
    places = zip(*np.unravel_index(others, array.shape), strict=True)
    listed = "".join(f"\n{index_text(place)} = {_cell_text(array[place])}" for place in places)
    return f", all {_cell_text(array.dtype.type(usual))}{' but' if listed else ''}{listed}"


def _cell_text(cell: Any) -> str:
    return _value_text(cell) if isinstance(cell, bytes) else str(cell)


def _summary(array: NDArray[Any]) -> str:
    if array.dtype == object or array.dtype.kind == "c":
        return f"({array.size:,} values)"
    with np.errstate(all="ignore"):
        wide = array.astype(np.float64)
        numbers = wide[~np.isnan(wide)]
        return f"({array.size:,} values from {numbers.min():g} to {numbers.max():g}, mean {numbers.mean():g})"


def _value_text(value: Any) -> str:
    text = repr(value)
    longest, unit = (_LONGEST_EXAMPLE, "features") if isinstance(value, dict) else (_LONGEST, "bytes")
    return text if len(text) <= longest else f"{text[:longest]}… ({len(value):,} {unit})"


def inputs_text(inputs: Mapping[str, Any], serialized: Collection[str] = ()) -> str:
    """Returns a request's inputs, one after the other.

    Args:
        inputs: Arrays by name; for classify and regress a list of examples.
        serialized: The arrays that hold serialized tf.Examples.
    """
    return "\n".join(_input_text(name, value, name in serialized) for name, value in inputs.items()) or "(no inputs)"


def _input_text(name: str, value: Any, is_serialized: bool) -> str:
    if isinstance(value, np.ndarray) and is_serialized and value.size:
        text = f"string {list(value.shape)} of tf.Examples\n{_listed(examples_in(value))}"
    elif isinstance(value, np.ndarray):
        text = array_text(value)
    elif name == "examples" and isinstance(value, list):
        text = _listed(value)
    else:
        text = _value_text(value)
    if "\n" in text:
        return f"{name} =\n{textwrap.indent(text, '  ')}"
    return f"{name} = {text}"


def _listed(examples: Sequence[Any]) -> str:
    rows = [f"[{index}] {_value_text(example)}" for index, example in enumerate(examples[:_ROWS])]
    return "\n".join([*rows, f"… {len(examples)} examples"] if len(examples) > _ROWS else rows)


def examples_in(array: NDArray[Any]) -> list[Any]:
    """Returns what serialized tf.Examples say; of what is none, as `rejects_invalid` sends it, the bytes."""
    return [_example(cell) for cell in array.flat]


def _example(cell: Any) -> Any:
    try:
        return parsed(cell)
    except StrategyError:
        return cell


def index_text(index: Sequence[Any]) -> str:
    """Returns a position in an array: "[0, 3]"."""
    return f"[{', '.join(str(int(part)) for part in index)}]"


def first_index(where: NDArray[np.bool_]) -> tuple[int, ...]:
    """Returns the first position at which a mask is true."""
    return tuple(int(part) for part in np.argwhere(where)[0])


def violation_text(violation: Violation) -> str:
    """Returns a violation in full: what is wrong, the input, expected and actual, how to reproduce it, what to do."""
    parts = [violation.sentence]
    if violation.inputs is not None:
        parts.append(_section("smallest input that shows it", inputs_text(violation.inputs, violation.serialized)))
    if violation.expected:
        parts.append(_section("expected", violation.expected))
    if violation.actual:
        parts.append(_section("actual", violation.actual))
    again = violation.reproduction.as_dict()
    if again:
        parts.append(_section("reproduce", "\n".join(_step(name, text) for name, text in again.items())))
    if violation.advice:
        parts.append(_section("what to do", textwrap.fill(violation.advice, _WIDTH)))
    return "\n".join(parts)


_STEPS = {"serve": "$ ", "curl": "$ ", "pytest": "$ ", "python": "", "npz": "inputs saved in "}


def _step(name: str, text: str) -> str:
    return f"{_STEPS[name]}{text}"


def _section(title: str, body: str) -> str:
    return f"  {title}:\n{textwrap.indent(body, '    ')}"
