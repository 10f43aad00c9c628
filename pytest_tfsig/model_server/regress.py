"""Regress: tf.Examples in, one number each out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_tfsig import protos, tensors
from pytest_tfsig.model_server import examples, metrics, wire
from pytest_tfsig.model_server.predict import REGRESS, answered_spec
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.model_server.servables import Servable, Serving

__all__ = ["plan", "read", "regress", "run", "serialized"]

_INPUT, _OUTPUT = "inputs", "outputs"


def regress(serving: Serving, request: Any) -> bytes:
    """Answer a RegressionRequest with a serialised RegressionResponse.

    Raises:
        StatusError: TensorFlow Serving's code and message.
    """
    if not request.HasField("model_spec"):
        raise _invalid("Missing ModelSpec")
    with serving.get(request.model_spec) as servable:
        values = run(servable, request.model_spec.signature_name, request.input)
    spec = answered_spec(request.model_spec, servable.version)
    return wire.delimited(1, serialized(values)) + wire.delimited(2, spec)


def run(servable: Servable, signature_name: str, given: Any) -> NDArray[Any]:
    """Regress on the examples of an Input by a signature; an empty name is the default one.

    Returns:
        float32, shape [examples].
    """
    signature = examples.find_signature(servable, signature_name)
    feed, fetches = plan(servable, signature)
    strings = examples.serialized(given)
    with metrics.runtime(servable.name, "Regress"):
        outputs = examples.run(servable, {feed}, strings, fetches)
    return read(signature, len(strings), outputs)


def plan(servable: Servable, signature: Any) -> tuple[str, list[str]]:
    """The tensor that takes the examples, and the one that holds the numbers.

    Raises:
        StatusError: The signature is none that regresses.
    """
    if servable.checks_methods and signature.method_name != REGRESS:
        raise _invalid(f"Expected regression signature method_name to be {REGRESS}. Was: {signature.method_name}")
    if len(signature.inputs) != 1:
        raise _invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise _invalid("Expected one output Tensor.")
    if _INPUT not in signature.inputs:
        raise _invalid(f"No regression inputs found in SignatureDef: {examples.debug_text(signature)}")
    if _OUTPUT not in signature.outputs:
        raise _invalid(f"No regression outputs found in SignatureDef: {examples.debug_text(signature)}")
    return signature.inputs[_INPUT].name, [signature.outputs[_OUTPUT].name]


def read(signature: Any, number: int, outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The numbers from what the graph computed.

    Args:
        signature: A SignatureDef that `plan` accepted.
        number: How many examples were given.
        outputs: Tensor name -> array.

    Returns:
        float32, shape [number].

    Raises:
        StatusError: They are not what a regression is.
    """
    array = outputs[signature.outputs[_OUTPUT].name]
    if array.shape[1:] not in {(), (1,)} or array.ndim == 0:
        shape = ",".join(map(str, array.shape))
        raise _invalid(f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [{shape}]")
    if array.shape[0] != number:
        raise _invalid(f"Input batch size did not match output batch size: {number} vs. {array.shape[0]}")
    dtype = protos.DataType.Name(tensors.dtype(array.dtype).number)
    if dtype != "DT_FLOAT":
        raise _invalid(f"Expected output Tensor of DT_FLOAT.  Got: {dtype}")
    return array.reshape(-1)


def serialized(values: NDArray[Any]) -> bytes:
    """Numbers as a RegressionResult."""
    return b"".join(wire.delimited(1, wire.float32(1, value)) for value in values.tolist())


def _invalid(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)
