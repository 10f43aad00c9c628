"""Disks that are full, or may not be written: one sentence, and no verdict is lost that the terminal can still tell."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = pytest.mark.slow

FILL = """
def fill(folder):
    try:
        with open(f"{folder}/fill", "wb", buffering=0) as file:
            while True:
                file.write(bytes(512))
    except OSError:
        pass
"""
MIDWAY = (
    FILL
    + """
import os
import pytest

def test_first(tfsig):
    assert tfsig.serve(FIRST).predict({"x": [[0.0] * 4]})

def test_fill():
    fill(FOLDER)

def test_first_again(tfsig):
    assert tfsig.serve(FIRST).predict({"x": [[0.0] * 4]})

@pytest.mark.tfsig_model(SECOND)
@pytest.mark.tfsig_contract()
@pytest.mark.tfsig_checks(only=["loads", "outputs"])
def test_contract(tfsig_check):
    tfsig_check()

def test_mend():
    os.remove(f"{FOLDER}/fill")

def test_first_last(tfsig):
    assert tfsig.serve(FIRST).predict({"x": [[0.0] * 4]})
"""
)


@pytest.fixture
def mounted(tmp_path):
    """Mounts a small disk, read-only at wish; skips where that is not allowed."""
    mounts = []

    def mount(name, *options):
        folder = tmp_path / name
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", ",".join(["size=256k", *options]), "tmpfs", str(folder)]
        try:
            subprocess.run(words, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"a disk cannot be mounted here: {error}")
        mounts.append(folder)
        return folder

    yield mount
    for folder in mounts:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def midway(pytester, models):
    def write(folder):
        text = MIDWAY.replace("FIRST", repr(str(models("classifier")))).replace("SECOND", repr(str(models("echo"))))
        pytester.makepyfile(text.replace("FOLDER", repr(str(folder))))

    return write


def outcomes(result):
    lines = [line.split() for line in result.outlines if "::" in line]
    return {line[0].partition("::")[2]: line[1] for line in lines if len(line) > 1}


def assert_told(result):
    written = result.stdout.str() + result.stderr.str()
    assert [word for word in ("Traceback", "INTERNALERROR", "OSError: ") if word in written] == []


def ours(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith("tfsig")]


def test_temporary_files_that_fill_their_disk_midway_cost_what_needs_them(suite, mounted, midway, monkeypatch):
    folder = mounted("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    midway(folder)
    result = suite.run("-v", "-p", "no:cacheprovider", "-p", "no:logging", "-s")
    assert_told(result)
    told = outcomes(result)
    assert told["test_first"] == told["test_first_again"] == told["test_first_last"] == "PASSED"
    assert told["test_contract[serving_default-loads]"] == told["test_contract[serving_default-outputs]"] == "FAILED"
    result.stdout.fnmatch_lines([f"*{folder}/tfsig-* cannot be written (No space left on device): free space there, *"])
    assert ours(folder) == []


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_disk_without_room_for_a_server_is_one_sentence(suite, mounted, models, *, monkeypatch, pytester, workers):
    folder = mounted("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    # Full once it was chosen: Python itself takes no disk for temporary files that is full already.
    body = f"{FILL}\nimport tempfile\ntempfile.gettempdir()\n"
    pytester.makeconftest(f"{body}\ndef pytest_collection_finish(session):\n    fill({str(folder)!r})\n")
    suite.write("", models("classifier"))
    result = suite.run("-k", "loads or outputs", "-p", "no:cacheprovider", "-s", *workers)
    assert_told(result)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*cannot be written (No space left on device): free space there, or set TMPDIR*"])
    assert ours(folder) == []


def test_a_report_that_finds_no_room_leaves_its_verdicts_in_the_terminal(suite, mounted, models, pytester):
    folder = mounted("report")
    pytester.makeconftest(f"{FILL}\ndef pytest_sessionfinish():\n    fill({str(folder)!r})\n")
    suite.write("", models("classifier"))
    result = suite.run("-k", "loads or outputs", f"--tfsig-report={folder}")
    assert_told(result)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["PASS *2 of 2 checks hold*", "verdict: pass", "report: not written: *No space left*"])
    assert [path.name for path in folder.iterdir()] == ["fill"]


def test_a_report_s_disk_that_is_full_is_told_before_anything_is_served(suite, mounted, models):
    folder = mounted("report")
    (folder / "fill").write_bytes(bytes(256 * 1024))
    suite.write("", models("classifier"))
    result = suite.run(f"--tfsig-report={folder}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --tfsig-report {folder}: reports cannot be written there: No space left*"])


@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_a_cache_that_cannot_be_written_keeps_nothing_and_changes_no_verdict(suite, mounted, models, kind):
    folder = mounted("cache", *(["ro"] if kind == "read-only" else []))
    if kind == "full":
        (folder / "fill").write_bytes(bytes(256 * 1024))
    suite.write("", models("classifier_nan"))
    quiet = ("-W", "ignore::pytest.PytestCacheWarning")
    result = suite.run("-k", "loads or finite or outputs", "-o", f"cache_dir={folder}/cache", *quiet)
    assert_told(result)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*verdict: fail"])


def test_a_project_on_a_read_only_disk_is_judged(pytester, models, mounted, monkeypatch):
    folder = mounted("project")
    (folder / "test_it.py").write_text(
        "import pytest\n"
        f"pytestmark = pytest.mark.tfsig_model({str(models('classifier_nan'))!r})\n"
        "@pytest.mark.tfsig_contract()\n@pytest.mark.tfsig_checks(only=['loads', 'finite'])\n"
        "def test_contract(tfsig_check):\n    tfsig_check()\n"
    )
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    result = pytester.runpytest_subprocess("--rootdir", folder, "--tfsig-server=embedded")
    assert_told(result)
    result.assert_outcomes(passed=1, failed=1)
