"""Contracts in markers: which model, which items, which verdicts."""

from __future__ import annotations

import pytest

CORE = ["loads", "signature", "outputs", "finite", "values", "deterministic", "batch_invariant"]


def test_a_kept_contract_passes_one_item_a_check(suite, models):
    suite.write("", models("classifier"))
    result = suite.run("-v", "--tfsig-report=report")
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"*::test_contract?serving_default-{name}? PASSED*" for name in CORE])
    result.stdout.fnmatch_lines(
        ["tfsig: models are served by embedded (as asked)", "PASS * classifier/2*", "verdict: pass"]
    )
    report = suite.report()
    assert report["version"] == 1
    assert report["verdict"] == "pass"
    assert report["server"]["kind"] == "embedded"
    [model] = report["models"]
    assert (model["name"], model["version"]) == ("classifier", 2)
    assert len(model["sha256"]) == 64
    by_check = {entry["check"]: entry for entry in report["results"]}
    assert set(CORE) <= set(by_check)
    assert by_check["outputs"]["examples"] == 100
    assert all(entry["signature"] == "serving_default" for entry in report["results"])


def test_k_selects_a_check(suite, models):
    suite.write("", models("classifier"))
    result = suite.run("-k", "finite")
    result.assert_outcomes(passed=1, deselected=len(suite_items(result)) - 1)


def suite_items(result):
    [line] = [line for line in result.outlines if line.startswith("collected ")]
    return range(int(line.split()[1]))


@pytest.mark.parametrize(
    ("model", "check", "lines"),
    [
        (
            "classifier_wrong_axis",
            "values",
            [
                "the probabilities in output 'probabilities' sum to *, not to 1",
                "*smallest input*",
                "*axis 0 are 1: softmax*",
            ],
        ),
        (
            "classifier_renamed",
            "signature",
            ['there is no output "probabilities"; * (and 1 more)', "*! output probabilities*-", "*! output scores*"],
        ),
        (
            "classifier_nan",
            "finite",
            ["output 'probabilities' has NaN at ?0, 0?", "*x = float32 ?1, 4? *0., 0., 0., 0.*", "*$ curl -d *"],
        ),
        (
            "keras_saved_wrongly",
            "outputs",
            [
                "the server refuses an input that the contract allows",
                "*Could not find variable*",
                "*model.export(path)*",
            ],
        ),
        (
            "classifier_aborts",
            "outputs",
            ["the server died while it answered this request", "*smallest input*"],
        ),
    ],
)
def test_a_broken_contract_fails_and_says_why(suite, models, model, check, lines):
    suite.write("", models(model))
    result = suite.run("-k", check, "--tfsig-report=report")
    assert result.ret == 1
    result.assert_outcomes(failed=1, deselected=len(suite_items(result)) - 1)
    result.stdout.fnmatch_lines([*lines, "verdict: fail"])
    result.stdout.no_fnmatch_line("*Traceback*")
    [entry] = suite.report()["results"]
    assert entry["verdict"] == "fail"
    assert entry["check"] == check


def test_after_a_crash_the_other_models_are_judged_on(suite, models):
    suite.write(
        f"""
@pytest.mark.tfsig_model({str(models("classifier"))!r})
def test_another(served_model):
    assert served_model.predict({{"x": [[0, 0, 0, 0]]}})["probabilities"].shape == (1, 3)
""",
        models("classifier_aborts"),
    )
    result = suite.run("-k", "outputs or another")
    result.assert_outcomes(failed=1, passed=1, deselected=len(suite_items(result)) - 2)


def test_the_nearest_model_wins_and_the_command_line_beats_all(suite, models):
    suite.write(
        f"""
@pytest.mark.tfsig_model({str(models("two_heads"))!r})
class TestNear:
    def test_class(self, served_model):
        assert set(served_model.signatures) == {{"serving_default", "logits"}}

    @pytest.mark.tfsig_model({str(models("classifier") / "1")!r}, name="near")
    def test_function(self, served_model):
        assert served_model.name == "near"
        assert served_model.version == 1


def test_module(served_model):
    assert served_model.version == 2
    assert [status.state for status in served_model.status()] == ["AVAILABLE"]
""",
        models("classifier"),
        contract=False,
    )
    suite.run().assert_outcomes(passed=3)
    overridden = suite.run(f"--tfsig-model={models('two_heads')}")
    overridden.assert_outcomes(passed=2, failed=1)


def test_served_model_and_hypothesis_go_together(suite, models):
    suite.write(
        """
from hypothesis import given

@given(inputs=signature_inputs())
def test_property(served_model, inputs):
    answer = served_model.predict(inputs)
    assert answer["probabilities"].shape == (len(inputs["x"]), 3)
    rest = served_model.predict(inputs, transport="rest")
    assert abs(rest["probabilities"] - answer["probabilities"]).max(initial=0) < 1e-5

def test_one_check(served_model):
    assert served_model.check("batch_invariant").examples == 100
""",
        models("classifier"),
        contract=False,
    )
    suite.run().assert_outcomes(passed=2)


def test_a_sibling_s_contract_bounds_what_is_drawn_and_no_deadline_is_set(suite, models):
    suite.write(
        """
import time
from hypothesis import given

slow = [0.3]

@given(inputs=signature_inputs())
def test_property(served_model, inputs):
    assert abs(inputs["x"]).max(initial=0) <= 2
    if slow:
        time.sleep(slow.pop())
""",
        models("classifier"),
    )
    result = suite.run("-k", "property")
    assert result.ret == 0


def test_several_models_at_once(suite, models):
    suite.write(
        f"""
def test_versions(tfsig):
    old = tfsig.serve({str(models("classifier") / "1")!r})
    new = tfsig.serve({str(models("classifier") / "2")!r})
    x = {{"x": [[1.0, 2.0, 3.0, 4.0]]}}
    assert abs(old.predict(x)["probabilities"] - new.predict(x)["probabilities"]).max() > 0.01
""",
        contract=False,
    )
    suite.run().assert_outcomes(passed=1)


def test_a_contract_a_signature(suite, models):
    suite.write(
        """
@pytest.mark.tfsig_contract("serving_default")
@pytest.mark.tfsig_contract("logits", outputs={"logits": Tensor("float32", ["batch", 3])})
@pytest.mark.tfsig_checks(only=["outputs", "signature"])
def test_heads(tfsig_check):
    tfsig_check()
""",
        models("two_heads"),
        contract=False,
    )
    result = suite.run("-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines_random(
        ["*test_heads?logits-outputs? PASSED*", "*test_heads?serving_default-outputs? PASSED*"]
    )


def test_users_add_checks_of_their_own(suite, models):
    suite.write(
        """
@check("first_class_is_never_certain")
def first_class_is_never_certain(subject, observation, *, limit=0.9):
    "No input gives the first class more than the limit."
    assert observation.outputs["probabilities"][:, 0].max() <= limit, "the first class is certain"
""",
        models("classifier"),
    )
    result = suite.run("-k", "certain")
    result.assert_outcomes(failed=1, deselected=len(suite_items(result)) - 1)
    result.stdout.fnmatch_lines(
        ["the first class is certain", "*smallest input*", "*No input gives the first class more*"]
    )
