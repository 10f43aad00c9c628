"""A server that we run: one process or container for many models, shared by all processes of a test session."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, final

from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import ModelLoadError, ServerError
from pytest_tfsig.serving import memory, process, reaper
from pytest_tfsig.serving.advice import advice_for
from pytest_tfsig.serving.control import MARGIN_SECONDS, Control
from pytest_tfsig.serving.folder import Folder, check_files
from pytest_tfsig.serving.process import wait_until
from pytest_tfsig.serving.readiness import listens
from pytest_tfsig.serving.roster import Roster, Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_tfsig.clients import Credentials
    from pytest_tfsig.serving.protocol import Instance, Runner

__all__ = ["ManagedServer", "attach"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_LOG_LINES = 12


@final
class ManagedServer:
    """A server run by a `Runner`, its models changed through HandleReloadConfigRequest.

    Several processes may use one server: each has its own `ManagedServer` on the same folder, whose lock and state
    keep them in step.

    Args:
        runner: How the server is run.
        folder: Its session folder.
        owner: The process whose end is the server's end, and which stops it.
        timeout: Seconds that the server may take to start, and a model to load.
    """

    def __init__(self, runner: Runner, folder: Folder, *, owner: int, timeout: float) -> None:
        self._runner = runner
        self._folder = folder
        self._owner = owner
        self._timeout = timeout
        self._reaper: reaper.Reaper | None = None
        self._control = Control(lambda name: runner.base_path(folder, name), timeout=timeout)

    @classmethod
    def launch(
        cls, runner: Runner, *, owner: int | None = None, timeout: float = 60.0, parent: Path | None = None
    ) -> ManagedServer:
        """Start a server without models in a new session folder.

        Args:
            runner: How the server is run.
            owner: The process whose end is the server's end; None: this one.
            timeout: Seconds that the server may take to start, and a model to load.
            parent: Where the session folder is made: a folder of the run's own, which goes with its owner too; None:
                where temporary files go.

        Raises:
            ServerError: It did not start; the message shows its log.
        """
        folder = Folder.create(parent)
        server = cls(runner, folder, owner=os.getpid() if owner is None else owner, timeout=timeout)
        # Before the server, so that there is no moment at which nobody would clean up.
        label = folder.path.name if runner.kind == "container" else ""
        server._reaper = reaper.start(folder.path, server._owner, label, whole=parent)
        instance = None
        try:
            with folder.lock:
                instance = runner.start(folder, owner=server._owner, timeout=timeout)
                folder.write(Roster(), instance)
        except BaseException:
            with contextlib.suppress(ServerError):
                server._clean_up(instance)
            raise
        if server._owner == os.getpid():
            atexit.register(server._stop_quietly)
        return server

    @property
    def kind(self) -> str:
        """How the server is run."""
        return self._runner.kind

    @property
    def folder(self) -> Path:
        """The session folder, for `attach` in another process."""
        return self._folder.path

    @property
    def credentials(self) -> Credentials | None:
        """None: a server of ours asks for nothing."""
        return None

    @property
    def grpc_address(self) -> str:
        """`HOST:PORT`; another one after a restart."""
        return self._instance().grpc

    @property
    def rest_url(self) -> str | None:
        """`http://HOST:PORT`; another one after a restart."""
        return self._instance().rest

    @property
    def incarnation(self) -> str:
        """Which start of the server this is."""
        return self._instance().incarnation

    @property
    def description(self) -> str:
        """What serves, and where."""
        _, instance = self._folder.read()
        where = "stopped" if instance is None else f"gRPC {instance.grpc}, REST {instance.rest or 'none'}"
        return f"{self._runner.description} ({where})"

    def add(self, name: str, version: int, directory: Path, *, labels: Mapping[str, int] | None = None) -> None:
        """Serve one more version of a model, and return when it is AVAILABLE.

        This process needs it from now on; where it finds no room, versions that nobody needs make it.

        Raises:
            ModelLoadError: The server refuses the model, or died of it; all other models are served on.
            ServerError: The server cannot be told, or is dead; or it serves that version already.
        """
        if not _NAME.fullmatch(name):
            raise ServerError(f"{name!r} cannot be a model's name: use letters, digits, '_', '-' and '.'.")
        check_files(directory)
        with self._folder.lock:
            roster, instance = self._folder.read()
            if instance is None:
                raise ServerError(f"{self._runner.description} is stopped: start it again to add {name!r}.")
            if roster.serves(name, version, directory, labels or {}):
                self._folder.write(roster.holding(name, version, os.getpid()), instance)
                return
            if name in roster.models and version in roster.models[name].versions:
                raise ServerError(f"Version {version} of model {name!r} is served already: remove it first.")
            row = Version(directory, memory.footprint(directory), frozenset({os.getpid()}))
            if instance.capacity is not None:
                left = roster.with_room(row.size, instance.capacity, process.is_alive)
                roster = self._withdraw(instance, roster, left)
            self._runner.stage(self._folder, instance, name, version, directory)
            wanted = roster.adding(name, version, row, labels or {})
            try:
                self._control.load(instance, wanted, name, version)
            except ServingError as error:
                raise self._refusal(roster, instance, error, name=name, version=version, directory=directory) from error
            self._folder.write(wanted, instance)

    def release(self, name: str, version: int) -> None:
        """Need a version no longer: it is served on until its room is needed; `add` has it served again."""
        with self._folder.lock:
            roster, instance = self._folder.read()
            self._folder.write(roster.releasing(name, version, os.getpid(), time.time()), instance)

    def label(self, name: str, labels: Mapping[str, int]) -> None:
        """Have labels of a model name these versions from now on.

        Raises:
            ServerError: The model is not served here, or the server cannot be told, or refuses.
        """
        with self._folder.lock:
            roster, instance = self._folder.read()
            if instance is None or name not in roster.models:
                raise ServerError(f"Model {name!r} is not served by {self.description}: add it before its labels.")
            wanted = roster.labelling(name, labels)
            try:
                self._control.tell(instance, wanted)
            except ServingError as error:
                raise ServerError(f"Labels of model {name!r} cannot be moved: {error}") from error
            self._folder.write(wanted, instance)

    def remove(self, name: str, version: int | None = None) -> None:
        """Serve a version (None: the whole model) no longer; of an unknown one nothing is to be done.

        Raises:
            ServerError: The server cannot be told.
        """
        with self._folder.lock:
            roster, instance = self._folder.read()
            left = roster.removing(name, version)
            if instance is None:
                self._folder.write(left, None)
                self._folder.unstage(name, version)
            else:
                self._withdraw(instance, roster, left)

    def revive(self, *, suspect: bool = False) -> bool:
        """Start the server again if it is dead, and return whether: once, however many processes notice.

        Args:
            suspect: It left a request without an answer: start it again also if it is not dead but silent.

        Raises:
            ServerError: The server cannot be started again, or died again of one of its models, which is named.
        """
        with self._folder.lock:
            roster, instance = self._folder.read()
            if instance is not None and self._runner.alive(instance) and not (suspect and not listens(instance)):
                return False
            self._start_again(roster, instance)
            return True

    def logs(self) -> str:
        """Return the end of the server's log."""
        return self._runner.logs(self._folder, self._folder.read()[1])

    def alive(self) -> bool:
        """Whether the server still runs."""
        _, instance = self._folder.read()
        return instance is not None and self._runner.alive(instance)

    def stop(self) -> None:
        """Stop the server and leave nothing behind.

        Raises:
            ServerError: The container engine does not answer; the reaper goes on when this process has ended.
        """
        atexit.unregister(self._stop_quietly)
        if not self._folder.path.is_dir():
            return
        with self._folder.lock:
            roster, instance = self._folder.read()
            with contextlib.suppress(ServerError):  # the folder goes, full or not
                self._folder.write(roster, None)
        self._clean_up(instance)

    def leave(self) -> None:
        """Use the server no longer, and let it run: its owner is another process, which stops it."""
        self._control.close()
        _, instance = self._folder.read()
        if instance is not None and instance.process is not None:
            process.leave(instance.process)
        if self._reaper is not None:
            self._reaper.leave()
            self._reaper = None

    def _stop_quietly(self) -> None:
        with contextlib.suppress(ServerError):
            self.stop()

    def _clean_up(self, instance: Instance | None) -> None:
        self._control.close()
        try:
            self._runner.stop(self._folder, instance)
        except ServerError as error:
            # The folder tells the reaper that something is left.
            if self._reaper is not None:
                self._reaper.leave()
                self._reaper = None
            raise ServerError(f"{error} {reaper.left_to_it(self._folder.path.name)}") from error
        self._folder.delete()
        if self._reaper is not None:
            self._reaper.dismiss()
            self._reaper = None

    def _instance(self) -> Instance:
        _, instance = self._folder.read()
        if instance is None:
            raise ServerError(f"{self._runner.description} is stopped.")
        return instance

    def _withdraw(self, instance: Instance, roster: Roster, left: Roster) -> Roster:
        """Serve what a roster lacks no longer, and return it."""
        gone = roster.versions - left.versions
        if not gone:
            return left

        try:
            self._control.unload(instance, left, gone)
        except ServingError as error:
            names = ", ".join(repr(name) for name in sorted({name for name, _ in gone}))
            raise ServerError(f"Model {names} cannot be removed from {self.description}: {error}") from error
        self._folder.write(left, instance)
        for name, version in gone:
            self._folder.unstage(name, version)
        return left

    def _refusal(
        self,
        roster: Roster,
        instance: Instance,
        error: ServingError,
        *,
        name: str,
        version: int,
        directory: Path,
    ) -> ServerError:
        """Go back to the models that were served before, and say why the new one is not."""
        what = f"Version {version} of model {name!r} ({directory})"
        reason = self._control.reason(instance, name, version) or error.message
        # A server that dies closes its connections a moment before its process has ended.
        lost = error.code == "UNAVAILABLE" and wait_until(lambda: not self._runner.alive(instance), MARGIN_SECONDS)
        log = self._runner.logs(self._folder, instance)
        end = self._runner.ending(instance)
        self._folder.unstage(name, version)
        if lost or error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            # A model that never finishes loading holds the server's configuration, so that it takes no other.
            self._start_again(roster, instance)
            how = f"brought the server down{f' ({end})' if end else ''}" if lost else f"does not load: {reason}"
        else:
            with contextlib.suppress(ServingError):
                self._control.tell(instance, roster)
            how = f"cannot be loaded: {reason}"
        advice = advice_for(f"{reason}\n{log}" if lost else reason)
        return ModelLoadError(
            f"{what} {how.rstrip('.')}.{f' {advice}' if advice else ''}\n{self._runner.description}'s log:\n"
            f"{_relevant(log, name)}"
        )

    def _start_again(self, roster: Roster, instance: Instance | None) -> None:
        self._control.close()
        self._runner.stop(self._folder, instance)
        # What nobody needs is served again when somebody does.
        needed = roster.held(process.is_alive)
        for name, version in roster.versions - needed.versions:
            self._folder.unstage(name, version)
        roster = needed
        self._folder.write(roster, None)
        fresh = self._runner.start(self._folder, owner=self._owner, timeout=self._timeout)
        self._folder.write(Roster(), fresh)
        served = Roster()
        for name, entry in roster.models.items():
            for version, row in entry.versions.items():
                # One by one: if one of them kills the server again, it is known which.
                self._runner.stage(self._folder, fresh, name, version, row.directory)
                served = served.adding(name, version, row, entry.labels)
                try:
                    self._control.load(fresh, served, name, version)
                except ServingError as error:
                    self._folder.write(roster.removing(name), fresh)
                    raise ServerError(
                        f"{self._runner.description} was started again, and version {version} of model {name!r} "
                        f"cannot be served any more: {error}"
                    ) from error
        self._folder.write(served, fresh)


def attach(runner: Runner, folder: Path, *, owner: int, timeout: float = 60.0) -> ManagedServer:
    """Return the server that another process started in a folder; it is the owner who stops it."""
    return ManagedServer(runner, Folder(folder), owner=owner, timeout=timeout)


def _relevant(log: str, name: str) -> str:
    lines = log.strip().splitlines()
    named = [line for line in lines if name in line and re.search(r"error|fail|not found", line, re.IGNORECASE)]
    return "\n".join(named[-_LOG_LINES:] or lines[-_LOG_LINES:]) or "(empty)"
