"""Figures: a sample of latencies and its budget, as text for a terminal and as inline SVG for a page."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from pytest_tfsig.latency.units import milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST = 1e-9  # the scales are logarithmic
_ROWS = 12
_BAR = 40
_BLOCKS = " ▏▎▍▌▋▊▉█"
_WIDTH, _HEIGHT = 480, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 22, 26
_STYLE = f'width="{_WIDTH}" height="{_HEIGHT}" font-family="system-ui, sans-serif" font-size="10" fill="currentColor"'
_APART = 4.0
"""Units of the drawing."""
_LABELS = 7
"""So many stand beside each other."""
_SHARES = (0.0, 0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class Line:
    """A budget to draw.

    Attributes:
        label: What is written beside it, such as ``p99 <= 25ms``.
        seconds: The limit.
        share: The share of requests that must keep it, None where the budget is no percentile.
    """

    label: str
    seconds: float
    share: float | None


def text(latencies: Sequence[float], line: Line) -> str:
    """Return a histogram of a sample, one row for each band of latency, with the budget between two of them.

    Args:
        latencies: Seconds; `math.inf` for a request that failed.
        line: The budget.
    """
    answered = sorted(max(value, _LEAST) for value in latencies if math.isfinite(value))
    failed = sum(1 for value in latencies if math.isinf(value))
    rows = _histogram(answered, line.seconds) if answered else []
    drawn: list[str] = []
    marked = False
    most = max((count for _, count in rows), default=1)
    for upper, count in rows:
        # One band ends at the limit, so that all of the next one is over it.
        if not marked and upper > line.seconds * (1 + 1e-9):
            drawn.append(_rule(line.label))
            marked = True
        drawn.append(f"{milliseconds(upper):>8} {_bar(count / most)} {count}")
    if not marked:
        drawn.append(_rule(line.label))
    if failed:
        drawn.append(f"{'failed':>8} {_bar(failed / max(most, failed))} {failed}")
    return "\n".join(drawn)


def svg(curve: Sequence[tuple[float, float]], line: Line) -> str:
    """Return the distribution of a sample on a scale that stretches its tail, with the budget as a cross.

    The curve has to pass the crossing's left side: the share of requests that the percentile names, within the limit.

    Args:
        curve: (seconds, share of the requests at or below) points, ascending.
        line: The budget.
    """
    points = [(max(seconds, _LEAST), share) for seconds, share in curve]
    reach = [seconds for seconds, _ in points] + [line.seconds]
    scale = _Scale(min(reach) / 1.2, max(reach) * 1.2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" {_STYLE}>',
        f"<title>{escape(f'Latency distribution against {line.label}')}</title>",
        *_grid(scale),
    ]
    if points:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in _apart([(scale.x(at), scale.y(share)) for at, share in points]))
        parts.append(f'<polyline points="{path}" fill="none" stroke="#2563eb" stroke-width="1.5"/>')
    x = scale.x(line.seconds)
    parts.append(_dashed(x, _TOP, x, _HEIGHT - _BOTTOM))
    if line.share is not None:
        parts.append(_dashed(_LEFT, scale.y(line.share), x, scale.y(line.share)))
    anchor = "end" if x > _WIDTH / 2 else "start"
    parts.append(f'<text x="{x:.1f}" y="{_TOP - 8}" text-anchor="{anchor}" fill="#dc2626">{escape(line.label)}</text>')
    return "".join(parts) + "</svg>"


def _apart(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points of which no two neighbours are closer than the eye tells apart; the first and last stay."""
    kept = [points[0]]
    for x, y in points[1:-1]:
        if abs(x - kept[-1][0]) + abs(y - kept[-1][1]) >= _APART:
            kept.append((x, y))
    return [*kept, points[-1]]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Latency from left to right by its logarithm; shares upwards, each nine of them as high as the one before."""

    low: float
    high: float

    def x(self, seconds: float) -> float:
        along = math.log(seconds / self.low) / math.log(self.high / self.low)
        return _LEFT + along * (_WIDTH - _LEFT - _RIGHT)

    def y(self, share: float) -> float:
        nines = min(-math.log10(max(1 - share, 1e-12)), 3.3) / 3.3
        return (_HEIGHT - _BOTTOM) - nines * (_HEIGHT - _TOP - _BOTTOM)


def _dashed(x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="#dc2626" stroke-dasharray="4 3"/>'


def _grid(scale: _Scale) -> list[str]:
    base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    drawn = []
    for share in _SHARES:
        y = scale.y(share)
        drawn.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="currentColor" opacity=".15"/>')
        drawn.append(f'<text x="{_LEFT - 5}" y="{y + 3:.1f}" text-anchor="end">{share * 100:g}%</text>')
    ticks = _ticks(scale.low, scale.high)
    for seconds in ticks:
        x = scale.x(seconds)
        drawn.append(f'<line x1="{x:.1f}" y1="{base}" x2="{x:.1f}" y2="{base + 4}" stroke="currentColor"/>')
        drawn.append(f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{milliseconds(seconds)}</text>')
    return drawn


def _ticks(low: float, high: float) -> list[float]:
    """Return round latencies between two, at most seven: 1, 2, 5 of each decade, its 1 alone, or some of these."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1,)):
        ticks = [digit * 10.0**decade for decade in decades for digit in digits if low <= digit * 10.0**decade <= high]
        if len(ticks) <= _LABELS:
            break
    return ticks[:: max(1, math.ceil(len(ticks) / _LABELS))]


def _histogram(answered: Sequence[float], limit: float) -> list[tuple[float, int]]:
    """Return (upper end, count) of bands that grow by one factor, chosen so that one of them ends at the limit."""
    low, high = answered[0], answered[-1]
    factor = max((high / low) ** (1 / _ROWS), 1.05)

    def band(seconds: float) -> int:
        return math.ceil(math.log(seconds / limit) / math.log(factor) - 1e-9)

    first, last = band(low), band(high)
    counts = Counter(map(band, answered))
    return [(limit * factor**each, counts[each]) for each in range(first, last + 1)]


def _bar(share: float) -> str:
    eighths = max(1, round(share * _BAR * 8)) if share > 0 else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_BLOCKS[rest] if rest else "")).ljust(_BAR)


def _rule(label: str) -> str:
    return f"{'':>8} {'─' * 4} {label} {'─' * max(4, _BAR - len(label) - 6)}"
