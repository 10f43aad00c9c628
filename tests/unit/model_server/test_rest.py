"""REST's connections: real sockets, fake models."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading

import pytest

from pytest_tfsig.model_server.rest import Server
from tests.unit.model_server.fakes import echo_manager

PREDICT = "/v1/models/echo:predict"
ONE = b'{"instances": [1.0]}'
ANSWER = b'{\n    "predictions": [1.0\n    ]\n}'


@pytest.fixture(scope="module")
def server():
    server = Server(echo_manager("string"), "127.0.0.1", 0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def connection(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    yield connection
    connection.close()


def exchange(server, *pieces):
    """Send bytes as they are, and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def ask(connection, method="POST", path=PREDICT, body=ONE, **headers):
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response, response.read()


def test_an_answer_has_a_type_and_a_length(connection):
    response, body = ask(connection)
    assert (response.status, body) == (200, ANSWER)
    assert response.getheader("Content-Type") == "application/json"
    assert response.getheader("Content-Length") == str(len(ANSWER))
    assert response.getheader("Server") is None


def test_a_connection_is_used_again_after_an_answer_and_after_an_api_error(connection):
    ask(connection)
    first = connection.sock
    assert ask(connection, body=b"{")[0].status == 400
    assert ask(connection)[1] == ANSWER
    assert connection.sock is first


def test_a_page_ends_the_connection(connection):
    response, body = ask(connection, "GET", "/", None)
    assert (response.status, response.getheader("Connection")) == (404, "close")
    assert response.getheader("Content-Type") == "text/html"
    assert body.startswith(b"<HTML>")


def test_head_has_no_body(connection):
    response, body = ask(connection, "HEAD", "/v1/models/echo", None)
    assert (response.status, body) == (400, b"")


def test_a_compressed_body_is_decompressed(connection):
    headers = {"Content-Encoding": "gzip"}
    assert ask(connection, body=gzip.compress(ONE), **headers)[1] == ANSWER


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda: b"no gzip", id="no gzip"),
        pytest.param(lambda: gzip.compress(ONE)[:-4], id="cut off"),
        pytest.param(lambda: gzip.compress(b" " * (101 * 2**20)), id="too large"),
    ],
)
def test_a_body_that_cannot_be_decompressed_is_empty(connection, body):
    response, text = ask(connection, body=body(), **{"Content-Encoding": "gzip"})
    assert response.status == 400
    assert json.loads(text) == {"error": "JSON Parse error: The document is empty"}


def test_a_body_may_come_in_chunks(connection):
    connection.request("POST", PREDICT, iter([b'{"instances"', b": [1", b".0]}"]), encode_chunked=True)
    assert connection.getresponse().read() == ANSWER


def test_chunks_may_have_extensions_and_trailers(server):
    answer = exchange(
        server,
        f"POST {PREDICT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode(),
        b"14;name=value\r\n" + ONE + b"\r\n0\r\nTrailer: x\r\n\r\n",
    )
    assert answer.endswith(ANSWER)


def test_a_client_may_wait_for_leave_to_send(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        head = f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {len(ONE)}\r\nExpect: 100-continue\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(ONE)
        assert client.recv(1000).endswith(ANSWER)


def test_two_requests_may_come_at_once(server):
    request = f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {len(ONE)}\r\n\r\n".encode() + ONE
    assert exchange(server, request + request).count(ANSWER) == 2


def test_http_1_0_is_answered_and_closed(server):
    answer = exchange(server, f"POST {PREDICT} HTTP/1.0\r\nContent-Length: {len(ONE)}\r\n\r\n".encode() + ONE)
    assert b"Connection: close" in answer
    assert answer.endswith(ANSWER)


def test_http_1_0_may_ask_to_keep_the_connection(server):
    request = f"POST {PREDICT} HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: {len(ONE)}\r\n\r\n"
    answer = exchange(server, (request.encode() + ONE) * 2)
    assert answer.count(b"Connection: keep-alive") == 2


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),  # TLS
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),  # HTTP/2
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET /\r\n", 400),  # HTTP/0.9
        (b"GET /v1/models/a b HTTP/1.1\r\n\r\n", 400),
        (b"FOO /v1/models/echo HTTP/1.1\r\n\r\n", 501),
        (b"TRACE /v1/models/echo HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", 400),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", 400),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n{", 400),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", 413),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", 413),
        (b"POST /v1/models/echo:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 400),
    ],
    ids=lambda value: repr(value[:50]) if isinstance(value, bytes) else "",
)
def test_bad_http_is_refused_with_a_page(server, request_bytes, status):
    answer = exchange(server, request_bytes)
    head, _, page = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in head
    assert page.startswith(b"<HTML><HEAD>\n<TITLE>%d " % status)


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost:"])
def test_half_open_connections_hold_up_nobody(server, connection, sent):
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    try:
        for client in clients:
            client.sendall(sent)
        assert ask(connection)[1] == ANSWER
    finally:
        for client in clients:
            client.close()
    assert ask(connection)[1] == ANSWER


def test_a_client_that_goes_away_before_its_answer_hurts_nobody(server, connection):
    for _ in range(10):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {len(ONE)}\r\n\r\n".encode() + ONE)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset, do not finish
        client.close()
    assert ask(connection)[1] == ANSWER


def test_many_clients_at_once_are_all_answered(server):
    answers = []

    def client(number):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        body = json.dumps({"inputs": [number] * 100}).encode()
        bodies = [json.loads(ask(connection, body=body)[1]) for _ in range(5)]
        answers.extend(body == {"outputs": [float(number)] * 100} for body in bodies)
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 320


def test_further_headers_are_sent():
    server = Server(echo_manager(), "127.0.0.1", 0, cors=True)
    server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    response, _ = ask(connection)
    connection.close()
    server.stop()
    assert response.getheader("Access-Control-Allow-Methods") == "POST, GET"


def test_bytes_that_are_not_utf8_come_back_as_they_are(connection):
    body = b'{"signature_name": "string", "instances": ["\xff\xfe"]}'
    assert ask(connection, body=body)[1] == b'{\n    "predictions": ["\xff\xfe"\n    ]\n}'


def test_a_port_that_is_taken_is_an_error(server):
    with pytest.raises(OSError, match="in use"):
        Server(echo_manager(), "127.0.0.1", server.port)


def test_a_stopped_server_accepts_nobody():
    server = Server(echo_manager(), "127.0.0.1", 0)
    server.start()
    server.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
