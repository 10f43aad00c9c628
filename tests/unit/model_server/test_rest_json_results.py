from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pytest_tfsig import protos
from pytest_tfsig.model_server import rest_json_results as results
from pytest_tfsig.model_server.classify import Classification
from pytest_tfsig.model_server.status import Code, StatusError
from tests.unit.model_server.fakes import signature


def strings(*values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ({"y": np.array([1, 2.5], np.float32)}, '{\n    "predictions": [1.0, 2.5\n    ]\n}'),
        ({"y": np.array([[1], [2]], np.int32)}, '{\n    "predictions": [[1], [2]\n    ]\n}'),
        ({"y": np.array([True, False])}, '{\n    "predictions": [true, false\n    ]\n}'),
        ({"y": np.empty((1, 0), np.float32)}, '{\n    "predictions": [[]\n    ]\n}'),
        ({"y": np.empty((0, 2), np.float16)}, '{\n    "predictions": []\n}'),
        ({"y": strings(b"\xff", b'"')}, '{\n    "predictions": ["\xff", "\\""\n    ]\n}'),
        ({"y_bytes": strings(b"hi")},
         '{\n    "predictions": [{\n            "b64": "aGk="\n        }\n    ]\n}'),
        ({"a": np.array([1, 2], np.uint64), "b": np.array([[1], [2]], np.int8)},
         ('{\n    "predictions": [\n        {\n            "a": 1,\n            "b": [1]\n        },\n        {\n'
         '            "a": 2,\n            "b": [2]\n        }\n    ]\n}')),
    ],
)  # fmt: skip
def test_predictions_by_row(outputs, text):
    assert results.predictions(outputs, is_row=True).decode("latin-1") == text


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ({"y": np.array(4, np.float32)}, '{\n    "outputs": 4.0\n}'),
        ({"y": np.array([[1, 2]], np.int64)},
         '{\n    "outputs": [\n        [\n            1,\n            2\n        ]\n    ]\n}'),
        ({"y": np.empty((0,), np.float32)}, '{\n    "outputs": []\n}'),
        ({"y": np.empty((2, 0), np.complex64)}, '{\n    "outputs": [\n        [],\n        []\n    ]\n}'),
        ({"a_bytes": strings(b"\xff\xff"), "b": np.array(True)},
         ('{\n    "outputs": {\n        "a_bytes": [\n            {\n                "b64": "//8="\n            }\n'
         '        ],\n        "b": true\n    }\n}')),
    ],
)  # fmt: skip
def test_predictions_by_column(outputs, text):
    assert results.predictions(outputs, is_row=False).decode("latin-1") == text


@pytest.mark.parametrize(
    ("outputs", "is_row", "message"),
    [
        ({"y": np.array(1.0)}, True, "Tensor name: y has no shape information "),
        (
            {"a": np.zeros(1), "b": np.zeros(3)},
            True,
            "Tensor name: b has inconsistent batch size: 3 expecting: 1",
        ),
        ({}, True, "Cannot convert empty tensor map to JSON"),
        ({}, False, "Cannot convert empty tensor map to JSON"),
        ({"y": np.zeros(1, np.float16)}, True, "Failed to write JSON value for tensor type: half"),
        ({"y": np.zeros(1, np.uint16)}, False, "Failed to write JSON value for tensor type: uint16"),
        ({"y": np.zeros(1, np.complex128)}, False, "Failed to write JSON value for tensor type: complex128"),
    ],
)
def test_outputs_that_have_no_json(outputs, is_row, message):
    with pytest.raises(StatusError) as caught:
        results.predictions(outputs, is_row=is_row)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, message)


DTYPES = st.sampled_from(["float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64", "bool"])


@given(
    arrays.arrays(DTYPES, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0)),
    st.booleans(),
    st.sampled_from([("y",), ("y", "z")]),
)
def test_what_is_written_can_be_read(array, is_row, names):
    body = json.loads(results.predictions(dict.fromkeys(names, array), is_row=is_row))
    found = body["predictions" if is_row else "outputs"]
    if len(names) > 1:
        found = [row["z"] for row in found] if is_row else found["z"]
    if array.dtype.kind == "f":
        array = np.where(np.abs(array) < np.finfo(array.dtype).tiny, 0, array)
    np.testing.assert_array_equal(np.array(found, array.dtype).reshape(array.shape), array)


def test_classifications():
    labels = np.array([[b"red", b"\xff"], [b"", b"d"]], object)
    result = Classification(labels, np.array([[0.1, 1], [0, 0.5]], np.float32))
    assert results.classifications(result).decode("latin-1") == (
        '{\n    "results": [[["red", 0.1], ["\xff", 1.0]], [["", 0.0], ["d", 0.5]]\n    ]\n}'
    )


def test_regressions():
    assert results.regressions(np.array([12, 0.1], np.float32)) == b'{\n    "results": [12.0, 0.1]\n}'


def test_status_shows_every_field():
    response = protos.GetModelStatusResponse()
    version = response.model_version_status.add(version=3, state=30)
    version.status.SetInParent()
    assert results.status(response).decode() == (
        '{\n "model_version_status": [\n  {\n   "version": "3",\n   "state": "AVAILABLE",\n   "status": {\n'
        '    "error_code": "OK",\n    "error_message": ""\n   }\n  }\n ]\n}\n'
    )


def test_metadata_is_two_messages_put_together():
    signatures = protos.SignatureDefMap()
    signatures.signature_def["s"].CopyFrom(signature({"x": "float32"}, {}))
    response = protos.GetModelMetadataResponse()
    response.model_spec.name = "m"
    response.model_spec.version.value = 1
    response.metadata["signature_def"].Pack(signatures)
    text = results.metadata(response).decode()
    assert text.startswith(
        '{\n"model_spec":{\n "name": "m",\n "version": "1",\n "signature_name": ""\n}\n,\n"metadata": '
    )
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert json.loads(text)["metadata"]["signature_def"]["signature_def"] == {
        "s": {
            "inputs": {"x": {"name": "x:0", "dtype": "DT_FLOAT", "tensor_shape": shape}},
            "outputs": {},
            "method_name": "tensorflow/serving/predict",
            "defaults": {},
        }
    }
    assert list(json.loads(text)["metadata"]["signature_def"]["signature_def"]["s"]["inputs"]["x"]) == [
        "name", "dtype", "tensor_shape",
    ]  # fmt: skip
