"""A candidate against the released version: compatible, drift and no_slower as users run them."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.slow

FILE = """
[signatures.serving_default.inputs.x]
dtype = "float32"
shape = ["batch", 4]
min = -2
max = 2
[signatures.serving_default.outputs.probabilities]
dtype = "float32"
shape = ["batch", 3]
probabilities = true
"""
ONLY = "compatible or drift or no_slower"


def test_without_a_baseline_nothing_is_compared(suite, pytester, models):
    pytester.makefile(".tfsig.toml", classifier=FILE)
    result = suite.run(f"--tfsig-model={models('classifier')}", "-k", ONLY)
    assert result.parseoutcomes().keys() == {"deselected"}


def test_the_same_version_breaks_nothing(suite, pytester, models):
    pytester.makefile(".tfsig.toml", classifier=FILE + "[signatures.serving_default.checks]\ndrift = { max = 0 }\n")
    same = models("classifier") / "1"
    result = suite.run(
        f"--tfsig-model={same}", f"--tfsig-baseline={same}", "-k", "compatible or drift", "--tfsig-report=report"
    )
    assert result.ret == 0
    drift = next(entry for entry in suite.report()["results"] if entry["check"] == "drift")
    assert drift["details"]["outputs"]["probabilities"]["largest"] == 0
    assert drift["details"]["outputs"]["probabilities"]["requests"] == 100


def test_drift_without_a_bound_reports_and_passes(suite, pytester, models):
    pytester.makefile(".tfsig.toml", classifier=FILE)
    base = models("classifier")
    result = suite.run(
        f"--tfsig-model={base / '2'}", f"--tfsig-baseline={base / '1'}", "-k", "drift", "--tfsig-report=report"
    )
    assert result.ret == 0
    [drift] = suite.report()["results"]
    # What is drawn follows the model's digest, which each export changes: a row may lie where two classes meet.
    assert re.match(r"probabilities differs by 0\.\d+ at most, 0\.\d+ typically, \d+ of \d+ rows", drift["message"])


def test_drift_beyond_its_bound_is_shown_by_one_row(suite, pytester, models):
    pytester.makefile(".tfsig.toml", classifier=FILE + "[signatures.serving_default.checks]\ndrift = { max = 0.1 }\n")
    base = models("classifier")
    result = suite.run(f"--tfsig-model={base / '2'}", f"--tfsig-baseline={base / '1'}", "-k", "drift")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "output 'probabilities' differs by 0.* at most*",
            "*x = float32 [[]1, 4[]]*",
            "*at most 0.1 apart*",
            "*classifier-baseline: probabilities = float32 [[]1, 3[]]*",
            "*classifier: probabilities = float32 [[]1, 3[]]*",
        ]
    )


def test_classes_that_flip_break_their_bound(suite, pytester, models):
    stated = FILE + "[signatures.serving_default.checks]\ndrift = { flips = 0.01 }\n"
    pytester.makefile(".tfsig.toml", classifier=stated)
    result = suite.run(
        f"--tfsig-model={models('classifier_permuted')}",
        f"--tfsig-baseline={models('classifier') / '1'}",
        "-k",
        "drift",
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*rows change class", "*at most 1.00% of rows change class"])


def test_a_renamed_output_breaks_callers(suite, models):
    suite.write("@pytest.mark.tfsig_contract()\ndef test_it(tfsig_check): tfsig_check()\n", contract=False)
    renamed = models("classifier_renamed")
    result = suite.run(f"--tfsig-model={renamed}", f"--tfsig-baseline={models('classifier')}", "-k", "compatible")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            'callers of the released version break: the output "probabilities" is called "scores" now.',
            '*ERROR  output-renamed  serving_default, output "probabilities": breaks gRPC*',
        ]
    )


def test_an_accepted_change_breaks_nobody(suite, pytester, models):
    (pytester.path / "accepted.toml").write_text('[[ignore]]\nrule = "output-renamed"\nuntil = 9999-12-31\n')
    checks = '[signatures.serving_default.checks]\ncompatible = { ignore = "accepted.toml" }\n'
    pytester.makefile(".tfsig.toml", classifier=checks)
    renamed = models("classifier_renamed")
    result = suite.run(f"--tfsig-model={renamed}", f"--tfsig-baseline={models('classifier')}", "-k", "compatible")
    assert result.ret == 0


def test_a_removed_signature_breaks_its_callers(suite, models):
    suite.write("@pytest.mark.tfsig_contract()\ndef test_it(tfsig_check): tfsig_check()\n", contract=False)
    result = suite.run(
        f"--tfsig-model={models('classifier')}", f"--tfsig-baseline={models('two_heads')}", "-k", "compatible"
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*signature-removed  logits: breaks gRPC, REST rows, REST columns*"])


def test_a_slower_version_is_stopped(suite, pytester, models):
    stated = FILE + "[signatures.serving_default.checks]\nno_slower = { requests = 300 }\n"
    pytester.makefile(".tfsig.toml", classifier=stated)
    result = suite.run(
        f"--tfsig-model={models('classifier_slow')}", f"--tfsig-baseline={models('classifier')}", "-k", "no_slower"
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["slower than the baseline by more than 10%: p*"])


def test_a_missing_baseline_is_an_error_of_the_checks_that_need_it(suite, pytester, models):
    pytester.makefile(".tfsig.toml", classifier=FILE)
    result = suite.run(
        f"--tfsig-model={models('classifier')}", "--tfsig-baseline=nowhere", "-k", "compatible or drift or loads"
    )
    result.assert_outcomes(passed=1, failed=2, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(
        ["error: no released version at --tfsig-baseline nowhere: */nowhere: no such directory*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_another_model_altogether_is_no_baseline(suite, pytester, models):
    pytester.makefile(".tfsig.toml", classifier=FILE)
    result = suite.run(
        f"--tfsig-model={models('classifier')}", f"--tfsig-baseline={models('text')}", "-k", "compatible"
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*is another model, not an earlier version; check --tfsig-baseline"])


def test_a_bound_below_zero_is_an_error(suite, pytester, models):
    pytester.makefile(".tfsig.toml", classifier=FILE + "[signatures.serving_default.checks]\ndrift = { max = -1 }\n")
    base = models("classifier")
    result = suite.run(f"--tfsig-model={base}", f"--tfsig-baseline={base}", "-k", "drift")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["error: checks.drift.max = -1 is below 0*"])
