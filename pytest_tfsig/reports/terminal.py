"""The summary in pytest's terminal: one line a model and signature, one column a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_tfsig.reports import consumers, strength
from pytest_tfsig.reports.result import overall, worst
from pytest_tfsig.reports.visible import first_line, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_tfsig.reports.result import Result, Verdict


class Writer(Protocol):
    """What is used of pytest's TerminalReporter."""

    def write_sep(self, sep: str, title: str | None = None, **markup: bool) -> None:
        """Writes a line of `sep` around a title."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Writes a line."""


_MARKUP: Mapping[Verdict, Mapping[str, bool]] = {
    "pass": {"green": True},
    "fail": {"red": True, "bold": True},
    "error": {"red": True},
    "inconclusive": {"yellow": True},
    "skip": {},
}


def summarize(writer: Writer, results: Sequence[Result], files: Sequence[str] = ()) -> None:
    """Writes the summary: a line a signature, then a line for each check that did not simply pass, or has a note.

    Args:
        writer: Where to.
        results: Of the whole run.
        files: Reports that were written, to be named at the end.
    """
    if not results:
        return
    verdict = overall(results)
    writer.write_sep("=", "served model contracts")
    for title, group in _by_signature(results).items():
        seconds = sum(result.seconds for result in group)
        examples = sum(result.examples for result in group)
        judged = [result for result in group if result.verdict != "skip"]
        found = worst(judged) if judged else "skip"
        shown = "PENDING" if group[0].pending and found != "pass" else found.upper()
        markup = _MARKUP["inconclusive"] if group[0].pending and found != "pass" else _MARKUP[found]
        passed = sum(result.verdict == "pass" for result in group)
        counts = f"{passed} of {len(judged)} checks hold" if judged else "no check could be judged"
        writer.write_line(f"{shown:<12} {visible(title)}  {counts}, {examples:,} inputs, {seconds:.1f} s", **markup)
        for result in group:
            if result.verdict != "pass":
                line = f"  {result.verdict:<12} {result.check}: {first_line(result.message)}"
                writer.write_line(line, **_MARKUP[result.verdict])
            elif "note" in result.details:
                writer.write_line(f"  {'note':<12} {result.check}: {first_line(result.details['note'])}")
    _strength(writer, results)
    for line, found in consumers.lines(results):
        writer.write_line(visible(line), **_MARKUP[found])
    for file in files:
        writer.write_line(f"report: {file}")
    writer.write_line(f"verdict: {verdict}", **_MARKUP[verdict])


def _strength(writer: Writer, results: Sequence[Result]) -> None:
    """Writes how strong the contracts are, where that was measured."""
    lines = list(strength.lines(results))
    if lines:
        writer.write_sep("-", "contract strength")
    for line, is_survivor in lines:
        writer.write_line(visible(line), **(_MARKUP["inconclusive"] if is_survivor else {}))


def _by_signature(results: Sequence[Result]) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        version = "" if result.model.version is None else f"/{result.model.version}"
        source = f" ({result.contract})" if result.contract else ""
        groups.setdefault(f"{result.model.name}{version} {result.signature}{source}", []).append(result)
    return groups
