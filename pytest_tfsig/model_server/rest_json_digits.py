"""A double's decimal digits, as RapidJSON 1.1 chooses them: Loitsch's Grisu2, in 64 bits.

They are enough to give the number back, but now and then not the nearest or not the fewest ones, so that Python's own
would not do.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

__all__ = ["digits"]

_BITS: Final = 64
_SIGNIFICAND: Final = 53
_SPARE: Final = _BITS - _SIGNIFICAND
_LOG10_2: Final = 0.30102999566398114
_FIRST_POWER: Final = -348  # powers of ten are at hand from here on, in steps of eight
_STEP: Final = 8
_ROUNDED_PLACES: Final = 9  # digits behind the point from which on the last one is left as it came


def digits(value: float) -> tuple[str, int]:
    """The digits of a positive, normal double.

    Returns:
        The digits, and the power of ten by which their number is to be multiplied.
    """
    fraction, exponent = math.frexp(value)
    significand = int(fraction * (1 << _SIGNIFICAND))
    exponent -= _BITS
    is_power_of_two = significand == 1 << (_SIGNIFICAND - 1)  # its neighbour below is only half as far away
    middle = significand << _SPARE
    half = 1 << (_SPARE - 1)
    decimal = _FIRST_POWER + _STEP * (_index(exponent) + 1)
    power, binary = _power_of_ten(decimal)
    upper = _times(middle + half, power) - 1
    lower = _times(middle - (half >> is_power_of_two), power) + 1
    text, scale = _generated(upper, upper - lower, upper - _times(middle, power), -(exponent + binary + _BITS))
    return text, scale - decimal


def _index(exponent: int) -> int:
    """How many steps lead to the power that brings a binary exponent between -60 and -32."""
    return math.ceil((-61 - exponent) * _LOG10_2 + 347) // _STEP


@cache
def _power_of_ten(exponent: int) -> tuple[int, int]:
    """A power of ten as an integer of 64 bits, correctly rounded, and the power of two to multiply it by."""
    numerator, denominator = 10 ** max(exponent, 0), 10 ** max(-exponent, 0)
    shift = numerator.bit_length() - denominator.bit_length() - _BITS
    while True:
        scaled_up, scaled_down = numerator << max(-shift, 0), denominator << max(shift, 0)
        rounded = (2 * scaled_up + scaled_down) // (2 * scaled_down)
        if rounded.bit_length() <= _BITS:
            return rounded, shift
        shift += 1


def _times(one: int, other: int) -> int:
    """The upper half of a product, rounded."""
    return (one * other + (1 << (_BITS - 1))) >> _BITS


def _generated(upper: int, width: int, distance: int, places: int) -> tuple[str, int]:
    """The first digits of a fixed-point number that leave less than a width below it.

    Args:
        upper: The number.
        width: Of the range whose upper end it is.
        distance: How far below it lies what the digits stand for.
        places: Bits behind its binary point.

    Returns:
        The digits and the power of ten of the last one.
    """
    unit = 1 << places
    whole, part = divmod(upper, unit)
    text = str(whole)
    for scale in reversed(range(len(text))):
        rest = whole % 10**scale * unit + part
        if rest <= width:
            return _rounded(text[: len(text) - scale], width, rest, 10**scale * unit, distance), scale
    scale = 0
    while True:
        scale -= 1
        width *= 10
        digit, part = divmod(part * 10, unit)
        text += str(digit)
        if part < width:
            away = distance * 10**-scale if -scale < _ROUNDED_PLACES else 0
            return _rounded(text, width, part, unit, away), scale


def _rounded(text: str, width: int, rest: int, step: int, distance: int) -> str:
    """Lower the last digit while that brings it nearer to what it stands for."""
    last = int(text[-1])
    while (
        rest < distance
        and width - rest >= step
        and (rest + step < distance or distance - rest > rest + step - distance)
    ):
        last -= 1
        rest += step
    return f"{text[:-1]}{last}"
