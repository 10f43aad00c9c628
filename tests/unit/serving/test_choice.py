from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys

import pytest

from pytest_tfsig.errors import ServerError, UsageError
from pytest_tfsig.serving import availability, choice, choose, runner_for, start
from pytest_tfsig.serving.availability import engine_address, is_address


@pytest.fixture
def works(monkeypatch):
    """Says which ways work here."""

    def set_up(*kinds):
        def reason(kind):
            return None if kind in kinds else f"no {kind} here"

        monkeypatch.setattr(availability, "why_no_container", lambda _: reason("container"))
        monkeypatch.setattr(availability, "why_no_binary", lambda: reason("binary"))
        monkeypatch.setattr(availability, "why_no_embedded", lambda: reason("embedded"))

    return set_up


@pytest.mark.parametrize(
    ("kinds", "taken", "rejected"),
    [
        (["container", "binary", "embedded"], "container", []),
        (["binary", "embedded"], "binary", ["container"]),
        (["embedded"], "embedded", ["container", "binary"]),
    ],
)
def test_auto_takes_the_first_that_works_and_says_why_not_the_others(works, kinds, taken, rejected):
    works(*kinds)
    choice = choose()
    assert choice.kind == taken
    assert list(choice.rejected) == [(kind, f"no {kind} here") for kind in rejected]


def test_auto_with_nothing_that_works_names_every_reason(works):
    works()
    with pytest.raises(ServerError, match=r"container: no container here; binary: .*; embedded: no embedded here"):
        choose()


@pytest.mark.parametrize("kind", ["container", "binary", "embedded"])
def test_a_demand_is_not_second_guessed(works, kind):
    works()
    assert choose(kind).kind == kind


def test_a_demanded_server_that_cannot_start_is_an_error_and_no_other_is_started(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="there is no tensorflow_model_server on PATH"):
        start("binary")


def test_auto_goes_on_to_the_next_when_one_does_not_start(works, monkeypatch):
    works("binary", "embedded")
    started = []

    def launch(runner, **_):
        started.append(runner.kind)
        raise ServerError(f"{runner.kind} failed")

    monkeypatch.setattr("pytest_tfsig.serving.managed.ManagedServer.launch", launch)
    with pytest.raises(ServerError, match="binary failed\nembedded failed"):
        start("auto")
    assert started == ["binary", "embedded"]


def test_tensorflow_missing_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ServerError, match=r"^The embedded server cannot be started: TensorFlow is not installed .*\.$"):
        start("embedded")


@pytest.mark.parametrize("kind", ["container", "binary"])
def test_custom_ops_need_the_embedded_server(kind, tmp_path):
    with pytest.raises(ServerError, match="Custom op libraries"):
        runner_for(kind, op_libraries=[tmp_path / "ops.so"])


@pytest.mark.parametrize("text", ["docker", "", "host:", ":8500", "host:99999", "a:b", "::1:8500", "host:-1"])
def test_what_is_no_choice_is_refused(text):
    assert not is_address(text)
    with pytest.raises(UsageError, match="is no server"):
        choose(text)


@pytest.mark.parametrize("text", ["localhost:8500", "10.0.0.1:1", "[::1]:8500", "a.b-c:65535"])
def test_an_address_is_a_choice(text):
    assert choose(text).kind == "remote"


def test_choosing_loads_nothing_heavy_where_there_is_no_engine(tmp_path):
    code = (
        "import sys\n"
        "from pytest_tfsig.serving import availability, choose\n"
        "availability.engine_address = lambda: None\n"
        "choose('auto')\n"
        "print([name for name in ('grpc', 'numpy', 'docker', 'tensorflow', 'google.protobuf', 'urllib3', 'requests')"
        " if name in sys.modules])\n"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert output.stdout == "[]\n"


def test_the_engine_is_where_docker_host_says():
    assert engine_address({"DOCKER_HOST": "tcp://far:1", "HOME": "/"}) == "tcp://far:1"


def test_the_engine_is_where_the_docker_context_says(tmp_path):
    folder = tmp_path / ".docker"
    meta = folder / "contexts" / "meta" / hashlib.sha256(b"far").hexdigest()
    meta.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"currentContext": "far"}))
    (meta / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": "ssh://far"}}}))
    assert engine_address({"HOME": str(tmp_path)}) == "ssh://far"
    assert engine_address({"HOME": str(tmp_path), "DOCKER_CONTEXT": "default"}) != "ssh://far"


def test_the_engine_may_be_podman_or_rootless(tmp_path, monkeypatch):
    monkeypatch.setattr(availability, "_SOCKETS", ())
    assert engine_address({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}) is None
    (tmp_path / "podman").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "podman" / "podman.sock"))
        found = engine_address({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)})
    assert found == f"unix://{tmp_path}/podman/podman.sock"


def test_a_socket_that_nobody_listens_at_is_told(tmp_path, monkeypatch):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    assert availability.why_no_container("image") == f"nothing answers at {path} (Connection refused)"


def test_a_socket_that_this_user_may_not_use_is_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(availability, "_connect", refuse)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    assert "add it to the group docker" in availability.why_no_container("image")


def test_choice_has_no_other_kinds():
    assert set(choice.ORDER) == {"container", "binary", "embedded"}
