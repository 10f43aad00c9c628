"""Units: latencies written for people."""

from __future__ import annotations

import math

_UNITS = ((1.0, "s"), (1e3, "ms"), (1e6, "µs"))
_PLAIN = 999.5  # what three digits would write as 1e+03


def milliseconds(seconds: float | None) -> str:
    """Write a latency to three digits: ``12.3 ms``, ``850 µs``, ``1.2 s``; an error or an absent bound in words."""
    if seconds is None:
        return "unbounded"
    if math.isinf(seconds):
        return "an error"
    # The unit is chosen by what will be read: 0.9996 is 1 s, and not 1e+03 ms.
    factor, unit = next(
        ((factor, unit) for factor, unit in _UNITS if float(f"{seconds * factor:.3g}") >= 1), _UNITS[-1]
    )
    value = seconds * factor
    return f"{value:.0f} {unit}" if value >= _PLAIN else f"{value:.3g} {unit}"
