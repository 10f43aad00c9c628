"""Durations as a contract writes them: ``"800us"``, ``"25ms"``, ``"1.5s"``."""

from __future__ import annotations

import math
import re
from typing import Final

from pytest_tfsig.errors import ContractError

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_DURATION: Final = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([^\W\d]*)\s*")
_EXAMPLE: Final = 'write it with a unit: "800us", "25ms" or "1.5s"'


def parse_duration(text: object) -> float:
    """Return the seconds that ``text`` states.

    Args:
        text: A number and a unit (ns, us, ms, s, min), such as ``"25ms"``.

    Raises:
        ContractError: There is no unit, the unit is unknown, or the duration is not above zero and finite.
    """
    if not isinstance(text, str):
        raise ContractError(f"{text!r} is not a duration; {_EXAMPLE}.")
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ContractError(f'"{text}" is not a duration; {_EXAMPLE}.')
    number, unit = match.groups()
    if not unit:
        raise ContractError(f'"{text}" has no unit; {_EXAMPLE}.')
    if unit not in _UNITS:
        raise ContractError(f'"{text}" has the unknown unit "{unit}"; {_EXAMPLE}.')
    seconds = float(number) * _UNITS[unit]
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ContractError(f'"{text}" is not a duration above zero; {_EXAMPLE}.')
    return seconds


def format_duration(seconds: float) -> str:
    """Write ``seconds`` in the largest unit that reads well and loads back as the same number."""
    for unit in ("s", "ms", "us", "ns"):
        for text in (f"{seconds / _UNITS[unit]:g}{unit}", f"{seconds / _UNITS[unit]!r}{unit}"):
            if seconds >= _UNITS[unit] and parse_duration(text) == seconds:
                return text
    return f"{seconds!r}s"
