"""tfsig explain: what a check proves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.cli.output import say

if TYPE_CHECKING:
    import argparse

    from pytest_tfsig.cli.commands import Commands


def add(commands: Commands) -> None:
    """Adds the command."""
    explain = commands.add_parser("explain", help="what a check proves, its options, and known causes of failures")
    explain.add_argument("check", nargs="?", help="a check's name; without one, all are listed")
    explain.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pytest_tfsig.checks.explanation import explain, overview

    say(overview() if arguments.check is None else explain(arguments.check))
    return 0
