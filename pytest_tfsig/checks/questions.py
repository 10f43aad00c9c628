"""Questions: requests that two versions answer, over gRPC and REST, and what each answers when it is asked alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_tfsig import recordings
from pytest_tfsig.checks.comparison import compare
from pytest_tfsig.checks.rounding import precision, without_subnormals
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import UsageError
from pytest_tfsig.strategies import draws

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.savedmodel import SignatureSpec

Inputs = Mapping[str, Any]
Outputs = Mapping[str, NDArray[Any]]

_DISTINCT: Final = 8
_MOST_VALUES: Final = 2**12
"""Values of a request over REST: JSON costs a hundred times the tensor."""


class Channel(Protocol):
    """A way to ask a server."""

    @property
    def transport(self) -> str:
        """`gRPC` or `REST`."""

    def ask(self, inputs: Inputs, name: str, label: str = "") -> tuple[int | None, Outputs]:
        """Sends a request to a servable, by a label where one is given.

        Returns:
            The version that says it answered (None: answers do not say), and the answer.

        Raises:
            ServingError: It is refused.
        """


@dataclass(frozen=True, slots=True)
class Question:
    """A request over one channel, and what each version answers when it is asked alone.

    Attributes:
        channel: How it is asked.
        inputs: The request.
        answers: By version; empty: the model does not repeat its answers, so they are not compared.
    """

    channel: Channel
    inputs: Inputs
    answers: Mapping[int, Outputs]


@dataclass(frozen=True, slots=True)
class _Grpc:
    """Asks over gRPC, where answers say which version they are of."""

    subject: Subject
    transport: str = "gRPC"

    def ask(self, inputs: Inputs, name: str, label: str = "") -> tuple[int | None, Outputs]:
        """Sends a request; see `Channel`."""
        exchange = recordings.Exchange.of_inputs(inputs, self.subject.spec).addressed(name, None)
        if label:
            exchange.request.model_spec.version_label = label
        timeout = self.subject.settings.timeout
        answer = self.subject.model.grpc.call(exchange.method, exchange.request.SerializeToString(), timeout=timeout)
        answered = exchange.answered(answer)
        return answered.response.model_spec.version.value, answered.outputs()


@dataclass(frozen=True, slots=True)
class _Rest:
    """Asks over REST, where answers do not say which version they are of."""

    subject: Subject
    transport: str = "REST"

    def ask(self, inputs: Inputs, name: str, label: str = "") -> tuple[int | None, Outputs]:
        """Sends a request; see `Channel`."""
        subject = self.subject
        method = subject.signature.method
        asked: Any = inputs if method == "predict" else inputs["examples"]
        call: Callable[..., Outputs] = getattr(subject.model.rest, method)
        return None, call(
            name, asked, signature=subject.signature.name, label=label or None, timeout=subject.settings.timeout,
            specs=subject.spec,
        )  # fmt: skip


@dataclass(slots=True)
class Questionnaire:
    """What two versions of a model are asked.

    Attributes:
        over_grpc: What both answer over gRPC.
        over_rest: What both answer over REST.
        repeats: Whether each gave the same answer to the same request.
        slowest: Seconds of the slowest answer.
        refusal: Why one of them did not answer, where one did not.
    """

    over_grpc: list[Question] = field(default_factory=list)
    over_rest: list[Question] = field(default_factory=list)
    repeats: bool = True
    slowest: float = 0.0
    refusal: str = "no request was drawn"

    @classmethod
    def of(cls, subject: Subject, released: SignatureSpec, names: Mapping[int, str]) -> Questionnaire:
        """Draws requests and asks each version alone.

        Args:
            subject: The candidate, whose requests are drawn.
            released: The signature as the released version declares it.
            names: The servables that answer as each version does.
        """
        found = cls(repeats=subject.repeats)
        signature = subject.signature
        drawn = (without_subnormals(signature, one) for one in draws(signature, _DISTINCT, subject.settings.seed))
        # An input that is new to the candidate is not known to the released version.
        requests = [
            one if "examples" in one else {name: one[name] for name in one if name in released.inputs} for one in drawn
        ]
        narrow = precision(subject)
        found.over_grpc = found._answered(_Grpc(subject), requests, names, narrow)
        if found.over_grpc and subject.model.rest_url is not None and _read_alike(subject.spec, released):
            small = [one for one in requests if values(one) <= _MOST_VALUES]
            found.over_rest = found._answered(_Rest(subject), small, names, narrow)
        if not found.repeats:
            found.over_grpc, found.over_rest = (
                [replace(question, answers={}) for question in questions]
                for questions in (found.over_grpc, found.over_rest)
            )
        return found

    def _answered(
        self, channel: Channel, requests: Sequence[Inputs], names: Mapping[int, str], narrow: float
    ) -> list[Question]:
        """Returns the requests that both versions answer."""
        questions = []
        for inputs in requests:
            try:
                answers = {version: self._answer(channel, inputs, name, narrow) for version, name in names.items()}
            except (ServingError, UsageError) as error:
                self.refusal = str(error)
            else:
                questions.append(Question(channel, inputs, answers))
        return questions

    def _answer(self, channel: Channel, inputs: Inputs, name: str, narrow: float) -> Outputs:
        """Returns the answer of a version, and finds out whether it repeats it."""
        began = time.perf_counter()
        _, first = channel.ask(inputs, name)
        self.slowest = max(self.slowest, time.perf_counter() - began)
        _, second = channel.ask(inputs, name)
        try:
            compare("", first, second, inputs=inputs, labels=("", ""), precision=narrow)
        except Violation:
            self.repeats = False
        return first


def values(inputs: Inputs) -> int:
    """Returns how large a request is: its values, or its examples."""
    return sum(len(value) if isinstance(value, list) else int(np.size(value)) for value in inputs.values())


def _read_alike(one: SignatureSpec, other: SignatureSpec) -> bool:
    """Whether answers over REST, which have no dtypes, are read alike."""
    dtypes = [{name: tensor.dtype for name, tensor in spec.outputs.items()} for spec in (one, other)]
    return dtypes[0] == dtypes[1]
