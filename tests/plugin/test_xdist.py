"""Workers of pytest-xdist: one server for all, the same verdicts as serially, nothing left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# Checks that bring classifier_aborts down beside checks that must not notice.
FEW = ("--tfsig-max-examples=20", "-k", "loads or outputs or values or concurrent or rejects_invalid")

WHO_SERVES = """
import time

import pytest

@pytest.mark.parametrize("number", range(4))
@pytest.mark.tfsig_model({model!r})
def test_who(served_model, number, worker_id):
    served_model.status()
    time.sleep(0.2)
    with open("who", "a") as file:
        file.write(served_model.grpc_address + " " + worker_id + "\\n")
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files of the run alone, so that what it leaves is seen."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("tfsig"))


def servers_of(folder: Path) -> list[str]:
    """Returns the command lines of servers whose session folder is below a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def wait_for(look, wanted, seconds=60):
    deadline = time.monotonic() + seconds
    while look() != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert look() == wanted


def wait_for_nothing_in(folder: Path) -> None:
    """Waits until what a run leaves is gone: the reaper looks once a second."""
    wait_for(lambda: (left_in(folder), servers_of(folder)), ([], []))


@pytest.mark.parametrize("distribution", ["load", "loadfile", "loadgroup", "worksteal"])
def test_workers_share_one_server(suite, pytester, models, temporary, distribution):
    pytester.makepyfile(
        test_a=WHO_SERVES.format(model=str(models("classifier"))),
        test_b=WHO_SERVES.format(model=str(models("classifier"))),
    )
    result = suite.run("-n2", f"--dist={distribution}")
    result.assert_outcomes(passed=8)
    assert "ResourceWarning" not in result.stdout.str() + result.stderr.str()
    lines = (pytester.path / "who").read_text().split("\n")[:-1]
    assert len({line.split()[0] for line in lines}) == 1
    assert len({line.split()[1] for line in lines}) == 2
    wait_for_nothing_in(temporary)


def test_verdicts_are_the_same_as_serially(suite, models):
    names = ("classifier_wrong_axis", "classifier_aborts", "two_heads")
    audits = [f"--tfsig-audit={models(name)}" for name in names]

    def verdicts(*arguments):
        suite.run(*audits, *FEW, "--tfsig-report=report", *arguments)
        report = suite.report()
        return {(entry["model"], entry["signature"], entry["check"]): entry["verdict"] for entry in report["results"]}

    serially = verdicts()
    assert "fail" in serially.values()
    assert verdicts("-n2") == serially
    assert verdicts("-n4") == serially


def test_models_of_one_name_are_served_apart(suite, pytester, models):
    for folder, version in (("a", "1"), ("b", "2")):
        shutil.copytree(models("versions") / version, pytester.path / folder / "m" / "1")
    body = """
import pytest

@pytest.mark.parametrize("number", range(5))
@pytest.mark.tfsig_model("{folder}/m")
def test_it(served_model, number):
    assert served_model.predict({{"x": [0.0]}})["y"].tolist() == [{answer}]
"""
    pytester.makepyfile(test_a=body.format(folder="a", answer=1.0), test_b=body.format(folder="b", answer=2.0))
    suite.run("-n2", "--dist=load").assert_outcomes(passed=10)


MEETS = """
import os, signal, time
from pathlib import Path

import pytest

@pytest.mark.parametrize("number", range(6))
@pytest.mark.tfsig_model({model!r})
def test_it(served_model, number):
    served_model.status()
    Path(f"serving-{{number}}").write_text(served_model.grpc_address)
    {act}
"""


def test_a_worker_that_is_killed_takes_nothing_with_it(suite, pytester, models, temporary):
    act = "number == 0 and os.kill(os.getpid(), signal.SIGKILL)"
    pytester.makepyfile(MEETS.format(model=str(models("classifier")), act=act))
    suite.run("-n2").assert_outcomes(passed=5, failed=1)
    assert len({file.read_text() for file in pytester.path.glob("serving-*")}) == 1
    wait_for_nothing_in(temporary)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_the_run_ends(pytester, models, temporary, end):
    pytester.makepyfile(MEETS.format(model=str(models("classifier")), act="time.sleep(60)"))
    words = [sys.executable, "-m", "pytest", "-n2", "-p", "no:cacheprovider", "--tfsig-server=embedded"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=pytester.path) as run:
        wait_for(lambda: len(list(pytester.path.glob("serving-*"))), 2)
        assert servers_of(temporary)
        run.send_signal(end)
        run.wait(60)
    wait_for_nothing_in(temporary)
