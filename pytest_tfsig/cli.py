"""The tfsig command: look at SavedModels, write contracts, serve, explain."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pytest_tfsig.errors import TfsigError

if TYPE_CHECKING:
    from collections.abc import Sequence

CANNOT_JUDGE = 2
"""The exit code for bad input, as argparse has it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 2 what was asked cannot be done.

    Args:
        arguments: The words after `tfsig`; None takes them from the command line.
    """
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except TfsigError as error:
        print(f"tfsig: {error}", file=sys.stderr)  # noqa: T201 - a command's errors
        return CANNOT_JUDGE
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfsig", description="Contracts of TensorFlow models as they are served.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="what a SavedModel declares: signatures, dtypes, shapes, methods")
    show.add_argument("path", help="a version directory, a base directory of versions, or any SavedModel")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(run=_show)
    init = commands.add_parser("init", help="print a contract file for a SavedModel, to be edited")
    init.add_argument("path", help="as for show")
    init.set_defaults(run=_init)
    serve = commands.add_parser("serve", help="serve a SavedModel with the embedded model server")
    serve.add_argument("path", help="as for show")
    serve.add_argument("--name", help="the name that requests use (default: the base directory's)")
    serve.add_argument("--port", type=int, default=8500, help="of gRPC (default: 8500)")
    serve.add_argument("--rest-port", type=int, default=8501, help="of REST (default: 8501)")
    serve.set_defaults(run=_serve)
    explain = commands.add_parser("explain", help="what a check proves, its options, and known causes of failures")
    explain.add_argument("check", nargs="?", help="a check's name; without one, all are listed")
    explain.set_defaults(run=_explain)
    return parser


def _show(arguments: argparse.Namespace) -> int:
    from pytest_tfsig.reports import saved_model

    print(saved_model.as_json(arguments.path) if arguments.json else saved_model.as_text(arguments.path))  # noqa: T201 - the command's output
    return 0


def _init(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from pytest_tfsig.contract import Contract, infer
    from pytest_tfsig.contract.writing import dumps
    from pytest_tfsig.savedmodel import read

    inferred = infer(read(arguments.path))
    print(dumps(Contract(inferred.signatures, Path(arguments.path))), end="")  # noqa: T201 - the command's output
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    import os
    import tempfile
    from pathlib import Path

    from pytest_tfsig.model_server.main import main as serve
    from pytest_tfsig.savedmodel import read, resolve

    model = resolve(arguments.path)
    read(model.directory)
    name = arguments.name or model.name
    with tempfile.TemporaryDirectory(prefix="tfsig-serve-") as folder:
        base = Path(folder, name)
        base.mkdir()
        (base / str(model.version)).symlink_to(model.directory.resolve(), target_is_directory=True)
        return serve(
            [
                f"--port={arguments.port}",
                f"--rest_api_port={arguments.rest_port}",
                f"--model_name={name}",
                f"--model_base_path={os.fspath(base)}",
                "--max_num_load_retries=0",
            ]
        )


def _explain(arguments: argparse.Namespace) -> int:
    from pytest_tfsig.checks.explanation import explain, overview

    print(overview() if arguments.check is None else explain(arguments.check))  # noqa: T201 - the command's output
    return 0


if __name__ == "__main__":
    sys.exit(main())
