"""tfsig init: a contract file for a SavedModel, to be edited."""

from __future__ import annotations

import textwrap
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pytest_tfsig.cli.commands import Commands
    from pytest_tfsig.contract import Contract


def add(commands: Commands) -> None:
    """Adds the command."""
    init = commands.add_parser(
        "init",
        help="print a contract file for a SavedModel, to be edited",
        description="Prints what the signatures promise. With --observe, the model is served, and what its answers "
        "kept is added, each with a comment that says what was observed.",
    )
    init.add_argument("path", help="as for show")
    init.add_argument("--observe", type=int, metavar="N", help="serve the model, and send N inputs for each signature")
    init.add_argument("--server", default="auto", help="auto, container, binary or embedded (default: auto)")
    init.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from pytest_tfsig.contract import Contract, infer, remarks
    from pytest_tfsig.contract.writing import dumps
    from pytest_tfsig.errors import UsageError
    from pytest_tfsig.savedmodel import read

    if arguments.observe is not None and arguments.observe < 1:
        raise UsageError(f"--observe {arguments.observe}: at least one input is wanted, and a hundred say more")
    saved_model = read(arguments.path)
    inferred = infer(saved_model)
    if not inferred.signatures:
        raise UsageError(f"{arguments.path}: the SavedModel has no signatures, so there is nothing to promise")
    contract = Contract(inferred.signatures, Path(arguments.path))
    comments: dict[tuple[str, ...], list[str]] = {}
    if arguments.observe is not None:
        contract, comments = _observed(arguments, contract)
    text = dumps(contract, remarks(saved_model.signatures))
    print(_annotated(text, comments), end="")  # noqa: T201 - the command's output
    return 0


def _observed(arguments: argparse.Namespace, contract: Contract) -> tuple[Contract, dict[tuple[str, ...], list[str]]]:
    from pytest_tfsig.cli.observed import propose
    from pytest_tfsig.options import Options
    from pytest_tfsig.session import Session

    session = Session(Options(server=arguments.server, max_examples=arguments.observe))
    try:
        return propose(session, arguments.path, contract)
    finally:
        session.close()


def _annotated(text: str, comments: Mapping[tuple[str, ...], list[str]]) -> str:
    """Returns a contract file with comments behind the heads of the tables that they are about."""
    lines = []
    for line in text.splitlines():
        lines.append(line)
        if line.startswith("["):
            for comment in comments.get(_table(line), ()):
                # Errors of models may hold what TOML allows nowhere.
                seen = "".join(char if char.isprintable() else " " for char in comment)
                lines += [f"# {part}" for part in textwrap.wrap(seen, 110)]
    return "\n".join(lines) + "\n"


def _table(head: str) -> tuple[str, ...]:
    """Returns the path that the head of a table names."""
    path: list[str] = []
    found: Any = tomllib.loads(head)
    while found:
        found = found[0] if isinstance(found, list) else found
        if not found:
            break
        [(key, found)] = found.items()
        path.append(key)
    return tuple(path)
