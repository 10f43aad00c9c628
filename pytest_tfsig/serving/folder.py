"""A server's session folder: its models, its configuration, its log, and the state that processes share."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, final

from filelock import FileLock

from pytest_tfsig.errors import ModelLoadError, ServerError
from pytest_tfsig.serving.protocol import Instance
from pytest_tfsig.serving.roster import Roster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Folder", "check_files", "writing"]

EMPTY_CONFIG = "model_config_list {}\n"
_TAIL = 64 * 1024


@final
class Folder:
    """The folder of one server, shared by the processes that use it.

    Args:
        path: An existing directory of the server's own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.models = path / "models"
        self.config = self.models / ".models.config"
        self.log = path / "server.log"
        self.ports = path / "ports.json"
        self.asked = path / "asked"
        """There once a container engine was asked for a container, which may since be there."""
        self.lock = FileLock(path / "lock")
        self._state = path / "state.json"

    @classmethod
    def create(cls, parent: Path | None = None) -> Folder:
        """Make a new folder, by default where temporary files go.

        Raises:
            ServerError: Nothing can be written there.
        """
        with writing(parent or Path(tempfile.tempdir or "the directory for temporary files")):
            folder = cls(Path(tempfile.mkdtemp(prefix="tfsig-", dir=parent)).resolve())
            try:
                folder.models.mkdir(mode=0o755)
                folder.config.write_text(EMPTY_CONFIG)
                folder.log.touch()
            except BaseException:
                folder.delete()
                raise
        return folder

    def read(self) -> tuple[Roster, Instance | None]:
        """Return what is to be served, and the server that does; hold the lock."""
        if not self._state.exists():
            return Roster(), None
        state = json.loads(self._state.read_text())
        instance = state["instance"]
        return Roster.from_json(state["models"]), None if instance is None else Instance(**instance)

    def write(self, roster: Roster, instance: Instance | None) -> None:
        """Store what is to be served, and the server that does; hold the lock.

        Raises:
            ServerError: The folder cannot be written.
        """
        state = {"models": roster.to_json(), "instance": None if instance is None else asdict(instance)}
        draft = self._state.with_suffix(".new")
        with writing(self.path):
            draft.write_text(json.dumps(state))
            draft.replace(self._state)

    def link(self, name: str, version: int, directory: Path) -> None:
        """Stage a version as a symbolic link: for a server that sees this machine's files."""
        self._place(name, version, lambda target: target.symlink_to(directory.resolve(), target_is_directory=True))

    def materialize(self, name: str, version: int, directory: Path) -> None:
        """Stage a version as files, hard-linked where that is possible: for a server that sees only this folder."""
        self._place(
            name,
            version,
            lambda target: shutil.copytree(directory.resolve(), target, copy_function=_link_or_copy),
        )

    def unstage(self, name: str, version: int | None) -> None:
        """Remove a version, or all versions, of a model."""
        target = self.models / name
        if version is not None:
            target = target / str(version)
        if target.is_symlink():
            target.unlink()
        elif target.is_dir():
            shutil.rmtree(target, ignore_errors=True)

    def log_tail(self) -> str:
        """Return the end of the log file."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL))
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def delete(self) -> None:
        """Remove the folder; the models it links to stay."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _place(self, name: str, version: int, make: Callable[[Path], object]) -> None:
        target = self.models / name / str(version)
        self.unstage(name, version)
        with writing(self.path):
            target.parent.mkdir(exist_ok=True)
            make(target)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the file system says against writing into an error that names the place and says what to do.

    Args:
        path: Where something is written.

    Raises:
        ServerError: It cannot be.
    """
    try:
        yield
    except OSError as error:
        # shutil says of each file why it could not be copied.
        why = error.strerror or (error.args[0][0][2] if isinstance(error, shutil.Error) else str(error))
        raise ServerError(f"{path} cannot be written ({why}): free space there, or set TMPDIR to elsewhere.") from error


def check_files(directory: Path) -> None:
    """Refuse a model whose directory holds anything but files, directories and links among them.

    A link out of the directory would let a model name any file of the machine; a pipe would never end.

    Raises:
        ModelLoadError: There is no such directory, or it holds such an entry.
    """
    root = directory.resolve()
    if not root.is_dir():
        raise ModelLoadError(f"{directory} is not a directory: name the version directory of a SavedModel.")
    for folder, names, files in os.walk(root):
        for path in (Path(folder, name) for name in [*names, *files]):
            if path.is_symlink() and not (path.exists() and path.resolve().is_relative_to(root)):
                raise ModelLoadError(
                    f"{path} is a symbolic link to nothing in the model's directory: put the file itself there."
                )
            mode = path.stat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise ModelLoadError(f"{path} is neither a file nor a directory: a SavedModel has nothing else.")


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        # Another file system, or files of another user that the kernel does not let us link.
        shutil.copyfile(source, target)
