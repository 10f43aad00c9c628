"""`tensorflow_model_server` from PATH."""

from __future__ import annotations

import shutil
import socket
from typing import TYPE_CHECKING, final

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import memory, process
from pytest_tfsig.serving.availability import BINARY, why_no_binary
from pytest_tfsig.serving.embedded import COMMON_FLAGS
from pytest_tfsig.serving.protocol import Instance
from pytest_tfsig.serving.readiness import listens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_tfsig.serving.folder import Folder

__all__ = ["BinaryRunner"]

_ATTEMPTS = 3


@final
class BinaryRunner:
    """Runs the real server as a process of this machine. It listens on all interfaces: it has no flag for less.

    Args:
        flags: Further flags.
    """

    kind = "binary"

    def __init__(self, *, flags: Sequence[str] = ()) -> None:
        self._flags = (*COMMON_FLAGS, *flags)

    @property
    def description(self) -> str:
        """The program's path."""
        return shutil.which(BINARY) or BINARY

    def base_path(self, folder: Folder, name: str) -> str:
        """Return the path of the staged model."""
        return str(folder.models / name)

    def stage(self, folder: Folder, instance: Instance, name: str, version: int, directory: Path) -> None:  # noqa: ARG002 - the protocol's
        """Link the version directory: the server sees this machine's files."""
        folder.link(name, version, directory)

    def start(self, folder: Folder, *, owner: int, timeout: float) -> Instance:  # noqa: ARG002 - the reaper watches the owner
        """Start the process on free ports; ports that are taken in the meantime are chosen anew.

        Raises:
            ServerError: There is no such program, or it did not start in time.
        """
        reason = why_no_binary()
        if reason is not None:
            raise ServerError(f"The server binary cannot be started: {reason}.")
        for _ in range(_ATTEMPTS):
            grpc, rest = _free_ports()
            command = [
                self.description,
                f"--port={grpc}",
                f"--rest_api_port={rest}",
                f"--model_config_file={folder.config}",
                *self._flags,
            ]
            server = process.launch(command, folder.log)
            instance = Instance(
                f"127.0.0.1:{grpc}",
                f"http://127.0.0.1:{rest}",
                process=server,
                capacity=memory.capacity(memory.available()),
            )
            process.wait_until(lambda: listens(instance) or not process.is_alive(server), timeout, pause=0.05)  # noqa: B023 - waited for in this very iteration
            if process.is_alive(server) and listens(instance):
                return instance
            end = process.ending(server)
            process.stop(server)
            if not end:
                break
        how = f"ended at once ({end})" if end else f"did not listen within {timeout:g} s"
        raise ServerError(f"{self.description} {how}. Its log:\n{folder.log_tail().strip()}")

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


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
