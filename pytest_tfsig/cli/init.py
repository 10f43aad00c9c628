"""tfsig init: a contract file for a SavedModel, to be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from pytest_tfsig.cli.commands import Commands


def add(commands: Commands) -> None:
    """Adds the command."""
    init = commands.add_parser("init", help="print a contract file for a SavedModel, to be edited")
    init.add_argument("path", help="as for show")
    init.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from pytest_tfsig.contract import Contract, infer, remarks
    from pytest_tfsig.contract.writing import dumps
    from pytest_tfsig.errors import UsageError
    from pytest_tfsig.savedmodel import read

    saved_model = read(arguments.path)
    inferred = infer(saved_model)
    if not inferred.signatures:
        raise UsageError(f"{arguments.path}: the SavedModel has no signatures, so there is nothing to promise")
    text = dumps(Contract(inferred.signatures, Path(arguments.path)), remarks(saved_model.signatures))
    print(text, end="")  # noqa: T201 - the command's output
    return 0
