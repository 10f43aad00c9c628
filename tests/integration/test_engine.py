"""A real container engine that pulls from a registry that fails, or that is reached in other ways."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile

import pytest
from testcontainers.core.config import ConnectionMode, testcontainers_config

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import ManagedServer, ServedModel, choose, engine
from pytest_tfsig.serving.availability import why_no_connection
from pytest_tfsig.serving.container import ContainerRunner
from pytest_tfsig.serving.process import wait_until
from tests.docker_image import built as docker_image_of_this_engine
from tests.engine_proxy import engine_over_tcp
from tests.fake_registry import FakeRegistry
from tests.leftovers import containers_of
from tests.needs import need_commands
from tests.raw_server import raw_server

pytestmark = pytest.mark.docker
SECONDS = 120


@pytest.fixture
def registry_of(docker_image):
    """Starts a registry of the image that serves our test models; pulled images are removed again."""
    started = []
    client = engine.connect()
    config = client.images.get(docker_image.name).attrs["Config"]

    def start(*failures, architecture=None):
        built = architecture or client.version()["Arch"]
        wanted = {key: config[key] for key in ("Entrypoint", "Env", "WorkingDir", "ExposedPorts")}
        registry = FakeRegistry(wanted, built).__enter__()
        registry.failures = list(failures)
        started.append(registry)
        return registry

    yield start
    for registry in started:
        registry.__exit__()
        subprocess.run(["docker", "rmi", "-f", registry.image], check=True, capture_output=True)
    client.close()


@pytest.fixture
def waits(monkeypatch):
    waited = []
    monkeypatch.setattr(engine.time, "sleep", waited.append)
    return waited


def assert_serves(runner, models):
    """Has a runner serve a model over both transports, and returns where."""
    server = ManagedServer.launch(runner, timeout=SECONDS)
    try:
        server.add("half_plus_two", 1, models("half_plus_two") / "1")
        model = ServedModel(server, "half_plus_two")
        for transport in ("grpc", "rest"):
            assert model.predict({"x": [2.0]}, transport=transport)["y"].tolist() == [3.0]
        model.close()
        return server._folder.read()[1]
    finally:
        server.stop()


def test_an_image_is_pulled_from_a_registry_that_fails_at_first_and_serves(registry_of, docker_image, models):
    registry = registry_of(429, 429, 503)
    assert_serves(ContainerRunner(registry.image, mounts=docker_image.mounts), models)
    assert not registry.failures


def test_auto_pulls_the_image_of_a_registry_that_has_it(registry_of):
    registry = registry_of()
    assert choose("auto", image=registry.image).kind == "container"


@pytest.mark.parametrize(
    ("status", "tries", "why"),
    [
        (429, 4, r"its registry limits pulls: log in with `docker login`, .* \(toomanyrequests: "),
        (500, 4, r"its registry fails: try again later"),
        (503, 4, r"its registry fails: try again later"),
        (401, 1, r"its registry refuses: check the name, or log in"),
        (403, 1, r"its registry refuses: check the name, or log in"),
        (404, 1, r"there is no such image: check its name and tag"),
    ],
)
def test_a_real_pull_that_is_refused_is_explained_and_tried_again_where_that_may_help(
    registry_of, waits, status, tries, why
):
    registry = registry_of(*[status] * 20)
    with pytest.raises(ServerError, match=rf"^Image {registry.image} cannot be pulled: {why}"):
        ManagedServer.launch(ContainerRunner(registry.image))
    assert waits == [1.0, 2.0, 4.0][: tries - 1]
    rejected = dict(choose("auto", image=registry.image).rejected)
    assert rejected["container"].startswith(f"image {registry.image} is not here, and its registry") or status == 404


def test_an_image_for_another_processor_is_told_as_that(registry_of):
    client = engine.connect()
    other = "arm64" if client.version()["Arch"] == "amd64" else "amd64"
    client.close()
    registry = registry_of(architecture=other)
    with pytest.raises(ServerError, match="not built for this machine's processor"):
        ManagedServer.launch(ContainerRunner(registry.image))
    assert "is not built for linux/" in dict(choose("auto", image=registry.image).rejected)["container"]


@pytest.mark.usefixtures("docker_image")
def test_a_registry_that_nobody_runs_is_told(waits):
    with FakeRegistry({}) as registry:
        image = registry.image
    with pytest.raises(ServerError, match="its registry cannot be reached: load the image beforehand"):
        ManagedServer.launch(ContainerRunner(image))
    assert waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_an_engine_of_another_machine_serves_what_is_copied_to_it(docker_image, models, monkeypatch, host):
    """And what listens at this machine, as a tunnel does, is no business of the environment's proxy."""
    with engine_over_tcp(host) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert assert_serves(docker_image.runner(), models).copied


@pytest.mark.usefixtures("docker_image")
def test_an_engine_that_says_nothing_is_given_up(monkeypatch):
    with raw_server(lambda _, over: over.wait()) as address:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{address}")
        monkeypatch.setattr(engine, "_LOOK_SECONDS", 0.5)
        assert "does not answer" in engine.why_not("image")


PODMAN = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
"""


@pytest.fixture
def podman(tmp_path, monkeypatch):
    """Starts Podman's service with a storage of its own."""
    need_commands("podman")
    conf = tmp_path / "containers.conf"
    conf.write_text(PODMAN + ('runtime = "runc"\n' if shutil.which("runc") else ""))
    monkeypatch.setenv("CONTAINERS_CONF", str(conf))
    with tempfile.TemporaryDirectory(prefix="podman-") as folder:  # a socket's path must be short
        address = f"unix://{folder}/socket"
        words = ["podman", f"--root={folder}/root", f"--runroot={folder}/run", "system", "service", "--time=0", address]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
            monkeypatch.setenv("DOCKER_HOST", address)
            assert wait_until(lambda: why_no_connection(address) is None, SECONDS)
            yield
            service.terminate()
        subprocess.run(["umount", "--lazy", f"{folder}/root/overlay"], check=False, capture_output=True)


@pytest.mark.slow
@pytest.mark.usefixtures("podman")
@pytest.mark.parametrize("mode", ["docker_host", "gateway_ip", "bridge_ip"])
def test_podman_serves_wherever_pytest_runs_beside_it(models, monkeypatch, mode):
    monkeypatch.setattr(testcontainers_config, "connection_mode_override", ConnectionMode(mode))
    assert_serves(docker_image_of_this_engine().runner(), models)
    assert containers_of() == []


def test_a_socket_without_permission_is_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        if os.getuid() == 0:  # who may do everything
            os.seteuid(65534)
        try:
            with pytest.raises(ServerError, match=rf"this user may not use {path} \(add it to the group docker"):
                engine.connect()
        finally:
            os.seteuid(os.getuid())
