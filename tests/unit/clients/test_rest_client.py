from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from pytest_tfsig.clients import Credentials, RestClient, ServingError
from pytest_tfsig.errors import UsageError
from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec
from tests.fake_server import FakeServer
from tests.raw_server import raw_server

SPECS = SignatureSpec(
    "serving_default",
    "predict",
    {"x": TensorSpec("x", "float32", (None,), "x:0")},
    {"y": TensorSpec("y", "float32", (None,), "y:0")},
    frozenset(),
    None,
)
METADATA = {
    "model_spec": {"name": "m", "version": "3", "signature_name": ""},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "inputs": {"x": {"name": "x:0", "dtype": "DT_INT64", "tensor_shape": {"dim": [{"size": "-1"}]}}},
                    "outputs": {"y": {"name": "y:0", "dtype": "DT_INT64", "tensor_shape": {"dim": [{"size": "-1"}]}}},
                    "method_name": "tensorflow/serving/predict",
                }
            }
        }
    },
}


@pytest.fixture
def fake():
    with FakeServer() as server:
        yield server


@pytest.fixture
def client(fake):
    with RestClient(fake.rest_url + "/", timeout=10) as client:
        yield client


def sent(fake, number=0):
    return json.loads(fake.requests[number][1])


def test_columns_are_the_default_form(fake, client):
    fake.rest_answers["/v1/models/m:predict"] = (200, b'{"outputs": [1.5, NaN]}')
    answer = client.predict("m", {"x": [1, 2]}, specs=SPECS)
    assert answer["y"].dtype == np.float32
    assert np.isnan(answer["y"][1])
    assert sent(fake) == {"signature_name": "serving_default", "inputs": {"x": [1.0, 2.0]}}


def test_rows_are_the_other_form(fake, client):
    fake.rest_answers["/v1/models/m:predict"] = (200, b'{"predictions": [1.5, 2.5]}')
    assert client.predict("m", {"x": [1, 2]}, specs=SPECS, form="rows")["y"].tolist() == [1.5, 2.5]
    assert sent(fake)["instances"] == [{"x": 1.0}, {"x": 2.0}]


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ({"version": 3}, "/v1/models/m/versions/3:predict"),
        ({"label": "a b"}, "/v1/models/m/labels/a%20b:predict"),
    ],
)
def test_versions_and_labels_are_in_the_path(fake, client, where, path):
    fake.rest_answers[path] = (200, b'{"outputs": []}')
    assert client.predict("m", {"x": []}, specs=SPECS, **where)["y"].shape == (0,)


def test_without_a_declaration_the_server_is_asked_for_it(fake, client):
    fake.rest_answers["/v1/models/m/metadata"] = (200, json.dumps(METADATA).encode())
    fake.rest_answers["/v1/models/m:predict"] = (200, b'{"outputs": [9223372036854775807]}')
    assert client.predict("m", {"x": [1]})["y"].tolist() == [2**63 - 1]


def test_metadata_and_status_are_plain(fake, client):
    rows = [{"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]
    fake.rest_answers["/v1/models/m/metadata"] = (200, json.dumps(METADATA).encode())
    fake.rest_answers["/v1/models/m"] = (200, json.dumps({"model_version_status": rows}).encode())
    metadata = client.metadata("m")
    assert (metadata.name, metadata.version) == ("m", 3)
    assert metadata.signatures["serving_default"].outputs["y"].shape == (None,)
    [status] = client.status("m")
    assert (status.version, status.state, status.code) == (3, "AVAILABLE", "OK")


def test_classify_and_regress_read_every_row(fake, client):
    fake.rest_answers["/v1/models/m:classify"] = (200, b'{"results": [[["a", 0.25], ["b", 0.75]]]}')
    fake.rest_answers["/v1/models/m:regress"] = (200, b'{"results": [1.5, 2.5]}')
    answer = client.classify("m", [{"f": [1.0]}])
    assert answer["classes"].tolist() == [[b"a", b"b"]]
    assert client.regress("m", [{"f": b"\xff"}])["outputs"].tolist() == [1.5, 2.5]
    assert b'"f":[1.0]' in fake.requests[0][1]
    assert sent(fake, 1)["examples"] == [{"f": [{"b64": "/w=="}]}]


@pytest.mark.parametrize(
    ("status", "code"), [(400, "INVALID_ARGUMENT"), (404, "NOT_FOUND"), (501, "UNIMPLEMENTED"), (418, "UNKNOWN")]
)
def test_the_servers_refusal_has_its_code_and_words(fake, client, status, code):
    fake.rest_answers["/v1/models/m:predict"] = (status, b'{"error": "bad \n words"}')
    with pytest.raises(ServingError) as caught:
        client.predict("m", {"x": []}, specs=SPECS)
    assert (caught.value.code, caught.value.message, caught.value.http_status) == (code, "bad \n words", status)
    assert str(caught.value).startswith(f"REST {code} (HTTP {status}): ")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"outputs": ["a"]}', b'{"predictions": []}', b'{"outputs": {"a": 1}}']
)
def test_an_answer_that_is_none_is_a_typed_error(fake, client, body):
    fake.rest_answers["/v1/models/m:predict"] = (200, body)
    with pytest.raises(ServingError, match="not what the REST API promises"):
        client.predict("m", {"x": []}, specs=SPECS)


@pytest.mark.parametrize("number", ["300", "Infinity", "1e400"])
def test_a_number_that_its_dtype_cannot_hold_is_a_typed_error(fake, client, number):
    specs = SignatureSpec("s", "predict", {}, {"y": TensorSpec("y", "int8", (None,), "y:0")})
    fake.rest_answers["/v1/models/m:predict"] = (200, f'{{"outputs": [{number}]}}'.encode())
    with pytest.raises(ServingError, match="not what the REST API promises"):
        client.predict("m", {}, specs=specs)


@pytest.mark.parametrize(
    "document",
    [
        3,
        [1],
        {"model_version_status": [{"version": "1", "state": 77}]},
        {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {"error_code": 99}}]},
    ],
)
def test_a_status_that_is_none_is_a_typed_error(fake, client, document):
    fake.rest_answers["/v1/models/m"] = (200, json.dumps(document).encode())
    with pytest.raises(ServingError, match="not what the REST API promises"):
        client.status("m")


def test_any_request_can_be_made(fake, client):
    answer = client.request("POST", "/v1/oh?x=1", b"{not json")
    assert (answer.status, answer.body) == (404, b'{"error": "no such path"}')
    assert fake.requests[0][:2] == ("POST /v1/oh?x=1", b"{not json")


def test_an_output_filter_is_refused(client):
    with pytest.raises(UsageError, match="output_filter"):
        client.predict("m", {}, output_filter=["y"], specs=SPECS)


def test_a_server_that_is_not_there_is_a_typed_error():
    with RestClient("http://127.0.0.1:1", timeout=5) as client, pytest.raises(ServingError) as caught:
        client.status("m")
    assert (caught.value.code, caught.value.http_status) == ("UNAVAILABLE", None)


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_a_kept_connection_that_its_server_closes_meanwhile_costs_no_request():
    """As a proxy does after a while, at just the moment at which the next request is on its way."""
    connections, lock = [], threading.Lock()

    def answers_once(connection, _over):
        with lock:
            connections.append(connection)
        connection.recv(65536)
        connection.sendall(ANSWER)
        connection.recv(65536)  # the next request, which is never answered

    with raw_server(answers_once) as address, RestClient(f"http://{address}", timeout=10) as client:
        assert [client.request("POST", "/x", b"{}").body for _ in range(3)] == [b"{}"] * 3
    assert len(connections) == 3


def test_a_new_connection_that_is_closed_without_an_answer_is_not_tried_again():
    requests = []

    def answers_never(connection, _over):
        requests.append(connection.recv(65536))

    with raw_server(answers_never) as address, RestClient(f"http://{address}", timeout=10) as client:
        with pytest.raises(ServingError) as caught:
            client.request("POST", "/x", b"{}")
        assert caught.value.code == "UNAVAILABLE"
        assert len(requests) == 1


def test_headers_go_with_every_request(fake):
    credentials = Credentials(headers=(("authorization", "Bearer t"),))
    with RestClient(fake.rest_url, credentials=credentials) as client:
        client.request("POST", "/x", b"")
    assert fake.requests[0][2]["authorization"] == "Bearer t"
