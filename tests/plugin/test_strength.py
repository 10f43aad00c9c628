"""--tfsig-mutate, as users run it."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import jsonschema
import pytest

from tests.server_process import model_server
from tests.unit.reports.test_report_json import SCHEMA

pytestmark = pytest.mark.slow

CONTRACT = """
[signatures.serving_default.outputs.probabilities]
dtype = "float32"
shape = ["batch", 3]
{line}
"""


def strength(suite):
    report = suite.report()
    jsonschema.validate(report, SCHEMA)
    [found] = report["strength"]
    return found


def verdicts(found):
    return {f"{one['mutation']}({one['output']})": one["verdict"] for one in found["mutations"]}


def test_a_contract_s_strength_is_reported_and_alone_never_fails(suite, pytester, models):
    suite.write("", models("classifier"))
    result = suite.run("-v", "--tfsig-mutate", "--tfsig-report=report", "--junit-xml=junit.xml")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*test_contract?serving_default-concurrent? PASSED*",
            "*test_contract?serving_default-strength? PASSED*",
            "*- contract strength -*",
            "classifier/2 serving_default (test_model.py) 25 of 27 mutations killed (92 %)",
            "  survived  classes_permuted(probabilities): the classes of output 'probabilities' stand *",
            "  survived  constant: every row of every request gets the answer to the first",
            "            noticed with: checks={'examples': {'file': 'classifier.tfrecord'}}, after: tfsig record *",
            "verdict: pass",
        ]
    )
    found = strength(suite)
    assert (found["killed"], found["survived"], found["minimum"]) == (25, 2, None)
    seen = verdicts(found)
    assert seen["scaled(probabilities)"] == "killed"
    assert seen["text_truncated()"] == seen["slow()"] == "not_applicable"
    assert "Strength of the contract, serving_default" in (pytester.path / "report" / "report.html").read_text()
    [told] = ET.parse(pytester.path / "junit.xml").iterfind(".//property[@name='tfsig_strength']")  # noqa: S314 - our own
    assert told.get("value") == "25 of 27 mutations killed (92 %)"


@pytest.mark.parametrize(("bar", "code"), [("92.5%", 0), ("93", 1)])
def test_a_bar_is_held(suite, models, bar, code):
    suite.write("", models("classifier"))
    result = suite.run("-k", "strength", f"--tfsig-mutate={bar}")
    assert result.ret == code
    if code:
        result.stdout.fnmatch_lines(
            [
                "25 of 27 mutations killed (92 %)",
                "    at least 93 % (--tfsig-mutate)",
                "    constant: every row of every request gets the answer to the first",
                "    $ pytest *strength* --tfsig-mutate=93",
            ]
        )
        result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(("line", "verdict"), [("", "survived"), ("probabilities = true", "killed")])
def test_the_line_that_is_told_kills(suite, pytester, models, line, verdict):
    file = pytester.path / "classifier.tfsig.toml"
    file.write_text(f'model = "{models("classifier").as_posix()}"\n' + CONTRACT.format(line=line))
    result = suite.run("-k", "strength", "--tfsig-mutate", "--tfsig-report=report")
    result.assert_outcomes(passed=1, deselected=deselected(result))
    assert verdicts(strength(suite))["scaled(probabilities)"] == verdict
    if verdict == "survived":
        result.stdout.fnmatch_lines(
            ["*noticed with: ?signatures.serving_default.outputs.probabilities? probabilities = true"]
        )


def deselected(result):
    return result.parseoutcomes().get("deselected", 0)


def test_a_budget_of_time_and_recorded_answers_kill_the_rest(suite, pytester, models):
    base = models("classifier")
    file = pytester.path / "whole.tfsig.toml"
    file.write_text(
        f'model = "{base.as_posix()}"\n'
        + CONTRACT.format(line="probabilities = true")
        + '[[signatures.serving_default.latency]]\np99 = "500ms"\n'
        + '[signatures.serving_default.checks]\nexamples = { file = "whole.tfrecord" }\n'
    )
    recorded = pytester.run(
        sys.executable, "-m", "pytest_tfsig.cli", "record", base, "whole.tfrecord", "--server=embedded"
    )
    assert recorded.ret == 0
    result = suite.run("-k", "strength", "--tfsig-mutate=100", "--tfsig-report=report")
    assert result.ret == 0
    by_check = {one["mutation"]: one["check"] for one in strength(suite)["mutations"] if one["check"]}
    assert by_check["slow"] == by_check["slow_tail"] == "latency"
    assert by_check["constant"] == by_check["classes_permuted"] == "examples"


@pytest.mark.parametrize(("bar", "outcome"), [("--tfsig-mutate", {"skipped": 1}), ("--tfsig-mutate=50", {"failed": 1})])
def test_a_contract_that_does_not_hold_is_not_measured(suite, models, bar, outcome):
    suite.write("", models("classifier_wrong_axis"))
    result = suite.run("-k", "strength", bar, "--tfsig-report=report")
    result.assert_outcomes(**outcome, deselected=deselected(result))
    result.stdout.fnmatch_lines(["*not measured: the contract does not hold without any mutation (values: *"])
    assert suite.report()["strength"] == []


def test_it_works_under_xdist_and_in_an_audit(suite, models):
    result = suite.run("-n", "2", f"--tfsig-audit={models('two_heads')}", "--tfsig-mutate", "-k", "strength or latency")
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 2
    result.stdout.fnmatch_lines_random(
        ["two_heads/1 logits * mutations killed *", "two_heads/1 serving_default * mutations killed *"]
    )


def test_selected_checks_count(suite, models):
    suite.write("\ntest_contract = pytest.mark.tfsig_checks(only=['outputs'])(test_contract)\n", models("classifier"))
    result = suite.run("--tfsig-max-examples=10", "--tfsig-mutate", "--tfsig-report=report")
    result.assert_outcomes(passed=2)
    assert {one["check"] for one in strength(suite)["mutations"]} == {"", "outputs"}


@pytest.mark.parametrize("given", ["abc", "101", "-1", "nan", "tests"])
def test_another_value_is_a_usage_error(suite, models, given):
    suite.write("", models("classifier"))
    result = suite.run(f"--tfsig-mutate={given}")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: --tfsig-mutate {given}: a percentage from 0 to 100 is wanted, as in *"])


@pytest.mark.parametrize(("word", "items"), [("true", 1), ("70", 1), ("false", 0)])
def test_the_ini_file_says_so_too(suite, pytester, models, word, items):
    suite.write("", models("classifier"))
    (pytester.path / "pytest.ini").write_text(f"[pytest]\ntfsig_mutate = {word}\n")
    result = suite.run("--collect-only", "-q")
    assert sum("strength" in line for line in result.outlines) == items


def test_a_remote_server_without_rest_has_nothing_to_differ_over(suite, models, tmp_path):
    suite.write("", models("classifier"))
    options = ["--tfsig-model=m", "--tfsig-mutate", "--tfsig-report=report"]
    with model_server(tmp_path, "--model_name=m", f"--model_base_path={models('classifier')}") as running:
        result = suite.run("-k", "strength", *options, server=running.grpc)
    assert result.ret == 0
    [rest] = [one for one in strength(suite)["mutations"] if one["mutation"] == "rest_differs"]
    assert (rest["verdict"], rest["message"]) == ("not_applicable", "it needs a server with a REST API")
