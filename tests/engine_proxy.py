"""The machine's container engine behind a TCP port, as an engine of another machine is reached."""

from __future__ import annotations

import select
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_tfsig.serving.availability import engine_address
from tests.raw_server import raw_server

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator


@contextmanager
def engine_over_tcp(host: str = "127.0.0.1") -> Iterator[str]:
    """Forward connections to the engine's socket, and give what DOCKER_HOST says to use them.

    Args:
        host: The name or address to listen at.
    """
    path = engine_address().removeprefix("unix://")

    def forward(connection: socket.socket, over: threading.Event) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(path)
            other = {connection: engine, engine: connection}
            while other and not over.is_set():
                for ready in select.select(list(other), [], [], 0.1)[0]:
                    data = ready.recv(65536)
                    if not data:
                        other.pop(ready).shutdown(socket.SHUT_WR)
                        break
                    other[ready].sendall(data)

    with raw_server(forward, host) as address:
        yield f"tcp://{address}"
