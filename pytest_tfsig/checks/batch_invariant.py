"""batch_invariant: row i of a batch answers as it does alone, and in another order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.comparison import compare
from pytest_tfsig.checks.deterministic import NOT_REPEATED
from pytest_tfsig.checks.outcome import Outcome
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.rounding import Rounding, distance, precision, without_subnormals
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError
from pytest_tfsig.contract import shape_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract import Signature

_ROWS = 4
"""Rows of each batch that are asked alone: first, last and two between."""
_COPIED = 64
"""Rows of which copies are asked where rounding may explain what differs; further ones are taken to be like them."""
_ADVICE = (
    "The answer to a row depends on its neighbours: batch statistics (BatchNormalization with training=True), a mean "
    "or softmax over axis 0, padding to the longest row without a mask, or a fixed batch size inside the graph."
)


def batch_dimension(signature: Signature) -> str | None:
    """Returns the named leading dimension that all inputs but scalars share, None where there is none."""
    shapes = [tensor.shape for tensor in signature.inputs.values() if tensor.shape != ()]
    leading = {shape[0] if shape else None for shape in shapes}
    name = leading.pop() if len(leading) == 1 else None
    return name if isinstance(name, str) else None


def sizes_of_rows(signature: Signature, rows: int) -> dict[str, int]:
    """Returns what requests of so many rows are drawn by; of more rows where the contract allows no fewer."""
    dimension = batch_dimension(signature)
    return {} if dimension is None else {dimension: max(rows, signature.dim_range(dimension)[0])}


@register(
    "batch_invariant", holds_when="row i of a batch answers as it does alone, and in another order", inspects=False
)
def batch_invariant(subject: Subject, *, rtol: float | None = None, atol: float | None = None) -> Outcome:
    """Asks whole batches, some of their rows alone, and the batch in reverse."""
    from pytest_tfsig.checks.runner import search

    batch = batch_dimension(subject.signature)
    if batch is None:
        return Outcome("skip", "the inputs share no named leading dimension, so there is no batch to vary")
    if subject.signature.dim_range(batch)[1] < 2:  # noqa: PLR2004 - a batch of one is a row alone
        return Outcome("skip", f"dims allows no {batch} of more than one row")
    if not subject.repeats:
        return Outcome("error", NOT_REPEATED)
    alone_allowed = subject.signature.dim_range(batch)[0] <= 1
    batched = [
        name
        for name, tensor in subject.signature.outputs.items()
        if tensor.shape is None or tensor.shape[:1] == (batch,)
    ]

    narrow = precision(subject)
    answered = compared = 0

    def examine(drawn: Mapping[str, Any]) -> None:
        nonlocal answered, compared
        inputs = without_subnormals(subject.signature, drawn)
        size = batch_size(inputs)
        if size < 2:  # noqa: PLR2004 - a batch of one is a row alone
            return
        copies = _Copies(subject, inputs)
        whole = _only(subject.ask(inputs), batched, size)
        reverse = np.arange(size)[::-1]
        reordered = _only(subject.ask(take(inputs, reverse)), batched, size)
        again = {name: array[reverse] for name, array in reordered.items()}
        compare(
            "output {output!r} of a row depends on the order of the batch",
            whole, again, inputs=inputs, labels=("in order", "in reverse order, put back"),
            rtol=rtol, atol=atol, advice=_ADVICE, precision=narrow,
            rounding=Rounding(subject, inputs, copies.apart_by_order), rows=reverse.tolist(),
        )  # fmt: skip
        for row in sorted({0, size // 3, 2 * size // 3, size - 1})[:_ROWS] if alone_allowed else ():
            single = take(inputs, [row])
            alone = _row_of_one(single, _alone(subject, single, row), whole)
            compare(
                f"output {{output!r}} of row {row} depends on the rest of the batch",
                {name: array[row : row + 1] for name, array in whole.items()},
                alone,
                inputs=inputs, labels=(f"row {row} in the batch of {size}", f"row {row} alone"),
                rtol=rtol, atol=atol, advice=_ADVICE, precision=narrow,
                rounding=Rounding(subject, take(inputs, [row]), partial(copies.apart_by_size, row, alone)), rows=[row],
            )  # fmt: skip
        answered += 1
        compared += bool(whole)

    outcome = search(subject, examine, holds="")
    if outcome.verdict == "pass" and not answered:
        outcome = replace(outcome, verdict="error", message="not judged: no batch was answered; see the check outputs")
    elif outcome.verdict == "pass" and not compared:
        outcome = replace(outcome, verdict="skip", message="no output has a row for each row of a batch")
    elif outcome.verdict == "pass":
        outcome = replace(outcome, message=f"rows answer alike alone and in {compared} batches")
    return outcome


def batch_size(inputs: Mapping[str, Any]) -> int:
    """Returns the number of rows of a request."""
    return min(len(value) for value in inputs.values() if np.ndim(value))


def take(inputs: Mapping[str, Any], rows: Sequence[int] | NDArray[Any]) -> dict[str, Any]:
    """Returns a request of the given rows of another; scalars are the same for all of them."""
    return {name: _rows_of(value, rows) for name, value in inputs.items()}


def _rows_of(value: Any, rows: Sequence[int] | NDArray[Any]) -> Any:
    if isinstance(value, list):
        return [value[row] for row in rows]
    array = np.asarray(value)
    return array[np.asarray(rows)] if array.ndim else array


@dataclass(frozen=True, slots=True)
class _Copies:
    """Batches of one row over and over, which show what a row's place and a batch's size do to an answer."""

    subject: Subject
    inputs: Mapping[str, Any]

    def apart_by_order(self, name: str, wrong: NDArray[np.bool_]) -> NDArray[Any]:
        """Returns how far apart the answers to copies of a row lie in its place and in its place from the end."""
        rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
        found = []
        for row in rows[:_COPIED]:
            answer = self._answer(int(row), name, wrong.shape[1:])
            far = 0.0 if answer is None else distance(answer[row], answer[-1 - row]).max(initial=0.0)
            if not far:  # One row that copies do not excuse is enough.
                return np.zeros(wrong.shape)
            found.append(far)
        apart = np.zeros(wrong.shape)
        apart[rows] = max(found)
        for row, far in zip(rows, found, strict=False):
            apart[row] = far
        return apart

    def apart_by_size(
        self, row: int, alone: Mapping[str, NDArray[Any]], name: str, wrong: NDArray[np.bool_]
    ) -> NDArray[Any]:
        """Returns how far apart the answers to a row lie alone and in its place among copies of itself."""
        answer = self._answer(row, name, wrong.shape[1:])
        far = 0.0 if answer is None else distance(answer[row : row + 1], alone[name]).max(initial=0.0)
        return np.full(wrong.shape, far)

    def _answer(self, row: int, name: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
        size = batch_size(self.inputs)
        try:
            answer = self.subject.ask(take(self.inputs, [row] * size)).get(name)
        except ServingError as error:
            if error.code == "DEADLINE_EXCEEDED":
                raise
            return None
        return answer if answer is not None and answer.shape == (size, *shape) else None


def _alone(subject: Subject, single: Mapping[str, Any], row: int) -> Mapping[str, NDArray[Any]]:
    try:
        return subject.ask(single)
    except ServingError as error:
        if error.code == "DEADLINE_EXCEEDED":
            raise
        raise Violation(
            f"row {row} is refused alone but answered in a batch",
            single,
            expected="an answer",
            actual=f"{error.code}: {error.message}",
        ) from error


def _row_of_one(
    single: Mapping[str, Any], outputs: Mapping[str, NDArray[Any]], whole: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Returns the outputs that have rows in a batch, of a batch of one; each must have its row there too."""
    for name in whole:
        if name in outputs and outputs[name].shape[:1] != (1,):
            raise Violation(
                f"output {name!r} has a row for each row of a batch, but not for a batch of one",
                single,
                expected="a shape whose first size is 1",
                actual=shape_text(outputs[name].shape),
                advice="tf.squeeze without an axis also removes a batch of one: name the axis to squeeze.",
            )
    return _only(outputs, list(whole), 1)


def _only(outputs: Mapping[str, NDArray[Any]], names: Sequence[str], size: int) -> dict[str, NDArray[Any]]:
    """Returns the outputs that have one row for each row of the request; others are judged by `outputs`."""
    return {name: outputs[name] for name in names if name in outputs and outputs[name].shape[:1] == (size,)}
