"""Digits of doubles: what RapidJSON 1.1.0 itself wrote for the same numbers."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.model_server.rest_json_digits import digits


@pytest.mark.parametrize(
    ("value", "text", "exponent"),
    [
        (1.0, "1", 0),
        (100000.0, "1", 5),
        (0.1, "1", -1),
        (0.3, "3", -1),
        (1e22, "1", 22),
        (1e23, "9999999999999999", 7),  # the next double would be as near
        (5e-300, "5", -300),
        (2.0**53, "9007199254740992", 0),
        (2.0**64, "18446744073709553", 3),  # …552 is nearer, and what Python writes
        (2.0**65, "36893488147419107", 3),
        (4187873346302750.5, "41878733463027507", -1),  # not quite the nearest: Python writes …505
        (13122294.541095724, "13122294541095725", -9),
        (123456.789, "123456789", -3),
        (3.4028234663852886e38, "34028234663852887", 22),
        (sys.float_info.max, "17976931348623157", 292),
        (sys.float_info.min, "22250738585072014", -324),
    ],
)
def test_digits_are_those_of_rapidjson(value, text, exponent):
    assert digits(value) == (text, exponent)


@given(st.floats(sys.float_info.min, sys.float_info.max))
def test_digits_give_the_number_back(value):
    text, exponent = digits(value)
    assert text.isdigit()
    assert len(text) <= 18
    assert float(f"{text}e{exponent}") == value
