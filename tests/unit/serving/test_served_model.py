from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from pytest_tfsig import protos
from pytest_tfsig.errors import ServerError, UsageError
from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec
from pytest_tfsig.serving import ServedModel
from tests.fake_server import FakeServer


def spec(name, method="predict"):
    tensor = TensorSpec("x", "int64", (None,), "x:0")
    return SignatureSpec(name, method, {"x": tensor}, {"x": tensor}, frozenset(), None)


SIGNATURES = {name: spec(name, method) for name, method in (("serving_default", "predict"), ("r", "regress"))}


def echo(request: bytes) -> bytes:
    response = protos.PredictResponse()
    for name, tensor in protos.PredictRequest.FromString(request).inputs.items():
        response.outputs[name].CopyFrom(tensor)
    return response.SerializeToString()


@pytest.fixture
def fake():
    with FakeServer() as server:
        server.grpc_answers["Predict"] = echo
        yield server


def server_of(fake, *, rest=True):
    return SimpleNamespace(
        grpc_address=fake.grpc_address,
        incarnation="1",
        rest_url=fake.rest_url if rest else None,
        credentials=None,
        kind="embedded",
        description="fake server",
        logs=lambda: "log",
    )


@pytest.fixture
def model(fake):
    model = ServedModel(server_of(fake), "m", signatures=SIGNATURES)
    yield model
    model.close()


def test_both_transports_use_the_declared_dtypes(fake, model):
    fake.rest_answers["/v1/models/m:predict"] = (200, b'{"outputs": [1]}')
    for transport in ("grpc", "rest"):
        assert model.predict({"x": [1]}, transport=transport)["x"].dtype == "int64"


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_server_that_was_started_again_at_its_old_address_is_asked_by_a_new_client(model, transport):
    before = getattr(model, transport)
    assert getattr(model, transport) is before
    model.server.incarnation = "2"
    assert getattr(model, transport) is not before
    assert getattr(model, transport) is getattr(model, transport)


def test_a_handle_on_one_version_asks_for_that_one(fake):
    model = ServedModel(server_of(fake), "m", signatures=SIGNATURES, version=3)
    model.predict({"x": [1]})
    model.predict({"x": [1]}, version=4)
    model.predict({"x": [1]}, label="stable")
    specs = [protos.PredictRequest.FromString(request).model_spec for _, request, _ in fake.requests]
    assert [item.version.value for item in specs] == [3, 4, 0]
    assert specs[2].version_label == "stable"
    model.close()


def test_the_server_is_asked_for_signatures_that_nobody_gave(fake):
    metadata = protos.GetModelMetadataResponse()
    signatures = protos.SignatureDefMap()
    signatures.signature_def["s"].inputs["x"].CopyFrom(protos.TensorInfo(name="x:0", dtype=9))
    signatures.signature_def["s"].outputs["x"].CopyFrom(protos.TensorInfo(name="x:0", dtype=9))
    signatures.signature_def["s"].method_name = "tensorflow/serving/predict"
    metadata.metadata["signature_def"].Pack(signatures)
    fake.grpc_answers["GetModelMetadata"] = metadata.SerializeToString()
    model = ServedModel(server_of(fake), "m")
    assert model.predict({"x": [1]}, "s")["x"].dtype == "int64"
    assert list(model.signatures) == ["s"]
    model.close()


def test_multi_inference_takes_methods_from_the_signatures(fake, model):
    fake.grpc_answers["MultiInference"] = b""
    model.multi_inference([{"x": 1}], ["r"])
    [task] = protos.MultiInferenceRequest.FromString(fake.requests[0][1]).tasks
    assert task.method_name == "tensorflow/serving/regress"
    with pytest.raises(UsageError, match="no signature 'z'; it has r, serving_default"):
        model.multi_inference([], ["z"])


def test_a_restarted_server_is_found_again(model):
    model.predict({"x": [1]})
    with FakeServer() as second:
        second.grpc_answers["Predict"] = echo
        model.server.grpc_address, model.server.incarnation = second.grpc_address, "2"
        model.server.rest_url = second.rest_url
        model.predict({"x": [1]})
        assert second.requests
        assert model.rest.url == second.rest_url


@pytest.mark.parametrize(
    ("options", "match"),
    [({"transport": "http"}, "is no transport"), ({"version": 1, "label": "a"}, "a version or a label")],
)
def test_what_cannot_be_asked_is_refused(model, options, match):
    with pytest.raises(UsageError, match=match):
        model.predict({"x": [1]}, **options)


def test_no_rest_api_is_told(fake):
    model = ServedModel(server_of(fake, rest=False), "m", signatures=SIGNATURES)
    with pytest.raises(ServerError, match="fake server has no REST API"):
        model.predict({"x": [1]}, transport="rest")


def test_the_official_stub_works_without_the_tensorflow_package(fake):
    pytest.importorskip("tensorflow_serving")
    code = f"""
import sys
from types import SimpleNamespace
from pytest_tfsig.serving import ServedModel
server = SimpleNamespace(
    kind="remote", grpc_address={fake.grpc_address!r}, incarnation="1", rest_url=None, credentials=None
)
model = ServedModel(server, "m", signatures={{}})
stub = model.stub()
from tensorflow_serving.apis import predict_pb2
request = predict_pb2.PredictRequest()
request.inputs["x"].dtype = 9
print(list(stub.Predict(request, timeout=10).outputs), "tensorflow" in sys.modules)
"""
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert output.stdout == "['x'] False\n"


def test_the_stub_of_a_client_that_is_not_installed_is_refused(model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="pip install tensorflow-serving-api"):
        model.stub()
