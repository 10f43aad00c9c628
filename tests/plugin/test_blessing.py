"""The blessing of a real run: whole runs are blessed, and those of which something was left out or failed are not."""

from __future__ import annotations

import pytest

from pytest_tfsig.cli import main

pytestmark = pytest.mark.slow

FILE = """
[signatures.serving_default.inputs.x]
dtype = "float32"
shape = ["batch", 4]
min = -2
max = 2
[signatures.serving_default.checks]
concurrent = false
deterministic = false
batch_invariant = false
transports_agree = false
rejects_invalid = false
"""


@pytest.fixture
def gate(suite, pytester, models, capsys):
    """Runs the suite on the classifier, and returns what verify-blessing says of it then."""
    pytester.makefile(".tfsig.toml", classifier=FILE)
    model = models("classifier") / "1"

    def gate(*arguments, verify=()):
        suite.run(f"--tfsig-model={model}", "--tfsig-report=report", "--tfsig-max-examples=10", *arguments)
        capsys.readouterr()
        code = main(["verify-blessing", str(pytester.path / "report" / "verdict.json"), str(model), *verify])
        return code, capsys.readouterr().out

    return gate


@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_a_whole_run_is_blessed_and_a_part_is_not(gate, workers):
    assert gate(*workers) == (0, "blessed: classifier/1\n")
    left_out = (
        "refused: checks of its contracts were left out of the run: classifier/1 serving_default: finite, classifier/1 "
        "serving_default: loads, classifier/1 serving_default: signature; select none with -k or by id.\n"
    )
    assert gate(*workers, "-k", "outputs") == (1, left_out)
    assert gate(*workers, "classifier.tfsig.toml::serving_default-outputs") == (1, left_out)


@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_a_run_is_bound_to_the_released_version_that_it_compared_with(gate, models, workers):
    released = models("classifier") / "2"
    verify = [f"--baseline={released}"]
    assert gate(f"--tfsig-baseline={released}", *workers, verify=verify) == (0, "blessed: classifier/1\n")
    code, said = gate(*workers, verify=verify)
    assert code == 1
    assert said.startswith("refused: the model was compared with no released version")


def test_a_run_in_which_another_test_failed_is_not_blessed(gate, pytester):
    pytester.makepyfile("def test_other(): assert False")
    said = "refused: something else failed in the run, or broke it off: pytest's exit code was 1.\n"
    assert gate() == (1, said)


def test_a_run_that_is_killed_leaves_no_blessing_of_a_former_one(gate, pytester):
    assert gate()[0] == 0
    pytester.makepyfile("import os\ndef test_other(): os._exit(3)")
    assert gate() == (2, "")
    assert not (pytester.path / "report" / "verdict.json").exists()


def test_a_run_with_a_malformed_contract_leaves_no_blessing(gate, pytester):
    pytester.makefile(".tfsig.toml", ads="pendin = true")
    code, said = gate("--continue-on-collection-errors")
    assert code == 1
    assert "pytest's exit code was 1." in said
    assert "ads.tfsig.toml was not judged, and lies beside those that were." in said
