"""A container engine that stops in the middle of a run: a real one, of the test's own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

from pytest_tfsig.serving.process import wait_until
from tests import docker_image
from tests.second_engine import second_engine

__all__ = ["second_engine"]

pytestmark = [pytest.mark.docker, pytest.mark.slow]
SECONDS = 240

SUITE = """
import time
from pathlib import Path
import pytest

pytestmark = pytest.mark.tfsig_model({model!r})

def test_before(served_model):
    assert served_model.predict({{"x": [[0.0] * 4]}})

def test_meanwhile(served_model):
    Path("reached").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    served_model.predict({{"x": [[0.0] * 4]}})

@pytest.mark.tfsig_contract()
@pytest.mark.tfsig_checks(only=["loads", "outputs"])
def test_contract(tfsig_check):
    tfsig_check()

def test_after(served_model):
    Path("after").touch()
    assert served_model.predict({{"x": [[0.0] * 4]}})
"""


@pytest.fixture
def image(second_engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", second_engine.address)
    return docker_image.built()


class Run:
    """A pytest that waits in the middle of its tests."""

    def __init__(self, process, folder):
        self.process = process
        self._folder = folder

    def go_on(self):
        """Lets it end, and returns what it wrote."""
        (self._folder / "go").touch()
        return self.process.communicate(timeout=SECONDS)[0]


@pytest.fixture
def started(pytester, models, image, tmp_path, monkeypatch):
    runs = []

    def start(*options):
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        pytester.makepyfile(SUITE.format(model=str(models("classifier"))))
        pytester.makeconftest(image.conftest())
        words = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:randomly", "-Werror"]
        words += ["--tfsig-server=container", f"--tfsig-image={image.name}", *options]
        runs.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        assert wait_until((pytester.path / "reached").exists, SECONDS)
        return Run(runs[-1], pytester.path)

    yield start
    for run in runs:
        run.kill()
        run.communicate()


def outcomes(output):
    return dict(re.findall(r"^\S+::(\S+) (PASSED|FAILED|ERROR)", output, re.MULTILINE))


def left(tmp_path):
    return [path.name for path in tmp_path.iterdir() if path.name.startswith("tfsig")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_engine_that_stops_is_told_by_every_test_and_leaves_nothing_once_it_is_back(
    started, second_engine, number, tmp_path
):
    run = started()
    second_engine.stop(number)
    output = run.go_on()
    assert outcomes(output) == {
        "test_before": "PASSED",
        "test_meanwhile": "FAILED",
        "test_contract[serving_default-loads]": "FAILED",
        "test_contract[serving_default-outputs]": "FAILED",
        "test_after": "ERROR",
    }
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    assert "error: The container engine does not answer: nothing answers at " in output
    assert "What it holds of this run is removed once it answers, for 10 minutes" in output
    assert wait_until(lambda: left(tmp_path) == [], SECONDS)
    second_engine.start()
    assert wait_until(lambda: second_engine.containers() == [], SECONDS)


def test_an_engine_that_stops_under_workers_leaves_nothing_once_it_is_back(started, second_engine, tmp_path):
    run = started("-n2")
    second_engine.stop(signal.SIGKILL)
    output = run.go_on()
    assert "INTERNALERROR" not in output
    assert "What it holds of this run is removed once it answers, for 10 minutes" in output
    assert wait_until(lambda: left(tmp_path) == [], SECONDS)
    second_engine.start()
    assert wait_until(lambda: second_engine.containers() == [], SECONDS)


def test_an_engine_that_hangs_costs_time_and_no_verdict(started, second_engine, tmp_path):
    run = started()
    second_engine.signal(signal.SIGSTOP)
    output = run.go_on()
    assert set(outcomes(output).values()) == {"PASSED"}
    assert "The container engine at unix:///" in output
    assert "What it holds of this run is removed once it answers, for 10 minutes" in output
    second_engine.signal(signal.SIGCONT)
    assert wait_until(lambda: second_engine.containers() == [], SECONDS)
    assert wait_until(lambda: left(tmp_path) == [], SECONDS)


def test_an_engine_that_is_restarted_between_two_requests_costs_one_test(started, second_engine):
    run = started()
    second_engine.stop()
    second_engine.start()
    output = run.go_on()
    failed = {test for test, outcome in outcomes(output).items() if outcome != "PASSED"}
    assert failed == {"test_meanwhile"}
    assert second_engine.containers() == []


def test_nothing_is_left_of_a_run_that_is_killed_while_the_engine_is_away(started, second_engine, tmp_path):
    run = started()
    second_engine.stop(signal.SIGKILL)
    run.process.kill()
    run.process.wait(SECONDS)
    assert wait_until(lambda: left(tmp_path) == [], SECONDS)
    second_engine.start()
    assert wait_until(lambda: second_engine.containers() == [], SECONDS)
