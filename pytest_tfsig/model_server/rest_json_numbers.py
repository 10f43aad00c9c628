"""Numbers in JSON text, with the values that RapidJSON 1.1 gives them."""

from __future__ import annotations

import sys

__all__ = ["MAX_UINT64", "NumberTooBigError", "double", "flushed", "integer"]

MAX_UINT64 = 2**64 - 1
_MIN_INT64 = -(2**63)
_EXACT = 2**53 - 1  # the largest significand that is still collected as an integer
_SHORT = 10**17
_DIGITS = 17  # decimal digits after which a fraction's digits are skipped
_MAX_EXPONENT = 308
_TOO_BIG = sys.float_info.max / 10
_SMALLEST_NORMAL = sys.float_info.min
_POWERS = tuple(float(f"1e{exponent}") for exponent in range(_MAX_EXPONENT + 1))


class NumberTooBigError(ValueError):
    """A number's magnitude does not fit a double."""


def flushed(value: float) -> float:
    """Flush a subnormal to zero, as the threads that serve TensorFlow Serving's REST do."""
    return 0.0 if -_SMALLEST_NORMAL < value < _SMALLEST_NORMAL and value else value


def integer(text: str) -> int | float:
    """The value of a JSON number without fraction and exponent: a double when 64 bits cannot hold it."""
    value = int(text)
    return value if _MIN_INT64 <= value <= MAX_UINT64 else double(text)


def double(text: str) -> float:
    """The double that RapidJSON makes of a number's text.

    It is not always the nearest one: digits are gathered in an integer, then in a double, which is scaled by one power
    of ten.

    Args:
        text: A JSON number with fraction or exponent, or an integer beyond 64 bits.

    Raises:
        NumberTooBigError: Where RapidJSON refuses the number.
    """
    whole, _, fraction = text.partition(".")
    if fraction.isdigit() and len(fraction) <= _MAX_EXPONENT and -_SHORT < (digits := int(whole + fraction)) < _SHORT:
        return _short(abs(digits), len(fraction), minus=text.startswith("-"))
    mantissa, _, exponent = text.replace("E", "e").partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    minus = text.startswith("-")
    significand, scale = _significand(whole, fraction, 2**63 if minus else MAX_UINT64)
    value = _scaled(significand, scale + _exponent(exponent, _MAX_EXPONENT - scale))
    return -value if minus else value


def _short(digits: int, scale: int, *, minus: bool) -> float:
    """The general way's result for at most 17 digits with a fraction: nearly all numbers that clients write."""
    if digits // 10 <= _EXACT:
        value = digits / _POWERS[scale]
    else:
        gathered, last = divmod(digits, 10)
        value = (gathered * 10.0 + last) / _POWERS[scale]
    value = flushed(value)
    return -value if minus else value


def _significand(whole: str, fraction: str, limit: int) -> tuple[float, int]:
    """Gather the digits: the significand and the power of ten that the fraction's digits took from it."""
    gathered, rest = _prefix(whole, limit)
    if rest:
        value = float(gathered)
        for digit in rest:
            if value >= _TOO_BIG:
                raise NumberTooBigError
            value = value * 10 + int(digit)
        return _fraction_digits(value, 0, len(whole) - len(rest) - 1, fraction)
    count, scale = max(len(whole) - 1, 0), 0
    for digit in fraction:
        if gathered > _EXACT:
            break
        gathered = gathered * 10 + int(digit)
        scale -= 1
        count += gathered != 0
    return _fraction_digits(float(gathered), scale, count, fraction[-scale:])


def _prefix(whole: str, limit: int) -> tuple[int, str]:
    """Split digits into the longest prefix that is within the limit, as an integer, and the rest."""
    if len(whole) < len(str(limit)):
        return int(whole or "0"), ""
    end = len(str(limit))
    if int(whole[:end]) > limit:
        end -= 1
    return int(whole[:end]), whole[end:]


def _fraction_digits(value: float, scale: int, count: int, digits: str) -> tuple[float, int]:
    for digit in digits:
        if count >= _DIGITS:
            break
        value = value * 10.0 + int(digit)
        scale -= 1
        count += value > 0.0
    return value, scale


def _exponent(text: str, limit: int) -> int:
    if not text:
        return 0
    digits = text.lstrip("+-")
    if text.startswith("-"):
        return -int(digits.lstrip("0")[:10] or "0")  # ten digits are far below the smallest double already
    exponent = int(digits[0])
    for digit in digits[1:]:
        exponent = exponent * 10 + int(digit)
        if exponent > limit:
            raise NumberTooBigError
    return exponent


def _scaled(significand: float, exponent: int) -> float:
    if exponent < -_MAX_EXPONENT:
        return _times_power(_times_power(significand, -_MAX_EXPONENT), exponent + _MAX_EXPONENT)
    return _times_power(significand, exponent)


def _times_power(value: float, exponent: int) -> float:
    if exponent < -_MAX_EXPONENT:
        return 0.0
    if exponent > _MAX_EXPONENT:
        return value * float("inf") if value else value
    return flushed(value * _POWERS[exponent] if exponent >= 0 else value / _POWERS[-exponent])
