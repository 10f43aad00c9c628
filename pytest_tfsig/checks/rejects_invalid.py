"""rejects_invalid: a malformed request is an error of the right code, never an answer, a crash or a hang."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.batch_invariant import batch_dimension
from pytest_tfsig.checks.malformed import malformed
from pytest_tfsig.checks.outcome import Outcome, failed, unanswered
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.subject import ServerDied
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError
from pytest_tfsig.strategies import corner_cases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.checks.malformed import Malformed
    from pytest_tfsig.checks.subject import Subject

_CALLERS_FAULT = {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND", "UNIMPLEMENTED"}
"""Codes that tell callers to mend their request; others send them to look for a fault of the server, or to retry."""
_MOST_TRIED = 8
_MOST_DEATHS = 2
"""Wrong shapes that may kill the server, before no more are tried: each costs a restart."""
_STRICT_ADVICE = (
    "TensorFlow Serving does not compare shapes with the signature; only the graph can. Let it say so: begin the "
    "exported function with tf.ensure_shape or tf.debugging.assert_shapes."
)


@register(
    "rejects_invalid",
    holds_when="a malformed request is refused with an error of the right code",
    inspects=False,
    alone=True,
)
def rejects_invalid(subject: Subject, *, strict: bool = False) -> Outcome:
    """Sends malformed neighbours of a request that is answered.

    TensorFlow Serving compares no shapes. So a wrong shape that is silently accepted, or that kills the server inside
    one of TensorFlow's ops (its convolutions do not survive a missing dimension), is the fault of no model: it is
    reported, and a failure where the contract says `strict = true`.
    """
    inputs = _answered(subject)
    if isinstance(inputs, Outcome):
        return inputs
    accepted: list[str] = []
    blamed: list[str] = []
    deadly: list[str] = []
    tried = 0
    # A complex input has no form in JSON: no request over REST could hold it beside what is wrong.
    rest = subject.model.rest_url is not None and not any(map(np.iscomplexobj, inputs.values()))
    for request in malformed(subject, inputs, rest=rest, rows=_has_rows(subject, inputs)):
        tried += 1
        lenient = request.refused_by == "model" and not strict
        if lenient and len(deadly) == _MOST_DEATHS:
            continue
        try:
            error = _answer(subject, request)
        except ServerDied:
            if not lenient:
                raise
            deadly.append(request.what)
            subject.model.server.revive()
            continue
        if error is None:
            if not lenient:
                return failed(_accepted(request), tried)
            accepted.append(request.what)
        elif error.code not in _CALLERS_FAULT:
            if not lenient or error.code == "DEADLINE_EXCEEDED":
                return failed(_wrong_code(request, error), tried)
            blamed.append(f"{request.what}: {error.code}")
    return _holds(tried, accepted, blamed, deadly)


def _answered(subject: Subject) -> Mapping[str, Any] | Outcome:
    """Returns a request that the server answers: only beside such a one does a refusal say anything."""
    refusal: ServingError | None = None
    for case in itertools.islice(corner_cases(subject.signature), _MOST_TRIED):
        observation = subject.observe(case.inputs)
        if observation.error is None and (not case.inputs or _size(case.inputs)):
            return case.inputs
        refusal = refusal or observation.error
    return unanswered(refusal)


def _size(inputs: Mapping[str, Any]) -> int:
    return min((int(np.size(value)) for value in inputs.values()), default=0)


def _has_rows(subject: Subject, inputs: Mapping[str, Any]) -> bool:
    return batch_dimension(subject.signature) is not None and all(np.ndim(value) for value in inputs.values())


def _answer(subject: Subject, request: Malformed) -> ServingError | None:
    """Returns how a request was refused, None where it was answered.

    Raises:
        ServerDied: The server is gone.
    """
    try:
        subject.ask(request.inputs, transport=request.transport, form=request.form)
    except ServingError as error:
        return error
    return None


def _accepted(request: Malformed) -> Violation:
    return Violation(
        f"a malformed request is answered over {_NAMES[request.transport]}: {request.what}",
        request.inputs,
        expected="an error, INVALID_ARGUMENT",
        actual="an answer",
        advice=_STRICT_ADVICE if request.refused_by == "model" else "",
    )


def _wrong_code(request: Malformed, error: ServingError) -> Violation:
    hangs = error.code == "DEADLINE_EXCEEDED"
    return Violation(
        f"a malformed request {'hangs' if hangs else 'is refused with the wrong code'}: {request.what}",
        request.inputs,
        expected="an error that tells callers to mend their request, such as INVALID_ARGUMENT",
        actual=f"{error.code}: {error.message}",
    )


def _holds(tried: int, accepted: list[str], blamed: list[str], deadly: list[str]) -> Outcome:
    refused = f"{tried - len(accepted) - len(deadly)} of {tried} malformed requests are refused"
    notes = []
    for finding, requests in (
        ("silently accepted", accepted),
        ("refused with a code that blames the server", blamed),
        ("THE SERVER DIES, in TensorFlow's own op", deadly),
    ):
        if requests:
            notes.append(f"{finding}: {', '.join(requests)}")
    details: dict[str, Any] = {"silently_accepted": accepted, "wrong_code": blamed, "server_died": deadly}
    if notes:
        details["note"] = "; ".join(notes)
    return Outcome("pass", "; ".join([refused, *notes]), tried, details=details)


_NAMES = {"grpc": "gRPC", "rest": "REST"}
