"""Clients that we did not write work against the embedded server."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from tests.server_process import PATIENCE, config_of, eventually, model_server

MODELS = ("half_plus_two", "text", "examples", "ocr")


@pytest.fixture(scope="module")
def server(tmp_path_factory, models):
    folder = tmp_path_factory.mktemp("clients")
    config = config_of(**{name: models(name) for name in MODELS})
    (folder / "models.config").write_text(text_format.MessageToString(config))
    with model_server(folder, f"--model_config_file={folder / 'models.config'}") as running:
        for name in MODELS:
            eventually(lambda name=name: running.states(name) == [(1, "AVAILABLE")], f"{name} is served")
        yield running


def test_the_official_client(server):
    client = Path(__file__).parent / "official_client.py"
    done = subprocess.run(
        [sys.executable, client, server.grpc], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "predict": [2.5, 3.0, 4.5],
        "text": ["A", "BC"],
        "classify": ["red", "green", "blue"],
        "regress": [10.0],
        "multi": ["classification_result", "regression_result"],
        "signatures": ["__saved_model_init_op", "one", "one_bytes", "serving_default"],
        "error": ["NOT_FOUND", "Servable not found for request: Latest(nobody)"],
        "status": [[1, "AVAILABLE"]],
    }


def curl(server, path, *options, body=None):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--write-out", "\n%{http_code}", *options, server.rest + path],
        input=body,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    answer, _, status = done.stdout.rpartition("\n")
    return int(status), answer


def test_curl_as_in_the_tutorial(server):
    """The call of TensorFlow Serving's own first example."""
    answer = curl(server, "/v1/models/half_plus_two:predict", "-d", '{"instances": [1.0, 2.0, 5.0]}', "-X", "POST")
    assert answer == (200, '{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}')


def test_curl_asks_for_status(server):
    status, answer = curl(server, "/v1/models/half_plus_two")
    assert status == 200
    assert json.loads(answer)["model_version_status"][0]["state"] == "AVAILABLE"


@pytest.mark.parametrize(
    "options",
    [
        ("--data-binary", "@-"),  # large enough that curl first asks whether it may send it
        ("--data-binary", "@-", "--header", "Transfer-Encoding: chunked"),
        ("--data-binary", "@-", "--http1.0"),
        ("--data-binary", "@-", "--http2"),  # offered, and declined
    ],
)
def test_curl_sends_a_large_body(server, options):
    numbers = [float(number) for number in range(250_000)]
    status, answer = curl(server, "/v1/models/half_plus_two:predict", *options, body=json.dumps({"inputs": numbers}))
    assert status == 200
    assert json.loads(answer) == {"outputs": [number / 2 + 2 for number in numbers]}


def test_curl_asks_with_head(server):
    status, answer = curl(server, "/v1/models/half_plus_two", "--head")
    assert status == 400
    assert answer.startswith("HTTP/1.1 400 Bad Request")


def test_a_client_from_pypi(server):
    """tf-serving: REST through aiohttp, answers read by pydantic."""
    client = pytest.importorskip("tf.serving")
    host, _, port = server.rest.rpartition(":")

    def ask(words, model="ocr"):
        answer = client.predict(words, host=host, port=int(port), endpoint=f"/v1/models/{model}:predict")
        return asyncio.run(answer)

    found = ask(["ab", "c"]).unsafe()
    assert [image.preds for image in found] == [["AB", "ab"], ["C", "c"]]
    assert [image.logprobs for image in found] == [[-2.0, -4.0], [-1.0, -2.0]]
    refused = ask(["ab"], "nobody").match(lambda problem: problem, lambda _: None)
    assert refused.tag == "tfserving-error"
    assert refused.error == "Servable not found for request: Latest(nobody)"
