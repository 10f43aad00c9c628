"""GitHub Actions: annotations beside the lines of a pull request, and the Markdown of a job's summary."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from pytest_tfsig.reports import consumers, strength
from pytest_tfsig.reports.result import overall, worst
from pytest_tfsig.reports.visible import cut, first_line, visible
from pytest_tfsig.reports.workflow import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_tfsig.reports.result import Result, Verdict

MOST_ANNOTATIONS = 10
"""GitHub shows no more of one step."""
MOST_FAILURES = 50
"""Failures in a summary, which GitHub refuses beyond 1 MiB."""
_LONGEST = 4000
_SYMBOLS: Mapping[Verdict, str] = {"pass": "✅", "fail": "❌", "error": "❌", "inconclusive": "❔", "skip": "⏭️"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~@:.-])")


def commands(results: Sequence[Result]) -> Iterator[str]:
    """Yields a workflow command for each result that breaks the run, the first ten."""
    broken = [result for result in results if result.breaks_the_run]
    for result in broken[:MOST_ANNOTATIONS]:
        where = {"file": result.file, "line": "" if result.line is None else str(result.line), "title": result.title}
        yield command("error", first_line(result.message, 1000), where)


def summary(results: Sequence[Result]) -> str:
    """Returns the Markdown of a run: the verdict, a table of models, and each failure in full."""
    verdict = overall(results)
    judged = [result for result in results if result.verdict != "skip" and not result.pending]
    held = sum(result.verdict == "pass" for result in judged)
    lines = [
        f"## {_SYMBOLS[verdict]} Served model contracts: {verdict}",
        "",
        f"{held} of {len(judged)} checks hold.",
        "",
        "| model | signature | verdict | hold | does not hold |",
        "| --- | --- | --- | ---: | --- |",
        *_rows(results),
        "",
        *[f"{_text(line)}\n" for line, _ in consumers.lines(results)],
        *_strength(results),
    ]
    broken = [result for result in results if result.breaks_the_run]
    for result in broken[:MOST_FAILURES]:
        lines += _failure(result)
    if len(broken) > MOST_FAILURES:
        lines += [f"… and {len(broken) - MOST_FAILURES} more.", ""]
    return "\n".join(lines)


def _rows(results: Sequence[Result]) -> Iterator[str]:
    groups: dict[tuple[str, str, str, bool], list[Result]] = {}
    for result in results:
        whose = f" ({result.consumer})" if result.consumer else ""
        key = (result.model.title, f"{result.signature}{whose}", result.consumer, result.pending)
        groups.setdefault(key, []).append(result)
    for (model, signature, _, pending), group in groups.items():
        found = worst(group)
        shown = f"⏳ pending: {found}" if pending else f"{_SYMBOLS[found]} {found}"
        judged = [result for result in group if result.verdict != "skip"]
        held = sum(result.verdict == "pass" for result in judged)
        names = ", ".join(_text(result.check) for result in judged if result.verdict != "pass")
        cells = (_text(model), _text(signature), shown, f"{held} of {len(judged)}", names)
        yield f"| {' | '.join(cells)} |"


def _strength(results: Sequence[Result]) -> Iterator[str]:
    """Yields the table of contract strength, where that was measured."""
    measured = [(result, found) for result in results if (found := strength.of(result)) is not None]
    if not measured:
        return
    yield from ("| model | signature | contract strength | survived |", "| --- | --- | --- | --- |")
    for result, found in measured:
        names = ", ".join(_text(strength.name(entry)) for entry in strength.survivors(found))
        yield f"| {_text(result.model.name)} | {_text(result.signature)} | {_text(result.message)} | {names} |"
    yield ""


def _failure(result: Result) -> list[str]:
    title = html.escape(first_line(result.title))
    shown = cut(visible(result.text or result.message), _LONGEST)
    # HTML, not a fence: nothing within can end it.
    return [
        f"<details><summary>{_SYMBOLS[result.verdict]} {title}</summary>",
        "",
        f"<pre>{html.escape(shown).replace(chr(10), '&#10;')}</pre>",
        "",
        "</details>",
        "",
    ]


def _text(text: str) -> str:
    """Returns text that Markdown shows as it is, in a table's cell."""
    return _MARKDOWN.sub(r"\\\1", html.escape(first_line(text)))
