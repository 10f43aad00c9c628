"""What TensorFlow Serving's documentation and source say it does, put to the embedded server and real models.

Each case is named after the behaviour. None of them is among the recorded exchanges.
"""

from __future__ import annotations

import http.client
import json

import grpc
import numpy as np
import pytest
from google.protobuf import text_format

from pytest_tfsig import protos, tensors
from tests.server_process import PATIENCE, config_of, eventually, model_server

MODELS = ("anyrank", "defaults", "echo", "examples", "fails", "scalar", "text", "two", "unbatched", "versions")


@pytest.fixture(scope="module")
def server(tmp_path_factory, models):
    config = config_of(**{name: models(name) for name in MODELS})
    versions = config.model_config_list.config[-1]
    versions.model_version_policy.all.SetInParent()
    versions.version_labels.update({"stable": 1, "a b": 2})
    folder = tmp_path_factory.mktemp("behaviours")
    (folder / "models.config").write_text(text_format.MessageToString(config))
    flags = (f"--model_config_file={folder / 'models.config'}", "--allow_version_labels_for_unavailable_models=true")
    with model_server(folder, *flags) as running:
        for name in MODELS:
            eventually(lambda name=name: {state for _, state in running.states(name)} == {"AVAILABLE"}, name)
        yield running


def ask(server, method, path, body=None):
    connection = http.client.HTTPConnection(server.rest.removeprefix("http://"), timeout=PATIENCE)
    try:
        connection.request(method, path, body.encode("utf-8", "surrogateescape") if body is not None else None)
        response = connection.getresponse()
        text = response.read().decode("utf-8", "surrogateescape")
        return response.status, json.loads(text) if text.startswith("{") else text
    finally:
        connection.close()


PREDICTS = {
    "json: of two equal keys the first is taken": ("echo", '{"instances": [1.0], "instances": [2.0]}', [1.0]),
    "json: text after the document is passed over": ("echo", '{"instances": [1.0]}}]garbage', [1.0]),
    "json: Inf is short for Infinity": ("echo", '{"instances": [Inf, -Inf]}', [float("inf"), float("-inf")]),
    "json: -0 is an integer, so its sign is lost": ("echo", '{"instances": [-0]}', [0.0]),
    "json: unknown keys are passed over": ("echo", '{"instances": [1.0], "parameters": {"a": [null]}}', [1.0]),
    "json: an empty signature name means the default": ("echo", '{"signature_name": "", "instances": [1.0]}', [1.0]),
    "row: one input may be named": ("echo", '{"instances": [{"x": [1.0, 2.0]}]}', [[1.0, 2.0]]),
    "row: a scalar signature is given a batch all the same": ("scalar", '{"instances": [1.0, 2.0]}', [2.0, 4.0]),
    "row: any nesting becomes dimensions": ("anyrank", '{"instances": [[[[1.0]]]]}', [[[[2.0]]]]),
    "row: bytes and text may be mixed": (
        "text",
        '{"signature_name": "one", "instances": ["a", {"b64": "Yg=="}, {"s": "c"}]}',
        None,
    ),
    "row: named bytes": ("text", '{"signature_name": "one", "instances": [{"s": {"b64": "Yg=="}}]}', ["B"]),
    "row: bytes need no padding": ("text", '{"signature_name": "one", "instances": [{"b64": "Yg"}]}', ["B"]),
    "row: white space in bytes is passed over": (
        "text",
        '{"signature_name": "one", "instances": [{"b64": "Y g = ="}]}',
        ["B"],
    ),
    "row: text that is not UTF-8 is kept": ("text", '{"signature_name": "one", "instances": ["\udcff"]}', ["\udcff"]),
    "row: one row of outputs with unequal batches": ("unbatched", '{"instances": [3]}', [{"total": 3.0, "rows": 3.0}]),
    "dtype: integers are floats, too": (
        "two",
        '{"instances": [{"a": 3, "b": 2.5}]}',
        [{"sum": 5.5, "difference": 0.5}],
    ),
    "dtype: subnormal numbers are flushed": ("echo", '{"instances": [-1e-40]}', [-0.0]),
    "dtype: int8 wraps": ("echo", '{"signature_name": "int8", "instances": [127, 128]}', [127, -128]),
}


@pytest.mark.parametrize("name", PREDICTS)
def test_predict_over_rest(server, name):
    model, body, predictions = PREDICTS[name]
    status, answer = ask(server, "POST", f"/v1/models/{model}:predict", body)
    if predictions is None:
        assert (status, answer) == (400, {"error": "Expecting value/list but got object at item 2 of input list"})
    else:
        assert (status, answer) == (200, {"predictions": predictions})


REFUSALS = {
    "json: a comment": ("echo:predict", '{"instances": [1.0] // c\n}', 400,
        "JSON Parse error: Missing a comma or '}' after an object member. at offset: 20"),
    "json: a trailing comma": ("echo:predict", '{"instances": [1.0,]}', 400,
        "JSON Parse error: Invalid value. at offset: 19"),
    "json: an exponent that is too large": ("echo:predict", '{"instances": [1e309]}', 400,
        "JSON Parse error: Number too big to be stored in double. at offset: 15"),
    "json: half a surrogate pair": ("echo:predict", '{"instances": ["\\ud800"]}', 400,
        "JSON Parse error: The surrogate pair in string is invalid. at offset: 16"),
    "json: only white space": ("echo:predict", " \n", 400, "JSON Parse error: The document is empty. at offset: 2"),
    "json: it is read before the model is looked for": ("nobody:predict", "[]", 400, "JSON Value: [] Is not object"),
    "predict: instances and inputs": ("echo:predict", '{"instances": [1.0], "inputs": [1.0]}', 400,
        ('JSON Value: {\n    "instances": [1.0],\n    "inputs": [1.0]\n} Not formatted correctly expecting only one of '
        "'inputs' or 'instances' keys to exist ")),
    "predict: an input with a default is still wanted by rows": ("defaults:predict", '{"instances": [{"a": 1}]}', 400,
        "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b"),
    "predict: the wrong name": ("echo:predict", '{"instances": [{"y": 1}]}', 400, (
        "Failed to process element: 0 key: y of "
        "'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have named input: y")),
    "predict: ragged columns": ("echo:predict", '{"inputs": [[1.0], [2.0, 3.0]]}', 400,
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
    "predict: bytes for a float": ("echo:predict", '{"inputs": {"b64": "aGk="}}', 400,
        'JSON Value: {\n    "b64": "aGk="\n} Type: Object is not of expected type: float'),
    "predict: null": ("echo:predict", '{"inputs": null}', 400,
        "JSON Value: null Type: Null is not of expected type: float"),
    "predict: a double in a message has RapidJSON's digits": (
        "echo:predict", '{"signature_name": "uint64", "inputs": 18446744073709551616}', 400,
        "JSON Value: 18446744073709553000.0 Type: Number is not of expected type: uint64"),
    "predict: half cannot be written in JSON": ("echo:predict", '{"signature_name": "float16", "inputs": [1]}', 501,
        "Conversion of JSON Value: 1 to type: half"),
    "predict: more dimensions than TensorFlow has":
        ("echo:predict", f'{{"instances": {"[" * 300}1{"]" * 300}}}', 400, "tensor parsing error: x"),
    "predict: far more brackets than any stack holds":
        ("echo:predict", "[" * 200_000, 400, "JSON Parse error: Invalid value. at offset: 200000"),
    "predict: the web-safe alphabet": ("text:predict", '{"inputs": [{"b64": "__8="}]}', 400, "Unable to base64 decode"),
    "classify: an empty list": ("examples:classify", '{"examples": []}', 400,
        "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
    "classify: an unsigned integer beyond int64": (
        "examples:classify", '{"examples": [{"x": 9223372036854775808}]}', 400,
        "Feature: x has uint64_t element. Only int64_t is supported."),
    "classify: a context that is no object": ("examples:classify", '{"context": [], "examples": [{}]}', 400,
        "Example must be JSON object but got JSON Array"),
    "regress: an unknown signature": ("examples:regress", '{"signature_name": "nope", "examples": [{}]}', 400,
        "No signature was found with the name: nope"),
    "path: a label's version that is not served": ("echo/labels/stable:predict", '{"instances": [1.0]}', 400,
        "Unrecognized servable version label: stable"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_over_rest(server, name):
    path, body, status, message = REFUSALS[name]
    assert ask(server, "POST", f"/v1/models/{path}", body) == (status, {"error": message})


PATHS = {
    "any case but the method's": ("POST", "/V1/Models/versions/VERSIONS/2:predict", 200, {"predictions": [3.0]}),
    "a percent-encoded model": ("POST", "/v1/models/%76ersions/versions/2:predict", 200, {"predictions": [3.0]}),
    "a percent-encoded label": ("POST", "/v1/models/versions/labels/a%20b:predict", 200, {"predictions": [3.0]}),
    "leading zeros": ("POST", "/v1/models/versions/versions/0002:predict", 200, {"predictions": [3.0]}),
    "a version beyond 64 bits, without a word": ("POST", f"/v1/models/versions/versions/{2**63}:predict", 400, ""),
    "no model": ("GET", "/v1/models", 400, {"error": "Missing model name in request."}),
    "a model named metadata": ("GET", "/v1/models/metadata", 404,
        {"error": "Could not find any versions of model metadata"}),
    "an unknown label's metadata": ("GET", "/v1/models/versions/labels/none/metadata", 400,
        {"error": "Unrecognized servable version label: none"}),
    "a query is part of the name": ("GET", "/v1/models/versions?a", 404,
        {"error": "Could not find any versions of model versions?a"}),
    "PATCH": ("PATCH", "/v1/models/versions", 400, {"error": "Malformed request: PATCH /v1/models/versions"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PATHS)
def test_path(server, name):
    method, path, status, answer = PATHS[name]
    assert ask(server, method, path, '{"instances": [1.0]}' if method == "POST" else None) == (status, answer)


def predict(model, signature="", outputs=(), **inputs):
    spec = protos.ModelSpec(name=model, signature_name=signature)
    request = protos.PredictRequest(model_spec=spec, output_filter=outputs)
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(value if isinstance(value, protos.TensorProto) else tensors.to_proto(value))
    return request


ONE = np.ones(1, np.float32)
TASK = protos.InferenceTask(
    model_spec=protos.ModelSpec(name="examples", signature_name="classify"), method_name="tensorflow/serving/predict"
)
SHAPE = protos.TensorShapeProto(dim=[protos.TensorShapeProto.Dim(size=2)])

GRPC_REFUSALS = {
    "no model spec": ("Predict", protos.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    "classify without a model spec": (
        "Classify", protos.ClassificationRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    "regress without a model spec": ("Regress", protos.RegressionRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    "no name": ("Predict", predict("", x=ONE), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "an input too many": ("Predict", predict("echo", x=ONE, z=ONE), "INVALID_ARGUMENT", ("input size does not match "
        "signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. Missing but required: {}.")),
    "one missing and one too many": ("Predict", predict("two", a=ONE, z=ONE), "INVALID_ARGUMENT",
        ("Signature input alias: b(feed name: serving_default_b:0) not found in request and no default value provided. "
        "Inputs expected to be in the request {a,z}, or default input alias set: ")),
    "a default for one that has another name": ("Predict", predict("defaults", a=ONE, z=ONE), "INVALID_ARGUMENT",
        "Inputs contains invalid name. Used request inputs: a, request input: a,z"),
    "no dtype": ("Predict", predict("echo", x=protos.TensorProto(tensor_shape=SHAPE)), "INVALID_ARGUMENT",
        "tensor parsing error: x"),
    "content of another size": (
        "Predict", predict("echo", x=protos.TensorProto(dtype=1, tensor_shape=SHAPE, tensor_content=b"1234")),
        "INVALID_ARGUMENT", "tensor parsing error: x"),
    "an unknown signature": ("Predict", predict("echo", "nope", x=ONE), "FAILED_PRECONDITION",
        'Serving signature key "nope" not found.'),
    "an unknown output": ("Predict", predict("two", outputs=["sum", "z"], a=ONE, b=ONE), "INVALID_ARGUMENT",
        "output tensor alias not found in signature: z Outputs expected to be in the set {difference,sum}."),
    "no tasks": ("MultiInference", protos.MultiInferenceRequest(), "INVALID_ARGUMENT",
        "ModelSpec has no name specified."),
    "a task of another method": ("MultiInference", protos.MultiInferenceRequest(tasks=[TASK]), "UNIMPLEMENTED",
        "Unsupported signature method_name: tensorflow/serving/predict"),
}  # fmt: skip


def refusal(server, method, request):
    with pytest.raises(grpc.RpcError) as caught:
        server.raw(f"PredictionService/{method}", request.SerializeToString())
    return caught.value.code().name, caught.value.details()


@pytest.mark.parametrize("name", GRPC_REFUSALS)
def test_refusal_over_grpc(server, name):
    method, request, code, message = GRPC_REFUSALS[name]
    assert refusal(server, method, request) == (code, message)


@pytest.mark.parametrize(("length", "end"), [(989, '" not found.'), (990, '" not found...TRUNCATED')])
def test_a_message_over_grpc_has_at_most_1024_bytes(server, length, end):
    name = "n" * length
    assert refusal(server, "Predict", predict("echo", name, x=ONE)) == (
        "FAILED_PRECONDITION",
        f'Serving signature key "{name}{end}',
    )


def test_bytes_that_are_not_utf8_reach_a_message_as_they_are(server):
    code, message = refusal(server, "Predict", predict("examples", "classify", inputs=np.array([b"\xff"], object)))
    assert (code, message.partition("\n")[0]) == ("INVALID_ARGUMENT", "Could not parse example input, value: '\xff'")
    body = json.dumps({"signature_name": "classify", "instances": [{"b64": "/w=="}]})
    status, answer = ask(server, "POST", "/v1/models/examples:predict", body)
    assert (status, answer["error"].partition("\n")[0]) == (400, "Could not parse example input, value: '\udcff'")


@pytest.mark.parametrize(
    ("proto", "values"),
    [
        (protos.TensorProto(dtype=1, tensor_shape=SHAPE), [0.0, 0.0]),
        (protos.TensorProto(dtype=1, tensor_shape=SHAPE, float_val=[3.0]), [3.0, 3.0]),
        (protos.TensorProto(dtype=1, tensor_shape=SHAPE, float_val=[1.0, 2.0, 3.0]), [1.0, 2.0]),
        (protos.TensorProto(dtype=1, tensor_shape=SHAPE, int_val=[1, 2]), [0.0, 0.0]),
    ],
    ids=["no value means zeros", "the last value fills the rest", "too many values", "values of another field"],
)
def test_repeated_fields_may_be_short_or_long(server, proto, values):
    answer = server.call("PredictionService", "Predict", predict("echo", x=proto))
    assert list(answer.outputs["y"].float_val) == values
    assert not answer.outputs["y"].tensor_content


def test_an_output_filter_keeps_the_rest_away(server):
    answer = server.call("PredictionService", "Predict", predict("two", outputs=["sum"], a=ONE, b=ONE))
    assert list(answer.outputs) == ["sum"]
    assert answer.model_spec.signature_name == "serving_default"
