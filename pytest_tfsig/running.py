"""The session's server: started when it is first needed, shared by the workers of a run, stopped at the end."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_tfsig import serving
from pytest_tfsig.errors import ServerError, TfsigError
from pytest_tfsig.serving.identity import identity
from pytest_tfsig.serving.shared import claim

if TYPE_CHECKING:
    from pytest_tfsig.options import Options
    from pytest_tfsig.serving import ManagedServer, Server
    from pytest_tfsig.serving.protocol import Runner
    from pytest_tfsig.serving.shared import Shared


class RunningServer:
    """The one server of a session.

    Args:
        options: What the user asked for.
        owner: The process whose end ends the server; None: this one.
        shared: What this process shares with the others of its run; None: it is alone.
    """

    def __init__(self, options: Options, owner: int | None, shared: Shared | None) -> None:
        self._options = options
        self._owner = owner
        # A remote server is everybody's already.
        self._shared = None if options.is_remote else shared
        self._server: Server | None = None
        self._problem: TfsigError | None = None
        self._names: dict[str, str] = {}
        self._choice = ""

    @property
    def is_shared(self) -> bool:
        """Whether other processes send requests to it too."""
        return self._shared is not None

    def get(self) -> Server:
        """Returns the server, started on first use.

        Raises:
            ServerError: It cannot be started or reached.
        """
        if self._problem is not None:  # it cost up to --tfsig-start-timeout: once is enough
            raise self._problem
        if self._server is None:
            try:
                self._server = self._found()
            except TfsigError as error:
                self._problem = error
                raise
        return self._server

    def name(self, wanted: str, directory: Path) -> str:
        """Returns the name under which a directory's model is served: the wanted one, unless another has it."""
        if self._shared is not None:
            return self._shared.claim(wanted, directory)
        return claim(self._names, wanted, directory)

    def settled(self) -> str:
        """Returns which start of the server this is, once no process is starting it again; "" where it cannot run."""
        with contextlib.suppress(TfsigError):
            self.get()
            self.revive()
            return self.get().incarnation
        return ""

    def revive(self, *, suspect: bool = False) -> bool:
        """Starts the server again if it is dead, and returns whether; where that fails, the next use says why.

        Args:
            suspect: It left a request without an answer: it is started again also if it is not dead but silent.
        """
        try:
            if self._server is not None and self._problem is None and not self._options.is_remote:
                return self._server.revive(suspect=suspect)
        except ServerError as error:
            self._problem = error
        return False

    def info(self) -> dict[str, Any]:
        """Returns what served the models, for reports; empty where nothing was served."""
        if self._server is None:
            return {}
        return {
            "kind": self._server.kind,
            "description": self._server.description,
            "chosen": self._choice,
            "identity": identity(self._server, self._image),
        }

    def close(self) -> None:
        """Stops the server, unless others share it: then the run's owner stops it when all are done.

        Raises:
            ServerError: Something is left behind for now.
        """
        if self._server is None:
            return
        if self._shared is None:
            self._server.stop()
        else:
            self._server.leave()
        self._server = None

    @property
    def _image(self) -> str:
        return self._options.image or serving.DEFAULT_IMAGE

    def _found(self) -> Server:
        self._choice = serving.choose(self._options.server, image=self._image).why
        if self._shared is None:
            return serving.start(
                self._options.server,
                image=self._image,
                rest=self._options.rest,
                timeout=self._options.start_timeout,
                op_libraries=self._op_libraries,
                owner=self._owner,
            )
        return self._shared.server(self._launch, self._runner, self._options.start_timeout)

    def _launch(self, parent: Path, owner: int) -> ManagedServer:
        return serving.launch(
            self._options.server,
            image=self._image,
            timeout=self._options.start_timeout,
            op_libraries=self._op_libraries,
            owner=owner,
            parent=parent,
        )

    def _runner(self, kind: str) -> Runner:
        return serving.runner_for(kind, image=self._image, op_libraries=self._op_libraries)  # type: ignore[arg-type] # read from what a start wrote

    @property
    def _op_libraries(self) -> list[Path]:
        return [Path(library) for library in self._options.op_library]
