from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig.contract import Argmax, Monotone, PaddingInvariant, PermutationInvariant, Signature, Tensor
from tests.unit.checks.fakes import outcome

X = {"x": Tensor("float32", ["batch", 4], min=-3, max=3)}
CLASSES = {"p": Tensor("float32", ["batch", 4]), "id": Tensor("int64", ["batch"])}
SCORE = {"y": Tensor("float32", ["batch"])}


def judged(relation, inputs, outputs, answer, **dims):
    return outcome("relations", answer, Signature(inputs=inputs, outputs=outputs, relations=(relation,), dims=dims))


@pytest.mark.parametrize(
    ("index", "verdict"),
    [
        (lambda p: p.argmax(axis=1), "pass"),
        # of several largest ones, any
        (lambda p: p.shape[1] - 1 - p[:, ::-1].argmax(axis=1), "pass"),
        (lambda p: (p.argmax(axis=1) + 1) % 4, "fail"),
        (lambda p: p.argmin(axis=1), "fail"),
        (lambda p: p.argmax(axis=1) + 4, "fail"),
        (lambda p: p.argmax(axis=1)[:, None], "pass"),
        (lambda _: np.zeros((2, 2), np.int64), "fail"),
    ],
)
def test_argmax(index, verdict):
    def answer(inputs):
        return {"p": inputs["x"], "id": np.asarray(index(inputs["x"]), np.int64)}

    assert judged(Argmax("id", "p"), X, CLASSES, answer).verdict == verdict


def test_argmax_of_logits_that_softmax_rounds_to_one_probability():
    def answer(inputs):
        logits = 40 * inputs["x"].astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return {"p": (powers / powers.sum(1, keepdims=True)).astype(np.float32), "id": logits.argmax(1)}

    assert judged(Argmax("id", "p"), X, CLASSES, answer).verdict == "pass"


@pytest.mark.parametrize(
    ("relation", "answer", "verdict"),
    [
        (Monotone("x", "y"), lambda x: x.sum(axis=1), "pass"),
        (Monotone("x", "y"), lambda x: -x.sum(axis=1), "fail"),
        (Monotone("x", "y", direction="decreasing"), lambda x: -x.sum(axis=1), "pass"),
        (Monotone("x", "y", feature=1), lambda x: x[:, 1] - x[:, 0], "pass"),
        (Monotone("x", "y", feature=0), lambda x: x[:, 1] - x[:, 0], "fail"),
        (Monotone("x", "y", feature=1), lambda x: np.where(x[:, 1] > 2.8, 5.6 - x[:, 1], x[:, 1]), "fail"),
        (Monotone("x", "y"), lambda x: np.full(len(x), 7), "pass"),
    ],
)
def test_monotone(relation, answer, verdict):
    result = judged(relation, X, SCORE, lambda inputs: {"y": answer(inputs["x"]).astype(np.float32)})
    assert result.verdict == verdict, result.violation


@pytest.mark.parametrize(
    ("tensor", "verdict"),
    [
        (Tensor("int32", ["batch"], min=0, max=5), "pass"),
        (Tensor("int64", ["batch"], values=[3, 1, 2]), "pass"),
        (Tensor("uint8", ["batch"]), "pass"),
        (Tensor("float16", ["batch"]), "pass"),
        (Tensor("string", ["batch"]), "error"),
        (Tensor("bool", ["batch"]), "error"),
    ],
)
def test_inputs_grow_within_their_domain(tensor, verdict):
    seen = []

    def answer(inputs):
        seen.append(inputs["x"])
        return {"y": inputs["x"].astype(np.float32)}

    assert judged(Monotone("x", "y"), {"x": tensor}, SCORE, answer).verdict == verdict
    for array in seen:
        assert tensor.max is None or array.max() <= tensor.max
        assert tensor.values is None or set(array.tolist()) <= set(tensor.values)
        assert array.dtype == np.dtype(tensor.dtype)


POINTS = {"points": Tensor("float32", ["batch", "n", 2], min=-1, max=1)}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (lambda points: points.sum(axis=(1, 2)), "pass"),
        (lambda points: points.max(axis=(1, 2)), "pass"),
        (lambda points: points[:, -1].sum(axis=1), "fail"),
        (lambda points: points.sum(axis=(1, 2)) + 0.01 * points[:, 0, 0], "fail"),
    ],
)
def test_permutation(answer, verdict):
    relation = PermutationInvariant("points")
    result = judged(relation, POINTS, SCORE, lambda inputs: {"y": answer(inputs["points"]).astype(np.float32)})
    assert result.verdict == verdict, result.violation


TOKENS = {"tokens": Tensor("int32", ["batch", "time"], min=0, max=50)}
MASKED = {**TOKENS, "mask": Tensor("int32", ["batch", "time"], min=0, max=1)}
LENGTHS = {**TOKENS, "length": Tensor("int32", ["batch"], min=1, max=12)}


def masked_mean(inputs):
    mask = inputs["mask"].astype(np.float32)
    return {"y": ((inputs["tokens"] * mask).sum(1) / mask.sum(1)).astype(np.float32)}


def mean_to_length(inputs):
    inside = np.arange(inputs["tokens"].shape[1]) < inputs["length"][:, None]
    return {"y": ((inputs["tokens"] * inside).sum(1) / inputs["length"]).astype(np.float32)}


@pytest.mark.parametrize("relation", [PaddingInvariant("tokens", value=7), PermutationInvariant("tokens")])
@pytest.mark.parametrize(("inputs", "answer"), [(MASKED, masked_mean), (LENGTHS, mean_to_length)])
def test_masks_and_lengths_follow_what_they_describe(relation, inputs, answer):
    result = judged(relation, inputs, SCORE, answer, time=(1, 12))
    assert result.verdict == "pass", result.violation


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (lambda tokens: tokens.sum(axis=1), "pass"),
        (lambda tokens: tokens.mean(axis=1), "fail"),
        (lambda tokens: tokens[:, -1], "fail"),
        (lambda tokens: np.full(len(tokens), tokens.shape[1]), "fail"),
    ],
)
def test_padding(answer, verdict):
    seen = []

    def padded(inputs):
        seen.append(inputs["tokens"].shape[1])
        return {"y": answer(inputs["tokens"]).astype(np.float32)}

    result = judged(PaddingInvariant("tokens"), TOKENS, SCORE, padded, time=(1, 12))
    assert result.verdict == verdict
    assert max(seen) <= 12


def test_outputs_with_a_value_for_each_step_are_left_alone():
    each = {"y": Tensor("float32", ["batch", "time"])}
    result = judged(PaddingInvariant("tokens"), TOKENS, each, lambda i: {"y": i["tokens"].astype(np.float32)})
    assert result.verdict == "pass"


@pytest.mark.parametrize(
    ("relation", "inputs", "why"),
    [
        (PaddingInvariant("x"), X, "fixed size 4"),
        (PermutationInvariant("x", axis=2), X, "no axis 2"),
        (PermutationInvariant("x"), {"x": Tensor("float32", ["batch", 1])}, "could not be judged"),
        (Monotone("x", "y", feature=4), X, "no feature 4 along its last axis"),
        (Monotone("x", "y", feature=-5), X, "no feature -5 along its last axis"),
        (Monotone("x", "y", feature=99), {"x": Tensor("float32", ["batch", "features"])}, "could not be judged"),
    ],
)
def test_relations_that_nothing_can_show(relation, inputs, why):
    result = judged(relation, inputs, SCORE, lambda inputs: {"y": inputs["x"].sum(1)})
    assert result.verdict == "error"
    assert why in result.message


def test_a_scalar_has_no_feature_to_grow():
    signature = Signature(
        inputs={"x": Tensor("float32", [])},
        outputs={"y": Tensor("float32", [])},
        relations=(Monotone("x", "y", feature=0),),
    )
    result = outcome("relations", lambda inputs: {"y": inputs["x"]}, signature)
    assert result.message == "input 'x' has no feature 0 along its last axis"


def test_a_feature_grows_where_the_input_is_drawn_long_enough_for_it():
    inputs = {"x": Tensor("float32", ["batch", "features"], min=0, max=1)}
    falling = lambda inputs: {"y": -inputs["x"].sum(axis=1)}  # noqa: E731
    assert judged(Monotone("x", "y", feature=3), inputs, SCORE, falling).verdict == "fail"
    rising = judged(Monotone("x", "y", feature=3), inputs, SCORE, lambda inputs: {"y": inputs["x"].sum(axis=1)})
    assert rising.verdict == "pass"


@pytest.mark.parametrize("relation", [PermutationInvariant("x"), PaddingInvariant("x")])
def test_the_rows_of_an_input_of_unstated_shape_are_not_taken_for_steps(relation):
    def totals(inputs):
        x = inputs["x"]
        return {"y": x.sum(axis=tuple(range(1, x.ndim)))}

    # Of any number of axes; where there is but a batch, nothing is behind it.
    result = judged(relation, {"x": Tensor("float32", None, min=-3, max=3)}, {"y": Tensor("float32", None)}, totals)
    assert result.verdict == "pass", result.violation
