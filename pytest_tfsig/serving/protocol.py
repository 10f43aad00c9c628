"""What every server offers, and what every way of running one must offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_tfsig.clients import Credentials
    from pytest_tfsig.serving.folder import Folder

__all__ = ["DEFAULT_IMAGE", "Instance", "Runner", "Server"]

DEFAULT_IMAGE = "tensorflow/serving:2.20.0"


class Server(Protocol):
    """A model server that tests can use, however it is run."""

    @property
    def kind(self) -> str:
        """`container`, `binary`, `embedded` or `remote`."""

    @property
    def grpc_address(self) -> str:
        """`HOST:PORT` of the gRPC APIs; another one after a restart."""

    @property
    def rest_url(self) -> str | None:
        """`http://HOST:PORT` of the REST API; None where there is none."""

    @property
    def incarnation(self) -> str:
        """Which start of the server this is: another one after a restart, be it at the same address."""

    @property
    def credentials(self) -> Credentials | None:
        """What a client must show; None: nothing."""

    @property
    def description(self) -> str:
        """One line for headers and error messages: what serves, and where."""

    def add(self, name: str, version: int, directory: Path, *, labels: Mapping[str, int] | None = None) -> None:
        """Serve one more version of a model, and return when it is AVAILABLE.

        Args:
            name: The name that requests use.
            version: The version's number.
            directory: The version directory: the one that holds `saved_model.pb`.
            labels: Labels of the model's versions, this one included.

        Raises:
            ModelLoadError: The server refuses the model, or died of it; all other models are served on.
            ServerError: The server cannot be told, or is dead.
        """

    def release(self, name: str, version: int) -> None:
        """Need a version no longer: it is served on until its room is needed; `add` has it served again."""

    def label(self, name: str, labels: Mapping[str, int]) -> None:
        """Have labels of a model name these versions from now on; its other labels stay as they are.

        Args:
            name: A model that is served.
            labels: The versions by label; each is AVAILABLE.

        Raises:
            ServerError: The server cannot be told, or refuses.
        """

    def remove(self, name: str, version: int | None = None) -> None:
        """Serve a version (None: the whole model) no longer.

        Raises:
            ServerError: The server cannot be told.
        """

    def revive(self, *, suspect: bool = False) -> bool:
        """Start the server again, with the models that it had, if it is dead; return whether.

        Args:
            suspect: It left a request without an answer: start it again also if it is not dead but silent.

        Raises:
            ServerError: The server cannot be started again.
        """

    def logs(self) -> str:
        """Return the end of the server's log."""

    def alive(self) -> bool:
        """Whether the server still runs."""

    def leave(self) -> None:
        """Use the server no longer, and let it run: whoever owns it stops it."""

    def stop(self) -> None:
        """Stop the server and leave nothing behind; a stopped server may be stopped again.

        Raises:
            ServerError: Something is left behind for now; the message says what, and what becomes of it.
        """


@final
@dataclass(frozen=True, slots=True)
class Instance:
    """One running server, as plain data that other processes can use.

    Args:
        grpc: `HOST:PORT`.
        rest: `http://HOST:PORT`, or None.
        process: The server's process id, where it is one of this machine.
        container: The container's id, where it is one.
        copied: Whether models must be copied into the container, which does not see this machine's files.
        capacity: Bytes that models may take together in its memory; None: nobody knows.
    """

    grpc: str
    rest: str | None
    process: int | None = None
    container: str | None = None
    copied: bool = False
    capacity: int | None = None

    @property
    def incarnation(self) -> str:
        """What tells it from any other, also from a former one at its address."""
        return f"{self.grpc} {self.container or self.process}"


class Runner(Protocol):
    """A way of running a server program. Holds no state that another process would need: that is in the `Instance`."""

    @property
    def kind(self) -> str:
        """`container`, `binary` or `embedded`."""

    @property
    def description(self) -> str:
        """What is run, in a few words."""

    def base_path(self, folder: Folder, name: str) -> str:
        """The base path of a staged model, as the server sees it."""

    def stage(self, folder: Folder, instance: Instance, name: str, version: int, directory: Path) -> None:
        """Make a version directory visible to the server below the model's base path."""

    def start(self, folder: Folder, *, owner: int, timeout: float) -> Instance:
        """Start the server with no model and return when it listens.

        Args:
            folder: Where models, log and configuration lie.
            owner: The process whose end is to be the server's end.
            timeout: Seconds until it is given up.

        Raises:
            ServerError: It did not start; the message shows its log.
        """

    def alive(self, instance: Instance) -> bool:
        """Whether it still runs."""

    def logs(self, folder: Folder, instance: Instance | None) -> str:
        """The end of its log."""

    def ending(self, instance: Instance) -> str:
        """How it ended, such as `killed by SIGSEGV`; empty if that is not known."""

    def stop(self, folder: Folder, instance: Instance | None) -> None:
        """Stop it, whatever state it is in, and wait until it is gone; also one that never came to be an instance.

        Raises:
            ServerError: Whether anything of it is left cannot be told now: the container engine does not answer.
        """
