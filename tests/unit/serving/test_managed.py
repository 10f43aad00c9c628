from __future__ import annotations

import os

import grpc
import pytest

from pytest_tfsig import protos
from pytest_tfsig.errors import ModelLoadError, ServerError
from pytest_tfsig.serving import ManagedServer, control, managed
from pytest_tfsig.serving.memory import footprint
from pytest_tfsig.serving.process import is_alive, wait_until
from pytest_tfsig.serving.protocol import Instance
from tests.fake_server import FakeServer

AVAILABLE, END = 30, 50


class Program:
    """A model server as the real one behaves; a model's file says how it goes with it."""

    def __init__(self) -> None:
        self.fake = FakeServer()
        self.fake.grpc_answers |= {"HandleReloadConfigRequest": self._reload, "GetModelStatus": self._status}
        self.fake.__enter__()
        self.alive = True
        self.rows: dict[str, dict[int, tuple[int, int, str]]] = {}
        self.configs: list[dict[str, list[int]]] = []

    def stop(self) -> None:
        self.alive = False
        self.fake.__exit__()

    def _reload(self, request: bytes) -> bytes:
        entries = protos.ReloadConfigRequest.FromString(request).config.model_config_list.config
        wanted = {entry.name: list(entry.model_version_policy.specific.versions) for entry in entries}
        self.configs.append(wanted)
        for name, rows in self.rows.items():
            for version in rows.keys() - wanted.get(name, []):
                rows[version] = (END, 0, "")
        for entry in entries:
            for version in wanted[entry.name]:
                self._load(entry, version)
        return protos.ReloadConfigResponse().SerializeToString()

    def _load(self, entry, version: int) -> None:
        from pathlib import Path

        fate = (Path(entry.base_path) / str(version) / "fate").read_text()
        rows = self.rows.setdefault(entry.name, {})
        if fate == "good":
            rows[version] = (AVAILABLE, 0, "")
        elif fate == "bad":
            rows[version] = (END, 9, "Could not find variable dense/kernel")
        elif fate == "deadly":
            self.alive = False
            self.fake._grpc.stop(0)

    def _status(self, request: bytes) -> bytes:
        name = protos.GetModelStatusRequest.FromString(request).model_spec.name
        response = protos.GetModelStatusResponse()
        for version, (state, code, message) in self.rows.get(name, {}).items():
            row = response.model_version_status.add(version=version, state=state)
            row.status.error_code, row.status.error_message = code, message
        return response.SerializeToString()


class FakeRunner:
    """Runs such programs in the test's own process."""

    kind = "embedded"
    description = "fake server"

    def __init__(self) -> None:
        self.programs: list[Program] = []
        self.fails = False
        self.stays = False
        self.capacity: int | None = None

    def base_path(self, folder, name):
        return str(folder.models / name)

    def stage(self, folder, instance, name, version, directory):  # noqa: ARG002 - the protocol's
        folder.link(name, version, directory)

    def start(self, folder, *, owner, timeout):  # noqa: ARG002 - the protocol's
        if self.fails:
            raise ServerError("fake server did not start")
        self.programs.append(Program())
        return Instance(self.programs[-1].fake.grpc_address, None, capacity=self.capacity)

    def alive(self, instance):  # noqa: ARG002 - the protocol's
        return self.programs[-1].alive

    def logs(self, folder, instance):  # noqa: ARG002 - the protocol's
        return "a line about nothing\nan error about model killer\n"

    def ending(self, instance):  # noqa: ARG002 - the protocol's
        return "killed by SIGSEGV"

    def stop(self, folder, instance):  # noqa: ARG002 - the protocol's
        if self.stays:
            raise ServerError("The engine is away.")
        if instance is not None:
            self.programs[-1].stop()


@pytest.fixture
def runner():
    runner = FakeRunner()
    yield runner
    for program in runner.programs:
        program.stop()


@pytest.fixture
def server(runner):
    server = ManagedServer.launch(runner, timeout=1.0)
    yield server
    server.stop()


@pytest.fixture
def model(tmp_path):
    def make(fate="good"):
        directory = tmp_path / fate
        directory.mkdir(exist_ok=True)
        (directory / "fate").write_text(fate)
        return directory

    return make


def test_the_whole_roster_is_told_each_time(server, runner, model):
    server.add("a", 1, model())
    server.add("b", 3, model())
    server.add("b", 4, model())
    server.remove("a")
    assert runner.programs[0].configs == [{"a": [1]}, {"a": [1], "b": [3]}, {"a": [1], "b": [3, 4]}, {"b": [3, 4]}]


def test_a_model_that_cannot_load_is_told_with_reason_advice_and_log(server, runner, model):
    server.add("a", 1, model())
    with pytest.raises(ModelLoadError) as caught:
        server.add("killer", 2, model("bad"))
    message = str(caught.value)
    assert f"Version 2 of model 'killer' ({model('bad')}) cannot be loaded: FAILED_PRECONDITION: Could not" in message
    assert "model.export" in message
    assert message.endswith("an error about model killer")
    assert runner.programs[0].configs[-1] == {"a": [1]}
    assert not (server.folder / "models" / "killer" / "2").exists()


def test_a_model_that_brings_the_server_down_is_named_and_the_others_live(server, runner, model):
    server.add("a", 1, model())
    with pytest.raises(ModelLoadError, match=r"model 'killer' .* brought the server down \(killed by SIGSEGV\)"):
        server.add("killer", 1, model("deadly"))
    assert len(runner.programs) == 2
    assert server.grpc_address == runner.programs[1].fake.grpc_address
    assert runner.programs[1].configs == [{"a": [1]}]
    server.add("b", 1, model())
    assert runner.programs[1].configs[-1] == {"a": [1], "b": [1]}


def test_a_model_that_never_finishes_is_given_up_and_the_server_started_anew(server, runner, model, monkeypatch):
    monkeypatch.setattr(control, "MARGIN_SECONDS", 0.1)
    monkeypatch.setattr(managed, "MARGIN_SECONDS", 0.1)
    server.add("a", 1, model())
    with pytest.raises(ModelLoadError, match="does not load: not AVAILABLE within 1 s"):
        server.add("slow", 1, model("endless"))
    assert len(runner.programs) == 2
    assert runner.programs[1].configs == [{"a": [1]}]


def test_a_version_that_ended_before_may_come_back(server, model):
    server.add("a", 1, model())
    server.add("a", 2, model())
    server.remove("a", 2)
    server.add("a", 2, model())


def test_a_model_that_is_not_served_has_no_labels(server, model):
    with pytest.raises(ServerError, match=r"Model 'a' is not served by .*: add it before its labels"):
        server.label("a", {"stable": 1})
    server.add("a", 1, model())
    server.label("a", {"stable": 1})


def test_a_server_that_cannot_come_back_is_an_error(server, runner, model):
    server.add("a", 1, model())
    runner.fails = True
    runner.programs[-1].stop()
    with pytest.raises(ServerError, match="did not start"):
        server.revive()
    assert not server.alive()
    with pytest.raises(ServerError, match="stopped"):
        server.add("b", 1, model())
    runner.fails = False
    server.revive()
    assert runner.programs[-1].configs == [{"a": [1]}]


def test_a_server_that_lives_is_left_alone(server, runner, model):
    server.add("a", 1, model())
    assert not server.revive()
    assert not server.revive(suspect=True)
    assert len(runner.programs) == 1


def test_a_dead_server_is_started_again_once(server, runner, model):
    server.add("a", 1, model())
    runner.programs[-1].stop()
    assert server.revive()
    assert not server.revive()
    assert [program.configs for program in runner.programs][1:] == [[{"a": [1]}]]


def test_a_silent_server_is_started_again_only_where_it_is_suspect(server, runner, model, monkeypatch):
    server.add("a", 1, model())
    monkeypatch.setattr(managed, "listens", lambda _: len(runner.programs) > 1)
    assert not server.revive()
    assert server.revive(suspect=True)
    assert runner.programs[-1].configs == [{"a": [1]}]


def test_the_model_that_kills_the_new_server_is_named(server, runner, model):
    server.add("a", 1, model())
    (model() / "fate").write_text("deadly")
    runner.programs[-1].stop()
    with pytest.raises(ServerError, match="version 1 of model 'a' cannot be served any more"):
        server.revive()
    server.revive()
    assert runner.programs[-1].configs == []


def test_the_server_refusing_a_removal_is_an_error(server, runner, model):
    server.add("a", 1, model())
    runner.programs[0].fake.grpc_answers["HandleReloadConfigRequest"] = (grpc.StatusCode.INTERNAL, "no")
    with pytest.raises(ServerError, match=r"'a' cannot be removed .* INTERNAL: no"):
        server.remove("a")


def test_what_is_needed_no_longer_makes_room_for_the_next(runner, model):
    runner.capacity = 2 * footprint(model())
    server = ManagedServer.launch(runner, timeout=1.0)
    for name in "abc":
        server.add(name, 1, model())
    assert runner.programs[0].configs[-1] == {"a": [1], "b": [1], "c": [1]}, "all are needed: too much is better"
    for name in "ba":
        server.release(name, 1)
    server.add("d", 1, model())
    assert runner.programs[0].configs[-2:] == [{"c": [1]}, {"c": [1], "d": [1]}]
    server.release("c", 1)
    server.add("c", 1, model())  # it still had it
    server.add("a", 1, model())  # this it loads again
    assert runner.programs[0].configs[-1] == {"c": [1], "d": [1], "a": [1]}
    assert not (server.folder / "models" / "b" / "1").exists()
    server.stop()


def test_what_another_living_process_needs_stays(runner, model, monkeypatch):
    runner.capacity = footprint(model())
    server = ManagedServer.launch(runner, timeout=1.0)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "getpid", os.getppid)
        managed.attach(runner, server.folder, owner=os.getpid()).add("a", 1, model())
    server.add("a", 1, model())
    server.release("a", 1)
    server.add("b", 1, model())
    assert runner.programs[0].configs[-1] == {"a": [1], "b": [1]}
    monkeypatch.setattr(managed.process, "is_alive", lambda process: process != os.getppid())
    server.add("c", 1, model())
    assert runner.programs[0].configs[-1] == {"b": [1], "c": [1]}
    server.stop()


def test_a_server_that_is_started_again_serves_what_is_needed(server, runner, model):
    server.add("a", 1, model())
    server.add("b", 1, model())
    server.release("a", 1)
    runner.programs[-1].stop()
    assert server.revive()
    assert runner.programs[-1].configs == [{"b": [1]}]
    server.add("a", 1, model())
    assert runner.programs[-1].configs[-1] == {"b": [1], "a": [1]}


def test_unknown_models_need_no_removal(server, runner):
    server.remove("nobody")
    assert runner.programs[0].configs == []


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "a b", "-x"])
def test_a_name_that_is_no_path_segment_is_refused(server, model, name):
    with pytest.raises(ServerError, match="cannot be a model's name"):
        server.add(name, 1, model())


def test_a_missing_directory_is_refused(server, tmp_path):
    with pytest.raises(ModelLoadError, match="is not a directory"):
        server.add("a", 1, tmp_path / "no")


def test_a_failed_launch_leaves_no_folder(runner, tmp_path):
    runner.fails = True
    with pytest.raises(ServerError):
        ManagedServer.launch(runner, parent=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_stopped_is_left_to_the_reaper_and_told(server, runner):
    watching = server._reaper
    runner.stays = True
    with pytest.raises(ServerError, match=rf"^The engine is away\. .* once it answers.*={server.folder.name}\)$"):
        server.stop()
    assert server.folder.is_dir()
    assert is_alive(watching._child.pid)
    runner.stays = False
    server.stop()
    assert wait_until(lambda: not is_alive(watching._child.pid), 10)
