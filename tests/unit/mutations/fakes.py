"""Python functions as served models that also answer requests which are bytes, and contracts with everything stated."""

from __future__ import annotations

import numpy as np

from pytest_tfsig import protos, tensors
from pytest_tfsig.clients import VersionStatus
from pytest_tfsig.contract import Argmax, Feature, Probabilities, Signature, Tensor
from pytest_tfsig.recordings import Exchange, write
from tests.unit.checks import fakes

WEIGHTS = np.array([[0.5, -0.25, 1.0], [-1.0, 0.75, 0.25], [0.125, 0.5, -0.5], [1.0, -1.0, 0.0]])
NAMES = np.array([b"setosa", b"versicolor", "größe".encode()], object)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def classify(inputs):
    """Answers of every kind: probabilities, their place, its name, unbounded numbers and a square for each row."""
    logits = np.asarray(inputs["x"], np.float64) @ WEIGHTS
    place = logits.argmax(axis=-1)
    return {
        "probabilities": softmax(logits).astype(np.float32),
        "place": place.astype(np.int32),
        "name": NAMES[place],
        "logits": logits.astype(np.float64),
        "square": (logits[:, :, None] * np.arange(1, 4)).astype(np.float32),
    }


OUTPUTS = {
    "probabilities": Probabilities("float32", ["batch", 3]),
    "place": Tensor("int32", ["batch"], min=0, max=2),
    "name": Tensor("string", ["batch"], values=["setosa", "versicolor", "größe"]),
    "logits": Tensor("float64", ["batch", 3]),
    "square": Tensor("float32", ["batch", 3, 3]),
}
EVERYTHING = Signature(
    inputs={"x": Tensor("float32", ["batch", 4], min=-2, max=2)},
    outputs=OUTPUTS,
    dims={"batch": (1, 24)},
    latency=({"p99": "250ms"},),
    relations=(Argmax("place", "probabilities"),),
    checks={"examples": {"file": "recorded.tfrecord"}},
)
FLOWER = {"length": Feature("float32", [], min=0, max=10)}
CLASSIFIED = Signature(
    method="classify",
    inputs={"inputs": Tensor("string", ["batch"], features=FLOWER)},
    outputs={"classes": Tensor("string", ["batch", 2]), "scores": Tensor("float32", ["batch", 2])},
)
REGRESSED = Signature(
    method="regress",
    inputs={"inputs": Tensor("string", ["batch"], features=FLOWER)},
    outputs={"outputs": Tensor("float32", ["batch"])},
)


class Model(fakes.FakeModel):
    """Answers recorded requests, too, and names its states as clients do."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.states = [VersionStatus(1, "AVAILABLE", "OK", "")]

    def predict(self, inputs, **options):
        try:
            return super().predict(inputs, **options)
        except (ValueError, IndexError) as error:  # as a graph refuses a shape
            raise fakes.refusal(message=str(error)) from None

    def status(self, **_):
        return self.states

    def _call(self, method, request, *, timeout):
        assert timeout
        assert method == "Predict"
        asked = Exchange(method, protos.PredictRequest.FromString(request))
        return answered(asked, self.predict(asked.inputs(), signature=self._spec.name, timeout=timeout))


def answered(exchange, outputs):
    """The bytes of the response with these outputs."""
    response = protos.PredictResponse()
    response.model_spec.CopyFrom(exchange.request.model_spec)
    for name, array in outputs.items():
        response.outputs[name].CopyFrom(tensors.to_proto(array))
    return bytes(response.SerializeToString())


def subject(answer=classify, signature=EVERYTHING, *, rest=True, **more):
    """A subject of a function, with a model that serves it over REST as well, unless told otherwise."""
    made = fakes.subject(answer, signature, **more)
    made.model = Model(answer, answer if rest else None, made.spec)
    return made


def record(folder, answer=classify, signature=EVERYTHING, requests=6):
    """Writes the recording that EVERYTHING names."""
    rng = np.random.default_rng(5)
    spec = fakes.spec_of(signature)
    exchanges = []
    for rows in range(1, requests + 1):
        inputs = {"x": rng.uniform(-2, 2, (rows, 4)).astype(np.float32)}
        asked = Exchange.of_inputs(inputs, spec)
        exchanges.append(asked.answered(answered(asked, answer(inputs))))
    write(folder / "recorded.tfrecord", exchanges)
