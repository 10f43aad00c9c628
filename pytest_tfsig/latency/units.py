"""Units: latencies written for people."""

from __future__ import annotations

import math

_UNITS = ((1.0, "s"), (1e3, "ms"), (1e6, "µs"))
_PLAIN = 1000


def milliseconds(seconds: float | None) -> str:
    """Write a latency to three digits: ``12.3 ms``, ``850 µs``, ``1.2 s``; an error or an absent bound in words."""
    if seconds is None:
        return "unbounded"
    if math.isinf(seconds):
        return "an error"
    factor, unit = next(((factor, unit) for factor, unit in _UNITS if seconds * factor >= 1), _UNITS[-1])
    value = seconds * factor
    return f"{value:.0f} {unit}" if value >= _PLAIN else f"{value:.3g} {unit}"
