from __future__ import annotations

import docker.errors
import pytest
from testcontainers.core.config import ConnectionMode

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import container, engine
from pytest_tfsig.serving.container import ContainerRunner
from pytest_tfsig.serving.folder import Folder
from pytest_tfsig.serving.protocol import Instance
from pytest_tfsig.serving.reach import Reach
from tests.fake_server import FakeServer


class Ending:
    """A container that ends after its first look."""

    id = "c"
    attrs = {"State": {"Running": False, "OOMKilled": False, "ExitCode": 1}}  # noqa: RUF012 - as docker's has it

    def __init__(self):
        self.states = ["running", "exited"]

    def reload(self):
        self.status = self.states.pop(0)

    def logs(self, **_):
        return b"unknown argument: --no_such_flag"


class Client:
    def host(self):
        return "127.0.0.1"

    def get_connection_mode(self):
        return ConnectionMode.docker_host

    def port(self, *_):
        raise ConnectionError("Port mapping is not available")


def test_a_container_that_ends_while_its_ports_are_asked_for_says_how_it_ended():
    with pytest.raises(ServerError, match=r"(?s)ended at once \(exit code 1\).*no_such_flag"):
        container._await(Reach(Client()), Ending(), 10, copied=False)


@pytest.fixture
def engine_is_away(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


@pytest.mark.usefixtures("engine_is_away")
def test_a_server_that_answers_lives_whether_or_not_its_engine_does():
    with FakeServer() as fake:
        instance = Instance(fake.grpc_address, None, container="c")
        assert ContainerRunner().alive(instance)
    assert not ContainerRunner().alive(instance)


@pytest.mark.usefixtures("engine_is_away")
def test_what_an_engine_that_is_away_may_hold_is_not_taken_for_removed(tmp_path):
    folder = Folder.create(tmp_path)
    ContainerRunner().stop(folder, None)  # no engine was ever asked for anything
    folder.asked.touch()
    with pytest.raises(ServerError, match="The container engine does not answer"):
        ContainerRunner().stop(folder, None)


def test_an_engine_that_fails_is_one_sentence(monkeypatch):
    class Failing:
        def __init__(self):
            self.containers = self

        def list(self, **_):
            raise docker.errors.APIError("500 Server Error: Internal Server Error for url", explanation="no space left")

        def close(self):
            pass

    monkeypatch.setattr(engine, "connect", lambda _: Failing())
    with pytest.raises(ServerError, match=r"^The container engine fails: no space left\.$"):
        engine.remove_labelled("session")
