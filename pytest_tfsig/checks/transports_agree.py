"""transports_agree: gRPC and REST give the same answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.batch_invariant import batch_dimension, batch_size, take
from pytest_tfsig.checks.comparison import compare
from pytest_tfsig.checks.deterministic import NOT_REPEATED
from pytest_tfsig.checks.outcome import Outcome
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.render import array_text
from pytest_tfsig.checks.rounding import Rounding, precision, without_subnormals
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract import Signature

_CARRIED = frozenset(
    {"float32", "float64", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "bool", "string"}
)
"""The dtypes that TensorFlow Serving reads from JSON and writes to it."""
_MOST_VALUES = 2**12
"""Values of one request and its answer over REST: what is larger is cut to fewer rows, for JSON costs a hundred times
the tensor."""
_ALL_VALUES = 2**19
"""Values of all requests over REST together, some seconds' worth; what a signature without a batch may need more of is
passed over."""
_ADVICE = (
    'REST carries numbers as text and bytes as {"b64": ...}; a string output is written as b64 only when its name ends '
    "in _bytes (tensorflow/serving #1141), and other bytes that are no UTF-8 arrive broken."
)


@register("transports_agree", holds_when="gRPC and REST give the same answer", inspects=False)
def transports_agree(subject: Subject, *, rtol: float | None = None, atol: float | None = None) -> Outcome:
    """Sends every drawn request over gRPC and over REST, in columns and, where that is legal, in rows."""
    from pytest_tfsig.checks.runner import search

    reason = _why_not(subject)
    if reason:
        return Outcome("skip", reason)
    if not subject.repeats:
        return Outcome("error", NOT_REPEATED)
    budget = _Budget(_ALL_VALUES)
    narrow = precision(subject)
    compared = 0

    def examine(drawn: Mapping[str, Any]) -> None:
        nonlocal compared
        inputs = _sendable(subject.signature, drawn)
        if inputs is None:
            return
        inputs, expected = _cut(subject, inputs)
        if not budget.allows(_values(inputs) + _values(expected)):
            return
        for form, labelled in _forms(subject, inputs, expected):
            compare(
                "output {output!r} differs between gRPC and REST",
                expected, _over_rest(subject, inputs, form), inputs=inputs, labels=("gRPC", labelled),
                rtol=rtol, atol=atol, advice=_ADVICE, precision=narrow,
                rounding=Rounding(subject, inputs),
            )  # fmt: skip
        _refuse_broken_text(subject.signature, inputs, expected)
        compared += 1

    outcome = search(subject, examine, holds="")
    if outcome.verdict != "pass":
        return outcome
    if not compared:
        return Outcome("skip", "JSON can carry none of the requests that were drawn", outcome.examples)
    return replace(outcome, message=f"gRPC and REST agree on {compared} requests")


class _Budget:
    """How many values may still be sent as JSON."""

    def __init__(self, values: int) -> None:
        self._left = values

    def allows(self, values: int) -> bool:
        """Takes values from the budget; says whether it had them."""
        self._left -= values
        return self._left >= 0


def _why_not(subject: Subject) -> str:
    """Returns why the two cannot be compared, "" where they can."""
    if subject.model.rest_url is None:
        return "the server has no REST API (for a remote one, give --tfsig-rest HOST:PORT)"
    if subject.signature.method != "predict":
        return ""
    if not subject.signature.inputs:
        return "REST answers for no signature without inputs"
    for kind, declared in (("input", subject.spec.inputs), ("output", subject.spec.outputs)):
        for name, tensor in declared.items():
            if tensor.dtype not in _CARRIED:
                return f"REST cannot carry {tensor.dtype}, the dtype of {kind} {name!r} (tensorflow/serving #1639)"
    return ""


def _sendable(signature: Signature, drawn: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns a drawn request as JSON can carry it: without subnormal numbers; None where JSON cannot."""
    # A feature without values has no kind in JSON.
    if signature.method != "predict" and not all(cells for example in drawn["examples"] for cells in example.values()):
        return None
    return without_subnormals(signature, drawn)


def _cut(subject: Subject, inputs: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]]:
    """Returns a request and its answer over gRPC, with fewer rows where they are too large for JSON."""
    answer = subject.ask(inputs)
    total = _values(inputs) + _values(answer)
    batch = batch_dimension(subject.signature)
    if total <= _MOST_VALUES or batch is None:
        return inputs, answer
    rows = batch_size(inputs)
    kept = max(subject.signature.dim_range(batch)[0], 1, rows * _MOST_VALUES // total)
    if kept >= rows:
        return inputs, answer
    fewer = take(inputs, np.arange(kept))
    return fewer, subject.ask(fewer)


def _values(inputs: Mapping[str, Any]) -> int:
    return sum(len(value) if isinstance(value, list) else value.size for value in inputs.values())


def _forms(
    subject: Subject, inputs: Mapping[str, Any], answer: Mapping[str, NDArray[Any]]
) -> Iterator[tuple[Any, str]]:
    yield "columns", "REST" if subject.signature.method != "predict" else "REST, columns"
    if subject.signature.method != "predict":
        return
    leading = {np.shape(value)[:1] for value in (*inputs.values(), *answer.values())}
    # Row form needs one leading dimension that all inputs and outputs share, with at least one row.
    if len(leading) == 1 and leading.pop() not in {(), (0,)}:
        yield "rows", "REST, rows"


def _refuse_broken_text(signature: Signature, inputs: Mapping[str, Any], answer: Mapping[str, NDArray[Any]]) -> None:
    """Raises a Violation where an output that REST writes as text is none, though no input text was broken either.

    Our client reads such an answer all the same; others do not, for it is no JSON.
    """
    images = {name for name, tensor in signature.inputs.items() if tensor.image is not None}
    if not all(_is_text(value) for name in inputs.keys() - images for value in _strings(inputs[name])):
        return
    for name, array in answer.items():
        broken = [] if name.endswith("_bytes") else [value for value in _strings(array) if not _is_text(value)]
        if broken:
            raise Violation(
                f"output {name!r} is not UTF-8, so that the answer over REST is no JSON",
                inputs,
                expected="text in UTF-8, or a name that ends in _bytes",
                actual=f"{name} = {array_text(array)}",
                advice=_ADVICE,
            )


def _strings(values: Any) -> Iterator[bytes]:
    """Yields the strings of an input or an output; those of tf.Examples, feature by feature."""
    if isinstance(values, np.ndarray):
        yield from values.ravel() if values.dtype == object else ()
    elif isinstance(values, bytes):
        yield values
    elif isinstance(values, list):
        for value in values:
            yield from _strings(list(value.values()) if isinstance(value, dict) else value)


def _is_text(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _over_rest(subject: Subject, inputs: Mapping[str, Any], form: Any) -> Mapping[str, NDArray[Any]]:
    try:
        return subject.ask(inputs, transport="rest", form=form)
    except ServingError as error:
        if error.code == "DEADLINE_EXCEEDED":
            raise
        raise Violation(
            "REST answers what cannot be read where gRPC answers"
            if error.unreadable
            else "REST refuses a request that gRPC answers",
            inputs,
            expected="the answer that gRPC gives",
            actual=f"{error.code}: {error.message}",
        ) from error
