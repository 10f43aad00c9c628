from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_tfsig.model_server import rest_json_reader
from pytest_tfsig.model_server.rest_json_reader import JsonObject, parse
from pytest_tfsig.model_server.status import Code, StatusError


def plain(value):
    """The value with objects as lists of pairs, and NaN as a word, so that it can be compared."""
    if isinstance(value, JsonObject):
        return [(name, plain(member)) for name, member in value.members]
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else (value, math.copysign(1, value))
    return (type(value), value)


def outcome(read, text):
    try:
        return plain(read(text))
    except StatusError as error:
        return error.message


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b" \t\r\n true", True),
        (b"[]", []),
        (b"[NaN, Infinity, -Infinity, Inf, -Inf]", [math.nan, math.inf, -math.inf, math.inf, -math.inf]),
        (b"[NInf, NaInf]", [math.inf, math.inf]),  # a wrong turn in NaN may still end in Inf
        (b"[NaN.5, Infe3]", [0.5, 0.0]),  # digits after a word make it a number
        (b"[-0, -0.0]", [0, -0.0]),
        (b"[18446744073709551615, -9223372036854775808]", [2**64 - 1, -(2**63)]),
        (b"[18446744073709551616]", [2.0**64]),
        (b"[1] and more", [1]),
        (b"[1]\0", [1]),
        (b"\xef\xbb\xbf[1]", [1]),
        (b"\xbb[1]", [1]),  # each byte of the mark is passed over alone, too
        (b'["\xff\xfe"]', ["\xff\xfe"]),
        (b'"\\u00e9\\ud83d\\ude00"', "é😀".encode().decode("latin-1")),
        (b'"\\udc00"', "\udc00".encode("utf-8", "surrogatepass").decode("latin-1")),
        (b'"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000"', '"\\/\b\f\n\r\t\0'),
    ],
)
def test_values(body, value):
    assert plain(parse(body)) == plain(value)


def test_no_sign_is_given_to_a_nan():
    assert math.copysign(1, parse(b"-NaN")) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The document is empty"),
        (b"  ", "The document is empty. at offset: 2"),
        (b"}", "The document is empty. at offset: 0"),
        (b"\0[1]", "The document is empty. at offset: 0"),
        (b"nope", "Invalid value. at offset: 1"),
        (b"[tru]", "Invalid value. at offset: 4"),
        (b"[+1]", "Invalid value. at offset: 1"),
        (b"[-]", "Invalid value. at offset: 2"),
        (b"[.5]", "Invalid value. at offset: 1"),
        (b"[Infinit]", "Invalid value. at offset: 8"),
        (b"[nan]", "Invalid value. at offset: 2"),
        (b"[1,]", "Invalid value. at offset: 3"),
        (b"[,1]", "Invalid value. at offset: 1"),
        (b"[", "Invalid value. at offset: 1"),
        (b'{"a":}', "Invalid value. at offset: 5"),
        (b"[01]", "Missing a comma or ']' after an array element. at offset: 2"),
        (b"[0x10]", "Missing a comma or ']' after an array element. at offset: 2"),
        (b"[1 2]", "Missing a comma or ']' after an array element. at offset: 3"),
        (b"[1", "Missing a comma or ']' after an array element. at offset: 2"),
        (b"[1}", "Missing a comma or ']' after an array element. at offset: 2"),
        (b'{"a":1/*c*/}', "Missing a comma or '}' after an object member. at offset: 6"),
        (b'{"a":1', "Missing a comma or '}' after an object member. at offset: 6"),
        (b"{a:1}", "Missing a name for object member. at offset: 1"),
        (b"{'a':1}", "Missing a name for object member. at offset: 1"),
        (b'{"a":1,}', "Missing a name for object member. at offset: 7"),
        (b"{", "Missing a name for object member. at offset: 1"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a"', "Missing a colon after a name of object member. at offset: 4"),
        (b'"abc', "Missing a closing quotation mark in string. at offset: 4"),
        (b'"a\nb"', "Invalid escape character in string. at offset: 2"),
        (b'"\\x"', "Invalid escape character in string. at offset: 1"),
        (b'"\\u12g4"', "Incorrect hex digit after \\u escape in string. at offset: 1"),
        (b'"\\ud800x"', "The surrogate pair in string is invalid. at offset: 1"),
        (b'"\\ud800\\u0041"', "The surrogate pair in string is invalid. at offset: 1"),
        (b'"\\ud800\\u00"', "Incorrect hex digit after \\u escape in string. at offset: 1"),
        (b"[1.]", "Miss fraction part in number. at offset: 3"),
        (b"[1e]", "Miss exponent in number. at offset: 3"),
        (b"[1e+]", "Miss exponent in number. at offset: 4"),
        (b"[1e309]", "Number too big to be stored in double. at offset: 1"),
        (b"[" + b"9" * 5000 + b"]", "Number too big to be stored in double. at offset: 1"),
        (b"[" * 100_000, "Invalid value. at offset: 100000"),
    ],
)
def test_complaints(body, message):
    with pytest.raises(StatusError) as caught:
        parse(body)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message == f"JSON Parse error: {message}"


def test_the_first_of_two_equal_names_is_found():
    value = parse(b'{"a": 1, "a": 2}')
    assert value["a"] == 1
    assert len(value) == 2


def test_depth_costs_no_recursion():
    value = parse(b"[" * 50_000 + b"]" * 50_000)
    for _ in range(49_999):
        value = value[0]
    assert value == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.integers(-(10**9), 10**9).map(float),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.booleans())
def test_proper_json_is_read_as_it_was_written(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    expected = json.loads(
        json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass").decode("latin-1"),
        object_pairs_hook=JsonObject,
    )
    if b"\\ud" not in text:  # a lone surrogate's escape is refused
        assert plain(parse(text)) == plain(expected)


NEARLY_JSON = st.lists(
    st.sampled_from(
        ["[", "]", "{", "}", ",", ":", '"', '"a"', " ", "\n", "1", "-", "0", ".", "5", "e", "E", "+", "N", "a", "NaN",
         "Inf", "inity", "true", "null", "\\", "\\u", "00e9", "d800", "\xff", "\0", "\x1f", "123456789012345678"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@given(NEARLY_JSON)
@example("[1.5e3, 12345678901234567.25]")
def test_both_readers_agree(text):
    body = text.encode("latin-1")
    if body:
        assert outcome(parse, body) == outcome(lambda text: rest_json_reader._Reader(text).document(), text)
