"""The wire: what a mutation does to arrays, done to requests and answers that are bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_tfsig import protos, tensors
from pytest_tfsig.recordings import Exchange

if TYPE_CHECKING:
    from pytest_tfsig.mutations.mutation import Outputs

_REQUESTS = {"Predict": "PredictRequest", "Classify": "ClassificationRequest", "Regress": "RegressionRequest"}


def understood(method: str, request: bytes) -> Exchange | None:
    """Returns a request that is bytes, read; None for a method that answers for several signatures, or for none."""
    if method not in _REQUESTS:
        return None
    return Exchange(method, getattr(protos, _REQUESTS[method]).FromString(request))


def rewritten(exchange: Exchange, response: bytes, outputs: Outputs) -> bytes:
    """Returns a response with other outputs in it; where there was none, one that holds them alone."""
    message: Any = exchange.answered(response).response
    if exchange.method == "Predict":
        message.ClearField("outputs")
        for name, array in outputs.items():
            message.outputs[name].CopyFrom(tensors.to_proto(array))
    elif exchange.method == "Classify":
        _classify(message.result, outputs)
    else:
        message.result.ClearField("regressions")
        for value in outputs["outputs"].ravel().tolist():
            message.result.regressions.add(value=value)
    return bytes(message.SerializeToString())


def _classify(result: Any, outputs: Outputs) -> None:
    result.ClearField("classifications")
    for labels, scores in zip(outputs["classes"].tolist(), outputs["scores"].tolist(), strict=False):
        row = result.classifications.add()
        for label, score in zip(labels, scores, strict=False):
            row.classes.add(label=label.decode("utf-8", "replace"), score=score)
