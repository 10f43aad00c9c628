"""The tfsig command: look at SavedModels, compare, record and serve them, write and explain contracts."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pytest_tfsig.cli import diff, explain, init, record, serve, show, verify_blessing, warmup
from pytest_tfsig.cli.output import say
from pytest_tfsig.errors import TfsigError

if TYPE_CHECKING:
    from collections.abc import Sequence

CANNOT_JUDGE = 2
"""The exit code for bad input, as argparse has it."""

_COMMANDS = (show, init, diff, record, warmup, serve, verify_blessing, explain)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 judged and refused, 2 what was asked cannot be done.

    Args:
        arguments: The words after `tfsig`; None takes them from the command line.
    """
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        problem = error if isinstance(error, TfsigError) else _unmet()
        if problem is None:
            raise
        say(f"tfsig: {problem}", aside=True)
        return CANNOT_JUDGE
    return code


def _unmet() -> str | None:
    """What explains an error that nobody foresaw: asked only then, as it would take longer than some commands."""
    from pytest_tfsig import requirements

    return requirements.unmet()


class _Version(argparse.Action):
    """Says which version is installed; looked up only then, unlike that of argparse's own action."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        say(f"pytest-tfsig {version('pytest-tfsig')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfsig", description="Contracts of TensorFlow models as they are served.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print which version is installed")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
