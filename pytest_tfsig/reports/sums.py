"""How far the sums of probabilities are from 1: tallied answer by answer, told in a sentence, drawn as a figure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEY: Final = "probability_sums"
"""In the details of the check `values`."""
_LEAST, _MOST = -9, 1
"""Powers of ten: smaller errors are one with the smallest, larger ones with the largest."""
_STEP, _HEIGHT, _TOP = 44, 130, 28
_WIDTH, _BASE = _STEP * (_MOST - _LEAST + 1), _HEIGHT - 22


@dataclass(slots=True)
class SumErrors:
    """The distances of an output's sums from 1.

    Attributes:
        allowed: The largest distance that the contract allows.
    """

    allowed: float
    largest: float = 0.0
    rows: int = 0
    _decades: Counter[int] = field(default_factory=Counter)

    def add(self, errors: Iterable[float]) -> None:
        """Counts the sums of one answer; those that are no number count as infinitely far."""
        for error in errors:
            distance = math.inf if math.isnan(error) else error
            self.rows += 1
            self.largest = max(self.largest, distance)
            self._decades[_decade(distance)] += 1

    def as_dict(self) -> dict[str, Any]:
        """Returns plain data: `decades` has the number of sums with a distance of up to ten to that power."""
        decades = {str(power): self._decades[power] for power in sorted(self._decades)}
        return {"rows": self.rows, "largest": self.largest, "allowed": self.allowed, "decades": decades}


def _decade(distance: float) -> int:
    if distance <= 0:
        return _LEAST
    return _MOST if math.isinf(distance) else min(_MOST, max(_LEAST, math.ceil(math.log10(distance))))


def sentence(name: str, found: Mapping[str, Any]) -> str:
    """Returns what the sums of an output came to; `found` as `as_dict` wrote it."""
    largest = "not a number" if found["largest"] is None else f"{found['largest']:.3g} at most"
    return f"{name}: {found['rows']:,} sums, {largest} from 1; {found['allowed']:g} is allowed"


def svg(found: Mapping[str, Any]) -> str:
    """Returns the distances as bars on a logarithmic scale, with the allowed one as a dashed line."""
    counts = {int(power): count for power, count in found["decades"].items()}
    most = max(counts.values(), default=1)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="system-ui, sans-serif" font-size="10" fill="currentColor">'
        f"<title>Distances of {found['rows']} sums of probabilities from 1</title>"
    )
    parts = [head]
    for power in range(_LEAST, _MOST + 1):
        x = (power - _LEAST) * _STEP
        parts.append(_label(x + 2, _HEIGHT - 8, f"≤1e{power}" if power < _MOST else "more"))
        if power in counts:
            height = max(1, (_BASE - _TOP) * counts[power] // most)
            parts.append(f'<rect x="{x}" y="{_BASE - height}" width="{_STEP - 4}" height="{height}" fill="#2563eb"/>')
            parts.append(_label(x + 2, _BASE - height - 3, str(counts[power])))
    if found["allowed"] > 0:
        # The bar of a power ends where its largest distances are.
        at = (min(_MOST, max(_LEAST, math.log10(found["allowed"]))) - _LEAST + 1) * _STEP - 2
        parts.append(
            f'<line x1="{at:.0f}" y1="4" x2="{at:.0f}" y2="{_BASE}" stroke="#dc2626" stroke-dasharray="4 3"/>'
            f'<text x="{at + 4:.0f}" y="11" fill="#dc2626">allowed</text>'
        )
    return "".join(parts) + "</svg>"


def _label(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}">{text}</text>'
