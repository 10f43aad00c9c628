"""Every rule of compatibility, demonstrated: the old client's request to the new model breaks where it says so."""

from __future__ import annotations

import base64
import json

import ml_dtypes
import numpy as np
import pytest
import urllib3

from pytest_tfsig import protos, serving
from pytest_tfsig.clients import GrpcClient, ServingError
from pytest_tfsig.contract.compatibility import RULES, Level, compatibility
from pytest_tfsig.contract.compatibility.signatures import _callers_of
from tests.compatibility_pairs import LETTERS, SHOWN
from tests.models.compatibility import name_of

VALUES = {"string": b"a", "bool": True, "int64": 2**40, "int32": -(2**24) - 1, "uint8": 200}
ANY_RANK = (2, 5, 1)
SEEN = {
    "uint8 to int8 wraps": "rc",  # REST reads 200 as -56 and answers: the break is in what it means
    "classify to predict": "gr",  # methods are compared with --enable_signature_method_name_check alone
}
"""Breaks that do not show in the form of an answer, or not with a server's default flags."""


@pytest.fixture(scope="module")
def server():
    server = serving.start("embedded")
    yield server
    server.stop()


class Lab:
    """A server for all models, and old clients of each kind."""

    def __init__(self, server, models, grpc, http):
        self.server, self.grpc, self._models, self._http = server, grpc, models, http
        self._served = set()

    def breaks(self, wire, spec, client):
        """Returns why an old client breaks on a wire when the model with a signature answers, None if it does not."""
        model = name_of(spec)
        if model not in self._served:
            self.server.add(model, 1, self._models(model) / "1")
            self._served.add(model)
        try:
            if wire == "grpc":
                over_grpc(self.grpc, model, client)
            else:
                over_rest(self._http, self.server.rest_url, model, client, wire)
        except (BrokenClientError, ServingError) as error:
            return str(error)
        return None


@pytest.fixture(scope="module")
def lab(server, models):
    with GrpcClient(server.grpc_address) as grpc, urllib3.PoolManager() as http:
        yield Lab(server, models, grpc, http)


class BrokenClientError(Exception):
    """What an old client makes of an answer that it cannot read, or of a refusal."""


def arrays(spec):
    """What an old client sends: whatever sizes its signature leaves open, and values that only its dtype holds."""
    batches = {tensor.shape[0] for tensor in spec.outputs.values() if tensor.shape} - {None}
    batch = next(iter(batches), 2)
    found = {}
    for name, tensor in spec.inputs.items():
        declared = ANY_RANK if tensor.shape is None else tensor.shape
        shape = tuple((5 if axis else batch) if size is None else size for axis, size in enumerate(declared))
        if tensor.features is not None:
            found[name] = np.full(shape, example(tensor.features).SerializeToString(), object)
        elif tensor.dtype == "string":
            found[name] = np.full(shape, b"a", object)
        else:
            dtype = np.dtype(getattr(ml_dtypes, tensor.dtype, tensor.dtype))
            found[name] = np.full(shape, VALUES.get(tensor.dtype, 1.5), dtype)
    return found


def feature_values(feature):
    """An old client leaves out what it may, and sends what else its graph read."""
    if feature.kind == "variable":
        return [1.5, 2.5, 3.5]
    if not feature.required:
        return None
    return [1.5 if feature.dtype == "float32" else 1] * int(np.prod(feature.shape))


def example(features):
    message = protos.Example()
    for name, feature in features.items():
        values = feature_values(feature)
        if values is not None:
            kind = "float_list" if feature.dtype == "float32" else "int64_list"
            getattr(message.features.feature[name], kind).value.extend(values)
    return message


def over_grpc(grpc, model, spec):
    if spec.method != "predict":
        (tensor,) = spec.inputs.values()
        getattr(grpc, spec.method)(model, [example(tensor.features or {})], signature="s")
        return
    inputs = {name: array for name, array in arrays(spec).items() if name not in spec.defaults}
    outputs = grpc.predict(model, inputs, signature="s")
    for name, tensor in spec.outputs.items():
        if name not in outputs:
            raise BrokenClientError(f"no output {name}")
        expected = object if tensor.dtype == "string" else np.dtype(getattr(ml_dtypes, tensor.dtype, tensor.dtype))
        if outputs[name].dtype != expected:
            raise BrokenClientError(f"{name} is {outputs[name].dtype}")
        check_shape(outputs[name].shape, tensor.shape)


def check_shape(shape, declared):
    if declared is not None and (
        len(shape) != len(declared)
        or any(size not in {None, actual} for actual, size in zip(shape, declared, strict=True))
    ):
        raise BrokenClientError(f"the shape is {shape}, not {declared}")


def over_rest(http, url, model, spec, form):
    if spec.method != "predict":
        (tensor,) = spec.inputs.values()
        sent = {name: feature_values(of) for name, of in (tensor.features or {}).items()}
        body = {"signature_name": "s", "examples": [{name: values for name, values in sent.items() if values}]}
        post(http, f"{url}/v1/models/{model}:{spec.method}", body)
        return
    inputs = {name: as_json(array) for name, array in arrays(spec).items()}
    if form == "rest_columnar":
        body = {"signature_name": "s", "inputs": inputs}
    else:
        rows = zip(*inputs.values(), strict=True)
        body = {"signature_name": "s", "instances": [dict(zip(inputs, row, strict=True)) for row in rows]}
    answer = post(http, f"{url}/v1/models/{model}:predict", body)
    if form == "rest_columnar":
        read(answer["outputs"], spec, {name: of.shape for name, of in spec.outputs.items()})
    else:
        shapes = {name: None if of.shape is None else of.shape[1:] for name, of in spec.outputs.items()}
        for row in answer["predictions"]:
            read(row, spec, shapes)


def as_json(array):
    if array.dtype != object:
        return array.tolist()
    texts = [{"b64": base64.b64encode(item).decode()} for item in array.ravel()]
    return np.array(texts, object).reshape(array.shape).tolist()


def post(http, url, body):
    answer = http.request("POST", url, body=json.dumps(body))
    document = answer.json()
    if answer.status != 200:
        raise BrokenClientError(document["error"])
    return document


def read(answer, spec, shapes):
    """Reads an answer as a client of the old model does: bare values of one output, or an object of several."""
    values = {next(iter(spec.outputs)): answer} if len(spec.outputs) == 1 else answer
    for name, tensor in spec.outputs.items():
        if not isinstance(values, dict) or name not in values:
            raise BrokenClientError(f"no {name} in {str(answer)[:60]}")
        kinds = set()
        check_shape(shape_of(values[name], kinds), shapes[name])
        if not kinds <= {wanted_kind(name, tensor.dtype)}:
            raise BrokenClientError(f"{name} holds {kinds}")


def wanted_kind(name, dtype):
    if dtype == "string":
        return "b64" if name.endswith("_bytes") else "text"
    return "bool" if dtype == "bool" else "number"


def shape_of(value, kinds):
    if isinstance(value, list):
        return (len(value), *(shape_of(value[0], kinds) if value else ()))
    if isinstance(value, dict):
        kinds.add("b64" if value.keys() == {"b64"} else "object")
    else:
        kinds.add({str: "text", bool: "bool"}.get(type(value), "number"))
    return ()


@pytest.mark.parametrize("pair", SHOWN, ids=[pair[0] for pair in SHOWN])
def test_an_old_client_breaks_where_the_rule_says(lab, pair):
    name, old, new, _ = pair
    findings = compatibility({"s": old}, {"s": new})
    errors = [finding for finding in findings if finding.level is Level.ERROR]
    are_judged = all(finding.rule != "features-unknown" for finding in findings)
    predicted = {wire for finding in errors for wire in finding.wires}
    for wire in _callers_of(old):
        if wire != "grpc" and not old.inputs:
            continue  # REST has no way to send no inputs
        was = lab.breaks(wire, old, client=old)
        assert was is None, f"the old client is wrong about the old model over {wire}: {was}"
        found = lab.breaks(wire, new, client=old)
        if LETTERS[wire] in SEEN.get(name, ""):
            assert found is None
        elif wire in predicted:
            assert found is not None, f"{wire} goes on, but {[finding.rule for finding in errors]} says it breaks"
        elif are_judged:
            assert found is None, f"{wire} breaks ({found}), but no rule says so"


def test_every_rule_about_one_signature_is_demonstrated():
    shown = {rule for *_, expected in SHOWN for rule in expected}
    assert shown == RULES.keys() - {"signature-removed", "signature-added", "variables-not-restored"}


def test_a_removed_signature_fails_and_an_added_one_changes_nothing(lab, models):
    for name in ("classifier", "two_heads"):
        lab.server.add(name, 1, models(name) / "1")
    x = {"x": np.zeros((1, 4), np.float32)}
    both = lab.grpc.predict("two_heads", x, signature="logits")
    assert both["logits"].shape == (1, 3)
    with pytest.raises(ServingError, match="logits"):
        lab.grpc.predict("classifier", x, signature="logits")
    assert lab.grpc.predict("classifier", x).keys() == lab.grpc.predict("two_heads", x).keys()
