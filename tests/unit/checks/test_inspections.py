from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from pytest_tfsig import checks
from pytest_tfsig.contract import Feature, Probabilities, Signature, Tensor
from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec
from tests.unit.checks.fakes import outcome, refusal, subject

ROWS = {"x": Tensor("float32", ["batch", 3], min=-2, max=2)}


def contract(**outputs):
    return Signature(inputs=ROWS, outputs=outputs, dims={"batch": (1, 20)})


SCORE = contract(y=Tensor("float32", ["batch"]))


def sums(inputs):
    return {"y": inputs["x"].sum(axis=1)}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda inputs: {"z": sums(inputs)["y"]}, "other outputs"),
        (lambda inputs: {"y": sums(inputs)["y"], "z": sums(inputs)["y"]}, "other outputs"),
        (lambda inputs: {"y": sums(inputs)["y"].astype(np.float64)}, "another dtype"),
        (lambda inputs: {"y": inputs["x"]}, "another shape"),
        (lambda inputs: {"y": sums(inputs)["y"][:-1]}, "another shape"),
        (lambda inputs: {"y": np.squeeze(sums(inputs)["y"])}, "another shape"),
    ],
)
def test_outputs_names_what_differs(answer, says):
    result = outcome("outputs", answer, SCORE)
    assert result.verdict == "fail"
    assert says in result.message


def test_outputs_reports_a_refusal_with_its_smallest_input():
    def fails_on_large_batches(inputs):
        if len(inputs["x"]) > 6:
            raise refusal(message="Input to reshape is a tensor with 21 values")
        return sums(inputs)

    result = outcome("outputs", fails_on_large_batches, SCORE)
    assert result.verdict == "fail"
    assert result.violation.inputs["x"].shape == (7, 3)
    assert not result.violation.inputs["x"].any()
    assert "Reshape with -1" in result.violation.advice


def test_a_dropped_batch_of_one_is_explained():
    result = outcome("outputs", lambda inputs: {"y": np.squeeze(sums(inputs)["y"])}, SCORE)
    assert "squeeze" in result.violation.advice
    assert result.violation.inputs["x"].shape == (1, 3)


def test_a_batch_of_one_without_its_row_is_named():
    result = outcome(
        "batch_invariant", lambda inputs: {"y": np.squeeze(sums(inputs)["y"])}, contract(y=Tensor("float32"))
    )
    assert result.message == "output 'y' has a row for each row of a batch, but not for a batch of one"
    assert result.violation.actual == "[]"
    assert "name the axis" in result.violation.advice


def test_inputs_that_must_have_one_length_are_named():
    def answer(inputs):
        if inputs["x"].shape[1] != inputs["mask"].shape[1]:
            raise refusal(message="Incompatible shapes")
        return {"y": inputs["x"].sum(axis=1)}

    def masked(time):
        shape = ["batch", time]
        inputs = {"x": Tensor("float32", shape), "mask": Tensor("bool", shape)}
        return Signature(inputs=inputs, outputs={"y": Tensor("float32", ["batch"])})

    result = outcome("outputs", answer, masked(None))
    assert result.verdict == "fail"
    assert "axis 1 of 'x' (1) and 'mask' (2)" in result.violation.advice
    assert outcome("outputs", answer, masked("time")).verdict == "pass"


@pytest.mark.parametrize("check", ["outputs", "finite", "deterministic", "batch_invariant"])
def test_a_sound_model_passes(check):
    result = outcome(check, sums, SCORE)
    assert result.verdict == "pass", result.message
    assert result.examples == 100


@pytest.mark.parametrize("check", ["finite", "deterministic", "batch_invariant", "concurrent", "rejects_invalid"])
def test_a_model_that_answers_nothing_is_not_judged(check):
    def never(_):
        raise refusal()

    result = outcome(check, never, SCORE)
    assert result.verdict == "error"
    assert "see the check outputs" in result.message


def test_finite_finds_the_row_of_zeros():
    def unit(inputs):
        with np.errstate(all="ignore"):
            return {"y": (inputs["x"] / np.linalg.norm(inputs["x"], axis=1, keepdims=True))[:, 0]}

    result = outcome("finite", unit, SCORE)
    assert result.verdict == "fail"
    assert result.violation.inputs["x"].tolist() == [[0, 0, 0]]
    assert "NaN" in result.message


def test_finite_leaves_alone_what_the_contract_allows():
    nan = contract(y=Tensor("float32", ["batch"], finite=False))
    result = outcome("finite", lambda inputs: {"y": np.full(len(inputs["x"]), np.nan, np.float32)}, nan)
    assert result.verdict == "pass"


def test_nan_is_left_to_finite():
    listed = contract(y=Tensor("float32", ["batch"], values=[0, 1], finite=False))
    assert outcome("values", lambda i: {"y": np.full(len(i["x"]), np.nan, np.float32)}, listed).verdict == "pass"
    assert outcome("values", lambda i: {"y": np.full(len(i["x"]), np.inf, np.float32)}, listed).verdict == "fail"


def softmax(logits, axis=-1):
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return (powers / powers.sum(axis=axis, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("head", "advice"),
    [
        (lambda x: x, "logits"),
        (lambda x: softmax(x, 0), "wrong axis"),
        (lambda x: 1 / (1 + np.exp(-x)), "sigmoids"),
        (lambda x: softmax(x) * np.float32(1.001), ""),
    ],
)
def test_values_explains_wrong_probabilities(head, advice):
    probabilities = contract(p=Probabilities("float32", ["batch", 3]))
    result = outcome("values", lambda inputs: {"p": head(inputs["x"]).astype(np.float32)}, probabilities)
    assert result.verdict == "fail"
    assert advice in result.violation.advice


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_values_allows_the_rounding_of_each_dtype(dtype):
    name = np.dtype(dtype).name
    probabilities = contract(p=Probabilities(name, ["batch", 3]))
    result = outcome(
        "values", lambda inputs: {"p": softmax(inputs["x"].astype(np.float64)).astype(dtype)}, probabilities
    )
    expected = "pass" if name != "float64" else "fail"  # this softmax goes through float32
    assert result.verdict == expected


@pytest.mark.parametrize(
    ("tensor", "value", "verdict"),
    [
        (Tensor("float32", ["batch"], min=0.1), 0.1, "pass"),
        (Tensor("float32", ["batch"], min=0.1), 0.0999, "fail"),
        (Tensor("float32", ["batch"], max=1), 1.1, "fail"),
        (Tensor("int64", ["batch"], max=2**53), 2**53 + 1, "fail"),
        (Tensor("int64", ["batch"], values=[1, 2]), 3, "fail"),
        (Tensor("string", ["batch"], values=["ham", "spam"]), b"ham", "pass"),
        (Tensor("string", ["batch"], values=["ham", "spam"]), b"spma", "fail"),
        (Tensor("string", ["batch"], encoding="utf-8"), b"\xff", "fail"),
        (Tensor("string", ["batch"], encoding="utf-8"), "é".encode(), "pass"),
    ],
)
def test_values_holds_to_bounds_lists_and_encodings(tensor, value, verdict):
    dtype = object if tensor.dtype == "string" else tensor.dtype

    def answer(inputs):
        array = np.empty(len(inputs["x"]), dtype=dtype)
        array.fill(value)
        return {"y": array}

    assert outcome("values", answer, contract(y=tensor)).verdict == verdict


def test_one_pass_serves_all_inspections():
    judged = subject(sums, SCORE)
    for name in ("outputs", "finite"):
        assert checks.run(checks.checks()[name], judged).verdict == "pass"
    assert judged.model.requests == 100


def test_a_server_that_dies_is_reported_with_the_request():
    judged = None

    def deadly(inputs):
        if not inputs["x"].any():
            judged.model.server.is_alive = False
            raise refusal("UNAVAILABLE", "Socket closed")
        return sums(inputs)

    judged = subject(deadly, SCORE)
    result = checks.run(checks.checks()["outputs"], judged)
    assert result.verdict == "fail"
    assert "died" in result.message
    assert not result.violation.inputs["x"].any()
    assert checks.run(checks.checks()["finite"], judged).verdict == "error"


def test_no_request_is_repeated_after_a_timeout():
    def silent(_):
        raise refusal("DEADLINE_EXCEEDED", "Deadline Exceeded")

    judged = subject(silent, SCORE)
    assert checks.run(checks.checks()["outputs"], judged).verdict == "fail"
    assert judged.model.requests < 5


def test_loads_and_signature_read_what_the_server_says():
    judged = subject(sums, SCORE)
    assert checks.run(checks.checks()["loads"], judged).verdict == "pass"
    assert checks.run(checks.checks()["signature"], judged).verdict == "pass"
    judged.model.states[0].state = "END"
    assert checks.run(checks.checks()["loads"], judged).verdict == "fail"
    other = subject(sums, contract(z=Tensor("float64", ["batch"])), spec=judged.spec)
    assert checks.run(checks.checks()["signature"], other).verdict == "fail"


def test_signature_tells_of_features_that_the_graph_does_not_parse():
    parsed = TensorSpec("x", "string", (None,), "x:0", {"age": FeatureSpec("age", "int64", default=(0,))})
    spec = SignatureSpec("serving_default", "predict", {"x": parsed}, {"y": TensorSpec("y", "float32", (None,), "y:0")})
    features = {"agee": Feature("int64", [], default=[0]), "age": Feature("float32", [], default=[0])}
    stated = Signature(
        inputs={"x": Tensor("string", ["batch"], features=features)}, outputs={"y": Tensor("float32", ["batch"])}
    )
    result = outcome("signature", None, stated, spec=spec)
    assert result.verdict == "fail"
    assert result.message == (
        'inputs.x.features.agee: the model does not parse this feature; did you mean "age"? (and 1 more)'
    )
    assert result.violation.actual.endswith(
        "\ninputs.x.features.age: the model parses int64, but the contract states float32."
    )


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (Tensor("int64", ["batch"]), "only small integers were sent to 'ids' (0 to 9): state max"),
        (Tensor("int64", ["batch"], min=5), "only small integers were sent to 'ids' (the first after min): state max"),
        (Tensor("int64", ["batch"], max=5000), ""),
        (Tensor("uint8", ["batch"]), ""),
    ],
)
def test_what_was_not_tried_is_said(ids, says):
    signature = Signature(inputs={"ids": ids}, outputs={"y": Tensor("float32", ["batch"])})
    result = outcome("outputs", lambda inputs: {"y": inputs["ids"].astype(np.float32)}, signature)
    assert result.verdict == "pass"
    assert result.message.partition("; ")[2].startswith(says)
    assert bool(says) == ("; " in result.message)
    assert result.details.get("note", "").startswith(says)


@pytest.mark.parametrize("length", ["dim_1", "time"])
def test_sizes_that_only_an_inferred_contract_makes_equal_are_said(length):
    inputs = {"x": Tensor("float32", ["batch", length, 2]), "mask": Tensor("float32", ["batch", length])}
    signature = Signature(inputs=inputs, outputs={"y": Tensor("float32", ["batch"])})
    result = outcome("outputs", lambda inputs: {"y": inputs["mask"].sum(axis=1)}, signature)
    assert result.verdict == "pass"
    assert ("were sent equally long: 'x' and 'mask' (dim_1)" in result.message) == (length == "dim_1")


@pytest.mark.parametrize("switched", [{}, {"outputs": False}])
def test_what_keeps_inputs_from_being_drawn_is_told_once(switched):
    raw = Signature(
        method="classify", inputs={"inputs": Tensor("string", ["batch"])}, outputs={"scores": Tensor("float32")}
    )
    judged = subject(None, replace(raw, checks=switched))
    told = [checks.run(checks.checks()[name], judged) for name in ("outputs", "finite", "deterministic", "concurrent")]
    assert {result.verdict for result in told} == {"error"}
    reasons = [result.message for result in told if "sends serialized tf.Examples" in result.message]
    assert len(reasons) == (4 if switched else 1)
    assert all("see the check outputs" in result.message for result in told if result.message not in reasons)


def test_an_answer_of_fewer_axes_than_its_probabilities_need_is_told():
    scores = contract(p=Probabilities("float32", ["batch", 3], axis=1))
    judged = subject(lambda inputs: {"p": inputs["x"].sum(axis=1)}, scores)
    told = {name: checks.run(checks.checks()[name], judged) for name in ("outputs", "finite", "values")}
    assert {name: result.verdict for name, result in told.items()} == {
        "outputs": "fail",
        "finite": "pass",
        "values": "fail",
    }
    assert told["values"].message == "output 'p' has no axis 1, along which its probabilities are to sum to 1"
    assert told["values"].violation.actual == "[1]"
