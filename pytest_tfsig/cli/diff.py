"""tfsig diff: whether callers of one version can go on with another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.cli.output import say

if TYPE_CHECKING:
    import argparse

    from pytest_tfsig.cli.commands import Commands


def add(commands: Commands) -> None:
    """Adds the command."""
    diff = commands.add_parser(
        "diff",
        help="what breaks callers of an old version when a new one answers",
        description="Exit codes: 0 nobody breaks, 1 somebody does, 2 the two cannot be judged.",
    )
    diff.add_argument("old", help="the released version: a version directory, a base directory, or any SavedModel")
    diff.add_argument("new", help="the candidate")
    form = diff.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--github", action="store_true", help="as annotations of a GitHub Actions run")
    diff.add_argument("--ignore", metavar="FILE", help="TOML list of accepted changes, each until a day")
    diff.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pytest_tfsig.contract.compatibility import load_ignores
    from pytest_tfsig.reports import compatibility

    ignores = load_ignores(arguments.ignore) if arguments.ignore else ()
    diff = compatibility.compare(arguments.old, arguments.new, ignores)
    write = compatibility.as_text
    if arguments.json:
        write = compatibility.as_json
    elif arguments.github:
        write = compatibility.as_github
    say(write(diff))
    return int(diff.breaks)
