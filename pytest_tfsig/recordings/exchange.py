"""An exchange: one request and, where it is known, the answer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig import protos, tensors
from pytest_tfsig.clients.examples import classification, example_input, regression
from pytest_tfsig.clients.inputs import as_arrays
from pytest_tfsig.errors import UsageError
from pytest_tfsig.strategies.examples import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.savedmodel import SignatureSpec

__all__ = ["Exchange"]

_LOGS: Final = {
    "Predict": "predict_log",
    "Classify": "classify_log",
    "Regress": "regress_log",
    "MultiInference": "multi_inference_log",
}
_METHODS: Final = {log: method for method, log in _LOGS.items()}
_REQUESTS: Final = {"classify": "ClassificationRequest", "regress": "RegressionRequest"}
_RESPONSES: Final = {
    "Predict": "PredictResponse",
    "Classify": "ClassificationResponse",
    "Regress": "RegressionResponse",
    "MultiInference": "MultiInferenceResponse",
}
DEFAULT_SIGNATURE: Final = "serving_default"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the answer to it.

    Attributes:
        method: The PredictionService's method: `Predict`, `Classify`, `Regress` or `MultiInference`.
        request: The request message.
        response: The response message; None where only the request was recorded.
    """

    method: str
    request: Any
    response: Any = None

    @classmethod
    def of_inputs(cls, inputs: Mapping[str, Any], spec: SignatureSpec) -> Exchange:
        """Returns the request that sends inputs to a signature, as yet without an answer.

        Args:
            inputs: Arrays by input name; `{"examples": [...]}` for classify and regress.
            spec: The signature.

        Raises:
            UsageError: A value cannot be an array of its declared dtype, or an example no tf.Example.
        """
        if spec.method in _REQUESTS:
            request = getattr(protos, _REQUESTS[spec.method])(input=example_input(inputs["examples"], spec))
            request.model_spec.signature_name = spec.name
            return cls(spec.method.capitalize(), request)
        request = protos.PredictRequest()
        request.model_spec.signature_name = spec.name
        for name, array in as_arrays(inputs, spec).items():
            request.inputs[name].CopyFrom(tensors.to_proto(array))
        return cls("Predict", request)

    @classmethod
    def of_log(cls, log: Any) -> Exchange:
        """Returns what a PredictionLog holds.

        Raises:
            UsageError: It is of a kind that cannot be sent again.
        """
        kind = log.WhichOneof("log_type")
        if kind not in _METHODS:
            raise UsageError(f"it holds none of {', '.join(_METHODS)}, so there is no request to send again")
        entry = getattr(log, kind)
        return cls(_METHODS[kind], entry.request, entry.response if entry.HasField("response") else None)

    def log(self) -> Any:
        """Returns the exchange as a PredictionLog."""
        log = protos.PredictionLog()
        entry = getattr(log, _LOGS[self.method])
        entry.request.CopyFrom(self.request)
        if self.response is not None:
            entry.response.CopyFrom(self.response)
        return log

    @property
    def signatures(self) -> tuple[str, ...]:
        """The signatures that it names; several for MultiInference."""
        parts = self.request.tasks if self.method == "MultiInference" else [self.request]
        return tuple(part.model_spec.signature_name or DEFAULT_SIGNATURE for part in parts)

    def addressed(self, model: str, version: int | None) -> Exchange:
        """Returns the same request to another model: a recorded one names whatever it was recorded with."""
        request = type(self.request).FromString(self.request.SerializeToString())
        tasks = request.tasks if self.method == "MultiInference" else [request]
        for task, signature in zip(tasks, self.signatures, strict=True):
            task.model_spec.Clear()
            task.model_spec.name, task.model_spec.signature_name = model, signature
            if version is not None:
                task.model_spec.version.value = version
        return Exchange(self.method, request)

    def answered(self, response: bytes) -> Exchange:
        """Returns the exchange with an answer, as it came over the wire."""
        return Exchange(self.method, self.request, getattr(protos, _RESPONSES[self.method]).FromString(response))

    def inputs(self) -> dict[str, Any]:
        """Returns the request's arrays by input name; `{"examples": [...]}` for every method but Predict.

        Raises:
            TensorError: A tensor of it is malformed.
        """
        if self.method == "Predict":
            return {name: tensors.from_proto(self.request.inputs[name]) for name in sorted(self.request.inputs)}
        given = self.request.input
        listed = given.example_list_with_context if given.HasField("example_list_with_context") else given.example_list
        return {"examples": [parsed(example.SerializeToString()) for example in listed.examples]}

    def outputs(self) -> dict[str, NDArray[Any]]:
        """Returns the answer's arrays by output name ("SIGNATURE/OUTPUT" for MultiInference); none without an answer.

        Raises:
            TensorError: A tensor of it is malformed.
        """
        if self.response is None:
            return {}
        if self.method == "Predict":
            return {name: tensors.from_proto(self.response.outputs[name]) for name in sorted(self.response.outputs)}
        if self.method != "MultiInference":
            return _inferred(self.response.result)
        return {
            f"{result.model_spec.signature_name}/{name}": array
            for result in self.response.results
            for name, array in _inferred(getattr(result, result.WhichOneof("result"))).items()
        }


def _inferred(result: Any) -> dict[str, NDArray[Any]]:
    """Returns a ClassificationResult or RegressionResult as arrays."""
    if hasattr(result, "regressions"):
        return regression([row.value for row in result.regressions])
    return classification([[(entry.label, entry.score) for entry in row.classes] for row in result.classifications])
