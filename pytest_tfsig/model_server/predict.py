"""Predict: a signature run on tensors, from a PredictRequest to a PredictResponse."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig import protos
from pytest_tfsig.model_server import metrics, wire
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_tfsig.model_server.c_tensors import Feed
    from pytest_tfsig.model_server.servables import Servable, Serving

__all__ = ["answer", "predict"]

DEFAULT_SIGNATURE: Final = "serving_default"


def predict(serving: Serving, request: Any) -> Any:
    """Answer a PredictRequest with a PredictResponse.

    Args:
        serving: Where servables are found.
        request: The PredictRequest message.

    Raises:
        StatusError: As TensorFlow Serving refuses it.
    """
    return protos.PredictResponse.FromString(answer(serving, request))


def answer(serving: Serving, request: Any, *, packed: bool = False) -> bytes:
    """Answer a PredictRequest with a serialised PredictResponse.

    Args:
        serving: Where servables are found.
        request: The PredictRequest message.
        packed: Outputs as `tensor_content` rather than in repeated fields.

    Raises:
        StatusError: As TensorFlow Serving refuses it.
    """
    with serving.get(request.model_spec) as servable:
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = servable.signatures.get(name)
        if signature is None:
            raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        feeds = _feeds(servable, signature, request.inputs)
        aliases = _aliases(signature, request.output_filter)
        fetches = [signature.outputs[alias].name for alias in aliases]
        started = time.perf_counter()
        outputs = servable.session.answer(feeds, fetches, packed=packed)
        metrics.RUNTIME_LATENCY.observe(
            (request.model_spec.name, "Predict", "TF1"), (time.perf_counter() - started) * 1e6
        )
        entries = [
            wire.delimited(1, wire.delimited(1, alias.encode()) + wire.delimited(2, output))
            for alias, output in zip(aliases, outputs, strict=True)
        ]
        return b"".join((*entries, _model_spec(request.model_spec.name, servable.version, name)))


def _model_spec(model: str, version: int, signature: str) -> bytes:
    """The answer's ModelSpec: always the version that answered and the signature's full name."""
    spec = protos.ModelSpec(name=model, signature_name=signature)
    spec.version.value = version
    return wire.delimited(2, spec.SerializeToString())


def _feeds(servable: Servable, signature: Any, inputs: Any) -> dict[str, Feed]:
    wanted = signature.inputs
    defaults = signature.defaults
    if len(inputs) > len(wanted) or (len(inputs) < len(wanted) and not defaults):
        raise _wrong_size(set(inputs), set(wanted))
    feeds: dict[str, Feed] = {}
    for alias in sorted(wanted):
        if alias in inputs:
            value, complaint = inputs[alias], f"tensor parsing error: {alias}"
        elif alias in defaults:
            value, complaint = defaults[alias], f"Default input alias: {alias} tensor parsing error"
        else:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Signature input alias: {alias}(feed name: {wanted[alias].name}) not found in request and no default "
                f"value provided. Inputs expected to be in the request {{{_join(inputs)}}}, or default input alias "
                f"set: {_join(defaults)}",
            )
        try:
            feeds[wanted[alias].name] = servable.session.feed(value)
        except StatusError:
            raise StatusError(Code.INVALID_ARGUMENT, complaint) from None
    return feeds


def _wrong_size(sent: set[str], wanted: set[str]) -> StatusError:
    return StatusError(
        Code.INVALID_ARGUMENT,
        f"input size does not match signature: {len(sent)}!={len(wanted)} len({{{_join(sent)}}}) != "
        f"len({{{_join(wanted)}}}). Sent extra: {{{_join(sent - wanted)}}}. Missing but required: "
        f"{{{_join(wanted - sent)}}}.",
    )


def _aliases(signature: Any, output_filter: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    for alias in output_filter:
        if alias not in signature.outputs:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{{{_join(signature.outputs)}}}.",
            )
        if alias in seen:
            raise StatusError(Code.INVALID_ARGUMENT, f"duplicate output tensor alias: {alias}")
        seen.add(alias)
    return list(output_filter) or sorted(signature.outputs)


def _join(names: Any) -> str:
    return ",".join(sorted(names))
