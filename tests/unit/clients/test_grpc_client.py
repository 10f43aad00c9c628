from __future__ import annotations

import shutil
import subprocess
import threading
import time

import grpc
import numpy as np
import pytest

from pytest_tfsig import protos, tensors
from pytest_tfsig.clients import Credentials, GrpcClient, ServingError
from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec
from tests.fake_server import FakeServer


@pytest.fixture
def fake():
    with FakeServer() as server:
        yield server


@pytest.fixture
def client(fake):
    with GrpcClient(fake.grpc_address, timeout=10) as client:
        yield client


def echo(request: bytes) -> bytes:
    response = protos.PredictResponse()
    for name, tensor in protos.PredictRequest.FromString(request).inputs.items():
        response.outputs[name].CopyFrom(tensor)
    return response.SerializeToString()


SPECS = SignatureSpec("s", "predict", {"x": TensorSpec("x", "int64", (None,), "x:0")}, {}, frozenset(), None)


def test_predict_sends_what_it_is_told(fake, client):
    fake.grpc_answers["Predict"] = echo
    answer = client.predict("m", {"x": [1, 2], "extra": np.float64(3)}, signature="s", version=4, specs=SPECS)
    assert answer["x"].dtype == np.int64
    assert answer["extra"].dtype == np.float64
    request = protos.PredictRequest.FromString(fake.requests[0][1])
    assert (request.model_spec.name, request.model_spec.signature_name) == ("m", "s")
    assert request.model_spec.version.value == 4
    assert fake.requests[0][0] == "/tensorflow.serving.PredictionService/Predict"


def test_predict_names_label_and_outputs(fake, client):
    fake.grpc_answers["Predict"] = echo
    client.predict("m", {}, label="stable", output_filter=["a", "b"])
    request = protos.PredictRequest.FromString(fake.requests[0][1])
    assert request.model_spec.version_label == "stable"
    assert list(request.output_filter) == ["a", "b"]


def test_messages_may_be_larger_than_grpcs_default(fake, client):
    fake.grpc_answers["Predict"] = echo
    array = np.arange(3_000_000, dtype=np.float32)
    assert np.array_equal(client.predict("m", {"x": array})["x"], array)


def test_classify_and_regress_read_every_row(fake, client):
    classes = protos.ClassificationResponse()
    for score in (0.25, 0.75):
        classes.result.classifications.add().classes.add(label="a", score=score)
    values = protos.RegressionResponse()
    values.result.regressions.add(value=1.5)
    fake.grpc_answers |= {"Classify": classes.SerializeToString(), "Regress": values.SerializeToString()}
    assert client.classify("m", [{"f": 1.0}])["scores"].tolist() == [[0.25], [0.75]]
    assert client.regress("m", [{"f": 1.0}])["outputs"].tolist() == [1.5]
    sent = protos.ClassificationRequest.FromString(fake.requests[0][1])
    assert sent.input.example_list.examples[0].features.feature["f"].float_list.value == [1.0]


def test_multi_inference_answers_by_signature(fake, client):
    response = protos.MultiInferenceResponse()
    first, second = response.results.add(), response.results.add()
    first.model_spec.signature_name, second.model_spec.signature_name = "c", "r"
    first.classification_result.classifications.add().classes.add(label="a", score=1.0)
    second.regression_result.regressions.add(value=2.0)
    fake.grpc_answers["MultiInference"] = response.SerializeToString()
    answer = client.multi_inference("m", [{}], {"c": "classify", "r": "regress"})
    assert answer["c"]["classes"].tolist() == [[b"a"]]
    assert answer["r"]["outputs"].tolist() == [2.0]
    tasks = protos.MultiInferenceRequest.FromString(fake.requests[0][1]).tasks
    assert [task.method_name for task in tasks] == ["tensorflow/serving/classify", "tensorflow/serving/regress"]


def test_metadata_and_status_are_plain(fake, client):
    metadata = protos.GetModelMetadataResponse()
    metadata.model_spec.name, metadata.model_spec.version.value = "m", 3
    signatures = protos.SignatureDefMap()
    definition = signatures.signature_def["serving_default"]
    definition.method_name = "tensorflow/serving/predict"
    definition.inputs["x"].CopyFrom(protos.TensorInfo(name="x:0", dtype=tensors.dtype("float32").number))
    metadata.metadata["signature_def"].Pack(signatures)
    status = protos.GetModelStatusResponse()
    status.model_version_status.add(version=3, state=30)
    failed = status.model_version_status.add(version=2, state=50)
    failed.status.error_code, failed.status.error_message = 11, "Read less bytes than requested"
    fake.grpc_answers |= {
        "GetModelMetadata": metadata.SerializeToString(),
        "GetModelStatus": status.SerializeToString(),
    }
    answer = client.metadata("m")
    assert (answer.name, answer.version) == ("m", 3)
    assert answer.signatures["serving_default"].inputs["x"].dtype == "float32"
    available, ended = client.status("m")
    assert (available.version, available.state, available.code) == (3, "AVAILABLE", "OK")
    assert (ended.state, ended.code, ended.message) == ("END", "OUT_OF_RANGE", "Read less bytes than requested")
    assert fake.requests[1][0] == "/tensorflow.serving.ModelService/GetModelStatus"


def test_the_servers_refusal_has_its_code_and_words(fake, client):
    fake.grpc_answers["Predict"] = (grpc.StatusCode.FAILED_PRECONDITION, "Could not find variable")
    with pytest.raises(ServingError, match="gRPC FAILED_PRECONDITION: Could not find variable") as caught:
        client.predict("m", {})
    assert (caught.value.code, caught.value.transport, caught.value.http_status) == (
        "FAILED_PRECONDITION",
        "grpc",
        None,
    )


def test_malformed_bytes_are_sent_as_they_are(fake, client):
    fake.grpc_answers["Predict"] = lambda request: request[::-1]
    assert client.call("Predict", b"\xff\x00garbage") == b"egabrag\x00\xff"
    assert client.call("/any.Service/Predict", b"1") == b"1"


def test_an_answer_that_takes_too_long_is_a_typed_error(fake, client):
    release = threading.Event()
    fake.grpc_answers["Predict"] = lambda _: release.wait(10) and b""
    started = time.monotonic()
    with pytest.raises(ServingError) as caught:
        client.predict("m", {}, timeout=0.05)
    release.set()
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - started < 5


def test_a_server_that_is_not_there_is_a_typed_error():
    with GrpcClient("127.0.0.1:1", timeout=5) as client, pytest.raises(ServingError) as caught:
        client.status("m")
    assert caught.value.code == "UNAVAILABLE"


def test_a_closed_client_says_so(fake):
    client = GrpcClient(fake.grpc_address)
    client.close()
    with pytest.raises(ServingError, match="closed"):
        client.status("m")


def test_headers_go_with_every_request(fake):
    fake.grpc_answers["Predict"] = echo
    credentials = Credentials(headers=(("authorization", "Bearer t"), ("tenant", "a")))
    with GrpcClient(fake.grpc_address, credentials=credentials) as client:
        client.predict("m", {})
    assert fake.requests[0][2]["authorization"] == "Bearer t"
    assert fake.requests[0][2]["tenant"] == "a"


def test_what_is_reached_directly_is_reached_without_the_environment_s_proxy(fake, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    fake.grpc_answers["Predict"] = echo
    elsewhere = f"0.0.0.0:{fake.grpc_port}"  # this machine, by an address that does not say so
    with GrpcClient(elsewhere, direct=True) as client:
        assert client.call("Predict", b"") == b""
    with GrpcClient(elsewhere) as client, pytest.raises(ServingError, match="UNAVAILABLE"):
        client.call("Predict", b"", timeout=5)
    with GrpcClient(fake.grpc_address) as client:
        assert client.call("Predict", b"") == b""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl writes this test's certificates")
def test_tls_with_a_custom_authority_and_a_client_certificate(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    pair = (key.read_bytes(), certificate.read_bytes())
    server = grpc.ssl_server_credentials([pair], root_certificates=pair[1], require_client_auth=True)
    with FakeServer(server) as fake:
        fake.grpc_answers["Predict"] = echo
        credentials = Credentials(ca=str(certificate), client_certificate=certificate, client_key=key)
        with GrpcClient(fake.grpc_address, credentials=credentials) as client:
            assert client.predict("m", {"x": [1]})["x"].tolist() == [1]
        anonymous = Credentials(ca=str(certificate))
        with GrpcClient(fake.grpc_address, credentials=anonymous) as client, pytest.raises(ServingError):
            client.predict("m", {}, timeout=5)
