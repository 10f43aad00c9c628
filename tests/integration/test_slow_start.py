"""Servers that take their time to start: given up at the time-out, and used where they are within it."""

from __future__ import annotations

import io

import pytest

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import ManagedServer, engine
from pytest_tfsig.serving.container import ContainerRunner
from pytest_tfsig.serving.embedded import EmbeddedRunner
from tests import docker_image as images

pytestmark = pytest.mark.slow
KINDS = ["embedded", pytest.param("container", marks=pytest.mark.docker)]
DELAY = 3
SLOW = f"""
import sys
import time

if "pytest_tfsig.model_server" in sys.orig_argv:
    time.sleep({DELAY})
"""


@pytest.fixture
def slow(request, tmp_path, monkeypatch):
    """Gives a runner whose server first sleeps for some seconds."""

    def runner(kind):
        if kind == "embedded":
            (tmp_path / "sitecustomize.py").write_text(SLOW)
            monkeypatch.setenv("PYTHONPATH", str(tmp_path))
            return EmbeddedRunner()
        mounts = request.getfixturevalue("docker_image").mounts
        text = images._dockerfile().replace("exec ", f"sleep {DELAY}; exec ", 1)
        client = engine.connect()
        client.images.build(fileobj=io.BytesIO(text.encode()), tag=f"{images.TAG}-slow", rm=True)
        client.close()
        return ContainerRunner(f"{images.TAG}-slow", mounts=mounts)

    return runner


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_that_takes_too_long_is_given_up_and_leaves_nothing(slow, kind, tmp_path):
    parent = tmp_path / "parent"
    parent.mkdir()
    runner = slow(kind)
    with pytest.raises(ServerError, match=r"(did not listen|did not answer) within 0\.5 s"):
        ManagedServer.launch(runner, timeout=0.5, parent=parent)
    assert list(parent.iterdir()) == []
    if kind == "container":
        client = engine.connect()
        running = client.containers.list(all=True, filters={"ancestor": f"{images.TAG}-slow"})
        client.close()
        assert running == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_that_takes_long_but_not_too_long_is_waited_for(slow, kind, models):
    server = ManagedServer.launch(slow(kind), timeout=120)
    try:
        server.add("half_plus_two", 1, models("half_plus_two") / "1")
        assert server.alive()
    finally:
        server.stop()
