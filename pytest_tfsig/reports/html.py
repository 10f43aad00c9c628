"""report.html: one self-contained page about a run, for people."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_tfsig.contract import shape_text
from pytest_tfsig.reports.files import write_whole
from pytest_tfsig.reports.result import VERDICTS
from pytest_tfsig.reports.sections import ACTUAL, ADVICE, EXPECTED, sections
from pytest_tfsig.reports.visible import cut, first_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_tfsig.reports.result import Verdict

SYMBOLS = {"pass": "✓", "fail": "✗", "error": "!", "inconclusive": "?", "skip": "–"}  # noqa: RUF001 - a dash, not a minus
_LONGEST = 4000
"""Characters of one block; report.json holds the rest."""
_ROWS = 100
"""Rows of a signature's table."""
_REPRODUCE = {
    "serve": "Serve the model",
    "curl": "Ask it over REST",
    "python": "Ask it in Python, over gRPC",
    "pytest": "Run the check again",
    "npz": "File of the inputs",
}
_SVG = re.compile(
    r"(?:[^<>]|</?(?:svg|title|g|line|polyline|path|rect|circle|text)(?:\s+(?:[xy][12]?|xmlns|viewBox|role|width|height"
    r'|font-(?:family|size)|fill|stroke(?:-[a-z]+)?|opacity|points|d|r|c[xy]|text-anchor)="[^"<>]*")*\s*/?>)*'
)
"""What a figure may consist of: shapes and text; nothing that acts, links or loads."""


def render(report: Mapping[str, Any]) -> str:
    """Returns the page of a report.

    Everything that came from models, servers and contracts is escaped, what acts on a screen unseen is written out, and
    a content security policy lets nothing run or load but the page's own style and script.

    Args:
        report: The document of `json.document`.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def harmless(value: Any) -> Any:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=harmless
    )
    environment.filters["cut"] = lambda text, longest=_LONGEST: cut(str(text), longest)
    page = resources.files("pytest_tfsig.reports") / "page"
    style = (page / "report.css").read_text(encoding="utf-8")
    script = (page / "report.js").read_text(encoding="utf-8")
    results: Sequence[Mapping[str, Any]] = report["results"]
    counts = {verdict: sum(result["verdict"] == verdict for result in results) for verdict in VERDICTS}
    broken = counts["fail"] + counts["error"] + counts["inconclusive"]
    return environment.from_string((page / "report.html.jinja").read_text(encoding="utf-8")).render(
        report=report,
        SYMBOLS=SYMBOLS,
        headline=_headline(counts),
        models=list(_models(report, Markup)),
        environment=list(_environment(report)),
        broken=broken,
        skipped=counts["skip"],
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def write(folder: Path, report: Mapping[str, Any]) -> Path:
    """Writes the page of a report as `report.html` into a folder, whole or not at all, and returns its path.

    Raises:
        OSError: It cannot be written.
    """
    return write_whole(folder, "report.html", render(report))


@dataclass(frozen=True, slots=True)
class _Figure:
    """A latency budget's distribution."""

    budget: str
    verdict: str
    sentence: str
    svg: Any


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _headline(counts: Mapping[Verdict, int]) -> str:
    judged = sum(counts.values()) - counts["skip"]
    if judged == 0:
        return "nothing was judged"
    if counts["pass"] == judged:
        return f"all {judged} checks hold" if judged > 1 else "the check holds"
    words: Mapping[Verdict, str] = {"fail": "broken", "error": "not judged", "inconclusive": "undecided"}
    told = ", ".join(f"{counts[verdict]} {said}" for verdict, said in words.items() if counts[verdict])
    return f"{counts['pass']} of {judged} checks hold: {told}"


def _models(report: Mapping[str, Any], markup: Any) -> Iterator[dict[str, Any]]:
    """Yields what the page shows of each model: the worst first, otherwise in the order in which they came."""
    numbered = list(enumerate(report["results"], 1))
    found = []
    for index, model in enumerate(report["models"]):
        own = [(number, result) for number, result in numbered if result["model_index"] == index]
        seen = {result["verdict"] for _, result in own}
        judged = sum(result["verdict"] != "skip" for _, result in own)
        found.append(
            {
                **model,
                "title": model["name"] if model["version"] is None else f"{model['name']} / {model['version']}",
                "verdict": next(verdict for verdict in VERDICTS if verdict in seen),
                "passed": sum(result["verdict"] == "pass" for _, result in own),
                "judged": judged,
                "examples": sum(result["examples"] for _, result in own),
                "seconds": sum(result["seconds"] for _, result in own),
                "tensorflow_version": model.get("tensorflow_version"),
                "warnings": model.get("warnings"),
                "tables": [_table(name, each) for name, each in model.get("signatures", {}).items()],
                "groups": list(_groups(own, markup)),
            }
        )
    yield from sorted(found, key=lambda model: VERDICTS.index(model["verdict"]))


def _groups(results: Sequence[tuple[int, Mapping[str, Any]]], markup: Any) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number, result in results:
        groups.setdefault((result["signature"], result["contract"]), []).append(_shown(number, result, markup))
    for (signature, contract), shown in groups.items():
        yield {"signature": signature, "contract": contract, "results": shown}


def _shown(number: int, result: Mapping[str, Any], markup: Any) -> dict[str, Any]:
    """Returns a result as the page lays it out."""
    parts = sections(result["text"])
    brief = first_line(result["message"], 300)
    figures = list(_figures(result, markup))
    # Figures with their verdicts say what was expected and what came; the text draws them in letters.
    seen = () if figures else ((EXPECTED, "Expected"), (ACTUAL, "Actual"))
    labels = (*seen, (ADVICE, "What to do"))
    return {
        **result,
        "number": number,
        "brief": brief,
        "message": "" if visible(result["message"].strip()) == brief else result["message"],
        "open": result["verdict"] not in {"pass", "skip"},
        "sections": [(label, parts[title]) for title, label in labels if parts.get(title)],
        "figures": figures,
        **_details(result["details"]),
        "reproduce": [(_REPRODUCE.get(name, name), text) for name, text in result["reproduce"].items()],
    }


def _figures(result: Mapping[str, Any], markup: Any) -> Iterator[_Figure]:
    if result["check"] != "latency":
        return
    for budget in result["details"].get("budgets", ()):
        svg = budget["svg"] if _SVG.fullmatch(budget["svg"]) else ""
        yield _Figure(budget["budget"], budget["verdict"], budget["sentence"], markup(svg))


def _details(details: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a check adds: numbers by name as tables, everything else as text."""
    tables, texts = [], []
    for name, value in details.items():
        title = name.replace("_", " ").capitalize()
        rows = _latencies(value) if name == "comparison" else value
        if name == "budgets" or value in ([], {}, "", None):
            continue
        if isinstance(rows, dict) and all(isinstance(row, dict) and _flat(row) for row in rows.values()):
            columns = list(dict.fromkeys(column for row in rows.values() for column in row))
            cells = {key: [_number(row.get(column)) for column in columns] for key, row in rows.items()}
            tables.append({"title": title, "columns": columns, "rows": cells})
        else:
            texts.append((title, _plain(value)))
    return {"numbers": tables, "details": texts}


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


def _table(name: str, signature: Mapping[str, Any]) -> dict[str, Any]:
    rows = list(_rows(signature))
    return {"name": name, "method": signature["method"], "rows": rows[:_ROWS], "more": len(rows) - len(rows[:_ROWS])}


def _rows(signature: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for side in ("inputs", "outputs"):
        for name, tensor in signature[side].items():
            shape = _shape(tensor["shape"]) + (", optional over gRPC" if name in signature["defaults"] else "")
            yield {"side": side[:-1], "name": name, "dtype": tensor["dtype"], "shape": shape}
            for key, feature in (tensor["features"] or {}).items():
                shape = f"{feature['kind']} {_shape(feature['shape'])}"
                yield {"side": "feature", "name": key, "dtype": feature["dtype"], "shape": shape}


def _shape(shape: Sequence[int | None] | None) -> str:
    return shape_text(None if shape is None else tuple(shape))


def _environment(report: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    server, environment = report["server"], report["environment"]
    if server:
        yield "server", server.get("description", server.get("kind"))
        if server.get("chosen"):
            yield "chosen because", server["chosen"]
    for name in ("python", "platform", "processors"):
        if environment.get(name) is not None:
            yield name, environment[name]
    seed = environment.get("seed")
    yield "seed", "derived from each model's digest" if seed is None else seed
    yield from environment.get("packages", {}).items()
