"""Our own model server in a process of its own: for machines without Docker."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, final

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import memory, process
from pytest_tfsig.serving.availability import why_no_embedded
from pytest_tfsig.serving.protocol import Instance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_tfsig.serving.folder import Folder

__all__ = ["COMMON_FLAGS", "EmbeddedRunner"]

# What tests want of any server: no retries of a model that cannot load, and labels that may come first.
COMMON_FLAGS = (
    "--max_num_load_retries=0",
    "--file_system_poll_wait_seconds=1",
    "--allow_version_labels_for_unavailable_models=true",
)


@final
class EmbeddedRunner:
    """Runs `python -m pytest_tfsig.model_server` on ports that the kernel chooses, on the loopback interface only.

    Args:
        op_libraries: Shared libraries of custom ops, loaded before any model.
        flags: Further flags of `tensorflow_model_server`.
        host: The address to listen on.
    """

    kind = "embedded"
    description = "embedded model server"

    def __init__(
        self, *, op_libraries: Sequence[Path] = (), flags: Sequence[str] = (), host: str = "127.0.0.1"
    ) -> None:
        self._flags = (
            f"--tfsig_host={host}",
            *([f"--op_library={','.join(map(str, op_libraries))}"] if op_libraries else []),
            *COMMON_FLAGS,
            *flags,
        )

    def base_path(self, folder: Folder, name: str) -> str:
        """Return the path of the staged model."""
        return str(folder.models / name)

    def stage(self, folder: Folder, instance: Instance, name: str, version: int, directory: Path) -> None:  # noqa: ARG002 - the protocol's
        """Link the version directory: the server sees this machine's files."""
        folder.link(name, version, directory)

    def start(self, folder: Folder, *, owner: int, timeout: float) -> Instance:
        """Start the process and read from its ports file where it listens.

        Raises:
            ServerError: TensorFlow is missing, or the server did not start in time.
        """
        reason = why_no_embedded()
        if reason is not None:
            raise ServerError(f"The embedded server cannot be started: {reason}.")
        folder.ports.unlink(missing_ok=True)
        command = [
            sys.executable,
            # Not the tests' own directory: a module there could shadow one that the server needs.
            "-P",
            "-m",
            "pytest_tfsig.model_server",
            f"--model_config_file={folder.config}",
            f"--tfsig_watch_pid={owner}",
            f"--tfsig_ports_file={folder.ports}",
            *self._flags,
        ]
        server = process.launch(command, folder.log, environment={**os.environ, "PYTHONUNBUFFERED": "1"})
        # While the server starts, load what will talk to it.
        importlib.import_module("pytest_tfsig.clients.grpc")
        process.wait_until(lambda: folder.ports.exists() or not process.is_alive(server), timeout)
        if not folder.ports.exists():
            end = process.ending(server)
            process.stop(server)
            how = f"ended at once ({end})" if end else f"did not listen within {timeout:g} s"
            raise ServerError(f"The embedded server {how}. Its log:\n{folder.log_tail().strip()}")
        ports = json.loads(folder.ports.read_text())
        return Instance(
            grpc=f"127.0.0.1:{ports['grpc']}",
            rest=f"http://127.0.0.1:{ports['rest']}" if ports.get("rest") else None,
            process=server,
            capacity=memory.capacity(memory.available()),
        )

    def alive(self, instance: Instance) -> bool:
        """Whether the process runs."""
        return instance.process is not None and process.is_alive(instance.process)

    def logs(self, folder: Folder, instance: Instance | None) -> str:  # noqa: ARG002 - the protocol's
        """Return the end of the log file."""
        return folder.log_tail()

    def ending(self, instance: Instance) -> str:
        """Return how the process ended."""
        return "" if instance.process is None else process.ending(instance.process)

    def stop(self, folder: Folder, instance: Instance | None) -> None:  # noqa: ARG002 - the protocol's
        """End the process."""
        if instance is not None and instance.process is not None:
            process.stop(instance.process)
