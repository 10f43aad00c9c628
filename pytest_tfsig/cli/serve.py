"""tfsig serve: a SavedModel, served by the embedded model server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from pytest_tfsig.cli.commands import Commands


def add(commands: Commands) -> None:
    """Adds the command."""
    serve = commands.add_parser("serve", help="serve a SavedModel with the embedded model server")
    serve.add_argument("path", help="as for show")
    serve.add_argument("--name", help="the name that requests use (default: the base directory's)")
    serve.add_argument("--port", type=int, default=8500, help="of gRPC (default: 8500)")
    serve.add_argument("--rest-port", type=int, default=8501, help="of REST (default: 8501)")
    serve.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import os
    import tempfile
    from pathlib import Path

    from pytest_tfsig.model_server.main import main as serve
    from pytest_tfsig.savedmodel import read, resolve
    from pytest_tfsig.serving import reaper

    model = resolve(arguments.path)
    read(model.directory)
    name = arguments.name or model.name
    with tempfile.TemporaryDirectory(prefix="tfsig-serve-") as folder:
        # The server ends its process at once, whatever the reason: somebody else deletes the folder then.
        reaper.start(Path(folder), os.getpid()).leave()
        base = Path(folder, "model")  # of no name that a user gives, which may hold what no path does
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
