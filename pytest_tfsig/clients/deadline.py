"""Connections over HTTP: a deadline for an answer as a whole, and word of one that was closed while it was kept."""

from __future__ import annotations

import http.client
import io
import time
from typing import TYPE_CHECKING, Any, final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    import socket

__all__ = ["StaleConnectionError", "pool_manager"]

# A socket's time-out of 0 would mean not to wait at all.
_SHORTEST_SECONDS = 0.001


@final
class _Stream(io.RawIOBase):
    """What a socket receives until a moment, headers included.

    Args:
        sock: Its time-out, as it is now, is what is left of the time for the whole answer.
        stream: Reads from it.
    """

    def __init__(self, sock: socket.socket, stream: io.RawIOBase) -> None:
        patience = sock.gettimeout()
        self._socket = sock
        self._stream = stream
        self._end = None if patience is None else time.monotonic() + patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(max(left, _SHORTEST_SECONDS))
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


@final
class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Stream(sock, self.fp.detach()))


class StaleConnectionError(ConnectionResetError):
    """The other side had closed a connection that it answered on before: nothing is said of the request."""


class _Kept(HTTPConnection):
    """Tells an end that meets a request on a kept connection, as any server may end one, from no answer at all."""

    _has_answered = False

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override] # as in the class that it extends
        was_kept = self._has_answered  # a connection that fails is closed at once
        try:
            response = super().getresponse()
        except ConnectionError as error:  # http.client's RemoteDisconnected is one
            if was_kept:
                raise StaleConnectionError(str(error)) from error
            raise
        self._has_answered = True
        return response

    def close(self) -> None:
        super().close()
        self._has_answered = False


@final
class _Connection(_Kept):
    response_class = _Response


@final
class _TlsConnection(_Kept, HTTPSConnection):
    response_class = _Response


@final
class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


@final
class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def pool_manager(**options: Any) -> urllib3.PoolManager:
    """Return urllib3's manager of connections, for which a read time-out is that of the whole answer."""
    manager = urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager
