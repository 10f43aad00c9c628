"""Contracts in files, and models without any test code."""

from __future__ import annotations

import shlex
import shutil

import pytest

from pytest_tfsig.cli import main

TEST = "def test_contract(tfsig_check):\n    tfsig_check()\n"
FILE = """
model = "{model}"

[signatures.serving_default.inputs.x]
dtype = "float32"
shape = ["batch", 4]
min = -2
max = 2
[signatures.serving_default.outputs.probabilities]
dtype = "float32"
shape = ["batch", 3]
probabilities = true
[signatures.serving_default.checks]
deterministic = false
batch_invariant = {{ rtol = 1e-3 }}
"""


def test_a_contract_file_is_collected(suite, pytester, models):
    pytester.makefile(".tfsig.toml", classifier=FILE.format(model=models("classifier")))
    result = suite.run("-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["classifier.tfsig.toml::serving_default-outputs PASSED*"])
    result.stdout.no_fnmatch_line("*serving_default-deterministic*")


def test_a_model_that_lies_beside_the_current_directory_and_not_the_file_is_told(suite, pytester, models):
    shutil.copytree(models("classifier"), pytester.path / "released" / "classifier")
    (pytester.mkdir("contracts") / "c.tfsig.toml").write_text(FILE.format(model="released/classifier"))
    result = suite.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines(
        ['contracts/c.tfsig.toml: model = "released/classifier" is relative*say model = "../released/classifier"']
    )


def test_a_contract_file_can_be_named_by_a_marker(suite, pytester, models):
    pytester.makefile(".tfsig.toml", classifier=FILE.format(model=models("classifier")))
    suite.write(
        """
@pytest.mark.tfsig_contract("classifier.tfsig.toml")
def test_contract(tfsig_check):
    tfsig_check()
""",
        contract=False,
    )
    result = suite.run("test_model.py", "-k", "outputs")
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 1


def test_a_model_is_audited_without_test_code(suite, pytester, models):
    pytester.makepyfile(test_other="def test_other():\n    raise AssertionError\n")
    result = suite.run("-v", f"--tfsig-audit={models('two_heads')}")
    assert "what the signatures alone leave open" in result.stdout.str()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*two_heads::logits-outputs PASSED*", "*two_heads::serving_default-finite PASSED*"])
    result.stdout.no_fnmatch_line("*test_other*")


def test_the_classic_outputs_of_classify_and_regress_hold(suite, models):
    """The APIs answer classes beside scores and the other way round, and a regression without its last axis."""
    result = suite.run(f"--tfsig-audit={models('classic')}", "--tfsig-report=report")
    result.assert_outcomes(passed=27)
    assert {entry["signature"] for entry in suite.report()["results"]} == {"regress", "scores", "classes"}


def test_an_audited_model_can_be_a_link_with_a_name_in_any_script(suite, pytester, models):
    link = pytester.path / "mein modèle"
    link.symlink_to(models("classifier"))
    result = suite.run(f"--tfsig-audit={link}", "-k", "loads")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*not judged: latency: no budget is stated", "*a contract would add: *"])
    [line] = [line.partition("begin one:")[2] for line in result.outlines if line.startswith("begin one:")]
    command, _, file = line.replace("--observe 100", "").partition(" > ")
    assert main(shlex.split(command)[1:]) == 0
    assert file == "mein_mod_le.tfsig.toml"


def test_an_audit_s_failure_names_a_line_that_runs_it_again(suite, pytester, models):
    result = suite.run(f"--tfsig-audit={models('classifier_nan')}", "-k", "finite", "--tfsig-report=report")
    result.assert_outcomes(failed=1)
    line = suite.report()["results"][0]["reproduce"]["pytest"]
    again = pytester.runpytest_subprocess(*shlex.split(line)[1:])
    again.assert_outcomes(failed=1)


def test_a_model_that_a_marker_and_a_file_name_is_one_model(suite, pytester, models):
    shutil.copytree(models("classifier") / "1", pytester.path / "models" / "classifier" / "1")
    for folder in ("tests", "contracts"):
        (pytester.path / folder).mkdir()
    test = 'import pytest\n\npytestmark = pytest.mark.tfsig_model("../models/classifier")\n\n'
    test += "@pytest.mark.tfsig_contract()\ndef test_contract(tfsig_check):\n    tfsig_check()\n"
    (pytester.path / "tests" / "test_it.py").write_text(test)
    contract = pytester.path / "contracts" / "it.tfsig.toml"
    contract.write_text(FILE.format(model="../models/classifier"))
    suite.run("-k", "loads", "--tfsig-report=report").assert_outcomes(passed=2)
    assert [model["path"] for model in suite.report()["models"]] == [str(pytester.path / "models" / "classifier")]


def test_ini_options(suite, pytester, models):
    pytester.makeini(f"[pytest]\ntfsig_model = {models('classifier')}\ntfsig_max_examples = 7\ntfsig_report = out\n")
    suite.write("", "nowhere")
    assert suite.run("-k", "outputs").ret == 0
    [entry] = suite.report("out")["results"]
    assert entry["examples"] == 7


@pytest.fixture
def below(pytester, models, monkeypatch):
    """Has pytest run in a folder below the ini file's, beside which the models are."""
    (pytester.path / "models").symlink_to(models("classifier").parent)
    monkeypatch.chdir(pytester.mkdir("below"))


@pytest.mark.usefixtures("below")
def test_paths_of_an_ini_file_are_relative_to_it(suite, pytester):
    pytester.makeini("[pytest]\ntfsig_audit = models/classifier models/two_heads/1\ntfsig_report = out\n")
    suite.run("-k", "loads").assert_outcomes(passed=3)
    assert [model["name"] for model in suite.report("out")["models"]] == ["classifier", "two_heads"]


@pytest.mark.usefixtures("below")
def test_what_the_command_line_says_nothing_for_is_not_taken_from_the_ini_file(suite, pytester):
    pytester.makeini("[pytest]\ntfsig_model = models/classifier\ntfsig_report = out\n")
    (pytester.path / "below/test_model.py").write_text(f"import pytest\n{TEST}")
    result = suite.run("--tfsig-model=", "--tfsig-report=")
    result.stdout.fnmatch_lines(["*has no model to judge*"])
    assert not (pytester.path / "out").exists()


@pytest.mark.usefixtures("below")
def test_an_op_library_of_an_ini_file_is_a_file_beside_it_or_a_package(suite, pytester):
    (pytester.path / "op.so").write_text("no library")
    pytester.makeini("[pytest]\ntfsig_audit = models/classifier\ntfsig_op_library = op.so\n")
    result = suite.run("-k", "loads")
    result.stdout.fnmatch_lines(
        [f"*--op_library={pytester.path}/op.so: TensorFlow cannot load {pytester.path}/op.so: *"]
    )
    pytester.makeini("[pytest]\ntfsig_audit = models/classifier\ntfsig_op_library = no_such_package\n")
    result = suite.run("-k", "loads")
    result.stdout.fnmatch_lines(["*--op_library=no_such_package is neither a file nor an installed package*"])


def test_under_xdist_results_are_merged(suite, models):
    suite.write("", models("classifier"))
    result = suite.run("-n2", "--tfsig-report=report")
    assert result.ret == 0
    assert {entry["check"] for entry in suite.report()["results"]} >= {"loads", "outputs", "values"}
    assert suite.report()["server"]["kind"] == "embedded"


def test_junit_has_the_verdicts(suite, pytester, models):
    suite.write("", models("classifier"))
    suite.run("-k", "finite", "--junit-xml=junit.xml")
    assert '<property name="tfsig_verdict" value="pass"' in (pytester.path / "junit.xml").read_text()
