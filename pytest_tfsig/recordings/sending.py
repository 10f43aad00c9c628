"""Sending: requests to a served model, and what it answers, recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_tfsig.clients import ServingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_tfsig.recordings.exchange import Exchange
    from pytest_tfsig.serving import ServedModel

__all__ = ["Recorded", "record", "replay"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording came to.

    Attributes:
        exchanges: Requests that were answered, with the answers.
        refused: The server's errors for the others.
    """

    exchanges: tuple[Exchange, ...]
    refused: tuple[ServingError, ...]


def replay(model: ServedModel, exchange: Exchange, timeout: float | None = None) -> Exchange:
    """Sends a recorded request to a served model, and returns it with the answer of now.

    Raises:
        ServingError: The server refuses it, or does not answer in time.
    """
    sent = exchange.addressed(model.name, model.version)
    return sent.answered(model.grpc.call(sent.method, sent.request.SerializeToString(), timeout=timeout))


def record(model: ServedModel, requests: Iterable[Exchange], timeout: float | None = None) -> Recorded:
    """Sends requests to a served model and keeps those that are answered.

    What is kept names the model without a version: it is to be replayed on later ones.

    Raises:
        ServingError: The server does not answer in time, or is gone.
    """
    exchanges: list[Exchange] = []
    refused: list[ServingError] = []
    for request in requests:
        try:
            answered = replay(model, request, timeout)
        except ServingError as error:
            if error.code in {"DEADLINE_EXCEEDED", "UNAVAILABLE"}:
                raise
            refused.append(error)
            continue
        for spec in _specs_in_response(answered):
            spec.ClearField("version")
        exchanges.append(
            type(answered)(answered.method, answered.addressed(model.name, None).request, answered.response)
        )
    return Recorded(tuple(exchanges), tuple(refused))


def _specs_in_response(exchange: Exchange) -> list[Any]:
    if exchange.method == "MultiInference":
        return [result.model_spec for result in exchange.response.results]
    return [exchange.response.model_spec]
