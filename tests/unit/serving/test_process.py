from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import process, reaper

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "server.log"


def up(log):
    return process.wait_until(lambda: "up" in log.read_text(), 10)


def test_output_goes_to_the_log_and_the_process_to_a_session_of_its_own(log):
    log.write_text("before\n")
    pid = process.launch(SLEEP, log)
    assert up(log)
    assert log.read_text() == "before\nup\n"
    assert os.getsid(pid) == pid
    assert log.with_suffix(".pid").read_text() == str(pid)
    process.stop(pid)
    assert not process.is_alive(pid)


def test_a_process_that_ignores_the_request_is_killed(log, monkeypatch):
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0.2)
    pid = process.launch(STUBBORN, log)
    assert up(log)
    monkeypatch.setattr(process, "_GRACE_SECONDS", 10.0)
    process._CHILDREN[pid].poll()
    process.stop(pid)
    assert not process.is_alive(pid)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (255, "exit code 255"),
        (-11, "killed by SIGSEGV"),
        (139, "killed by SIGSEGV"),
        (1, "exit code 1"),
    ],
)
def test_how_it_ended_is_told_in_words(code, words):
    assert process.describe_exit(code) == words


def test_the_end_of_a_child_is_known(log):
    pid = process.launch([sys.executable, "-c", "import os; os.abort()"], log)
    assert process.wait_until(lambda: not process.is_alive(pid), 10)
    assert process.ending(pid) == "killed by SIGABRT"


def test_another_processs_zombie_is_not_alive():
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert process.wait_until(lambda: not process.is_alive(child.pid), 10)
    assert child.wait() == 0
    assert not process.is_alive(child.pid)


def test_a_program_that_is_not_there_is_an_error(log):
    with pytest.raises(ServerError, match="/no/such/program cannot be started"):
        process.launch(["/no/such/program"], log)


def test_the_reaper_ends_the_server_and_deletes_the_folder_when_the_owner_is_gone(tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (folder / "server.pid").write_text(str(server.pid))
    watching = reaper.start(folder, owner.pid)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert server.wait(10) == -signal.SIGKILL
    assert process.wait_until(lambda: not folder.exists(), 10)
    watching.dismiss()


def test_the_reaper_is_dismissed_when_there_is_nothing_to_do(tmp_path):
    watching = reaper.start(tmp_path, os.getpid())
    watching.dismiss()
    assert tmp_path.exists()
    assert not process.is_alive(watching._child.pid)


def test_the_reaper_comes_too_late_for_an_owner_that_is_gone_already(tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    owner = subprocess.Popen([sys.executable, "-c", ""])
    owner.wait()
    watching = reaper.start(folder, owner.pid)
    assert process.wait_until(lambda: not folder.exists(), 10)
    watching.dismiss()


def test_a_flood_of_log_does_not_fill_the_disk(tmp_path, monkeypatch):
    log = tmp_path / "server.log"
    monkeypatch.setattr(reaper, "_LOG_LIMIT", 10)
    log.write_text("x" * 11)
    reaper._keep_short(log)
    assert log.stat().st_size == 0
