"""tfsig show: what a SavedModel declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.cli.output import say

if TYPE_CHECKING:
    import argparse

    from pytest_tfsig.cli.commands import Commands


def add(commands: Commands) -> None:
    """Adds the command."""
    show = commands.add_parser("show", help="what a SavedModel declares: signatures, dtypes, shapes, methods")
    show.add_argument("path", help="a version directory, a base directory of versions, or any SavedModel")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pytest_tfsig.reports import saved_model

    say(saved_model.as_json(arguments.path) if arguments.json else saved_model.as_text(arguments.path))
    return 0
