"""The REST server: HTTP/1.1 around the routes."""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
import zlib
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, final

from pytest_tfsig.model_server.rest_routes import Answer, Router, error_page

if TYPE_CHECKING:
    from pytest_tfsig.model_server.manager import Manager
    from pytest_tfsig.model_server.metrics import Registry

__all__ = ["Server"]

logger = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 50  # as long as TensorFlow Serving's HTTP library waits for a request
_MAX_CONNECTIONS: Final = 1024
_MAX_BODY: Final = 2**31 - 1  # protobuf's own limit
_MAX_UNCOMPRESSED: Final = 100 * 2**20
_CHUNK: Final = 2**20
_METHODS: Final = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


@final
class Server:
    """Serves REST on a port, from threads of its own.

    Args:
        manager: Where servables are found.
        host: The address to listen on.
        port: 0 lets the kernel choose.
        timeout: Seconds that a run of a model may take; 0 for any time.
        shown: Metrics to show at their path; None shows none.
        cors: Whether answers let pages of other sites read them.

    Raises:
        OSError: The port is taken.
    """

    def __init__(
        self,
        manager: Manager,
        host: str,
        port: int,
        timeout: float = 0,
        shown: Registry | None = None,
        *,
        cors: bool = False,
    ) -> None:
        self._http = _HttpServer(host, port, Router(manager, timeout, shown, cors=cors))
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, name="rest", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._http.server_address[1])

    def start(self) -> None:
        """Accept connections from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Accept no more connections."""
        self._http.shutdown()
        self._http.server_close()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, router: Router) -> None:
        self.router = router
        self._free = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own looks the host's name up, which can take seconds without a name server
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            logger.warning("REST: more than %s connections, one is refused", _MAX_CONNECTIONS)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  (socketserver's signature)
        error = sys.exception()
        if isinstance(error, ConnectionError | TimeoutError):
            logger.info("REST: %s went away: %s", client_address[0], error)
        else:
            logger.error("REST: a connection from %s failed", client_address[0], exc_info=error)


class _BadBodyError(Exception):
    """A request's body cannot be read; the page's status says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: _HttpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS

    def respond(self) -> None:
        if self.request_version == "HTTP/0.9":
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        try:
            body = self.body()
        except _BadBodyError as error:
            self.send_error(error.status)
            return
        target = self.requestline.split()[1]  # self.path has lost what begins with two slashes
        self.write(self.server.router.answer(self.command, target, body, self.headers.get("Origin", "")))

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = respond  # noqa: N815  (http.server's names)

    def body(self) -> bytes:
        """The request's body, decompressed; empty where it cannot be."""
        chunked = "chunked" in (self.headers.get("Transfer-Encoding") or "").lower()
        body = b"".join(self.chunks()) if chunked else self.read(self.content_length())
        if "gzip" not in (self.headers.get("Content-Encoding") or ""):
            return body
        decompressor = zlib.decompressobj(_GZIP_WINDOW)
        try:
            plain = decompressor.decompress(body, _MAX_UNCOMPRESSED)
        except zlib.error as error:
            logger.info("REST: a body cannot be decompressed: %s", error)
            return b""
        return plain if decompressor.eof else b""

    def content_length(self) -> int:
        text = self.headers.get("Content-Length") or "0"
        if not (text.isascii() and text.isdigit()):
            raise _BadBodyError(HTTPStatus.BAD_REQUEST)
        if len(text) > len(str(_MAX_BODY)) or int(text) > _MAX_BODY:
            raise _BadBodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return int(text)

    def chunks(self) -> list[bytes]:
        found: list[bytes] = []
        total = 0
        while True:
            line = self.rfile.readline(_CHUNK).partition(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                raise _BadBodyError(HTTPStatus.BAD_REQUEST) from None
            total += size
            if size < 0 or total > _MAX_BODY:
                raise _BadBodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            if size == 0:
                while self.rfile.readline(_CHUNK).strip():
                    pass  # trailers say nothing that is needed
                return found
            found.append(self.read(size))
            self.rfile.readline(_CHUNK)

    def read(self, size: int) -> bytes:
        """Read exactly that many bytes, a piece at a time: what is announced may never come."""
        pieces = []
        while size:
            piece = self.rfile.read(min(size, _CHUNK))
            if not piece:
                raise _BadBodyError(HTTPStatus.BAD_REQUEST)
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def write(self, answer: Answer) -> None:
        """Send an answer in one piece, so that no packet waits for another's acknowledgement."""
        if answer.close:
            self.close_connection = True
        lines = [
            f"HTTP/1.1 {answer.status} {_reason(answer.status)}",
            f"Content-Type: {answer.content_type}",
            f"Date: {formatdate(usegmt=True)}",
            f"Content-Length: {len(answer.body)}",
            *answer.headers,
        ]
        if self.close_connection:
            lines.append("Connection: close")
        elif self.request_version == "HTTP/1.0":
            lines.append("Connection: keep-alive")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.wfile.write(head if self.command == "HEAD" else head + answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no proper HTTP, with the page that TensorFlow Serving's HTTP library sends."""
        logger.info("REST: %r is refused: %s", self.requestline[:200], message or explain or _reason(code))
        self.write(error_page(code, _reason(code)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (http.server's signature)
        logger.debug(format, *args)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"
