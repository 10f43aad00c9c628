from __future__ import annotations

import grpc
import pytest

from pytest_tfsig import protos
from pytest_tfsig.clients import Credentials
from pytest_tfsig.errors import ServerError, UsageError
from pytest_tfsig.serving import Server, start
from pytest_tfsig.serving.remote import RemoteServer
from tests.fake_server import FakeServer


@pytest.fixture
def fake():
    with FakeServer() as server:
        server.grpc_answers["GetModelStatus"] = (grpc.StatusCode.NOT_FOUND, "no such model")
        yield server


def test_a_server_that_answers_is_used_as_it_is(fake):
    server: Server = start(fake.grpc_address, rest=fake.rest_url.removeprefix("http://"))
    assert (server.kind, server.grpc_address, server.rest_url) == ("remote", fake.grpc_address, fake.rest_url)
    assert server.alive()
    server.stop()
    assert server.alive()
    assert server.logs() == ""


def test_its_models_are_left_alone(fake, tmp_path):
    server = RemoteServer(fake.grpc_address)
    for refused in (
        lambda: server.add("m", 1, tmp_path),
        lambda: server.label("m", {"stable": 1}),
        lambda: server.remove("m"),
        server.revive,
    ):
        with pytest.raises(ServerError, match=fake.grpc_address):
            refused()


def test_a_server_that_does_not_answer_is_an_error():
    with pytest.raises(ServerError, match=r"No model server answers at 127\.0\.0\.1:1 "):
        start("127.0.0.1:1", timeout=5)


def test_a_rest_api_that_does_not_answer_is_an_error(fake):
    with pytest.raises(ServerError, match=r"No REST API answers at http://127\.0\.0\.1:1 "):
        RemoteServer(fake.grpc_address, rest="127.0.0.1:1", timeout=5)


@pytest.mark.parametrize(("address", "rest"), [("nowhere", None), ("h:1", "http://h:2")])
def test_what_is_no_address_is_refused(address, rest):
    with pytest.raises(UsageError, match="write HOST:PORT"):
        RemoteServer(address, rest=rest)


def test_secrets_go_to_the_server_and_nowhere_else(fake, monkeypatch):
    monkeypatch.setenv("TFSIG_BEARER_TOKEN", "secret")
    server = RemoteServer(fake.grpc_address)
    assert fake.requests[0][2]["authorization"] == "Bearer secret"
    assert "secret" not in f"{server.description} {server!r} {vars(server)}"


def test_readiness_asks_for_a_model_that_nobody_has(fake):
    server = RemoteServer(fake.grpc_address, credentials=Credentials())
    assert server.rest_url is None
    assert protos.GetModelStatusRequest.FromString(fake.requests[0][1]).model_spec.name == "tfsig-readiness"
