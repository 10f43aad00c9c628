"""One result as the page shows it: inputs as pictures and tables, figures, numbers, and how to see it again."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.reports import sums
from pytest_tfsig.reports.visible import first_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_REPRODUCE: Final = {
    "serve": "Serve the model",
    "curl": "Ask it over REST",
    "python": "Ask it in Python, over gRPC",
    "pytest": "Run the check again",
    "npz": "File of the inputs",
}
_SVG: Final = re.compile(
    r"(?:[^<>]|</?(?:svg|title|g|line|polyline|path|rect|circle|text)(?:\s+(?:[xy][12]?|xmlns|viewBox|role|width|height"
    r'|font-(?:family|size)|fill|stroke(?:-[a-z]+)?|opacity|points|d|r|c[xy]|text-anchor)="[^"<>]*")*\s*/?>)*'
)
"""What a figure may consist of: shapes and text; nothing that acts, links or loads."""
_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")
_PICTURES_BYTES: Final = 80_000
"""Of all pictures on a page; the inputs themselves are in the report's other files."""
_COLUMNS: Final = 16
_ROWS: Final = 20
ABOUT_RELEASE: Final = frozenset({"drift", "no_slower"})
"""Checks whose numbers the page shows together, under their model."""


@dataclass(frozen=True, slots=True)
class _Figure:
    """A distribution and what it proves."""

    title: str
    verdict: str
    sentence: str
    svg: Any


@dataclass(slots=True)
class Pictures:
    """What is left of the space that pictures may take."""

    left: int = _PICTURES_BYTES

    def take(self, uris: list[str]) -> list[str]:
        """Returns those pictures for which there is space."""
        taken = []
        for uri in uris:
            if _PICTURE.fullmatch(uri) and len(uri) <= self.left:
                self.left -= len(uri)
                taken.append(uri)
        return taken


def shown(number: int, result: Mapping[str, Any], markup: Callable[[str], Any], pictures: Pictures) -> dict[str, Any]:
    """Returns a result as the page lays it out.

    Args:
        number: Its place in the report, from 1.
        result: As `report.json` has it.
        markup: Marks text of ours as harmless markup.
        pictures: What space is left for them.
    """
    brief = first_line(result["message"], 300)
    figures = list(_figures(result, markup))
    # Figures with their verdicts say what was expected and what came; the text draws them in letters.
    sections = [] if figures else [("Expected", result["expected"]), ("Actual", result["actual"])]
    numbers, details = tables(result["details"])
    return {
        **result,
        "number": number,
        "brief": brief,
        "message": "" if visible(result["message"].strip()) == brief else result["message"],
        "open": result["verdict"] not in {"pass", "skip"},
        "request": list(_request(result, pictures)),
        "sections": [(label, text) for label, text in sections if text],
        "figures": figures,
        "sums": list(_sums(result, markup)),
        "numbers": [] if result["check"] in ABOUT_RELEASE else numbers,
        "details": details,
        "reproduce": [(_REPRODUCE.get(name, name), text) for name, text in result["reproduce"].items()],
    }


def _request(result: Mapping[str, Any], pictures: Pictures) -> Iterator[dict[str, Any]]:
    """Yields each input of the smallest request: as pictures and a table where it can be, else as text."""
    known = result["inputs"] or {}
    for name, text in (result["falsifying"] or {}).items():
        data = known.get(name)
        table = None if data is None else _table(data["values"])
        kind = "" if data is None else f"{data['dtype']} {data['shape']}"
        uris = [] if data is None else pictures.take(data["pictures"])
        yield {"name": name, "kind": kind, "text": "" if table else text, "table": table, "pictures": uris}


def _table(values: Any) -> dict[str, Any] | None:
    """Returns the rows of a vector, a matrix or tf.Examples; None for what is no table."""
    if not isinstance(values, list) or not values:
        return None
    if all(isinstance(row, dict) for row in values):
        columns = list(dict.fromkeys(name for row in values for name in row))
        rows = [[_cell(row.get(name, "")) for name in columns] for row in values]
    else:
        matrix = values if all(isinstance(row, list) for row in values) else [values]
        if any(isinstance(cell, list) for row in matrix for cell in row) or not all(matrix):
            return None
        columns = [str(place) for place in range(len(matrix[0]))]
        rows = [[_cell(cell) for cell in row] for row in matrix]
    if len(columns) > _COLUMNS:
        return None
    return {"columns": columns, "rows": rows[:_ROWS], "more": len(rows) - len(rows[:_ROWS])}


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _figures(result: Mapping[str, Any], markup: Callable[[str], Any]) -> Iterator[_Figure]:
    if result["check"] != "latency":
        return
    for budget in result["details"].get("budgets", ()):
        svg = budget["svg"] if _SVG.fullmatch(budget["svg"]) else ""
        title = f"Distribution against {budget['budget']}"
        yield _Figure(title, budget["verdict"], budget["sentence"], markup(svg))


def _sums(result: Mapping[str, Any], markup: Callable[[str], Any]) -> Iterator[_Figure]:
    """Yields how far the sums of probabilities are from 1, output by output."""
    if result["check"] != "values":
        return
    for name, found in result["details"].get(sums.KEY, {}).items():
        holds = found["largest"] is not None and found["largest"] <= found["allowed"]
        verdict = "pass" if holds else "fail"
        yield _Figure(f"Sums of {name}", verdict, sums.sentence(name, found), markup(sums.svg(found)))


def tables(details: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Returns what a check adds: numbers by name as tables, everything else as text."""
    numbers, texts = [], []
    for name, value in details.items():
        title = name.replace("_", " ").capitalize()
        rows = _latencies(value) if name == "comparison" else value
        if name in {"budgets", sums.KEY} or value in ([], {}, "", None):
            continue
        if isinstance(rows, dict) and all(isinstance(row, dict) and _flat(row) for row in rows.values()):
            columns = list(dict.fromkeys(column for row in rows.values() for column in row))
            cells = {key: [_number(row.get(column)) for column in columns] for key, row in rows.items()}
            numbers.append({"title": title, "columns": columns, "rows": cells})
        else:
            texts.append((title, _plain(value)))
    return numbers, texts


def _latencies(comparison: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Returns the percentiles of a comparison of two versions."""
    return {
        version: {
            name: _milliseconds(found["value"])
            for name, found in comparison[version].items()
            if found is not None and found["value"] is not None
        }
        for version in ("baseline", "candidate")
    }


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


def _flat(row: Mapping[str, Any]) -> bool:
    return not any(isinstance(cell, dict | list) for cell in row.values())


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
