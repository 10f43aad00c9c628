"""Reports of a run, as users get them."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def broken(suite, models):
    """A suite of which two items fail."""
    suite.write("", models("classifier_wrong_axis"))
    return suite


WANTED = ("-k", "loads or values")


def test_every_report_is_written_and_named(broken, pytester):
    result = broken.run(*WANTED, "--tfsig-report=out")
    names = ("report.json", "report.html", "gl-code-quality.json", "verdict.json")
    result.stdout.fnmatch_lines([f"report: *out/{name}" for name in names])
    assert {file.name for file in (pytester.path / "out").iterdir()} == set(names)
    report = broken.report("out")
    assert report["verdict"] == "fail"
    assert report["environment"]["packages"]["pytest"] == pytest.__version__
    assert report["models"][0]["signatures"]["serving_default"]["method"] == "predict"
    values = next(entry for entry in report["results"] if entry["check"] == "values")
    assert (values["test"], values["file"]) == (
        "test_model.py::test_contract[serving_default-values]",
        "test_model.py",
    )
    [issue] = json.loads((pytester.path / "out" / "gl-code-quality.json").read_text())
    assert issue["location"] == {"path": "test_model.py", "lines": {"begin": values["line"]}}


def test_reports_are_the_same_under_xdist(broken):
    broken.run(*WANTED, "-n2", "--tfsig-report=out")
    report = broken.report("out")
    assert sorted(entry["check"] for entry in report["results"]) == ["loads", "values"]
    assert report["server"]["kind"] == "embedded"


def test_a_report_that_cannot_be_written_is_told_before_anything_is_served(broken, pytester):
    (pytester.path / "taken").touch()
    result = broken.run(*WANTED, "--tfsig-report=taken")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --tfsig-report *taken: reports cannot be written there: *"])


def test_a_former_verdict_that_cannot_be_removed_is_told_before_anything_is_served(broken, pytester):
    (pytester.path / "out/verdict.json").mkdir(parents=True)
    result = broken.run(*WANTED, "--tfsig-report=out")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --tfsig-report *out: *verdict.json cannot be removed: Is a directory"])


def test_a_report_is_written_where_nothing_was_judged(suite, pytester):
    pytester.makepyfile("def test_other(): pass")
    assert suite.run("--tfsig-report=out").ret == 0
    assert suite.report("out")["verdict"] == "error"


def test_github_is_told(broken, pytester, monkeypatch):
    summary = pytester.path / "summary.md"
    summary.write_text("of an earlier step\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = broken.run(*WANTED)
    result.stdout.fnmatch_lines(["::error file=test_model.py,line=*,title=classifier_wrong_axis/1 *%3A values::*"])
    assert summary.read_text().startswith("of an earlier step\n## ❌ Served model contracts: fail\n")


def test_github_is_told_the_path_within_the_repository(broken, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path.parent))
    result = broken.run(*WANTED)
    result.stdout.fnmatch_lines([f"::error file={pytester.path.name}/test_model.py,line=*"])


def test_nobody_is_told_elsewhere(broken):
    broken.run(*WANTED).stdout.no_fnmatch_line("*::error*")


def test_junit_has_the_verdict_and_the_model(broken, pytester):
    broken.run(*WANTED, "--junit-xml=junit.xml")
    text = (pytester.path / "junit.xml").read_text()
    assert '<property name="tfsig_verdict" value="fail" />' in text
    assert text.count('<property name="tfsig_model" value="classifier_wrong_axis/1" />') == 2


def test_pytest_html_is_handed_the_failure(broken, pytester):
    """By a plugin of its name that prints what it is given: the real one imports jinja2 in every run."""
    pytester.mkpydir("pytest_html").joinpath("extras.py").write_text(
        "def text(content, name):\n    return name, content\n"
    )
    pytester.makeconftest(
        """
        class Html:
            def pytest_runtest_logreport(self, report):
                print(getattr(report, "extras", ""))

        def pytest_configure(config):
            config.pluginmanager.register(Html(), "html")
        """
    )
    result = broken.run("-k", "values", "-s")
    result.stdout.fnmatch_lines(["*('values: fail', *the probabilities in output*"])
