"""The check compatible: which findings fail it, and what it tells of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_tfsig.checks import Baseline, checks, run
from pytest_tfsig.contract import Signature, Tensor
from tests.unit.checks.fakes import spec_of, subject

X = {"x": Tensor("float32", ["batch", 3])}
Y = {"y": Tensor("float32", ["batch"])}
PLAIN = Signature(inputs=X, outputs=Y)
OTHER = Signature("other", inputs=X, outputs=Y)


def judge(*served, released=(PLAIN,), folder=None, **options):
    """Judges the first of the served signatures."""
    contract = Signature(served[0].name, served[0].inputs, served[0].outputs, checks={"compatible": options})
    known = {signature.name: spec_of(signature) for signature in released}
    baseline = Baseline("/released", 1, known, lambda: pytest.fail("nothing is sent"))
    judged = subject(None, contract, baseline=baseline, **({} if folder is None else {"folder": folder}))
    judged.model.signatures = {signature.name: spec_of(signature) for signature in served}
    return run(checks()["compatible"], judged)


def test_what_is_the_same_is_compatible():
    outcome = judge(PLAIN)
    assert (outcome.verdict, outcome.message) == ("pass", "nothing changed for callers")


TWO = Signature(inputs={"a": Tensor("float32", ["batch"]), "b": Tensor("int64", ["batch"])}, outputs=Y)
ONE_CHANGED = Signature(inputs={"a": Tensor("float32", ["batch"]), "c": Tensor("string", ["batch"])}, outputs=Y)


def test_a_change_that_breaks_callers_fails_with_every_finding():
    outcome = judge(ONE_CHANGED, released=(TWO,))
    violation = outcome.violation
    assert outcome.verdict == "fail"
    assert (
        violation.sentence
        == outcome.message
        == ('callers of the released version break: the input "c" (string [?]) is new and must be sent.')
    )
    assert violation.expected == "what /released takes and answers"
    assert violation.actual.splitlines() == [
        (
            'ERROR  input-added  serving_default, input "c": breaks gRPC, REST rows, REST columns; the input "c" '
            "(string [?]) is new and must be sent."
        ),
        (
            'ERROR  input-removed  serving_default, input "b": breaks gRPC, REST rows; the input "b" is gone; requests '
            "with it fail."
        ),
        (
            'WARN   input-ignored  serving_default, input "b": may surprise REST columns; the input "b" is gone; its '
            "column is ignored without an error."
        ),
    ]
    assert violation.advice.startswith("Keep what the released version's callers send and read")


def test_a_change_that_breaks_nobody_passes_and_is_told():
    wider = Signature(inputs={"x": Tensor("float32", ["batch", None])}, outputs=Y)
    outcome = judge(wider)
    assert (outcome.verdict, outcome.message) == (
        "pass",
        'INFO input-widened: the input "x" had the shape [?, 3] and has [?, ?].',
    )


def test_changes_that_break_nobody_are_told_one_after_the_other():
    inputs = {"x": Tensor("float32", ["batch", None]), "z": Tensor("float32", ["batch", None])}
    both = {"x": X["x"], "z": X["x"]}
    outcome = judge(Signature(inputs=inputs, outputs=Y), released=(Signature(inputs=both, outputs=Y),))
    assert outcome.message == (
        'INFO input-widened: the input "x" had the shape [?, 3] and has [?, ?].; '
        'INFO input-widened: the input "z" had the shape [?, 3] and has [?, ?].'
    )


def test_a_signature_that_is_gone_fails_and_one_that_is_new_does_not():
    outcome = judge(PLAIN, released=(PLAIN, OTHER))
    assert outcome.verdict == "fail"
    assert "signature-removed  other" in outcome.violation.actual
    outcome = judge(OTHER, PLAIN)
    assert (outcome.verdict, outcome.message) == ("pass", "the signature is new, so nobody calls it yet")


def test_what_changed_in_another_signature_is_for_its_own_check():
    changed = Signature("other", inputs={"x": Tensor("float64", ["batch", 3])}, outputs=Y)
    assert judge(PLAIN, changed, released=(PLAIN, OTHER)).message == "nothing changed for callers"
    assert judge(changed, PLAIN, released=(PLAIN, OTHER)).verdict == "fail"


def test_another_model_is_no_earlier_version():
    stranger = Signature(inputs={"a": Tensor("string", ["batch"])}, outputs={"b": Tensor("int64", ["batch"])})
    outcome = judge(PLAIN, released=(stranger,))
    assert outcome.verdict == "error"
    assert outcome.message == (
        "/released has no signature, input or output in common with fake: it is another model, not an earlier "
        "version; check --tfsig-baseline"
    )


def test_without_a_released_version_there_is_nothing_to_compare_with():
    outcome = run(checks()["compatible"], subject(None, PLAIN))
    assert (outcome.verdict, outcome.message) == ("skip", "no released version is given with --tfsig-baseline")


@pytest.mark.parametrize(("until", "verdict"), [("2999-01-01", "pass"), ("2000-01-01", "fail")])
def test_a_change_that_all_callers_know_of_is_ignored_until_its_date(tmp_path, until, verdict):
    entry = '[[ignore]]\nrule = "{}"\nuntil = {}\n'
    rules = ["input-added", "input-removed"]
    listed = "".join(entry.format(rule, until) for rule in rules)
    unrelated = entry.format("output-removed", "2000-01-01")
    (tmp_path / "known.toml").write_text(listed + unrelated)
    outcome = judge(ONE_CHANGED, released=(TWO,), folder=tmp_path, ignore="known.toml")
    assert outcome.verdict == verdict
    if verdict == "pass":
        assert outcome.message == (
            'WARN input-ignored: the input "b" is gone; its column is ignored without an error.; '
            "2 accepted changes ignored"
        )
    else:
        notes = [line for line in outcome.violation.actual.splitlines() if line.startswith("note: ")]
        assert len(notes) == 2
        assert notes[0] == "note: the ignore list's input-added ran out on 2000-01-01: it counts again."


def test_an_ignore_list_that_is_not_there_is_an_error(tmp_path):
    outcome = judge(PLAIN, folder=tmp_path, ignore="none.toml")
    assert outcome.verdict == "error"
    assert str(tmp_path / "none.toml") in outcome.message


def test_nothing_is_sent():
    assert isinstance(Baseline("/released", None, {}, SimpleNamespace), Baseline)
    assert judge(PLAIN).examples == 0
