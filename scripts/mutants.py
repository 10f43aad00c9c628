"""Tells what a run of mutmut found: how many mutants the tests killed, package by package, and which are left.

A mutant of the words of a sentence is counted apart: sentences are for people, and only their numbers and names are
tested each. A run that timed out killed its mutant; one that no test reaches survived.
"""

from __future__ import annotations

import argparse
import ast
import collections
import difflib
import hashlib
import sys
import textwrap
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from mutmut.mutation.data import MutantLineSpans, SourceFileMutationData
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEAD = {"killed", "timeout", "segfault", "suspicious"}
_NOT_RUN = {"not checked", "skipped", "check was interrupted by user"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function.

    Attributes:
        name: As `mutmut show` takes it.
        path: The file it changes.
        status: What mutmut says of it, such as `killed`.
        wording: Whether it changes nothing but the words of a sentence.
        diff: The change, line by line.
    """

    name: str
    path: Path
    status: str
    wording: bool
    diff: str


class _Wordless(ast.NodeTransformer):
    """Puts one placeholder in place of every string that reads as a sentence: letters, and a space between words."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        text = node.value
        if isinstance(text, str) and " " in text.strip() and any(map(str.isalpha, text)):
            return ast.Constant("a sentence")
        return node


@cache
def _meaning(source: str) -> str:
    return ast.dump(_Wordless().visit(ast.parse(source)))


def mutants() -> Iterator[Mutant]:
    """Read every mutant of the last run below the current directory."""
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        spans = MutantLineSpans.load(path)
        if spans is None or not data.exit_code_by_key:
            continue
        names = [name.rpartition(".")[2] for name in data.exit_code_by_key]
        originals = [f"{name.rpartition('__mutmut_')[0]}__mutmut_orig" for name in names]
        wanted = sorted({*names, *originals})
        sources = {
            name: textwrap.dedent(source).replace(name, "changed").splitlines(keepends=True)
            for name, source in zip(wanted, spans.read_function_sources(wanted), strict=True)
        }
        for (full, exit_code), name, original in zip(data.exit_code_by_key.items(), names, originals, strict=True):
            before, after = sources[original], sources[name]
            yield Mutant(
                name=full,
                path=path,
                status=status_by_exit_code[exit_code],
                wording=_meaning("".join(before)) == _meaning("".join(after)),
                diff="".join(
                    line for line in difflib.unified_diff(before, after, n=1) if not line.startswith(("---", "+++"))
                ),
            )


def _share(killed: int, total: int) -> str:
    return f"{killed / total:.1%}" if total else "-"


def table(found: list[Mutant], *, by_module: bool) -> str:
    """Return killed and survived for each package or module, with and without the wording of sentences."""
    groups: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for mutant in found:
        for group in (mutant.path.with_suffix("").as_posix() if by_module else mutant.path.parent.as_posix(), "all"):
            count = groups[group]
            count["mutants"] += 1
            count["timeouts"] += mutant.status == "timeout"
            count["killed"] += mutant.status in _DEAD
            count["wording"] += mutant.wording
            count["wording killed"] += mutant.wording and mutant.status in _DEAD
    lines = [
        "| | mutants | killed | timed out | % | survived: wording | survived: other | % without wording |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for group, count in sorted(groups.items(), key=lambda item: (item[0] == "all", item[0])):
        worded = count["wording"] - count["wording killed"]
        others = count["mutants"] - count["killed"] - worded
        rest = count["mutants"] - count["wording"]
        lines.append(
            f"| {group} | {count['mutants']} | {count['killed']} | {count['timeouts']} "
            f"| {_share(count['killed'], count['mutants'])} | {worded} | {others} | {_share(rest - others, rest)} |"
        )
    return "\n".join(lines)


def drawn(found: list[Mutant], size: int) -> list[str]:
    """Return the names of so many mutants, drawn by the hash of their names: the same ones for everybody."""
    names = [mutant.name for mutant in found]
    return sorted(names, key=lambda name: hashlib.md5(name.encode(), usedforsecurity=False).digest())[:size]


def main() -> int:
    """Print the table, and what survived where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only mutants whose name starts so, such as pytest_tfsig.latency")
    parser.add_argument("--draw", type=int, metavar="N", help="print the names of N of them, for mutmut run")
    parser.add_argument("--modules", action="store_true", help="a row for each module")
    parser.add_argument("--survivors", action="store_true", help="the change of each that survived, wording left out")
    parser.add_argument("--least", type=float, help="fail where fewer percent were killed, wording left out")
    arguments = parser.parse_args()
    everything = [mutant for mutant in mutants() if mutant.name.startswith(tuple(arguments.names) or "")]
    if arguments.draw is not None:
        print(" ".join(drawn(everything, arguments.draw)))
        return 0
    found = [mutant for mutant in everything if mutant.status not in _NOT_RUN]
    if arguments.survivors:
        for mutant in found:
            if mutant.status not in _DEAD and not mutant.wording:
                print(f"{mutant.name} ({mutant.status})\n{mutant.diff}")
    print(table(found, by_module=arguments.modules))
    if len(found) < len(everything):
        print(f"\n{len(everything) - len(found)} mutants were not run.")
    told = [mutant for mutant in found if not mutant.wording]
    killed = sum(mutant.status in _DEAD for mutant in told)
    return int(arguments.least is not None and 100 * killed < arguments.least * len(told))


if __name__ == "__main__":
    sys.exit(main())
