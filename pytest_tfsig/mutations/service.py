"""Service that fails: errors, stale and crossed answers, another version, another answer over REST, slowness."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.tolerances import is_inexact, widened
from pytest_tfsig.clients import ServingError, VersionStatus
from pytest_tfsig.mutations.mutation import WHOLE, Call, Circumstances, Mutation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_tfsig.mutations.mutation import Meddle, Outputs, States

_HUNDRED, _FAILS = 100, 37
"""One request in a hundred fails, this one."""
_SLOW_OF, _SLOW = 50, 25
"""Two in a hundred are slow, every one with this remainder."""
_REFUSALS = frozenset({"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND", "UNIMPLEMENTED"})


def _always(_: Circumstances) -> tuple[str, ...]:
    return (WHOLE,)


def _stale(_circumstances: Circumstances, _: str) -> Meddle:
    previous: Outputs = {}

    def meddle(call: Call) -> Outputs:
        nonlocal previous
        answer = call.proceed()
        stale, previous = previous, answer
        return stale if _fits(stale, answer) else answer

    return meddle


def _fits(one: Outputs, other: Outputs) -> bool:
    """Whether one answer can be taken for another."""
    return one.keys() == other.keys() and all(
        one[name].shape == other[name].shape and one[name].dtype == other[name].dtype for name in one
    )


def _constant(circumstances: Circumstances, _: str) -> Meddle:
    first: dict[str, NDArray[Any]] = {}

    def meddle(call: Call) -> Outputs:
        answer = dict(call.proceed())
        rows = circumstances.rows(call, answer)
        for name, array in answer.items():
            if array.size == 0:
                continue
            if name in rows:
                row = first.setdefault(name, array[:1])
                if row.shape[1:] == array.shape[1:]:
                    answer[name] = np.repeat(row, len(array), axis=0)
            elif first.setdefault(name, array).shape == array.shape:
                answer[name] = first[name]
        return answer

    return meddle


def _crossed(_circumstances: Circumstances, _: str) -> Meddle:
    lock = threading.Lock()
    under_way = 0
    last: Outputs = {}

    def meddle(call: Call) -> Outputs:
        nonlocal under_way, last
        with lock:
            under_way += 1
        try:
            answer = call.proceed()
        finally:
            with lock:
                is_alone = under_way == 1
                under_way -= 1
        with lock:
            other, last = last, answer
        return answer if is_alone or not other else other

    return meddle


def _failing(_circumstances: Circumstances, _: str) -> Meddle:
    def meddle(call: Call) -> Outputs:
        answer = call.proceed()
        if call.number % _HUNDRED == _FAILS:
            raise ServingError("INTERNAL", "a mutation: one request in a hundred fails", call.transport)
        return answer

    return meddle


def _lenient(_circumstances: Circumstances, _: str) -> Meddle:
    last: Outputs = {}

    def meddle(call: Call) -> Outputs:
        nonlocal last
        try:
            last = call.proceed()
        except ServingError as error:
            if error.code not in _REFUSALS or not last:
                raise
        return last

    return meddle


def _other_over_rest(_circumstances: Circumstances, _: str) -> Meddle:
    def meddle(call: Call) -> Outputs:
        answer = call.proceed()
        return answer if call.transport == "grpc" else {name: _other(array) for name, array in answer.items()}

    return meddle


def _other(array: NDArray[Any]) -> NDArray[Any]:
    """Returns numbers that are a tenth too small or one too large, and text without its last byte."""
    with np.errstate(all="ignore"):
        if is_inexact(array):
            return (widened(array) * 0.9).astype(array.dtype)
        if array.dtype == object:
            cut = np.empty(array.shape, object)
            cut.ravel()[:] = [value[:-1] for value in array.ravel().tolist()]
            return cut
        return ~array if array.dtype == bool else array + array.dtype.type(1)


def _honest(_circumstances: Circumstances, _: str) -> Meddle:
    return lambda call: call.proceed()


def _one_older(circumstances: Circumstances) -> States:
    def older(states: list[VersionStatus]) -> list[VersionStatus]:
        return [
            VersionStatus(status.version - 1, status.state, status.code, status.message)
            if status.version == circumstances.version
            else status
            for status in states
        ]

    return older


def _late(circumstances: Circumstances, _: str) -> Meddle:
    seconds = circumstances.slow or 0.0

    def meddle(call: Call) -> Outputs:
        answer = call.proceed()
        circumstances.wait(seconds)
        return answer

    return meddle


def _late_now_and_then(circumstances: Circumstances, _: str) -> Meddle:
    seconds = circumstances.slow or 0.0

    def meddle(call: Call) -> Outputs:
        answer = call.proceed()
        if call.number % _SLOW_OF == _SLOW:
            circumstances.wait(seconds)
        return answer

    return meddle


def _where_time_counts(circumstances: Circumstances) -> tuple[str, ...]:
    return (WHOLE,) if circumstances.slow is not None else ()


_BUDGET = "a latency budget that bounds a time, and is decided in this run"

MUTATIONS = (
    Mutation(
        "stale",
        "a request gets the answer to the one before it, where that has as many rows",
        "",
        _always,
        _stale,
        ("deterministic", "batch_invariant"),
    ),
    Mutation(
        "constant",
        "every row of every request gets the answer to the first",
        "",
        _always,
        _constant,
        ("relations", "examples", "drift"),
        constant=True,
    ),
    Mutation(
        "crossed",
        "requests that are under way together get each other's answers",
        "",
        _always,
        _crossed,
        ("concurrent",),
    ),
    Mutation("failing", "one request in a hundred fails", "", _always, _failing, ("outputs",)),
    Mutation("lenient", "requests that are malformed are answered", "", _always, _lenient, ("rejects_invalid",)),
    Mutation(
        "rest_differs",
        "REST answers otherwise than gRPC",
        "a server with a REST API",
        lambda circumstances: (WHOLE,) if circumstances.rest else (),
        _other_over_rest,
        ("transports_agree",),
    ),
    Mutation(
        "older_version",
        "the version before the one asked for is what is served",
        "a model with a version",
        lambda circumstances: (WHOLE,) if circumstances.version is not None else (),
        _honest,
        ("loads",),
        states=_one_older,
    ),
    Mutation(
        "slow_tail",
        "two requests in a hundred take twice the time that the largest latency budget allows",
        _BUDGET,
        _where_time_counts,
        _late_now_and_then,
        ("latency",),
        timed=True,
    ),
    Mutation(
        "slow",
        "every request takes twice the time that the largest latency budget allows",
        _BUDGET,
        _where_time_counts,
        _late,
        ("latency",),
        timed=True,
    ),
)
