"""What the check relations says word for word, and where exactly a relation ceases to hold."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig.checks import Violation
from pytest_tfsig.checks.relations import _argmax, _followers, _why_not
from pytest_tfsig.contract import Argmax, Feature, Monotone, PaddingInvariant, PermutationInvariant, Signature, Tensor
from tests.unit.checks.fakes import outcome

F32 = np.float32
EPS = 2.0**-23
X = {"x": Tensor("float32", ["batch", 2], min=0, max=100)}
Y = {"y": Tensor("float32", ["batch"])}


def judged(answer, *relations, inputs=X, outputs=Y, **more):
    return outcome("relations", answer, Signature(inputs=inputs, outputs=outputs, relations=relations, **more))


def argmax(index, of, *, axis=-1, narrow=0.0):
    """Returns the violation of an argmax; whether there was anything to judge where there is none."""
    answer = {"id": np.asarray(index), "p": np.asarray(of)}
    try:
        return _argmax(Argmax("id", "p", axis=axis), answer, narrow)
    except Violation as violation:
        return violation


@pytest.mark.parametrize(
    ("index", "of", "axis"),
    [
        ([1], [[0.25, 0.75]], -1),
        ([0], [[0.5, 0.5]], -1),
        ([1], [[0.5, 0.5]], -1),
        ([0, 1], [[1.0, 0.0], [0.0, 1.0]], -1),
        ([0, 1, 1], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], 0),
        ([0, 1, 1], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], -2),
        (1, [0.25, 0.75], -1),
        ([1.0], [[0.25, 0.75]], -1),
        ([[2], [0]], [[1, 2, 3], [3, 2, 1]], -1),
        ([0], [[np.nan, 1.0]], -1),
        ([7], [[np.nan, 1.0]], -1),
        ([0], [[np.inf, 1.0]], -1),
    ],
)
def test_an_index_of_a_largest_value(index, of, axis):
    assert argmax(index, of, axis=axis) is True


@pytest.mark.parametrize(("of", "axis", "shape"), [(0.25, -1, "[]"), ([0.25, 0.75], 1, "[2]"), ([0.5], -2, "[1]")])
def test_an_argmax_along_an_axis_that_the_answer_lacks(of, axis, shape):
    violation = argmax(0, of, axis=axis)
    assert violation.sentence == f"output 'p' has no axis {axis} to take the argmax along"
    assert violation.actual == shape


@pytest.mark.parametrize(
    ("index", "of", "axis", "told"),
    [
        ([0], [[0.25, 0.75]], -1, ("1, whose value is 0.75", "0 for p = float64 [2] [0.25, 0.75]", "[0]")),
        ([1, 1], [[0, 9], [8, 1]], -1, ("0, whose value is 8", "1 for p = int64 [2] [8, 1]", "[1]")),
        ([0, 0], [[9, 1], [8, 2]], -2, ("1, whose value is 2", "0 for p = int64 [2] [1, 2]", "[1]")),
        (0, [0.25, 0.75], -1, ("1, whose value is 0.75", "0 for p = float64 [2] [0.25, 0.75]", "[0]")),
        ([2], [[0.25, 0.75]], -1, ("1, whose value is 0.75", "2 for p = float64 [2] [0.25, 0.75]", "[0]")),
        ([-1], [[0.25, 0.75]], -1, ("1, whose value is 0.75", "-1 for p = float64 [2] [0.25, 0.75]", "[0]")),
        ([0.5], [[0.75, 0.25]], -1, ("0, whose value is 0.75", "0.5 for p = float64 [2] [0.75, 0.25]", "[0]")),
    ],
)
def test_an_index_of_another_value_is_told(index, of, axis, told):
    expected, actual, where = told
    found = argmax(index, of, axis=axis)
    assert found.sentence == f"output 'id' is not the index of the largest value of 'p' at {where}"
    assert (found.expected, found.actual) == (expected, actual)
    assert found.advice == (
        "The class ids and the scores are in another order, or the index was taken along another axis."
    )


@pytest.mark.parametrize(
    ("largest", "units", "holds"),
    [(1.0, 16, True), (1.0, 18, False), (0.5, 15, True), (0.5, 18, False), (64.0, 1000, True), (64.0, 1100, False)],
)
def test_values_are_tied_within_sixteen_units_of_the_largest(largest, units, holds):
    near = F32(largest - units * EPS)
    found = argmax([1], np.array([[largest, near]], F32))
    assert (found is True) == holds


def test_values_are_tied_by_the_models_own_precision():
    close = np.array([[1.0, 1 - 15 * 2.0**-10]], F32)
    assert argmax([1], close, narrow=2.0**-10) is True
    assert isinstance(argmax([1], close), Violation)
    assert isinstance(argmax([1], np.array([[1.0, 1 - 17 * 2.0**-10]], F32), narrow=2.0**-10), Violation)


def test_an_index_for_each_row_is_needed():
    found = argmax([0, 0, 0], [[0.25, 0.75]])
    assert found.sentence == "output 'id' is no index for each row of 'p'"
    assert (found.expected, found.actual) == ("shape [1]", "shape [3]")
    assert argmax([0], np.zeros((2, 3, 4)), axis=1).expected == "shape [2, 4]"
    assert argmax(np.zeros((2, 4)), np.zeros((2, 3, 4)), axis=1) is True


@pytest.mark.parametrize(("index", "of"), [([b"a"], [[1.0]]), ([0], [[b"a"]]), ([0], np.zeros((0, 3)))])
def test_what_is_no_number_has_no_largest(index, of):
    as_array = lambda value: np.array(value, object) if b"a" in np.ravel(value).tolist() else np.asarray(value)  # noqa: E731
    assert argmax(as_array(index), as_array(of)) is False


@pytest.mark.parametrize("gone", ["id", "p"])
def test_outputs_that_are_not_there_are_for_the_check_outputs(gone):
    answer = {"id": np.array([0]), "p": np.array([[1.0, 0.0]])}
    assert _argmax(Argmax("id", "p"), {name: array for name, array in answer.items() if name != gone}, 0.0) is False


def test_relations_that_hold_are_counted():
    found = judged(lambda i: {"y": i["x"].sum(axis=1)}, Monotone("x", "y"), PermutationInvariant("x"))
    assert found.verdict == "pass"
    assert found.examples == 100
    assert found.message.startswith("held: monotone for ")
    assert ", permutation_invariant for 100 requests" in found.message


def test_a_relation_that_no_request_can_show_is_named():
    never = {"x": Tensor("float32", ["batch", "n"], min=5, max=5)}
    found = judged(lambda i: {"y": i["x"].sum(axis=1)}, PermutationInvariant("x"), Monotone("x", "y"), inputs=never)
    assert (found.verdict, found.examples) == ("error", 100)
    assert found.message == "the relation monotone could not be judged on any request"


def test_an_output_that_falls_as_its_input_grows_is_told():
    found = judged(lambda i: {"y": -i["x"].sum(axis=1)}, Monotone("x", "y"))
    violation = found.violation
    assert violation.sentence == "output 'y' moves against input 'x', which it should follow"
    assert violation.expected.startswith("increasing (allowed: ")
    start, _, end = violation.actual.partition(" becomes ")
    assert float(start) > float(end.partition(" at [0] when x becomes float32 [1, 2] ")[0])
    assert violation.inputs["x"].shape == (1, 2)
    falling = judged(lambda i: {"y": i["x"].sum(axis=1)}, Monotone("x", "y", direction="decreasing"))
    assert falling.violation.expected.startswith("decreasing (allowed: ")


@pytest.mark.parametrize(("atol", "verdict"), [(0.0, "fail"), (0.25, "fail"), (0.5, "pass"), (1.0, "pass")])
def test_a_fall_within_atol_is_none(atol, verdict):
    dent = lambda i: {"y": np.where(i["x"][:, 0] >= 50, F32(0), F32(0.5))}  # noqa: E731
    assert judged(dent, Monotone("x", "y", atol=atol)).verdict == verdict


def test_a_fall_that_rounding_explains_is_none():
    tiny = lambda by: lambda i: {"y": np.where(i["x"][:, 0] >= 90, F32(1 - by), F32(1))}  # noqa: E731
    # 64 units of the output and 8 of the largest input, 100 when it has grown.
    allowed = (64 + 8 * 100) * EPS
    assert judged(tiny(0.7 * allowed), Monotone("x", "y", feature=0)).verdict == "pass"
    assert judged(tiny(1.2 * allowed), Monotone("x", "y", feature=0)).verdict == "fail"


def test_a_scalar_output_may_follow_its_input():
    scalar = {"y": Tensor("float32", [])}
    assert judged(lambda i: {"y": i["x"].sum()}, Monotone("x", "y"), outputs=scalar).verdict == "pass"
    violation = judged(lambda i: {"y": -i["x"].sum()}, Monotone("x", "y"), outputs=scalar).violation
    assert " at [] when x becomes " in violation.actual


def test_the_first_row_that_falls_is_told():
    signature = {"dims": {"batch": (2, 2)}}
    second = lambda i: {"y": i["x"].sum(axis=1) * np.array([1, -1], F32)}  # noqa: E731
    violation = judged(second, Monotone("x", "y"), **signature).violation
    assert " at [1] when x becomes " in violation.actual


@pytest.mark.parametrize(
    "answer",
    [
        lambda i: {"z": i["x"]},
        lambda i: {"y": np.full(len(i["x"]), b"a", object)},
        lambda i: {"y": np.zeros(int(i["x"].sum() * 1000) % 7 + 1)},
    ],
    ids=["gone", "text", "other shapes"],
)
def test_what_cannot_be_compared_is_not_judged(answer):
    found = judged(answer, Monotone("x", "y"))
    assert found.verdict in {"error", "pass"}
    assert found.violation is None


@pytest.mark.parametrize(
    ("relation", "said", "advice"),
    [
        (PermutationInvariant("x"), "reversed along axis 1", "Something depends on the order: a recurrent layer"),
        (PaddingInvariant("x", value=1), "padded with 1 x 1 along axis 1", "Padding is taken for data: pass a mask"),
    ],
)
def test_an_output_that_should_not_change_is_told(relation, said, advice):
    steps = {"x": Tensor("float32", ["batch", "n"], min=0, max=4)}
    last = lambda i: {"y": i["x"][:, -1] if i["x"].shape[1] else np.zeros(len(i["x"]), F32)}  # noqa: E731
    violation = judged(last, relation, inputs=steps).violation
    assert violation.sentence == f"output 'y' changes when input 'x' is {said}"
    assert violation.expected.startswith("y = float32 [1] [")
    assert violation.actual.startswith("y = float32 [1] [")
    assert violation.actual.endswith("(allowed: rtol 0.00012, atol 1e-05)") or "(allowed: rtol " in violation.actual
    assert violation.advice.startswith(advice)


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({}, "fail"),
        ({"atol": 0.5}, "pass"),
        ({"atol": 0.2}, "fail"),
        ({"rtol": 0.25}, "pass"),
        ({"rtol": 0.05}, "fail"),
    ],
)
def test_the_contract_says_how_far_an_output_may_change(more, verdict):
    first = lambda i: {"y": np.where(i["x"][:, 0] > i["x"][:, 1], F32(2), F32(2.25))}  # noqa: E731
    assert judged(first, PermutationInvariant("x", **more)).verdict == verdict


def test_an_output_that_changes_its_shape_or_dtype_is_told():
    first = lambda i: {"y": np.zeros(1 + (i["x"][0, 0] > i["x"][0, 1]), F32)}  # noqa: E731
    violation = judged(first, PermutationInvariant("x"), outputs={"y": Tensor("float32", [None])}).violation
    assert {violation.expected[:15], violation.actual[:15]} == {"y = float32 [1]", "y = float32 [2]"}
    kinds = lambda i: {"y": np.zeros(1, F32 if i["x"][0, 0] > i["x"][0, 1] else np.float64)}  # noqa: E731
    assert judged(kinds, PermutationInvariant("x"), outputs={"y": Tensor(None, [None])}).verdict == "fail"


def test_outputs_that_come_and_go_are_for_the_check_outputs():
    def coming(inputs):
        return {"y": inputs["x"].sum(axis=1)} | ({"z": inputs["x"]} if inputs["x"][0, 0] > 50 else {})

    outputs = {**Y, "z": Tensor("float32", ["batch", 2])}
    assert judged(coming, PermutationInvariant("x", outputs=["y", "z"]), outputs=outputs).verdict != "error"


@pytest.mark.parametrize(
    ("relation", "inputs", "method", "why"),
    [
        (Argmax("y", "y"), X, "classify", ""),
        (
            Monotone("x", "y"), {"x": Tensor("string", ["batch"], features={"a": Feature("float32", [])})}, "classify",
            "a relation of an input needs a predict signature; classify takes tf.Examples",
        ),
        (Monotone("x", "y"), {"x": Tensor("string", ["batch"])}, "predict", "string input 'x' cannot grow"),
        (Monotone("x", "y"), {"x": Tensor("bool", ["batch"])}, "predict", "bool input 'x' cannot grow"),
        (Monotone("x", "y"), {"x": Tensor("int8", ["batch"])}, "predict", ""),
        (PermutationInvariant("x", axis=2), X, "predict", "input 'x' has no axis 2 behind its batch"),
        (PermutationInvariant("x", axis=-2), X, "predict", "input 'x' has no axis -2 behind its batch"),
        (PermutationInvariant("x", axis=-1), X, "predict", ""),
        (PermutationInvariant("x", axis=5), {"x": Tensor("float32", None)}, "predict", ""),
        (
            PaddingInvariant("x", axis=1), X, "predict", "input 'x' cannot be padded: axis 1 has the fixed size 2",
        ),
        (PaddingInvariant("x", axis=1), {"x": Tensor("float32", ["batch", "n"])}, "predict", ""),
        (PaddingInvariant("x", axis=1), {"x": Tensor("float32", ["batch", None])}, "predict", ""),
    ],
)  # fmt: skip
def test_why_a_relation_cannot_be_judged(relation, inputs, method, why):
    assert _why_not(SimpleNamespace(method=method, inputs=inputs), relation) == why


@pytest.mark.parametrize(
    ("shape", "stated", "followers"),
    [
        (["batch", "n"], [], ("y", "any")),
        (["batch", "n"], ["each"], ("each",)),
        (["batch", None], [], ("y", "each", "any")),
        (None, [], ("y", "each", "any")),
    ],
)
def test_outputs_with_a_value_for_each_step_need_not_stay(shape, stated, followers):
    outputs = {**Y, "each": Tensor("float32", ["batch", "n"]), "any": Tensor("float32", None)}
    signature = Signature(inputs={"x": Tensor("float32", shape)}, outputs=outputs)
    assert _followers(signature, PermutationInvariant("x", outputs=stated)) == followers
