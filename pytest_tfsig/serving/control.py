"""What a running server is told to serve, and when it does: HandleReloadConfigRequest, then the states of versions."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, final

from pytest_tfsig.clients import ServingError
from pytest_tfsig.serving.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pytest_tfsig.clients import GrpcClient, VersionStatus
    from pytest_tfsig.serving.protocol import Instance
    from pytest_tfsig.serving.roster import Roster

__all__ = ["MARGIN_SECONDS", "Control"]

MARGIN_SECONDS = 5.0
"""Grace for the transport beyond the time that a model may take to load."""
# A version that ended before it was asked for again keeps that state until the server looks: once a second.
_SETTLE_SECONDS = 3.0


@final
class Control:
    """One connection, made when it is first needed, to whichever instance of a server runs.

    Args:
        base_path: Where the server finds the versions of a model of a name.
        timeout: Seconds that a model may take to load, or to end.
    """

    def __init__(self, base_path: Callable[[str], str], *, timeout: float) -> None:
        self._base_path = base_path
        self._timeout = timeout
        self._client: GrpcClient | None = None
        self._incarnation = ""

    def close(self) -> None:
        """Close the connection; the next use makes another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def tell(self, instance: Instance, roster: Roster) -> None:
        """Have a server serve what a roster says, and nothing else.

        Raises:
            ServingError: It cannot be told, or refuses.
        """
        self._connected(instance).reload(roster.config(self._base_path), timeout=self._timeout + MARGIN_SECONDS)

    def load(self, instance: Instance, roster: Roster, name: str, version: int) -> None:
        """Have a server serve a roster, and return when the version that is new in it is AVAILABLE.

        Raises:
            ServingError: It cannot be told, or the version ended, with the server's own reason, or was not AVAILABLE
                in time (DEADLINE_EXCEEDED).
        """
        # The server waits for a model that is new to it, but not for one more version of a model that it has.
        known = len(roster.models[name].versions) > 1
        before = self._state(instance, name, version) if known else None
        self.tell(instance, roster)
        settled = time.monotonic() + (_SETTLE_SECONDS if known else 0)
        deadline = time.monotonic() + self._timeout
        pause = 0.002
        while True:
            status = self._state(instance, name, version)
            if status is not None and status.state == "AVAILABLE":
                return
            # An end from before this request says nothing, until the server has had time to look.
            if status is not None and status.state == "END" and (status != before or time.monotonic() > settled):
                raise ServingError(status.code, status.message, "grpc")
            if time.monotonic() > deadline:
                state = "unknown to the server" if status is None else status.state
                raise ServingError(
                    "DEADLINE_EXCEEDED", f"not AVAILABLE within {self._timeout:g} s, but {state}", "grpc"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def unload(self, instance: Instance, roster: Roster, gone: Collection[tuple[str, int]]) -> None:
        """Have a server serve a roster, and return when the versions that are gone from it have ended.

        Raises:
            ServingError: It cannot be told.
        """

        def ended() -> bool:
            states = [self._state(instance, name, version) for name, version in gone]
            return all(state is None or state.state == "END" for state in states)

        self.tell(instance, roster)
        wait_until(ended, self._timeout)

    def reason(self, instance: Instance, name: str, version: int) -> str:
        """Return the server's own reason why it does not serve a version; "" where it gives none."""
        with contextlib.suppress(ServingError):
            status = self._state(instance, name, version)
            if status is not None and status.code != "OK":
                return f"{status.code}: {status.message}"
        return ""

    def _state(self, instance: Instance, name: str, version: int) -> VersionStatus | None:
        try:
            rows = self._connected(instance).status(name)
        except ServingError as error:
            if error.code == "NOT_FOUND":
                return None
            raise
        return next((row for row in rows if row.version == version), None)

    def _connected(self, instance: Instance) -> GrpcClient:
        from pytest_tfsig.clients import GrpcClient

        # Not by its address: a client of a former server there waits before it tries again.
        if self._client is None or self._incarnation != instance.incarnation:
            self.close()
            self._client, self._incarnation = GrpcClient(instance.grpc, direct=True), instance.incarnation
        return self._client
