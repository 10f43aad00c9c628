from __future__ import annotations

import io
import json
import struct
import subprocess

import numpy as np
import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.labels import LABEL_SESSION_ID

from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import ManagedServer, ServedModel, choose, container, engine, start
from pytest_tfsig.serving.container import ContainerRunner
from pytest_tfsig.serving.process import wait_until

pytestmark = pytest.mark.docker
MISSING = "localhost:1/no/such/image:1"


def inspected(server):
    _, instance = server._folder.read()
    output = subprocess.run(["docker", "inspect", instance.container], check=True, capture_output=True).stdout
    return json.loads(output)[0]


@pytest.fixture
def launched(docker_image):
    servers = []

    def launch(**options):
        servers.append(ManagedServer.launch(docker_image.runner(**options), timeout=30))
        return servers[-1]

    yield launch
    for server in servers:
        server.stop()


def test_models_are_mounted_read_only_where_the_official_image_looks(launched, models):
    server = launched()
    server.add("half_plus_two", 1, models("half_plus_two") / "1")
    state = inspected(server)
    [mount] = [mount for mount in state["Mounts"] if mount["Destination"] == "/models"]
    assert not mount["RW"]
    assert (server.folder / "models" / "half_plus_two" / "1" / "saved_model.pb").is_file()
    assert "/models/half_plus_two/1" in server.logs()


def test_the_container_is_ours_and_can_do_little(launched):
    server = launched()
    state = inspected(server)
    assert state["Config"]["Labels"][engine.LABEL] == server.folder.name
    host = state["HostConfig"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["CapDrop"] == ["ALL"]
    assert host["PidsLimit"] > 0
    assert host["Memory"] > 0
    assert not host["Privileged"]


def test_nothing_listens_beyond_this_machine(launched):
    published = inspected(launched())["NetworkSettings"]["Ports"]
    addresses = {entry["HostIp"] for port in published.values() for entry in port}
    assert addresses
    assert not addresses & {"0.0.0.0", "::", ""}  # noqa: S104 - that it is not bound to these is the point


@pytest.mark.parametrize("variable", [None, "false", "true"])
def test_ryuk_has_no_part_in_it(launched, monkeypatch, variable):
    """It would be one more image to pull, which is not to be had everywhere; and it would take what workers share."""
    monkeypatch.delenv("TESTCONTAINERS_RYUK_DISABLED", raising=False)
    if variable is not None:
        monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", variable)
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", variable == "true")
    monkeypatch.setattr(testcontainers_config, "ryuk_image", MISSING)
    labels = inspected(launched())["Config"]["Labels"]
    assert LABEL_SESSION_ID not in labels


def test_where_the_engine_does_not_see_our_files_models_are_copied(launched, models, monkeypatch):
    monkeypatch.setattr(engine, "sees_our_files", lambda: False)
    server = launched()
    assert all(mount["Destination"] != "/models" for mount in inspected(server)["Mounts"])
    server.add("versions", 1, models("versions") / "1")
    server.add("versions", 2, models("versions") / "2")
    model = ServedModel(server, "versions")
    assert model.predict({"x": [1.0]}, version=1)["y"].tolist() == [2.0]
    assert model.predict({"x": [1.0]}, version=2)["y"].tolist() == [3.0]
    subprocess.run(["docker", "kill", server._folder.read()[1].container], check=True, capture_output=True)
    assert wait_until(lambda: not server.alive(), 5)
    server.revive()
    assert model.predict({"x": [1.0]})["y"].tolist() == [3.0]
    model.close()


def test_a_folder_that_the_engine_cannot_find_is_copied_too(launched, monkeypatch):
    """As where pytest runs in a container of its own, beside the server's."""
    mount = container._mount
    monkeypatch.setattr(
        container, "_mount", lambda there, here: mount(there, "/no/such/folder" if there == "/models" else here)
    )
    server = launched()
    assert server._folder.read()[1].copied


@pytest.mark.usefixtures("docker_image")
def test_a_demanded_image_that_is_not_to_be_had_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(engine, "_BACKOFF_SECONDS", (0.01,))
    with pytest.raises(ServerError, match=f"Image {MISSING} cannot be pulled: .*"):
        ManagedServer.launch(ContainerRunner(MISSING))


def test_auto_takes_the_container_where_the_image_is_there(docker_image):
    choice = choose("auto", image=docker_image.name)
    assert (choice.kind, choice.rejected) == ("container", ())


@pytest.mark.usefixtures("docker_image")
def test_auto_says_why_it_takes_no_container():
    choice = choose("auto", image=MISSING)
    assert choice.rejected[0][0] == "container"
    assert f"image {MISSING} is not here" in choice.rejected[0][1]


def test_auto_goes_on_when_the_container_does_not_start(docker_image, models):
    # Without the mounts that it needs, the image has no Python.
    server = start("auto", image=docker_image.name)
    try:
        assert server.kind == "embedded"
        server.add("half_plus_two", 1, models("half_plus_two") / "1")
    finally:
        server.stop()


def test_a_program_for_another_processor_says_what_to_do(docker_image, tmp_path):
    """As an image is that was built for one alone: engines pull it on any machine."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    program = tmp_path / "program"
    program.write_bytes(ident + struct.pack("<HHI", 2, 0xFFFE, 1) + bytes(40))
    program.chmod(0o755)
    tag = f"{docker_image.name}-of-another-processor"
    client = engine.connect()
    try:
        dockerfile = b'FROM scratch\nENTRYPOINT ["/program"]\n'
        client.images.build(fileobj=io.BytesIO(dockerfile), tag=tag, rm=True)
        with pytest.raises(ServerError, match="exec format error") as caught:
            ManagedServer.launch(ContainerRunner(tag, mounts=[(program, "/program")]))
        assert "not built for this machine's processor: use the embedded server" in str(caught.value)
    finally:
        client.images.remove(tag, force=True)
        client.close()


def test_a_killed_container_says_how_it_ended(launched):
    server = launched()
    _, instance = server._folder.read()
    subprocess.run(["docker", "kill", instance.container], check=True, capture_output=True)
    assert not server.alive()
    assert server._runner.ending(instance) == "killed by SIGKILL"


def test_a_model_that_takes_all_memory_is_killed_in_its_container_and_the_next_is_served(launched, models, monkeypatch):
    monkeypatch.setattr(container, "_MEMORY_SHARE", 0.06)
    server = launched()
    server.add("greedy", 1, models("greedy") / "1")
    model = ServedModel(server, "greedy")
    assert model.predict({"x": np.zeros((1, 4), np.float32)})["y"].shape == (1, 4)
    _, instance = server._folder.read()
    with pytest.raises(ServingError) as caught:
        model.predict({"x": np.ones((1, 4), np.float32)})
    assert caught.value.code in {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
    assert wait_until(lambda: not server.alive(), 10)
    assert server._runner.ending(instance) == "out of memory"
    assert server.revive()
    assert model.predict({"x": np.zeros((1, 4), np.float32)})["y"].shape == (1, 4)
    model.close()
