"""report.html: one self-contained page about a run, for people."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_tfsig.contract import shape_text
from pytest_tfsig.reports import strength
from pytest_tfsig.reports.files import write_whole
from pytest_tfsig.reports.result import VERDICTS
from pytest_tfsig.reports.shown import ABOUT_RELEASE, Pictures, shown, tables
from pytest_tfsig.reports.visible import cut, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_tfsig.reports.result import Verdict

SYMBOLS = {"pass": "✓", "fail": "✗", "error": "!", "inconclusive": "?", "skip": "–"}  # noqa: RUF001 - a dash, not a minus
_LONGEST = 4000
"""Characters of one block; report.json holds the rest."""
_ROWS = 100
"""Rows of a signature's table."""


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
    # Its indentation would be a fifth of a long report.
    template = re.sub(r"^ +", "", (page / "report.html.jinja").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return environment.from_string(template).render(
        report=report,
        SYMBOLS=SYMBOLS,
        headline=_headline([result for result in results if not result["pending"]]) + _of_pending(results),
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


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _headline(results: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(result["verdict"] for result in results)
    judged = len(results) - counts["skip"]
    if judged == 0:
        return "nothing was judged"
    if counts["pass"] == judged:
        return f"all {judged} checks hold" if judged > 1 else "the check holds"
    words: Mapping[Verdict, str] = {"fail": "broken", "error": "not judged", "inconclusive": "undecided"}
    told = ", ".join(f"{counts[verdict]} {said}" for verdict, said in words.items() if counts[verdict])
    return f"{counts['pass']} of {judged} checks hold: {told}"


def _of_pending(results: Sequence[Mapping[str, Any]]) -> str:
    broken = sum(result["pending"] and result["verdict"] not in {"pass", "skip"} for result in results)
    return f"; {broken} of pending contracts do not, which fails nothing" if broken else ""


def _models(report: Mapping[str, Any], markup: Any) -> Iterator[dict[str, Any]]:
    """Yields what the page shows of each model: the worst first, otherwise in the order in which they came."""
    numbered = list(enumerate(report["results"], 1))
    pictures = Pictures()
    found = []
    for index, model in enumerate(report["models"]):
        own = [(number, result) for number, result in numbered if result["model_index"] == index]
        gating = [result for _, result in own if not result["pending"]]
        seen = {result["verdict"] for result in gating} | {"skip"}
        judged = sum(result["verdict"] != "skip" for result in gating)
        found.append(
            {
                **model,
                "title": model["name"] if model["version"] is None else f"{model['name']} / {model['version']}",
                "verdict": next(verdict for verdict in VERDICTS if verdict in seen),
                "passed": sum(result["verdict"] == "pass" for result in gating),
                "judged": judged,
                "examples": sum(result["examples"] for _, result in own),
                "seconds": sum(result["seconds"] for _, result in own),
                "tensorflow_version": model.get("tensorflow_version"),
                "warnings": model.get("warnings"),
                "tables": [_table(name, each) for name, each in model.get("signatures", {}).items()],
                "groups": list(_groups(own, markup, pictures)),
                "release": list(_about_release(own)),
                "strength": [_strength(entry) for entry in report.get("strength", ()) if entry["model_index"] == index],
            }
        )
    yield from sorted(found, key=lambda model: VERDICTS.index(model["verdict"]))


def _groups(
    results: Sequence[tuple[int, Mapping[str, Any]]], markup: Any, pictures: Pictures
) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, str, str, bool], list[dict[str, Any]]] = {}
    for number, result in results:
        key = (result["signature"], result["contract"], result["consumer"], result["pending"])
        groups.setdefault(key, []).append(shown(number, result, markup, pictures))
    for (signature, contract, consumer, pending), results_shown in groups.items():
        yield {
            "signature": signature,
            "contract": contract,
            "consumer": consumer,
            "pending": pending,
            "results": results_shown,
        }


def _about_release(results: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yields the numbers that compare a model with its released version, each with the result that they are from."""
    titles = {"drift": "Differences of the answers", "no_slower": "Latency"}
    for number, result in results:
        if result["check"] in ABOUT_RELEASE:
            for table in tables(result["details"])[0]:
                title = f"{titles[result['check']]}, {result['signature']}"
                yield {**table, "title": title, "number": number, "verdict": result["verdict"]}


def _strength(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the page shows of a contract's strength: what survived first, with the line that it lacks."""
    applied = entry["killed"] + entry["survived"]
    in_file = entry["contract"].endswith(".toml")
    survivors = strength.survivors(entry)
    others = [one for one in entry["mutations"] if one not in survivors]
    return {
        **entry,
        "applied": applied,
        "percent": 100 * entry["killed"] // applied if applied else 0,
        "survivors": [
            {**one, "name": strength.name(one), "advice": strength.advice(one, in_file=in_file)} for one in survivors
        ],
        "others": [{**one, "name": strength.name(one)} for one in others],
    }


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
