"""Requests and answers that are bytes, behind a tap."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig import protos
from pytest_tfsig.clients.examples import classification
from pytest_tfsig.mutations.model import TappedModel
from pytest_tfsig.mutations.tap import Tap
from pytest_tfsig.mutations.wire import rewritten, understood
from pytest_tfsig.recordings import Exchange, replay
from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec
from tests.unit.checks.fakes import spec_of
from tests.unit.mutations.fakes import CLASSIFIED, EVERYTHING, REGRESSED, answered, classify


def doubled(call):
    return {name: array * 2 if array.dtype != object else array for name, array in call.proceed().items()}


def test_a_replayed_request_is_answered_through_the_tap():
    inputs = {"x": np.ones((2, 4), np.float32)}
    asked = Exchange.of_inputs(inputs, spec_of(EVERYTHING))

    def call(method, request, *, timeout):
        assert (method, timeout) == ("Predict", 5)
        got = Exchange(method, protos.PredictRequest.FromString(request)).inputs()
        return answered(asked, classify(got))

    model = SimpleNamespace(name="m", version=3, grpc=SimpleNamespace(call=call))
    tapped = TappedModel(model, "serving_default", Tap(doubled))
    outputs = replay(tapped, asked, 5).outputs()
    np.testing.assert_array_equal(outputs["logits"], 2 * classify(inputs)["logits"])
    np.testing.assert_array_equal(outputs["name"], classify(inputs)["name"])


def test_another_signature_is_answered_as_it_is():
    asked = Exchange.of_inputs({"x": np.ones((1, 4), np.float32)}, spec_of(EVERYTHING))
    response = answered(asked, {"y": np.ones(1)})
    model = SimpleNamespace(name="m", version=3, grpc=SimpleNamespace(call=lambda *_, **__: response))
    tap = Tap(doubled)
    assert replay(TappedModel(model, "another", tap), asked, 5).outputs() == {"y": np.ones(1)}
    assert tap.asked == 0


@pytest.mark.parametrize("method", ["MultiInference", "GetModelMetadata"])
def test_what_is_not_one_signature_s_answer_passes_untouched(method):
    assert understood(method, b"") is None
    client = SimpleNamespace(call=lambda *_, **__: b"anything", address="here")
    tapped = TappedModel(SimpleNamespace(grpc=client), "serving_default", Tap(doubled))
    assert tapped.grpc.call(method, b"") == b"anything"
    assert tapped.grpc.address == "here"


def test_classes_and_scores_are_written_back():
    asked = Exchange.of_inputs({"examples": [{"length": [1.0]}] * 2}, spec_of_examples(CLASSIFIED))
    response = protos.ClassificationResponse()
    for label, score in (("a", 0.25), ("b", 0.75)):
        response.result.classifications.add().classes.add(label=label, score=score)
    outputs = classification([[("c", 0.5)], [("d", 1.0)]])
    changed = asked.answered(rewritten(asked, response.SerializeToString(), outputs)).outputs()
    assert changed["classes"].tolist() == [[b"c"], [b"d"]]
    assert changed["scores"].tolist() == [[0.5], [1.0]]


def test_regressions_are_written_back():
    asked = Exchange.of_inputs({"examples": [{"length": [1.0]}]}, spec_of_examples(REGRESSED))
    outputs = {"outputs": np.array([3.5, 4.5], np.float32)}
    assert asked.answered(rewritten(asked, b"", outputs)).outputs()["outputs"].tolist() == [3.5, 4.5]


def spec_of_examples(signature):
    inputs = {name: TensorSpec(name, "string", (None,)) for name in signature.inputs}
    outputs = {name: TensorSpec(name, tensor.dtype, None) for name, tensor in signature.outputs.items()}
    return SignatureSpec(signature.name, signature.method, inputs, outputs)


def test_clients_behind_the_tap_answer_like_the_model():
    rest = SimpleNamespace(
        predict=lambda _, inputs, **__: {"y": np.ones(len(inputs["x"]))},
        classify=lambda _, examples, **__: {"scores": np.ones(len(examples))},
        regress=lambda _, examples, **__: {"outputs": np.ones(len(examples))},
        status=lambda _, **__: [],
    )
    model = SimpleNamespace(
        rest=rest,
        grpc=rest,
        predict=lambda inputs, **_: {"y": np.ones(len(inputs["x"]))},
        classify=lambda examples, **_: {"scores": np.ones(len(examples))},
        regress=lambda examples, **_: {"outputs": np.ones(len(examples))},
        status=lambda **_: [],
        version=7,
    )
    tap = Tap(doubled)
    tapped = TappedModel(model, "s", tap)
    for client in (tapped.rest, tapped.grpc):
        assert client.predict("m", {"x": [1, 2]}, signature="s")["y"].tolist() == [2, 2]
        assert client.classify("m", iter([{}]), signature="s")["scores"].tolist() == [2]
        assert client.regress("m", [{}], signature="s")["outputs"].tolist() == [2]
        assert client.status("m") == []
    assert tapped.predict({"x": [1]}, "s", transport="rest")["y"].tolist() == [2]
    assert tapped.classify([{}], "s")["scores"].tolist() == [2]
    assert tapped.regress([{}], "s")["outputs"].tolist() == [2]
    assert (tapped.status(), tapped.version, tap.asked) == ([], 7, 9)
