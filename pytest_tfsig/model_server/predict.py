"""Predict: a signature run on tensors, from a PredictRequest to a serialised PredictResponse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig import protos
from pytest_tfsig.model_server import metrics, wire
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from pytest_tfsig.model_server.servables import Servable, Serving

__all__ = ["CLASSIFY", "DEFAULT_SIGNATURE", "PREDICT", "REGRESS", "answer", "answered_spec", "run"]

DEFAULT_SIGNATURE: Final = "serving_default"
PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))
_METHODS: Final = (PREDICT, CLASSIFY, REGRESS)


def answered_spec(asked: Any, version: int) -> bytes:
    """An answer's ModelSpec, serialised: always the version that answered and the signature's full name."""
    spec = protos.ModelSpec(name=asked.name, signature_name=asked.signature_name or DEFAULT_SIGNATURE)
    spec.version.value = version
    return bytes(spec.SerializeToString())


def run(servable: Servable, signature_name: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Run a signature on tensors.

    Args:
        servable: Whose signature.
        signature_name: Its name; empty for the default one.
        inputs: Alias -> array or TensorProto.

    Returns:
        Every output of the signature by its alias.

    Raises:
        StatusError: As TensorFlow Serving refuses it.
    """
    signature = _signature(servable, signature_name or DEFAULT_SIGNATURE)
    feeds = _feeds(servable, signature, inputs, {})
    aliases = _aliases(signature, ())
    with metrics.runtime(servable.name, "Predict"):
        outputs = servable.session.run(feeds, [signature.outputs[alias].name for alias in aliases])
    return dict(zip(aliases, outputs, strict=True))


def answer(
    serving: Serving, request: Any, contents: Mapping[str, memoryview] | None = None, *, packed: bool = False
) -> bytes:
    """Answer a PredictRequest with a serialised PredictResponse.

    Args:
        serving: Where servables are found.
        request: The PredictRequest message.
        contents: Alias -> `tensor_content` of inputs in whose message it was left out.
        packed: Outputs as `tensor_content` rather than in repeated fields.

    Raises:
        StatusError: As TensorFlow Serving refuses it.
    """
    if not request.HasField("model_spec"):
        raise StatusError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
    with serving.get(request.model_spec) as servable:
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = _signature(servable, name)
        feeds = _feeds(servable, signature, request.inputs, contents or {})
        aliases = _aliases(signature, request.output_filter)
        fetches = [signature.outputs[alias].name for alias in aliases]
        with metrics.runtime(request.model_spec.name, "Predict"):
            outputs = servable.session.answer(feeds, fetches, packed=packed)
        parts: wire.Parts = []
        for alias, output in zip(aliases, outputs, strict=True):
            entry = [wire.delimited(1, alias.encode()), *wire.delimited_parts(2, output)]
            parts += wire.delimited_parts(1, entry)
        parts.append(wire.delimited(2, answered_spec(request.model_spec, servable.version)))
        return b"".join(parts)


def _signature(servable: Servable, name: str) -> Any:
    signature = servable.signatures.get(name)
    if signature is None:
        raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    if servable.checks_methods and signature.method_name not in _METHODS:
        raise StatusError(
            Code.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{', '.join(_METHODS)}}}. Was: "
            f"{signature.method_name}",
        )
    return signature


def _feeds(
    servable: Servable, signature: Any, inputs: Mapping[str, Any], contents: Mapping[str, memoryview]
) -> dict[str, Any]:
    wanted = signature.inputs
    defaults = signature.defaults
    if len(inputs) > len(wanted) or (len(inputs) < len(wanted) and not defaults):
        raise _wrong_size(set(inputs), set(wanted))
    feeds: dict[str, Any] = {}
    used = set()
    for alias in sorted(wanted):
        if alias in inputs:
            value = inputs[alias]
            used.add(alias)
        elif alias in defaults:
            value = defaults[alias]
        else:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Signature input alias: {alias}(feed name: {wanted[alias].name}) not found in request and no default "
                f"value provided. Inputs expected to be in the request {{{_join(inputs)}}}, or default input alias "
                f"set: {_join(defaults)}",
            )
        try:
            feeds[wanted[alias].name] = servable.session.feed(value, contents.get(alias))
        except StatusError:
            raise StatusError(Code.INVALID_ARGUMENT, f"tensor parsing error: {alias}") from None
    if len(used) != len(inputs):
        raise StatusError(
            Code.INVALID_ARGUMENT,
            f"Inputs contains invalid name. Used request inputs: {_join(used)}, request input: {_join(inputs)}",
        )
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
