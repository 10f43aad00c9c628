"""The check drift on pairs of Python functions: what is asked, what is counted, and what breaks a bound."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig import recordings
from pytest_tfsig.checks import Baseline, checks, run
from pytest_tfsig.contract import Feature, Probabilities, Signature, Tensor
from pytest_tfsig.strategies import draws
from tests.unit.checks.fakes import FakeModel, refusal, spec_of, subject

X = {"x": Tensor("float32", ["batch", 2], min=-2, max=2)}
SCORE = {"y": Tensor("float32", ["batch"])}
CLASSES = {"p": Tensor("float32", ["batch", 2])}


def answers(function):
    """A model that answers `function(x)`, a row a number, as output y."""
    return lambda inputs: {"y": np.asarray(function(inputs["x"]), np.float32)}


def first(x):
    return x[:, 0]


def shifted(by):
    return answers(lambda x: x[:, 0] + np.float32(by))


def pair(candidate, released, *, outputs=SCORE, inputs=X, known=None, more=None, **options):
    """Judges a candidate beside a released version that knows the inputs `known`."""
    signature = Signature(inputs=inputs, outputs=outputs, checks={"drift": options} | (more or {}))
    spec = spec_of(Signature(inputs=known or inputs, outputs=outputs))
    beside = FakeModel(released, None, spec)
    beside.name = "released"
    judged = subject(
        candidate, signature, baseline=Baseline("/released", 1, {spec.name: spec}, lambda: beside), compares=False
    )
    return run(checks()["drift"], judged), judged, beside


def test_answers_that_are_alike_pass_and_say_so():
    outcome, judged, beside = pair(shifted(0), shifted(0), max=0.0, flips=0.0)
    assert (outcome.verdict, outcome.examples) == ("pass", 100)
    assert outcome.message == "y differs by 0 at most, 0 typically (100 requests)"
    assert outcome.details == {
        "outputs": {"y": {"largest": 0.0, "typical": 0.0, "flips": 0, "rows": 0, "requests": 100}},
        "refused": 0,
    }
    assert (judged.model.requests, beside.requests) == (100, 100)


@pytest.mark.parametrize("bound", [{}, {"max": 1.0}, {"flips": 0.5}])
def test_what_no_bound_holds_is_noted_where_verdicts_are_read(bound):
    outcome, *_ = pair(shifted(0.5), shifted(0), **bound)
    assert outcome.verdict == "pass"
    noted = "reported, for the contract states no bound: y differs by 0.5 at most, 0.5 typically (100 requests)"
    assert outcome.details.get("note") == (None if bound else noted)


@pytest.mark.parametrize(("bound", "verdict"), [(None, "pass"), (0.5, "pass"), (0.49, "fail"), (0.0, "fail")])
def test_the_bound_on_numbers_is_met_by_what_equals_it(bound, verdict):
    halves = answers(lambda x: np.zeros(len(x)))
    outcome, *_ = pair(answers(lambda x: np.full(len(x), 0.5)), halves, **({} if bound is None else {"max": bound}))
    assert outcome.verdict == verdict
    assert outcome.details["outputs"]["y"]["largest"] == 0.5
    assert outcome.examples == 100


def test_what_differs_is_shown_with_the_smallest_request_that_differs_nearly_as_much():
    outcome, *_ = pair(answers(lambda x: np.where(x[:, 0] > 1, 0.5, 0)), answers(lambda x: np.zeros(len(x))), max=0.25)
    violation = outcome.violation
    assert violation.sentence == outcome.message
    assert violation.sentence.startswith("output 'y' differs by 0.5 at most, ")
    assert violation.expected == "at most 0.25 apart"
    assert violation.actual == "released: y = float32 [1] [0.]\nfake: y = float32 [1] [0.5]"
    assert violation.advice.startswith("If the new answers are right, raise the bound")
    assert violation.inputs["x"].shape == (1, 2)
    assert violation.inputs["x"][0, 1] == 0
    assert outcome.details["outputs"]["y"]["largest"] == 0.5


def test_the_request_shown_differs_nearly_as_much_as_the_worst():
    outcome, *_ = pair(answers(lambda x: np.abs(x).sum(axis=1)), answers(lambda x: np.zeros(len(x))), max=1.0)
    worst = outcome.details["outputs"]["y"]["largest"]
    shown = np.abs(outcome.violation.inputs["x"]).sum(axis=1).max()
    assert 0.99 * worst <= shown <= worst


def test_half_of_the_requests_are_made_from_the_one_that_differs_most():
    # A hill in eight dimensions, which random requests stay at the foot of.
    top = np.array([1.2, -0.7, 0.4, -1.6, 0.9, 1.5, -0.3, 0.6], np.float32)
    wide = {"x": Tensor("float32", [1, 8], min=-2, max=2)}
    hill = lambda x: np.exp(-((x - top) ** 2).sum(axis=1) / 4)  # noqa: E731
    outcome, *_ = pair(answers(hill), answers(lambda x: np.zeros(len(x))), inputs=wide)
    drawn = [hill(one["x"]).max() for one in draws(Signature(inputs=wide, outputs=SCORE), 100, seed=1)]
    assert outcome.details["outputs"]["y"]["largest"] > max(drawn)


def test_rows_that_change_class_are_counted():
    released = lambda inputs: {"p": inputs["x"]}  # noqa: E731
    swapped = lambda inputs: {"p": inputs["x"][:, ::-1]}  # noqa: E731
    outcome, *_ = pair(swapped, released, outputs=CLASSES, flips=0.1)
    tally = outcome.details["outputs"]["p"]
    assert outcome.verdict == "fail"
    assert outcome.violation.expected == "at most 10.00% of rows change class"
    assert f"{tally['flips']} of {tally['rows']} rows change class" in outcome.message
    assert outcome.violation.inputs["x"].shape == (1, 2)
    share = tally["flips"] / tally["rows"]
    assert pair(swapped, released, outputs=CLASSES, flips=share)[0].verdict == "pass"
    assert pair(swapped, released, outputs=CLASSES, flips=share - 0.001)[0].verdict == "fail"


def test_classes_lie_along_the_axis_of_their_probabilities():
    outputs = {"p": Probabilities("float32", [2, "batch"], axis=0)}

    def halves(tilt):
        return lambda inputs: {"p": np.stack([inputs["x"][:, 0] * 0 + 0.5 + tilt, inputs["x"][:, 0] * 0 + 0.5])}

    outcome, *_ = pair(halves(0.1), halves(-0.1), outputs=outputs)
    tally = outcome.details["outputs"]["p"]
    assert tally["flips"] == tally["rows"] > 0


@pytest.mark.parametrize(("key", "bound"), [("max", -0.5), ("flips", -1.0), ("max", float("nan"))])
def test_a_bound_below_zero_is_an_error_in_the_contract(key, bound):
    outcome, judged, _ = pair(shifted(0), shifted(0), **{key: bound})
    assert outcome.verdict == "error"
    assert outcome.message == f"checks.drift.{key} = {bound} is below 0; no difference at all is 0."
    assert judged.model.requests == 0


def refusing(function, when, code="INVALID_ARGUMENT"):
    def answer(inputs):
        if when(inputs["x"]):
            raise refusal(code, "no such row")
        return function(inputs)

    return answer


def long(x):
    return len(x) > 2


@pytest.mark.parametrize(("options", "verdict"), [({}, "pass"), ({"max": 1.0}, "fail"), ({"flips": 0.5}, "fail")])
def test_requests_that_only_the_candidate_refuses_break_any_bound(options, verdict):
    outcome, *_ = pair(refusing(shifted(0), long), shifted(0), **options)
    assert outcome.verdict == verdict
    refused = outcome.details["refused"]
    answered = outcome.details["outputs"]["y"]["requests"]
    assert refused > 0
    assert refused + answered == 100
    if verdict == "pass":
        assert outcome.message == (
            f"y differs by 0 at most, 0 typically; {refused} requests are refused by this version alone "
            f"({answered} requests)"
        )
    else:
        violation = outcome.violation
        assert violation.sentence == "the released version answers a request that this one refuses"
        assert (violation.expected, violation.actual) == ("an answer", "INVALID_ARGUMENT: no such row")
        assert long(violation.inputs["x"])


def test_requests_that_the_released_version_refuses_are_not_compared():
    outcome, judged, _ = pair(shifted(0), refusing(shifted(0), long), max=0.0)
    assert outcome.verdict == "pass"
    assert outcome.details["refused"] == 0
    assert outcome.details["outputs"]["y"]["requests"] == judged.model.requests < 100


@pytest.mark.parametrize("slow", ["candidate", "released"])
def test_a_version_that_does_not_answer_in_time_ends_the_check(slow):
    silent = refusing(shifted(0), long, "DEADLINE_EXCEEDED")
    outcome, judged, _ = pair(*((silent, shifted(0)) if slow == "candidate" else (shifted(0), silent)))
    assert outcome.verdict == "error"
    assert "DEADLINE_EXCEEDED" in outcome.message
    assert judged.timed_out


def test_versions_that_answer_nothing_together_are_not_judged():
    outcome, *_ = pair(refusing(shifted(0), lambda _: True), shifted(0))
    assert (outcome.verdict, outcome.message) == (
        "error",
        "not judged: no request was answered by both; see the check outputs",
    )
    outcome, *_ = pair(lambda inputs: {"z": inputs["x"]}, shifted(0))
    assert (outcome.verdict, outcome.message) == (
        "error",
        "not judged: the two versions have no output in common; see the check compatible",
    )


def test_an_input_that_is_new_is_not_sent_to_the_released_version():
    inputs = {**X, "weight": Tensor("float32", ["batch"])}
    seen = []

    def released(sent):
        seen.append(set(sent))
        return shifted(0)(sent)

    outcome, *_ = pair(shifted(0), released, inputs=inputs, known=X)
    assert outcome.verdict == "pass", outcome.message
    assert seen == [{"x"}] * 100


def test_outputs_that_are_new_or_gone_are_not_compared():
    more = lambda inputs: {**shifted(0)(inputs), "new": inputs["x"]}  # noqa: E731
    gone = lambda inputs: {**shifted(0)(inputs), "gone": inputs["x"]}  # noqa: E731
    outcome, *_ = pair(more, gone, max=0.0)
    assert outcome.verdict == "pass"
    assert list(outcome.details["outputs"]) == ["y"]


def test_the_first_output_that_breaks_a_bound_is_named():
    outputs = {**SCORE, "z": Tensor("float32", ["batch"])}

    def both(y, z):
        return lambda inputs: {"y": first(inputs["x"]) * 0 + np.float32(y), "z": first(inputs["x"]) * 0 + np.float32(z)}

    outcome, *_ = pair(both(0.1, 7), both(0, 0), outputs=outputs, max=1.0)
    assert outcome.violation.sentence == "output 'z' differs by 7 at most, 7 typically"
    assert outcome.violation.actual == "released: z = float32 [1] [0.]\nfake: z = float32 [1] [7.]"


def test_tf_examples_are_sent_to_both_as_they_are():
    signature = Signature(
        method="regress",
        inputs={"inputs": Tensor("string", ["batch"], features={"a": Feature("float32", [])})},
        outputs={"outputs": Tensor("float32", ["batch"])},
    )
    spec = spec_of(signature)
    ages = lambda examples: {"outputs": np.array([one["a"][0] for one in examples], np.float32)}  # noqa: E731
    beside = FakeModel(ages, None, spec)
    judged = subject(ages, signature, baseline=Baseline("/released", 1, {spec.name: spec}, lambda: beside))
    outcome = run(checks()["drift"], judged)
    assert outcome.verdict == "pass", outcome.message
    assert outcome.details["outputs"]["outputs"]["largest"] == 0


def test_recorded_requests_are_compared_first(tmp_path):
    rare = np.array([[1.25, -0.5]], np.float32)
    spec = spec_of(Signature(inputs=X, outputs=SCORE))
    recordings.write(tmp_path / "seen.tfrecord", [recordings.Exchange.of_inputs({"x": rare}, spec)])
    signature = Signature(inputs=X, outputs=SCORE, checks={"examples": {"file": "seen.tfrecord"}})
    beside = FakeModel(shifted(0), None, spec)
    only_there = answers(lambda x: x[:, 0] + (x == rare[0]).all(axis=1))
    judged = subject(
        only_there, signature, folder=tmp_path, baseline=Baseline("/released", 1, {spec.name: spec}, lambda: beside)
    )
    outcome = run(checks()["drift"], judged)
    assert outcome.details["outputs"]["y"]["largest"] == 1.0


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        (None, "there is no released version to compare with; give one with --tfsig-baseline PATH"),
        ("other", "the released version /released has no signature 'serving_default' to compare with"),
    ],
)
def test_without_the_signature_released_nothing_can_be_compared(baseline, says):
    released = baseline and Baseline("/released", 1, {baseline: SimpleNamespace()}, lambda: None)
    judged = subject(shifted(0), Signature(inputs=X, outputs=SCORE), baseline=released)
    outcome = run(checks()["drift"], judged)
    assert (outcome.verdict, outcome.message) == ("error", says)


def test_a_broken_bound_is_told_before_a_refusal():
    outcome, *_ = pair(refusing(shifted(5), long), shifted(0), max=1.0)
    assert outcome.verdict == "fail"
    assert outcome.details["refused"] > 0
    assert outcome.message.startswith("output 'y' differs by 5 at most")
