from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pytest_tfsig.model_server import rest_json_writer as writer
from pytest_tfsig.model_server.rest_json_reader import parse


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (1 / 3, "0.333333343"),
        (3.4028235e38, "3.40282347e+38"),
        (5e9, "5e+09"),
        (100000.0, "100000.0"),
        (1e6, "1e+06"),
        (16777216.0, "16777216.0"),
        (1e-5, "1e-05"),
        (1e-40, "0.0"),
        (-1e-40, "-0.0"),
        (np.nan, "NaN"),
        (np.inf, "Infinity"),
        (-np.inf, "-Infinity"),
    ],
)
def test_float32_as_text(value, text):
    assert writer.decimals(np.array([value], np.float32)) == [text]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1 / 3, "0.33333333333333331"),
        (9.9999999999999988e29, "9.9999999999999988e+29"),
        (1e300, "1e+300"),
        (5e-324, "0.0"),
    ],
)
def test_float64_as_text(value, text):
    assert writer.decimals(np.array([value], np.float64)) == [text]


@given(arrays.arrays(np.float32, st.integers(0, 20), elements=st.floats(width=32, allow_subnormal=False)))
def test_float32_survives_the_round_trip(values):
    back = [float(text) for text in writer.decimals(values)]
    np.testing.assert_array_equal(np.array(back, np.float64).astype(np.float32), values)


@given(arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(allow_subnormal=False)))
def test_float64_survives_the_round_trip(values):
    np.testing.assert_array_equal([float(text) for text in writer.decimals(values)], values)


@given(st.binary())
def test_a_string_is_what_a_json_reader_makes_of_it(value):
    latin = value.decode("latin-1")
    assert json.loads(writer.quoted(latin), strict=True) == latin


@pytest.mark.parametrize(
    ("value", "text"), [("a\x00\x1f\x7f/", '"a\\u0000\\u001F\x7f/"'), ('"\\\b\f\n\r\t', '"\\"\\\\\\b\\f\\n\\r\\t"')]
)
def test_what_is_escaped(value, text):
    assert writer.quoted(value) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"1.0", "1.0"),
        (b"-0.0", "-0.0"),
        (b"0.5", "0.5"),
        (b"12.34", "12.34"),
        (b"1e20", "100000000000000000000.0"),
        (b"1e21", "1e21"),
        (b"1.5e30", "1.5e30"),
        (b"0.000001", "0.000001"),
        (b"1e-7", "1e-7"),
        (b"1.25e-7", "1.25e-7"),
        (b"[]", "[]"),
        (b"{}", "{}"),
        (b"[1, [2, true], null]", "[1, [2, true], null]"),
        (b'{"a":[1],"b":{"c":"d"}}', '{\n    "a": [1],\n    "b": {\n        "c": "d"\n    }\n}'),
        (b"[1, NaN, 2]", "[1, "),  # the writer stops at what JSON does not have
        (b'{"a":Infinity}', '{\n    "a": '),
    ],
)
def test_values_in_messages(body, text):
    assert writer.debug_string(parse(body)) == text


def test_long_values_are_cut_off_in_messages():
    text = writer.debug_string(parse(b"[" + b"1, " * 1000 + b"1]"))
    assert text.startswith("[1, 1, ")
    assert 256 <= len(text) < 260


def test_a_long_string_is_not_cut():
    assert writer.debug_string("x" * 1000) == '"' + "x" * 1000 + '"'


def test_deep_values_are_cut_off_in_messages():
    assert writer.debug_string(parse(b"[" * 3000 + b"]" * 3000)) == "[" * 256


def test_bytes_that_are_not_utf8_reach_an_error_body():
    message = writer.debug_string(parse(b'"\xff\xc3\xa9"'))
    assert writer.error_body(message) == b'{\n    "error": "\\"\xff\xc3\xa9\\""\n}'


@pytest.mark.parametrize(
    ("shape", "single_line", "text"),
    [
        ((), True, "0"),
        ((2,), True, "[0, 1]"),
        ((2, 1), True, "[[0], [1]]"),
        ((0,), True, "[]"),
        ((2, 0), True, "[[], []]"),
        ((0, 2), True, "[]"),
        ((2,), False, "[\n        0,\n        1\n    ]"),
        ((1, 0), False, "[\n        []\n    ]"),
    ],
)
def test_nested_arrays(shape, single_line, text):
    count = int(np.prod(shape))
    assert writer.spread([str(index) for index in range(count)], shape, 1, single_line=single_line) == text
