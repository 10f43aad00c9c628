"""However a run ends that has its server in a container: no container, process or folder is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from pytest_tfsig.serving.process import is_alive, wait_until
from tests.leftovers import containers_of

pytestmark = [pytest.mark.docker, pytest.mark.slow]
SECONDS = 240

SUITE = """
import os
import time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(2))
@pytest.mark.tfsig_model({model!r})
def test_it(served_model, number):
    assert served_model.predict({{"x": [[0.0] * 4]}})
    Path(f"waits-{{os.getpid()}}").touch()
    while not Path("go").exists():
        time.sleep(0.05)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def started(pytester, models, docker_image, temporary):
    """Starts a run whose tests wait once they were served, and gives it with the names of its servers' sessions."""
    runs = []

    def start(*options):
        pytester.makepyfile(SUITE.format(model=str(models("classifier"))))
        pytester.makeconftest(docker_image.conftest())
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *options]
        words += ["--tfsig-server=container", f"--tfsig-image={docker_image.name}"]
        runs.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        waiting = 2 if "-n2" in options else 1
        assert wait_until(lambda: len(list(pytester.path.glob("waits-*"))) == waiting, SECONDS)
        sessions = [path.parent.name for path in temporary.rglob("server.log")]
        [session] = sessions
        assert len(containers_of(session)) == 1
        return runs[-1], sessions

    yield start
    for run in runs:
        run.kill()
        run.wait()


def assert_nothing_is_left(temporary, sessions):
    assert wait_until(lambda: not any(map(containers_of, sessions)), SECONDS)
    assert wait_until(lambda: not [path for path in temporary.iterdir() if path.name.startswith("tfsig")], SECONDS)


@pytest.mark.parametrize("workers", [(), ("-n2",)])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_container_is_left_however_the_run_ends(started, temporary, end, workers):
    run, sessions = started(*workers)
    run.send_signal(end)
    run.wait(SECONDS)
    assert_nothing_is_left(temporary, sessions)


def test_a_worker_that_is_killed_leaves_the_container_to_the_others(started, pytester, temporary):
    run, sessions = started("-n2")
    worker = int(next(pytester.path.glob("waits-*")).name.removeprefix("waits-"))
    os.kill(worker, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(worker), SECONDS)
    assert len(containers_of(*sessions)) == 1
    (pytester.path / "go").touch()
    assert run.wait(SECONDS) == pytest.ExitCode.TESTS_FAILED
    assert_nothing_is_left(temporary, sessions)


def test_a_container_that_was_only_asked_for_is_removed_too(pytester, models, docker_image, temporary):
    """Killed between the engine's being asked for a container and its answer."""
    pytester.makepyfile(SUITE.format(model=str(models("classifier"))))
    killing = "from docker.models.containers import Container\nimport os, signal\nstart = Container.start\n"
    killing += "Container.start = lambda one: (start(one), os.kill(os.getpid(), signal.SIGKILL))\n"
    pytester.makeconftest(docker_image.conftest() + killing)
    result = pytester.runpytest_subprocess("--tfsig-server=container", f"--tfsig-image={docker_image.name}")
    assert result.ret == -signal.SIGKILL
    sessions = [path.parent.name for path in temporary.rglob("server.log")]
    assert len(sessions) == 1
    assert_nothing_is_left(temporary, sessions)
