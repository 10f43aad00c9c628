"""A model server that runs elsewhere, as tests of remote servers need one: behind TLS, and only for those it knows."""

from __future__ import annotations

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import grpc
import urllib3

from tests.certificates import Certificates, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_tfsig.serving import Server


@dataclass
class Guarded:
    """Where it listens, and whom it turned away."""

    grpc: str
    rest: str
    refused: list[str] = field(default_factory=list)


@contextmanager
def guarded(
    server: Server, certificates: Certificates | None, wanted: Mapping[str, str], host: str = "127.0.0.1"
) -> Iterator[Guarded]:
    """Forward to a server what comes with all the wanted headers.

    Args:
        server: What answers.
        certificates: Of the server and of the authority that clients need one of; None: no TLS.
        wanted: Values by header, in lower case.
        host: The address to listen at.
    """
    guard = Guarded("", "")
    literal = f"[{host}]" if ":" in host else host
    front = grpc.server(ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", -1)])
    with grpc.insecure_channel(server.grpc_address, [("grpc.enable_http_proxy", 0)]) as channel:
        front.add_generic_rpc_handlers((_Forwarding(channel, wanted, guard),))
        if certificates is None:
            port = front.add_insecure_port(f"{literal}:0")
        else:
            pair = (key_of(certificates.server).read_bytes(), certificates.server.read_bytes())
            port = front.add_secure_port(
                f"{literal}:0", grpc.ssl_server_credentials([pair], certificates.authority.read_bytes(), True)
            )
        front.start()
        http = _Http((host, 0), _handler_of(server, wanted, guard))
        if certificates is not None:
            http.socket = _tls(certificates).wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        guard.grpc, guard.rest = f"{literal}:{port}", f"{literal}:{http.server_address[1]}"
        try:
            yield guard
        finally:
            http.shutdown()
            thread.join()
            http.server_close()
            front.stop(0).wait()


class _Forwarding(grpc.GenericRpcHandler):
    def __init__(self, channel: grpc.Channel, wanted: Mapping[str, str], guard: Guarded) -> None:
        self._channel = channel
        self._wanted = wanted
        self._guard = guard

    def service(self, details):
        call = self._channel.unary_unary(details.method)
        known = dict(details.invocation_metadata).items() >= self._wanted.items()

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if not known:
                self._guard.refused.append(details.method)
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
            try:
                return call(request, timeout=context.time_remaining())
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return grpc.unary_unary_rpc_method_handler(answer)


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, handler) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, *_: object) -> None:
        """Keep quiet of handshakes that fail: those of strangers are to."""


def _handler_of(server: Server, wanted: Mapping[str, str], guard: Guarded) -> type[BaseHTTPRequestHandler]:
    pool = urllib3.PoolManager()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if {key.lower(): value for key, value in self.headers.items()}.items() >= wanted.items():
                answer = pool.request(self.command, f"{server.rest_url}{self.path}", body=body, retries=False)
                status, data = answer.status, answer.data
            else:
                guard.refused.append(self.path)
                status, data = 401, b'{"error": "who are you?"}'
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the name that the base class calls

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


def _tls(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, key_of(certificates.server))
    context.load_verify_locations(certificates.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
