"""A mutation: one realistic fault of a served model, and where it can strike."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.batch_invariant import batch_dimension
from pytest_tfsig.checks.tolerances import is_numeric, widened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.clients import VersionStatus
    from pytest_tfsig.contract import Signature
    from pytest_tfsig.savedmodel import SignatureSpec

    Inputs = Mapping[str, Any]
    Outputs = Mapping[str, NDArray[Any]]
    Meddle = Callable[["Call"], Outputs]
    Begin = Callable[["Circumstances", str], Meddle]
    States = Callable[[list[VersionStatus]], list[VersionStatus]]

WHOLE = ""
"""What stands for an answer as a whole where an output's name would stand for one output."""

MOST_OUTPUTS = 8
"""Outputs of a signature that mutations of a single output strike, one after another: each costs a run of checks."""


@dataclass(slots=True)
class Seen:
    """What the unmutated model answered for one output.

    Attributes:
        low: The smallest finite number.
        high: The largest.
    """

    low: float = math.inf
    high: float = -math.inf

    def add(self, array: NDArray[Any]) -> None:
        """Takes one answer into account."""
        if not is_numeric(array) or array.dtype.kind == "c":
            return
        wide = widened(array)
        finite = wide[np.isfinite(wide)]
        if finite.size:
            self.low = min(self.low, float(finite.min()))
            self.high = max(self.high, float(finite.max()))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a mutation can know of the contract that it is to be tried on.

    Attributes:
        signature: The contract, completed.
        spec: The signature as the SavedModel declares it.
        seen: What the unmutated model answered, by output name.
        rest: Whether the server has a REST API.
        version: The version under test; None: unknown.
        slow: Seconds that a slow answer takes: twice the largest latency budget; None: no budget holds it to a time.
        wait: Lets so many seconds pass, as the checks count them.
    """

    signature: Signature
    spec: SignatureSpec
    seen: Mapping[str, Seen] = field(default_factory=dict)
    rest: bool = False
    version: int | None = None
    slow: float | None = None
    wait: Callable[[float], None] = time.sleep

    @property
    def batch(self) -> str | None:
        """The named leading dimension that all inputs but scalars share, None where there is none."""
        return batch_dimension(self.signature)

    @property
    def predicts(self) -> bool:
        """Whether the signature answers with named tensors: classify and regress have a form of their own."""
        return self.signature.method == "predict"

    def outputs(self, *dtypes: str) -> tuple[str, ...]:
        """Returns the outputs of these dtypes, the first few of many."""
        found = [name for name, tensor in self.signature.outputs.items() if tensor.dtype in dtypes]
        return tuple(found[:MOST_OUTPUTS])

    def rows(self, call: Call, answer: Outputs) -> dict[str, NDArray[Any]]:
        """Returns the outputs that have one row for each row of the request."""
        count = row_count(call.inputs)
        if self.batch is None or count is None:
            return {}
        return {name: array for name, array in answer.items() if array.shape[:1] == (count,)}


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way to the server.

    Attributes:
        inputs: Arrays by input name; `{"examples": [...]}` for classify and regress.
        transport: `grpc` or `rest`.
        number: Its place among the requests of a trial, from 0.
        proceed: Has the server answer it. Raises ServingError where it refuses.
    """

    inputs: Inputs
    transport: str
    number: int
    proceed: Callable[[], Outputs]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One realistic fault.

    Attributes:
        name: Stable, for reports.
        description: What callers would meet, a sentence without its full stop; `{output}` stands for the output.
        needs: What a contract must have for it to apply, for those that have not.
        applies: Returns the outputs that it can strike, one trial each; `WHOLE` for an answer as a whole; none where
            it makes no sense.
        begin: Returns what a trial passes each request through: a function that has it answered and returns the answer
            as callers get it. What it remembers lasts for one trial.
        likely: The checks that are tried first: they are known to notice such a fault.
        states: Changes what the server says of its versions; None: nothing.
        timed: Whether it changes when answers come, and not the answers.
        constant: Whether it makes the same of the same answer to a row, each time and everywhere: checks that compare
            answers with each other cannot notice that, and are not asked.
    """

    name: str
    description: str
    needs: str
    applies: Callable[[Circumstances], tuple[str, ...]]
    begin: Begin
    likely: tuple[str, ...] = ()
    states: Callable[[Circumstances], States] | None = None
    timed: bool = False
    constant: bool = False


def of_array(change: Callable[[NDArray[Any], Call], NDArray[Any]]) -> Begin:
    """Returns the beginning of a mutation that changes the arrays of one output, each by itself."""

    def begin(_: Circumstances, output: str) -> Meddle:
        def meddle(call: Call) -> Outputs:
            answer = dict(call.proceed())
            if output in answer:
                answer[output] = change(answer[output], call)
            return answer

        return meddle

    return begin


def of_rows(change: Callable[[dict[str, NDArray[Any]], Call], dict[str, NDArray[Any]]]) -> Begin:
    """Returns the beginning of a mutation that changes all outputs which have a row for each row of the request."""

    def begin(circumstances: Circumstances, _: str) -> Meddle:
        def meddle(call: Call) -> Outputs:
            answer = dict(call.proceed())
            rows = circumstances.rows(call, answer)
            return {**answer, **change(rows, call)} if rows else answer

        return meddle

    return begin


def has_rows(circumstances: Circumstances) -> tuple[str, ...]:
    """Returns `WHOLE` where requests have rows, and more than one of them is allowed."""
    batch = circumstances.batch
    return (WHOLE,) if batch is not None and circumstances.signature.dim_range(batch)[1] > 1 else ()


def row_count(inputs: Inputs) -> int | None:
    """Returns the number of rows of a request; None where it has none, or where its inputs but scalars disagree."""
    if "examples" in inputs and isinstance(inputs["examples"], list):
        return len(inputs["examples"])
    counts = {np.shape(value)[:1] for value in inputs.values() if np.ndim(value)}
    first = counts.pop() if len(counts) == 1 else ()
    return first[0] if first else None
