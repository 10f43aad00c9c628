from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.model_server import rest_json_numbers as numbers

DIGITS = st.text("0123456789", min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0", 1.0),
        ("-0.0", -0.0),
        ("0.1", 0.1),
        ("1e5", 1e5),
        ("1E+5", 1e5),
        ("2.5e-3", 2.5e-3),
        ("1000000000000000000000000000000", 9.9999999999999988e29),  # digit by digit, each step rounded
        ("-1000000000000000000000000000000", -9.9999999999999988e29),
        ("18446744073709551616", 18446744073709551616.0),
        ("0.30000000000000004", 0.30000000000000004),
        ("1e-400", 0.0),
        ("5e-324", 0.0),  # subnormal
        ("0e999999999999", None),
        ("1e-00000000000001", 0.1),
        ("1e308", 1e308),
        ("10e308", math.inf),  # the exponent alone is looked at
        ("1e309", None),
        ("1.5e309", math.inf),  # … relative to the last digit
        ("0.1e309", 0.1e309),
        ("1" + "0" * 309, None),
    ],
)
def test_doubles_are_those_of_rapidjson(text, value):
    if value is None:
        with pytest.raises(numbers.NumberTooBigError):
            numbers.double(text)
    else:
        result = numbers.double(text)
        assert result == value
        assert math.copysign(1, result) == math.copysign(1, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551616", 2.0**64),
        ("-9223372036854775809", -(2.0**63)),
    ],
)
def test_integers_are_exact_within_64_bits(text, value):
    result = numbers.integer(text)
    assert (type(result), result) == (type(value), value)


@given(whole=st.integers(0, 10**7).map(str), fraction=st.text("0123456789", min_size=1, max_size=8))
def test_short_numbers_are_correctly_rounded(whole, fraction):
    text = f"{whole}.{fraction}"
    assert numbers.double(text) == float(text)


@given(sign=st.sampled_from(["", "-"]), whole=DIGITS, fraction=DIGITS)
def test_short_cut_gives_what_the_general_way_gives(sign, whole, fraction):
    whole = whole.lstrip("0") or "0"
    text = f"{sign}{whole}.{fraction}"
    assert numbers.double(text) == numbers.double(text + "e0")


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_long_numbers_are_off_by_a_few_units_at_most(value):
    text = f"{value:.17e}"
    assert math.isclose(numbers.double(text), value, rel_tol=2e-15, abs_tol=2.3e-308)
