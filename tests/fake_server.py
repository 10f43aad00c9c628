"""A model server that answers what a test tells it to, over gRPC and REST, in the test's own process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeServer:
    """Listens on free ports of the loopback interface.

    `grpc_answers` maps a method's name to the response's bytes, a function from the request's bytes to them, or a pair
    of status code and details; `rest_answers` maps a path to a pair of status and body. What came is in `requests`.
    """

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.grpc_answers: dict[str, bytes | tuple[grpc.StatusCode, str] | Callable[[bytes], bytes]] = {}
        self.rest_answers: dict[str, tuple[int, bytes]] = {}
        self.requests: list[tuple[str, bytes, dict[str, str]]] = []
        self._grpc = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
        self._grpc.add_generic_rpc_handlers((_Handler(self),))
        listen = self._grpc.add_insecure_port if credentials is None else self._grpc.add_secure_port
        self.grpc_port = listen("127.0.0.1:0", *([] if credentials is None else [credentials]))
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.rest_port = self._http.server_address[1]

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.rest_port}"

    def __enter__(self) -> Self:
        self._grpc.start()
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._grpc.stop(0).wait()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, fake: FakeServer) -> None:
        self._fake = fake

    def service(self, details):
        method = details.method.rpartition("/")[2]
        if method not in self._fake.grpc_answers:
            return None
        metadata = {key: str(value) for key, value in details.invocation_metadata}

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self._fake.requests.append((details.method, request, metadata))
            programmed = self._fake.grpc_answers[method]
            if isinstance(programmed, tuple):
                context.abort(*programmed)
            return programmed(request) if callable(programmed) else programmed

        return grpc.unary_unary_rpc_method_handler(answer)


def _handler_of(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fake.requests.append((f"{self.command} {self.path}", body, dict(self.headers)))
            status, answer = fake.rest_answers.get(self.path, (404, b'{"error": "no such path"}'))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815 - the name that the base class calls

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler
