"""Comparing two answers to what should be the same question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.render import array_text, first_index, index_text
from pytest_tfsig.checks.tolerances import differs, is_inexact, tolerance, widened
from pytest_tfsig.checks.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.checks.rounding import Rounding


def compare(
    sentence: str,
    expected: Mapping[str, NDArray[Any]],
    actual: Mapping[str, NDArray[Any]],
    *,
    inputs: Mapping[str, Any],
    labels: tuple[str, str],
    rtol: float | None = None,
    atol: float | None = None,
    advice: str = "",
    precision: float = 0.0,
    rounding: Rounding | None = None,
    rows: Sequence[int] = (),
) -> None:
    """Raises a Violation where two answers differ by more than rounding explains.

    Args:
        sentence: What is wrong if they do; `{output}` stands for the output's name.
        expected: The one answer, arrays by output name.
        actual: The other.
        inputs: The request, whose magnitude bears on rounding.
        labels: How the two answers came about, in a few words each.
        rtol: The contract's own relative tolerance, or None for the derived one.
        atol: The contract's own absolute tolerance, or None.
        advice: What to do about it.
        precision: As for `tolerance`.
        rounding: What may explain a difference that the tolerance does not allow; None: nothing.
        rows: As `Violation.rows`: the rows that the other answer is to.
    """
    if set(expected) != set(actual):
        raise Violation(
            "two answers have different outputs",
            expected=f"{labels[0]}: {', '.join(sorted(expected))}",
            actual=f"{labels[1]}: {', '.join(sorted(actual))}",
        )
    for name, one in expected.items():
        other = actual[name]
        if one.shape != other.shape or one.dtype != other.dtype:
            raise Violation(
                sentence.format(output=name),
                expected=f"{labels[0]}: {one.dtype} {list(one.shape)}",
                actual=f"{labels[1]}: {other.dtype} {list(other.shape)}",
                advice=advice,
                rows=rows,
            )
        allowed = tolerance(one, inputs, rtol, atol, precision=precision)
        wrong = differs(one, other, allowed)
        if wrong.any() and rounding is not None:
            wrong &= ~rounding.explains(name, one, other, wrong)
        if wrong.any():
            index = first_index(wrong)
            with np.errstate(all="ignore"):
                gap = f", {abs(widened(one)[index] - widened(other)[index]):.3g} apart" if is_inexact(one) else ""
            within = f" (allowed: {allowed})" if is_inexact(one) else ""
            raise Violation(
                sentence.format(output=name),
                expected=f"{labels[0]}: {name} = {array_text(one)}",
                actual=f"{labels[1]}: {name} = {array_text(other)}\nfirst at {index_text(index)}{gap}{within}",
                advice=advice,
                rows=rows,
            )
