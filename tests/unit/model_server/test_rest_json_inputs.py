from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pytest_tfsig.model_server.rest_json_inputs import read_predict
from pytest_tfsig.model_server.status import Code, StatusError
from tests.unit.model_server.fakes import signature

ONE_ROW = "Failed to process element: 0 of 'instances' list. "
A_AND_B = {"a": "float32", "b": "float32"}
X = {"x": "float32"}


def read(body, inputs):
    message = signature(inputs, {})
    return read_predict(body if isinstance(body, bytes) else body.encode(), lambda _: message.inputs)


def test_row_form_stacks_instances():
    body = read('{"signature_name": "s", "instances": [[1, 2], [3, 4]]}', X)
    assert (body.signature, body.is_row) == ("s", True)
    np.testing.assert_array_equal(body.inputs["x"], np.array([[1, 2], [3, 4]], np.float32), strict=True)


def test_columnar_form_takes_tensors_whole():
    body = read('{"inputs": {"a": [1], "b": 2.5, "c": "passed over"}}', A_AND_B)
    assert (body.signature, body.is_row) == ("", False)
    np.testing.assert_array_equal(body.inputs["a"], np.array([1], np.float32), strict=True)
    np.testing.assert_array_equal(body.inputs["b"], np.array(2.5, np.float32), strict=True)


@pytest.mark.parametrize("body", ['{"instances": [{"x": 1}, {"x": 2}]}', '{"instances": [1, 2]}', '{"inputs": [1, 2]}'])
def test_one_input_needs_no_name(body):
    np.testing.assert_array_equal(read(body, X).inputs["x"], np.array([1, 2], np.float32), strict=True)


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        ("float32", "1e60", np.inf),
        ("float32", "-1e60", -np.inf),
        ("float32", "1e-40", 0.0),  # subnormal numbers are flushed
        ("float32", "16777217", 16777216.0),
        ("float64", "18446744073709551615", 2.0**64),
        ("int8", "200", -56),
        ("int16", "40000", -25536),
        ("uint8", "300", 44),
        ("uint8", "-1", 255),
        ("int32", "-2147483648", -(2**31)),
        ("int64", "9223372036854775807", 2**63 - 1),
        ("uint32", "4294967295", 2**32 - 1),
        ("uint64", "18446744073709551615", 2**64 - 1),
        ("bool", "true", True),
        ("string", '"\\u00e9"', "é".encode()),
        ("string", '{"b64": "//8="}', b"\xff\xff"),
        ("string", '{"b64": "//8"}', b"\xff\xff"),
        ("string", '{"b64": " /\\n/8 = "}', b"\xff\xff"),
        ("string", '{"b64": "//8."}', b"\xff\xff"),
        ("string", '{"b64": ""}', b""),
    ],
)
@pytest.mark.parametrize("form", ['{"instances": [%s]}', '{"inputs": [%s]}', '{"inputs": {"x": [%s]}}'])
def test_values_by_dtype(form, dtype, text, value):
    found = read(form % text, {"x": dtype}).inputs["x"]
    assert found.shape == (1,)
    assert found[0] == value


@pytest.mark.parametrize(
    ("dtype", "text", "code", "message"),
    [
        ("float32", '"1.0"', "INVALID_ARGUMENT", 'JSON Value: "1.0" Type: String is not of expected type: float'),
        ("float64", "true", "INVALID_ARGUMENT", "JSON Value: true Type: True is not of expected type: double"),
        ("float32", "null", "INVALID_ARGUMENT", "JSON Value: null Type: Null is not of expected type: float"),
        ("int32", "1.0", "INVALID_ARGUMENT", "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ("int8", "3000000000", "INVALID_ARGUMENT", "JSON Value: 3000000000 Type: Number is not of expected type: int8"),
        ("int64", "9223372036854775808", "INVALID_ARGUMENT",
         "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64"),
        ("uint32", "-1", "INVALID_ARGUMENT", "JSON Value: -1 Type: Number is not of expected type: uint32"),
        ("bool", "1", "INVALID_ARGUMENT", "JSON Value: 1 Type: Number is not of expected type: bool"),
        ("bool", '"a"', "INVALID_ARGUMENT", 'JSON Value: "a" Type: String is not of expected type: bool'),
        ("string", "false", "INVALID_ARGUMENT", "JSON Value: false Type: False is not of expected type: string"),
        ("float16", "1.0", "UNIMPLEMENTED", "Conversion of JSON Value: 1.0 to type: half"),
        ("bfloat16", "1", "UNIMPLEMENTED", "Conversion of JSON Value: 1 to type: bfloat16"),
        ("uint16", '"a"', "UNIMPLEMENTED", 'Conversion of JSON Value: "a" to type: uint16'),
        ("complex64", "1.0", "UNIMPLEMENTED", "Conversion of JSON Value: 1.0 to type: complex64"),
    ],
)  # fmt: skip
def test_values_that_a_dtype_does_not_take(dtype, text, code, message):
    with pytest.raises(StatusError) as caught:
        read(f'{{"inputs": [{text}]}}', {"x": dtype})
    assert (caught.value.code.name, caught.value.message) == (code, message)
    with pytest.raises(StatusError) as caught:
        read(f'{{"instances": [{text}]}}', {"x": dtype})
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message == f"{ONE_ROW}Error: {code}: {message}"


@pytest.mark.parametrize("dtype", ["float32", "float16", "string", "bool", "uint64"])
def test_any_dtype_may_be_empty(dtype):
    assert read('{"inputs": [[], []]}', {"x": dtype}).inputs["x"].shape == (2, 0)


@pytest.mark.parametrize(
    ("body", "inputs", "message"),
    [
        ("null", X, "JSON Value: null Is not object"),
        ("[1.0]", X, "JSON Value: [1.0] Is not object"),
        ("{}", X, "Missing 'inputs' or 'instances' key"),
        ('{"signature_name": 5}', X, ('JSON Value: {\n    "signature_name": 5\n} not formatted correctly. '
         "'signature_name' key must be a string value.")),
        ('{"instances": []}', X, "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
        ('{"instances": {}}', X, "JSON Value: {\n    \"instances\": {}\n} Expecting 'instances' to be an list/array"),
        ('{"instances": [1], "inputs": 2}', X, ('JSON Value: {\n    "instances": [1],\n    "inputs": 2\n} Not '
         "formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")),
        ('{"instances": [1, [2]]}', X, ("Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
         "Expecting shape [] but got: [1]")),
        ('{"instances": [[1], [2, 3]]}', X, ("Failed to process element: 1 of 'instances' list. Error: "
         "INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2")),
        ('{"instances": [[1, 2], [[3], [4]]]}', X, ("Failed to process element: 1 of 'instances' list. Error: "
         "INVALID_ARGUMENT: Expecting shape [2] but got: [2,1]")),
        ('{"instances": [[[1], 2]]}', X, (f"{ONE_ROW}Error: INVALID_ARGUMENT: JSON Value: 2 found at incorrect level: "
         "2 in the JSON DOM. Expected at level: 2")),
        ('{"inputs": [[1], 2]}', X, "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ('{"inputs": [1, [2]]}', X, "Encountered list at unexpected level: 1 expected < 1"),
        ('{"inputs": [[1], [2, 3]]}', X,
         "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
        ('{"inputs": [[], [1]]}', X, "Encountered list at unexpected size: 1 at level: 1 expected size: 0"),
        ('{"inputs": {}}', X, "Missing named input: x in 'inputs' object."),
        ('{"inputs": {"a": 1}}', A_AND_B, "Missing named input: b in 'inputs' object."),
        ('{"inputs": [1]}', A_AND_B, ("inputs is a plain value/list, but expecting an object as multiple input tensors "
         "required as per tensorinfo_map")),
        ('{"instances": [1]}', A_AND_B, ("instances is a plain list, but expecting list of objects as multiple input "
         "tensors required as per tensorinfo_map")),
        ('{"instances": [{"a": 1}]}', A_AND_B, f'{ONE_ROW}JSON object: {{\n    "a": 1\n}} keys must be equal to: a,b'),
        ('{"instances": [{}]}', X, f"{ONE_ROW}JSON object: {{}} keys must be equal to: x"),
        ('{"instances": [{"x": 1, "y": 2}]}', X, ("Failed to process element: 0 key: y of 'instances' list. Error: "
         "INVALID_ARGUMENT: JSON object: does not have named input: y")),
        ('{"instances": [{"x": 1}, 2]}', X, "Expecting object but got list at item 1 of input list"),
        ('{"instances": [1, {"x": 2}]}', X, "Expecting value/list but got object at item 1 of input list"),
        ('{"instances": [{"b64": "aGk="}]}', X, (f'{ONE_ROW}Error: INVALID_ARGUMENT: JSON Value: {{\n    "b64": '
         '"aGk="\n} Type: Object is not of expected type: float')),
        ('{"inputs": [{"b64": 5}]}', {"x": "string"},
         'JSON Value: {\n    "b64": 5\n} not formatted correctly for base64 data'),
        ('{"inputs": [{"b64": "!!!"}]}', {"x": "string"}, "Unable to base64 decode"),
        ('{"inputs": [{"b64": "aGVsbG8=="}]}', {"x": "string"}, "Unable to base64 decode"),
        ('{"inputs": [{"b64": "aGVsb"}]}', {"x": "string"}, "Unable to base64 decode"),
        ('{"inputs": [{"b64": "__8="}]}', {"x": "string"}, "Unable to base64 decode"),
        ('{"instances": [1]}', {}, "Failed to get input map for signature: DEFAULT"),
        ('{"signature_name": "s", "instances": [1]}', {}, "Failed to get input map for signature: s"),
        (f'{{"inputs": {"[" * 300}1{"]" * 300}}}', X, "tensor parsing error: x"),
    ],
)  # fmt: skip
def test_complaints(body, inputs, message):
    with pytest.raises(StatusError) as caught:
        read(body, inputs)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message == message


def test_a_repeated_name_adds_values_of_which_the_first_are_taken():
    body = read('{"instances": [{"x": 1, "x": 2}, {"x": 3}]}', X)
    np.testing.assert_array_equal(body.inputs["x"], np.array([1, 2], np.float32), strict=True)


def test_the_first_of_several_missing_inputs_is_named():
    names = [f"input{number}" for number in range(9)]
    with pytest.raises(StatusError, match=r"input: input0 in"):
        read('{"inputs": {}}', dict.fromkeys(reversed(names), "float32"))


def test_bytes_in_a_row_are_no_names_even_where_several_inputs_are_wanted():
    inputs = read('{"instances": [{"b64": "aGk="}, "you"]}', {"a": "string", "b": "string"}).inputs
    assert {name: value.tolist() for name, value in inputs.items()} == {"a": [b"hi", b"you"]}


def test_a_name_ends_at_its_first_nul():
    body = read('{"instances": [{"x\\u0000y": 1}]}', X)
    np.testing.assert_array_equal(body.inputs["x"], np.array([1], np.float32), strict=True)


@given(
    arrays.arrays(
        st.sampled_from(["float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64", "bool"]),
        arrays.array_shapes(min_dims=1, max_dims=4, min_side=0),
    ),
    st.sampled_from(["instances", "inputs"]),
)
def test_arrays_survive_json(array, form):
    if not array.shape[0]:
        form = "inputs"
    limits = np.finfo(array.dtype) if array.dtype.kind == "f" else None
    body = json.dumps({form: array.tolist()})
    found = read(body, {"x": array.dtype.name}).inputs["x"]
    assert found.dtype == array.dtype
    if 0 not in array.shape:
        assert found.shape == array.shape
    if limits is not None:
        array = np.where(np.abs(array) < limits.tiny, 0, array)
    # RapidJSON's doubles may be off in their last digit
    np.testing.assert_allclose(found.reshape(array.shape), array, rtol=1e-15 if array.dtype == np.float64 else 0)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary().map(lambda value: {"b64": repr(value)}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abx"), inner, max_size=3),
)


@given(
    st.dictionaries(st.sampled_from(["instances", "inputs", "signature_name"]), ANYTHING, max_size=2),
    st.sampled_from([X, A_AND_B, {"x": "string"}, {"x": "int32"}, {"x": "bfloat16"}]),
)
def test_whatever_is_asked_gets_tensors_or_a_status(body, inputs):
    code = None
    try:
        found = read(json.dumps(body), inputs)
    except StatusError as error:
        code = error.code
    assert code in {Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED} or found.inputs.keys() == inputs.keys()
