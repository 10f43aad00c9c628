"""Classify: tf.Examples in, labels and scores out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import protos, tensors
from pytest_tfsig.model_server import examples, metrics, wire
from pytest_tfsig.model_server.predict import CLASSIFY, answered_spec
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.model_server.servables import Servable, Serving

__all__ = ["Classification", "classify", "plan", "read", "run", "serialized"]

_INPUT, _CLASSES, _SCORES = "inputs", "classes", "scores"
_RANK = 2


@dataclass(frozen=True, slots=True)
class Classification:
    """Labels and scores of examples.

    Attributes:
        labels: Object array of bytes, shape [examples, classes]; empty ones where the model gives none.
        scores: float32, of the same shape; zeros where the model gives none.
    """

    labels: NDArray[Any]
    scores: NDArray[Any]


def classify(serving: Serving, request: Any) -> bytes:
    """Answer a ClassificationRequest with a serialised ClassificationResponse.

    Raises:
        StatusError: TensorFlow Serving's code and message.
    """
    if not request.HasField("model_spec"):
        raise _invalid("Missing ModelSpec")
    with serving.get(request.model_spec) as servable:
        result = run(servable, request.model_spec.signature_name, request.input)
    spec = answered_spec(request.model_spec, servable.version)
    return wire.delimited(1, serialized(result)) + wire.delimited(2, spec)


def run(servable: Servable, signature_name: str, given: Any) -> Classification:
    """Classify the examples of an Input by a signature; an empty name is the default one."""
    signature = examples.find_signature(servable, signature_name)
    feed, fetches = plan(servable, signature)
    strings = examples.serialized(given)
    with metrics.runtime(servable.name, "Classify"):
        outputs = examples.run(servable, {feed}, strings, fetches)
    return read(signature, len(strings), outputs)


def plan(servable: Servable, signature: Any) -> tuple[str, list[str]]:
    """The tensor that takes the examples, and those that hold classes and scores.

    Raises:
        StatusError: The signature is none that classifies.
    """
    if servable.checks_methods and signature.method_name != CLASSIFY:
        raise _invalid(f"Expected classification signature method_name to be {CLASSIFY}. Was: {signature.method_name}")
    if len(signature.inputs) != 1:
        raise _invalid("Expected one input Tensor.")
    if len(signature.outputs) not in {1, 2}:
        raise _invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if _INPUT not in signature.inputs:
        raise _invalid(f"No classification inputs found in SignatureDef: {examples.debug_text(signature)}")
    fetches = [signature.outputs[name].name for name in (_CLASSES, _SCORES) if name in signature.outputs]
    if not fetches:
        raise _invalid(
            f'Expected classification signature outputs to contain at least one of "{_CLASSES}" or "{_SCORES}". '
            f"Signature was: {examples.debug_text(signature)}"
        )
    return signature.inputs[_INPUT].name, fetches


def read(signature: Any, number: int, outputs: Mapping[str, NDArray[Any]]) -> Classification:
    """Labels and scores from what the graph computed.

    Args:
        signature: A SignatureDef that `plan` accepted.
        number: How many examples were given.
        outputs: Tensor name -> array.

    Raises:
        StatusError: They are not what a classification is.
    """
    classes = outputs[signature.outputs[_CLASSES].name] if _CLASSES in signature.outputs else None
    scores = outputs[signature.outputs[_SCORES].name] if _SCORES in signature.outputs else None
    for name, array, dtype in ((_CLASSES, classes, "string"), (_SCORES, scores, "float32")):
        if array is not None:
            _check(name, array, dtype, number)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise _invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    shape = next(array.shape for array in (classes, scores) if array is not None)
    return Classification(
        np.full(shape, b"", object) if classes is None else classes,
        np.zeros(shape, np.float32) if scores is None else scores,
    )


def _check(name: str, array: NDArray[Any], dtype: str, number: int) -> None:
    if array.ndim != _RANK:
        shape = ",".join(map(str, array.shape))
        raise _invalid(f"Expected Tensor shape: [batch_size num_classes] but got [{shape}]")
    wanted, actual = (protos.DataType.Name(tensors.dtype(kind).number) for kind in (dtype, array.dtype))
    if actual != wanted:
        raise _invalid(f"Expected {name} Tensor of {wanted}. Got: {actual}")
    if array.shape[0] != number:
        raise _invalid(f"Expected {name} output batch size of {number}. Got: {array.shape[0]}")


def serialized(classification: Classification) -> bytes:
    """Labels and scores as a ClassificationResult.

    Labels go as the model made them: TensorFlow Serving sends one that is not UTF-8, too, and leaves it to the client
    to stumble over it. A message of ours would refuse it.
    """
    rows = zip(classification.labels.tolist(), classification.scores.tolist(), strict=True)
    return b"".join(wire.delimited(1, b"".join(map(_class, *row))) for row in rows)


def _class(label: bytes, score: float) -> bytes:
    """One Class in the Classifications around it."""
    return wire.delimited(1, (wire.delimited(1, label) if label else b"") + wire.float32(2, score))


def _invalid(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)
