"""The embedded server answers as tensorflow_model_server 2.20.0 answered the same requests on the same models."""

from __future__ import annotations

import base64
import http.client
import importlib.metadata
import json
import math
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format, text_format

from pytest_tfsig import protos
from tests.server_process import PATIENCE, config_of, eventually, model_server

# Messages from the graph's operations are TensorFlow's own, and change with it.
pytestmark = pytest.mark.skipif(
    not importlib.metadata.version("tensorflow").startswith("2.21."),
    reason="the answers were recorded with TensorFlow 2.21",
)

EXCHANGES = [
    json.loads(line) for line in (Path(__file__).parent.parent / "data" / "exchanges.jsonl").read_text().splitlines()
]
MODELS = (
    "anyrank", "defaults", "echo", "empty_out", "examples", "fails", "half_plus_two", "matrix", "nodefault",
    "nonfinite", "scalar", "text", "two", "unbatched",
)  # fmt: skip

# What no server repeats: names that functions and nodes got when the model was built, which of two outputs or nodes
# is looked at first, and the mark before a message's debug text.
ARBITRARY = [
    (re.compile(r"\{\{.*?\}\}"), "{{}}"),
    (re.compile(r"Tensor name: \w+ has inconsistent batch size: \d+ expecting: \d+"), "inconsistent batch size"),
    (re.compile(r"goo\.gle/debug\w+\s+"), "debug "),
]
NUMBER = re.compile(r"-?(?:\d[\d.]*(?:e[+-]\d+)?|Infinity)|NaN")


@pytest.fixture(scope="module")
def server(tmp_path_factory, models):
    config = config_of(**{name: models(name) for name in MODELS}, versions=models("versions"))
    versions = config.model_config_list.config[-1]
    versions.model_version_policy.specific.versions.extend([1, 3])
    versions.version_labels.update({"stable": 1, "canary": 3})
    folder = tmp_path_factory.mktemp("exchanges")
    (folder / "models.config").write_text(text_format.MessageToString(config))
    flags = (f"--model_config_file={folder / 'models.config'}", "--allow_version_labels_for_unavailable_models=true")
    with model_server(folder, *flags) as running:
        for name in (*MODELS, "versions"):
            eventually(
                lambda name=name: {state for _, state in running.states(name)} == {"AVAILABLE"}, f"{name} is served"
            )
        yield running


def over_rest(server, case):
    connection = http.client.HTTPConnection(server.rest.removeprefix("http://"), timeout=PATIENCE)
    try:
        connection.request(case["method"], case["path"], case["body"].encode() if case["body"] is not None else None)
        response = connection.getresponse()
        body = response.read().decode("utf-8", "surrogateescape")
        return {"status": response.status, "content_type": response.getheader("Content-Type"), "body": body}
    finally:
        connection.close()


def over_grpc(server, case):
    response_type = case["type"].replace("Request", "Response")
    service = "ModelService" if case["rpc"] == "GetModelStatus" else "PredictionService"
    try:
        data = server.raw(f"{service}/{case['rpc']}", base64.b64decode(case["request"]))
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}
    message = getattr(protos, response_type).FromString(data)
    fields = json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=protos.pool())
    return {"code": "OK", "response": fields}


def alike(wanted, found):
    """Equal, but for the last digits of floats: they depend on the processor."""
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and wanted.keys() == found.keys()
            and all(alike(value, found[key]) for key, value in wanted.items())
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(alike, wanted, found))
    if isinstance(wanted, float) and type(found) is float:
        return (math.isnan(wanted) and math.isnan(found)) or math.isclose(wanted, found, rel_tol=2e-6)
    return type(wanted) is type(found) and wanted == found


def settled(message):
    for pattern, replacement in ARBITRARY:
        message = pattern.sub(replacement, message)
    return message


def layout(body):
    """The lines without their numbers, in any order: objects' members have none."""
    return sorted(NUMBER.sub("0", settled(line)).rstrip(",") for line in body.splitlines())


def parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return body


@pytest.mark.parametrize("case", EXCHANGES, ids=[case["id"] for case in EXCHANGES])
def test_answers_as_recorded(server, case):
    wanted = case["answer"]
    if case["transport"] == "grpc":
        found = over_grpc(server, case)
        assert found["code"] == wanted["code"]
        assert settled(found.get("details", "")) == settled(wanted.get("details", ""))
        assert alike(wanted.get("response"), found.get("response"))
    else:
        found = over_rest(server, case)
        assert (found["status"], found["content_type"]) == (wanted["status"], wanted["content_type"])
        assert alike(parsed(settled(wanted["body"])), parsed(settled(found["body"])))
        assert layout(found["body"]) == layout(wanted["body"])
