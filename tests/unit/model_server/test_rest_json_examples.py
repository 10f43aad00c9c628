from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.model_server.rest_json_examples import read_examples
from pytest_tfsig.model_server.status import Code, StatusError


def read(body):
    return read_examples(body if isinstance(body, bytes) else body.encode())


def values(example):
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[name] = (kind, list(getattr(feature, kind).value) if kind else [])
    return found


def test_features_take_the_kind_of_their_values():
    signature, given_input = read(
        '{"signature_name": "s", "examples": [{"f": [1.0, 2.5], "i": 3, "t": true, "s": "\\u00e9", '
        '"b": {"b64": "//8="}, "e": [], "big": 1e60}]}'
    )
    assert signature == "s"
    assert given_input.WhichOneof("kind") == "example_list"
    assert values(given_input.example_list.examples[0]) == {
        "f": ("float_list", [1.0, 2.5]),
        "i": ("int64_list", [3]),
        "t": ("int64_list", [1]),
        "s": ("bytes_list", ["é".encode()]),
        "b": ("bytes_list", [b"\xff\xff"]),
        "e": (None, []),
        "big": ("float_list", [float("inf")]),
    }


def test_a_context_goes_beside_the_examples():
    _, given_input = read('{"context": {"c": 1}, "examples": [{}, {"x": 2}]}')
    assert given_input.WhichOneof("kind") == "example_list_with_context"
    given_input = given_input.example_list_with_context
    assert values(given_input.context) == {"c": ("int64_list", [1])}
    assert [values(example) for example in given_input.examples] == [{}, {"x": ("int64_list", [2])}]


def test_of_two_equal_feature_names_the_last_wins():
    _, given_input = read('{"examples": [{"x": 1, "x": "two"}]}')
    assert values(given_input.example_list.examples[0]) == {"x": ("bytes_list", [b"two"])}


def test_a_feature_that_stays_empty_is_there():
    _, given_input = read('{"examples": [{"x": []}]}')
    assert "x" in given_input.example_list.examples[0].features.feature


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("5", "JSON Value: 5 Is not object"),
        ("{}", "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
        ('{"examples": {}}',
         "JSON Value: {\n    \"examples\": {}\n} Expecting 'examples' value to be an list/array"),
        ('{"examples": []}', "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
        ('{"examples": [5]}', "Example must be JSON object but got JSON Number"),
        ('{"context": null, "examples": []}', "Example must be JSON object but got JSON Null"),
        ('{"examples": [{"x": null}]}', "Feature: x has element with unexpected JSON type: Null"),
        ('{"examples": [{"x": [[1]]}]}', "Feature: x has element with unexpected JSON type: Array"),
        ('{"examples": [{"x": {"y": 1}}]}', "Feature: x has element with unexpected JSON type: Object"),
        ('{"examples": [{"x": 18446744073709551615}]}',
         "Feature: x has uint64_t element. Only int64_t is supported."),
        ('{"examples": [{"x": {"b64": "!"}}]}', "Unable to base64 decode"),
        ('{"examples": [{"x": [1.0, 2]}]}', "Unexpected element type in feature: x expecting type: float"),
        ('{"examples": [{"x": [1, 2.0]}]}', "Unexpected element type in feature: x expecting type: int64"),
        ('{"examples": [{"x": ["a", true]}]}', "Unexpected element type in feature: x expecting type: bytes"),
        ('{"signature_name": [], "examples": [{}]}',
         ('JSON Value: {\n    "signature_name": [],\n    "examples": [{}]\n} '
         "not formatted correctly. 'signature_name' key must be a string value.")),
    ],
)  # fmt: skip
def test_complaints(body, message):
    with pytest.raises(StatusError) as caught:
        read(body)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message == message


def test_a_feature_name_that_is_no_text_is_refused():
    with pytest.raises(StatusError, match="not UTF-8"):
        read(b'{"examples": [{"\xff": 1}]}')


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(["examples", "context", "signature_name"]), ANYTHING))
def test_whatever_is_asked_gets_an_input_or_a_status(body):
    code = None
    try:
        _, given_input = read(json.dumps(body))
    except StatusError as error:
        code = error.code
    assert code is Code.INVALID_ARGUMENT or given_input.WhichOneof("kind")
