"""A TensorFlow Serving that runs already, somewhere: models are used as they are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from pytest_tfsig.clients import Credentials, GrpcClient, RestClient, ServingError
from pytest_tfsig.errors import ServerError, UsageError
from pytest_tfsig.serving.availability import is_address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["RemoteServer"]

_NOBODY = "tfsig-readiness"
# UNKNOWN is what gRPC says of bytes that are no HTTP/2.
_UNREACHABLE = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN")


@final
class RemoteServer:
    """A server that is only used: nothing is added, removed, started or stopped.

    Args:
        address: `HOST:PORT` of its gRPC APIs.
        rest: `HOST:PORT` of its REST API; None: it has none that tests may use.
        credentials: TLS and headers; None: those of the environment.
        timeout: Seconds that it may take to answer for the first time.

    Raises:
        ServerError: It does not answer.
        UsageError: An address is not one.
    """

    kind = "remote"

    def __init__(
        self,
        address: str,
        *,
        rest: str | None = None,
        credentials: Credentials | None = None,
        timeout: float = 60.0,
    ) -> None:
        for given in filter(None, (address, rest)):
            if not is_address(given):
                raise UsageError(f"{given!r} is no server's address: write HOST:PORT.")
        self.credentials = Credentials.from_environment() if credentials is None else credentials
        self.grpc_address = address
        scheme = "https" if self.credentials.tls else "http"
        self.rest_url = None if rest is None else f"{scheme}://{rest}"
        # Nobody here starts it again.
        self.incarnation = address
        self._timeout = timeout
        problem = self._problem()
        if problem is not None:
            raise ServerError(problem)

    @property
    def description(self) -> str:
        """Where it is."""
        return f"remote server (gRPC {self.grpc_address}, REST {self.rest_url or 'none'})"

    def add(self, name: str, version: int, directory: Path, *, labels: Mapping[str, int] | None = None) -> None:
        """Refuse: a remote server serves what it serves.

        Raises:
            ServerError: Always.
        """
        _ = (version, labels)
        raise ServerError(
            f"{directory} cannot be served by the remote server at {self.grpc_address}: name a model that it serves "
            f"already instead of a path, or choose another server for {name!r}."
        )

    def release(self, name: str, version: int) -> None:
        """Leave it served."""

    def label(self, name: str, labels: Mapping[str, int]) -> None:
        """Refuse: a remote server serves what it serves.

        Raises:
            ServerError: Always.
        """
        _ = labels
        raise ServerError(
            f"Labels of model {name!r} are not moved at {self.grpc_address}: remote servers are left as they are."
        )

    def remove(self, name: str, version: int | None = None) -> None:
        """Refuse: a remote server serves what it serves.

        Raises:
            ServerError: Always.
        """
        _ = version
        raise ServerError(
            f"Model {name!r} is not removed from {self.grpc_address}: remote servers are left as they are."
        )

    def revive(self, *, suspect: bool = False) -> bool:
        """Refuse: a remote server is not ours to start.

        Raises:
            ServerError: Always.
        """
        _ = suspect
        raise ServerError(
            f"The remote server at {self.grpc_address} is not ours to restart: see to it, then try again."
        )

    def logs(self) -> str:
        """Return nothing: a remote server's log is not to be had."""
        return ""

    def alive(self) -> bool:
        """Whether it answers."""
        return self._problem() is None

    def leave(self) -> None:
        """Leave it running."""

    def stop(self) -> None:
        """Leave it running."""

    def _problem(self) -> str | None:
        with GrpcClient(self.grpc_address, credentials=self.credentials, timeout=self._timeout) as client:
            try:
                client.status(_NOBODY)
            except ServingError as error:
                if error.code in _UNREACHABLE:
                    tls = "TFSIG_CA is its authority's" if self.credentials.tls else "it wants no TLS, as TFSIG_CA sets"
                    return (
                        f"No model server answers at {self.grpc_address} ({error.message}): check the address, that it "
                        f"is the gRPC port, and that {tls}."
                    )
        if self.rest_url is None:
            return None
        with RestClient(self.rest_url, credentials=self.credentials, timeout=self._timeout) as rest:
            try:
                rest.request("GET", f"/v1/models/{_NOBODY}")
            except ServingError as error:
                return f"No REST API answers at {self.rest_url} ({error.message}): check the address, or leave it out."
        return None
