"""Faults of a server in the middle of a run: one clear error, and pytest goes on."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

BETWEEN = """
import os, signal
import pytest
from pytest_tfsig.serving.process import is_alive, wait_until

pytestmark = pytest.mark.tfsig_model({model!r})

def test_before(served_model):
    assert served_model.predict({{"x": [[0.0] * 4]}})

def test_fault(served_model):
    _, instance = served_model.server._folder.read()
    os.kill(instance.process, signal.{signal})
    # A busy machine may let it answer once more before it ends.
    signal.{signal} == signal.SIGSTOP or wait_until(lambda: not is_alive(instance.process), 60)
    served_model.predict({{"x": [[0.0] * 4]}}, timeout=2)

{contract}

def test_after(served_model):
    assert served_model.predict({{"x": [[0.0] * 4]}})
"""

CONTRACT = """
@pytest.mark.tfsig_contract()
def test_contract(tfsig_check):
    tfsig_check()
"""


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_a_server_that_dies_is_started_again(suite, pytester, models, signal):
    pytester.makepyfile(BETWEEN.format(model=str(models("classifier")), signal=signal, contract=""))
    result = suite.run()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*UNAVAILABLE*"])


def test_a_server_that_is_silent_is_started_again_by_the_first_check_that_meets_it(suite, pytester, models):
    pytester.makepyfile(BETWEEN.format(model=str(models("classifier")), signal="SIGSTOP", contract=CONTRACT))
    result = suite.run("--tfsig-request-timeout=1", "-v")
    failed = {line.split("::")[1].split()[0] for line in result.outlines if " FAILED" in line and "::" in line}
    assert failed == {"test_fault", "test_contract[serving_default-loads]"}
    result.stdout.fnmatch_lines(["*test_after PASSED*"])


def test_a_model_that_never_answers_is_told_and_the_run_ends(suite, models):
    result = suite.run(f"--tfsig-audit={models('hangs')}", "--tfsig-request-timeout=1", "-k", "outputs or finite")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["an input that the contract allows is not answered within 1 s", "*DEADLINE_EXCEEDED*"])


def test_a_run_that_is_interrupted_leaves_nothing(pytester, models, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    pytester.makepyfile(f"""
import pytest

@pytest.mark.tfsig_model({str(models("classifier"))!r})
def test_it(served_model):
    served_model.status()
    raise KeyboardInterrupt
""")
    result = pytester.runpytest_subprocess("--tfsig-server=embedded")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [path.name for path in folder.iterdir() if path.name.startswith("tfsig")] == []


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_a_run_that_stops_at_the_first_failure_leaves_nothing(pytester, models, tmp_path, monkeypatch, option):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    result = pytester.runpytest_subprocess(
        f"--tfsig-audit={models('classifier_nan')}",
        "--tfsig-server=embedded",
        option,
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
    )
    result.assert_outcomes(passed=3, failed=1)
    assert [path.name for path in folder.iterdir() if path.name.startswith("tfsig")] == []
