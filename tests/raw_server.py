"""A server of bytes: answers each connection with what a test tells it to, protocol or not."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RESET = struct.pack("ii", 1, 0)  # linger for no time: closing resets the connection


@contextmanager
def raw_server(answer: Callable[[socket.socket, threading.Event], None], host: str = "127.0.0.1") -> Iterator[str]:
    """Serve on a free port of the loopback interface and give `HOST:PORT`; the event is set when the block ends."""
    literal = f"[{host}]" if ":" in host else host
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                answer(self.request, over)
            except OSError:
                return  # the client has gone

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    with Server((host, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"{literal}:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join()


def replies(data: bytes, then: str = "closes") -> Callable[[socket.socket, threading.Event], None]:
    """Return an answer: bytes, after which the server closes, resets, is silent, or drips one byte after the other."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(data)
        if then == "resets":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif then == "is silent":
            over.wait()
        elif then == "drips":
            while not over.wait(0.05):
                connection.sendall(b"x")
        else:
            # What was sent and not read would turn the end into a reset, and the answer might be lost.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    return answer
