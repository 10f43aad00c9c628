from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import ModelLoadError, ServerError
from pytest_tfsig.serving import ManagedServer, ServedModel, attach
from pytest_tfsig.serving.binary import BinaryRunner
from pytest_tfsig.serving.embedded import EmbeddedRunner
from pytest_tfsig.serving.process import is_alive, wait_until
from tests.leftovers import containers_of, processes_with

KINDS = ["embedded", "binary", pytest.param("container", marks=pytest.mark.docker)]
SECONDS = 30


@pytest.fixture(scope="session")
def binary_path(tmp_path_factory):
    """A directory for PATH, with a tensorflow_model_server that is ours behind the real one's flags."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "tensorflow_model_server"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m pytest_tfsig.model_server "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def runner_of(request, binary_path, monkeypatch):
    monkeypatch.setenv("PATH", binary_path)

    def make(kind, **options):
        if kind == "container":
            return request.getfixturevalue("docker_image").runner(**options)
        return {"embedded": EmbeddedRunner, "binary": BinaryRunner}[kind](**options)

    return make


@pytest.fixture(params=KINDS)
def server(request, runner_of):
    server = ManagedServer.launch(runner_of(request.param), timeout=SECONDS)
    yield server
    server.stop()
    assert not server.folder.exists()


@pytest.fixture
def broken(models, tmp_path):
    """A version directory whose variables are cut short."""
    directory = tmp_path / "broken" / "1"
    shutil.copytree(models("echo") / "1", directory)
    (directory / "saved_model.pb").write_bytes(b"\x08\x01garbage")
    return directory


def test_models_come_and_go_and_answer_over_both_transports(server, models):
    for name in ("half_plus_two", "matrix"):
        server.add(name, 1, models(name) / "1")
    model = ServedModel(server, "half_plus_two")
    for transport in ("grpc", "rest"):
        answer = model.predict({"x": [1.0, 2.0]}, transport=transport)
        assert answer["y"].tolist() == [2.5, 3.0]
        assert model.metadata(transport=transport).version == 1
        assert model.status(transport=transport)[0].state == "AVAILABLE"
    server.remove("half_plus_two")
    with pytest.raises(ServingError) as caught:
        model.predict({"x": [1.0]})
    assert caught.value.code == "NOT_FOUND"
    assert ServedModel(server, "matrix").status()[0].state == "AVAILABLE"
    server.add("half_plus_two", 1, models("half_plus_two") / "1")
    assert model.predict({"x": [4.0]})["y"].tolist() == [4.0]
    assert "half_plus_two" in server.logs()
    model.close()


def test_versions_and_labels_of_one_model(server, models):
    server.add("v", 1, models("versions") / "1", labels={"stable": 1})
    server.add("v", 2, models("versions") / "2", labels={"canary": 2})
    model = ServedModel(server, "v")
    answers = [
        model.predict({"x": [0.0]}, **where)["y"].item()
        for where in ({}, {"version": 1}, {"version": 2}, {"label": "stable"}, {"label": "canary"})
    ]
    assert answers == [2.0, 1.0, 2.0, 1.0, 2.0]
    server.label("v", {"stable": 2})
    assert model.predict({"x": [0.0]}, label="stable")["y"].item() == 2.0
    with pytest.raises(ServerError, match=r"Labels of model 'v' cannot be moved: .*not currently available"):
        server.label("v", {"stable": 3})
    assert model.predict({"x": [0.0]}, label="stable")["y"].item() == 2.0
    server.remove("v", 2)
    assert model.predict({"x": [0.0]})["y"].item() == 1.0
    server.add("v", 2, models("versions") / "2")
    assert model.predict({"x": [0.0]})["y"].item() == 2.0
    with pytest.raises(ServerError, match="Version 2 of model 'v' is served already"):
        server.add("v", 2, models("versions") / "1")
    server.add("v", 2, models("versions") / "2")  # what is served already need not be told again
    model.close()


def test_a_model_that_cannot_load_takes_no_other_with_it(server, models, broken):
    server.add("half_plus_two", 1, models("half_plus_two") / "1")
    with pytest.raises(ModelLoadError, match=r"Version 1 of model 'bad' .*cannot be loaded") as caught:
        server.add("bad", 1, broken)
    assert "Read less bytes than requested" in str(caught.value)
    assert "copy the model again" in str(caught.value)
    model = ServedModel(server, "half_plus_two")
    assert model.predict({"x": [2.0]})["y"].tolist() == [3.0]
    with pytest.raises(ModelLoadError):
        server.add("half_plus_two", 2, broken)
    assert model.predict({"x": [2.0]})["y"].tolist() == [3.0]
    server.add("bad", 1, models("matrix") / "1")
    model.close()


def test_a_server_that_died_starts_again_with_its_models(server, models):
    for name in ("half_plus_two", "matrix"):
        server.add(name, 1, models(name) / "1")
    model = ServedModel(server, "half_plus_two")
    _, instance = server._folder.read()
    if instance.container:
        subprocess.run(["docker", "kill", instance.container], check=True, capture_output=True)
    else:
        os.kill(instance.process, signal.SIGKILL)
    assert wait_until(lambda: not server.alive(), 5)
    with pytest.raises(ServingError) as caught:
        model.predict({"x": [1.0]}, timeout=5)
    assert caught.value.code == "UNAVAILABLE"
    server.release("matrix", 1)  # nobody needs it now
    assert server.revive()
    assert server.alive()
    assert model.predict({"x": [2.0]})["y"].tolist() == [3.0]
    with pytest.raises(ServingError):
        ServedModel(server, "matrix").predict({"x": np.zeros((1, 3), np.float32)})
    model.close()


def test_another_process_may_use_the_server(server, models, runner_of):
    other = attach(runner_of(server.kind), server.folder, owner=os.getpid())
    other.add("half_plus_two", 1, models("half_plus_two") / "1")
    model = ServedModel(server, "half_plus_two")
    assert model.predict({"x": [2.0]})["y"].tolist() == [3.0]
    server.add("matrix", 1, models("matrix") / "1")
    assert ServedModel(other, "half_plus_two").predict({"x": [2.0]})["y"].tolist() == [3.0]
    other._control.close()
    model.close()


def test_a_stopped_server_stays_stopped(server):
    server.stop()
    server.stop()
    assert not server.alive()
    with pytest.raises(ServerError, match="stopped"):
        _ = server.grpc_address


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_cannot_start_shows_its_log(kind, runner_of):
    with pytest.raises(ServerError, match="unknown argument: --no_such_flag=1"):
        ManagedServer.launch(runner_of(kind, flags=["--no_such_flag=1"]), timeout=SECONDS)


OWNER = """
import json, os, signal, sys, time
from pathlib import Path
from pytest_tfsig.serving import ManagedServer
from pytest_tfsig.serving.binary import BinaryRunner
from pytest_tfsig.serving.container import ContainerRunner
from pytest_tfsig.serving.embedded import EmbeddedRunner

kind, image, mounts, model, end = json.loads(sys.argv[1])
if kind == "container":
    runner = ContainerRunner(image, mounts=[(Path(a), b) for a, b in mounts])
else:
    runner = {"embedded": EmbeddedRunner, "binary": BinaryRunner}[kind]()
server = ManagedServer.launch(runner)
server.add("m", 1, Path(model))
_, instance = server._folder.read()
print(json.dumps([str(server.folder), instance.process]), flush=True)
if end == "failure":
    raise RuntimeError("a test failed")
if end != "success":
    time.sleep(60)
"""


@pytest.mark.parametrize("end", ["success", "failure", signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_however_the_owner_ends(kind, end, runner_of, models, request):  # noqa: ARG001 - sets PATH
    image, mounts = "", []
    if kind == "container":
        docker_image = request.getfixturevalue("docker_image")
        image, mounts = docker_image.name, [(str(here), there) for here, there in docker_image.mounts]
    words = json.dumps([kind, image, mounts, str(models("half_plus_two") / "1"), end])
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with owner:
        folder, server = json.loads(owner.stdout.readline())
        if isinstance(end, int):
            owner.send_signal(end)
        owner.wait(SECONDS)
    assert wait_until(lambda: not Path(folder).exists(), SECONDS)
    assert server is None or wait_until(lambda: not is_alive(server), SECONDS)
    assert wait_until(lambda: not processes_with(folder), SECONDS)
    if kind == "container":
        assert containers_of(Path(folder).name) == []
