"""Servers that run elsewhere: TLS that does not come about, ports that take no connection, and who listens where."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import ManagedServer
from pytest_tfsig.serving.embedded import EmbeddedRunner
from pytest_tfsig.serving.remote import RemoteServer
from tests.certificates import certificates, key_of
from tests.fake_server import FakeServer
from tests.guarded_server import guarded

__all__ = ["certificates"]

LISTENS = "0A"
# 127.0.0.1, and the same as a socket of IPv6 has it; as the kernel writes them.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}


@pytest.fixture(scope="module")
def server():
    server = ManagedServer.launch(EmbeddedRunner(), timeout=60)
    yield server
    server.stop()


@pytest.fixture
def credentials(certificates, monkeypatch):
    """Sets the variables that a test names, and no other."""
    known = {
        "TFSIG_CA": certificates.authority,
        "TFSIG_CLIENT_CERT": certificates.client,
        "TFSIG_CLIENT_KEY": key_of(certificates.client),
    }

    def give(**changes):
        for name, value in (known | changes).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, str(value))

    return give


def test_a_server_of_a_known_authority_is_used(server, certificates, credentials):
    credentials()
    with guarded(server, certificates, {}) as guard:
        assert RemoteServer(guard.grpc, rest=guard.rest, timeout=10).alive()


def test_a_server_of_another_authority_is_not_trusted(server, certificates, credentials):
    credentials(TFSIG_CA=certificates.stranger)
    with guarded(server, certificates, {}) as guard, pytest.raises(ServerError, match="CERTIFICATE_VERIFY_FAILED"):
        RemoteServer(guard.grpc, timeout=10)


def test_a_rest_api_of_another_authority_is_not_trusted(server, certificates, credentials):
    credentials()
    stranger = type(certificates)(
        certificates.authority, certificates.stranger, certificates.client, certificates.stranger
    )
    with (
        guarded(server, certificates, {}) as guard,
        guarded(server, stranger, {}) as other,
        pytest.raises(ServerError, match=r"No REST API answers at https://.*certificate verify failed"),
    ):
        RemoteServer(guard.grpc, rest=other.rest, timeout=10)


@pytest.mark.parametrize("given", ["neither certificate nor key", "no TLS at all"])
def test_a_server_that_wants_more_than_it_gets_is_one_sentence(server, certificates, credentials, given):
    credentials(TFSIG_CLIENT_CERT=None, TFSIG_CLIENT_KEY=None)
    if given == "no TLS at all":
        credentials(TFSIG_CLIENT_CERT=None, TFSIG_CLIENT_KEY=None, TFSIG_CA=None)
    with guarded(server, certificates, {}) as guard, pytest.raises(ServerError, match=r"No model server .*TFSIG_CA"):
        RemoteServer(guard.grpc, timeout=10)


def test_tls_where_none_is_spoken_is_one_sentence(server, credentials):
    credentials()
    with guarded(server, None, {}) as guard, pytest.raises(ServerError, match=r"No model server .*TFSIG_CA"):
        RemoteServer(guard.grpc, timeout=10)


@pytest.fixture
def full():
    """Gives the address of a port whose queue is full: a connection to it is neither taken nor refused."""
    with ExitStack() as open_ones, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            connection = open_ones.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(listener.getsockname())
        yield "{}:{}".format(*listener.getsockname())


def test_a_port_that_takes_no_connection_is_given_up_in_time(full):
    with pytest.raises(ServerError, match=f"No model server answers at {full} "):
        RemoteServer(full, timeout=0.5)
    with FakeServer() as fake:
        fake.grpc_answers["GetModelStatus"] = b""
        with pytest.raises(ServerError, match=rf"No REST API answers at http://{full} \(no answer .* within 0\.5 s"):
            RemoteServer(fake.grpc_address, rest=full, timeout=0.5)


def listening(process: int) -> set[str]:
    """Returns the addresses at which a process listens, over both versions of IP, as the kernel writes them."""
    sockets = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        try:
            sockets.add(str(descriptor.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].rpartition(":")[0] for row in rows if row[3] == LISTENS and f"socket:[{row[9]}]" in sockets}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the kernel tells in /proc who listens where")
def test_the_embedded_server_listens_on_the_loopback_interface_alone(server):
    _, instance = server._folder.read()
    assert listening(instance.process)
    assert listening(instance.process) <= LOOPBACK
