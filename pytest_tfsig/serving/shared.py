"""What the processes of one test run share: one server, and the names under which it serves their models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from filelock import FileLock

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving.folder import writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_tfsig.serving.managed import ManagedServer
    from pytest_tfsig.serving.protocol import Runner

__all__ = ["Shared", "claim"]


@final
class Shared:
    """One run's server: the first process that needs it starts it, the others find it.

    Args:
        folder: A path that all processes of the run know; made by the first that needs it.
        owner: The process whose end is the server's end, and which calls `stop`.
    """

    def __init__(self, folder: Path, *, owner: int) -> None:
        self.folder = folder
        self.owner = owner
        self._server = folder / "server.json"
        self._names = folder / "names.json"

    def server(
        self, launch: Callable[[Path, int], ManagedServer], runner_for: Callable[[str], Runner], timeout: float
    ) -> ManagedServer:
        """Returns the run's server.

        Args:
            launch: Starts it, with its session folder in a folder and a process as its owner.
            runner_for: Returns the runner of a kind, for a server that another process started.
            timeout: Seconds that the server may take to start, and a model to load.

        Raises:
            ServerError: It cannot be started; said to every process, tried by one.
        """
        from pytest_tfsig.serving.managed import attach

        with self._lock():
            found = _read(self._server)
            if "problem" in found:
                raise ServerError(found["problem"])
            if found:
                return attach(runner_for(found["kind"]), Path(found["folder"]), owner=self.owner, timeout=timeout)
            try:
                started = launch(self.folder, self.owner)
            except ServerError as error:
                _write(self._server, {"problem": str(error)})
                raise
            _write(self._server, {"kind": started.kind, "folder": str(started.folder)})
            return started

    def claim(self, wanted: str, directory: Path) -> str:
        """Returns the name under which a directory's model is served; see `claim`."""
        with self._lock():
            names = _read(self._names)
            name = claim(names, wanted, directory)
            _write(self._names, names)
        return name

    def stop(self) -> None:
        """Stops the server, where one was started, and deletes the folder: once, when every process is done.

        Raises:
            ServerError: The container engine does not answer; the reaper goes on, and deletes the folder.
        """
        from pytest_tfsig.serving.choice import runner_for
        from pytest_tfsig.serving.managed import attach

        found = _read(self._server)
        if "folder" in found:
            attach(runner_for(found["kind"]), Path(found["folder"]), owner=self.owner).stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _lock(self) -> FileLock:
        with writing(self.folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            (self.folder / "lock").touch()
        return FileLock(self.folder / "lock")


def claim(names: dict[str, str], wanted: str, directory: Path) -> str:
    """Returns a name under which no other directory is served, and enters it: two models may be called the same.

    Args:
        names: The directories by name.
        wanted: The name to have if it is free.
        directory: The model's version directory.
    """
    number, name = 1, wanted
    while names.get(name, str(directory)) != str(directory):
        number += 1
        name = f"{wanted}-{number}"
    names[name] = str(directory)
    return name


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.exists() else {}


def _write(file: Path, content: dict[str, Any]) -> None:
    draft = file.with_suffix(".new")
    with writing(file.parent):
        draft.write_text(json.dumps(content))
        draft.replace(file)
