"""The check batch_invariant: what it asks, what it says of dependence, and what copies of a row excuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_tfsig.checks.batch_invariant import _Copies, batch_dimension, batch_size, take
from pytest_tfsig.clients import ServingError
from pytest_tfsig.contract import Feature, Signature, Tensor
from tests.unit.checks.fakes import outcome, refusal, subject

ROWS = Signature(
    inputs={"x": Tensor("float32", ["batch", 3], min=-2, max=2)},
    outputs={"y": Tensor("float32", ["batch"])},
    dims={"batch": (1, 40)},
)
WEIGHTS = np.array([0.3, -1.7, 0.9], np.float32)


def scores(inputs):
    return {"y": inputs["x"] @ WEIGHTS}


def by_place(inputs):
    """Each row's answer has 0.01 more than the one before it."""
    return {"y": (0 * scores(inputs)["y"] + 2 + 0.01 * np.arange(len(inputs["x"]))).astype(np.float32)}


def by_size(inputs):
    """Each row's answer has 0.01 more for each row of its batch."""
    return {"y": (0 * scores(inputs)["y"] + 2 + 0.01 * len(inputs["x"])).astype(np.float32)}


def test_dependence_on_the_order_is_told():
    violation = outcome("batch_invariant", by_place, ROWS).violation
    assert violation.sentence == "output 'y' of a row depends on the order of the batch"
    assert violation.expected == "in order: y = float32 [2] [2.  , 2.01]"
    assert violation.actual == (
        "in reverse order, put back: y = float32 [2] [2.01, 2.  ]\n"
        "first at [0], 0.01 apart (allowed: rtol 0.00012, atol 1.5e-05)"
    )
    assert violation.inputs["x"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert violation.advice.startswith("The answer to a row depends on its neighbours")


def test_dependence_on_the_size_is_told():
    violation = outcome("batch_invariant", by_size, ROWS).violation
    assert violation.sentence == "output 'y' of row 0 depends on the rest of the batch"
    assert violation.expected == "row 0 in the batch of 2: y = float32 [1] [2.02]"
    assert violation.actual.startswith("row 0 alone: y = float32 [1] [2.01]\nfirst at [0], 0.01 apart (allowed: ")
    assert violation.inputs["x"].shape == (2, 3)
    assert violation.advice.startswith("The answer to a row depends on its neighbours")


@pytest.mark.parametrize("answer", [by_place, by_size])
@pytest.mark.parametrize(
    ("allowed", "verdict"),
    [({"atol": 0.5}, "pass"), ({"atol": 0.001}, "fail"), ({"rtol": 0.25}, "pass"), ({"rtol": 0.001}, "fail")],
)
def test_the_contract_says_what_may_differ(answer, allowed, verdict):
    assert outcome("batch_invariant", answer, replace(ROWS, checks={"batch_invariant": allowed})).verdict == verdict


def sent(signature, answer=scores):
    """Returns the requests of a check that passes, and what it says."""
    asked = []

    def listening(inputs):
        asked.append(inputs["x"])
        return answer(inputs)

    result = outcome("batch_invariant", listening, signature)
    assert result.verdict == "pass", result.violation
    return asked, result


def test_batches_are_asked_whole_in_reverse_and_four_rows_of_them_alone():
    asked, result = sent(ROWS)
    batches = 0
    while asked:
        whole = asked.pop(0)
        size = len(whole)
        assert size > 1
        assert np.array_equal(asked.pop(0), whole[::-1])
        for row in sorted({0, size // 3, 2 * size // 3, size - 1}):
            assert np.array_equal(asked.pop(0), whole[[row]])
        batches += 1
    assert result.message == f"rows answer alike alone and in {batches} batches"
    assert 20 < batches < result.examples == 100


@pytest.mark.parametrize(("least", "alone"), [(1, True), (2, False)])
def test_rows_are_asked_alone_where_the_contract_allows_a_batch_of_one(least, alone):
    asked, _ = sent(replace(ROWS, dims={"batch": (least, 8)}))
    assert any(len(rows) == 1 for rows in asked) == alone


def test_batches_of_two_are_batches():
    asked, _ = sent(replace(ROWS, dims={"batch": (1, 2)}))
    assert {len(rows) for rows in asked} == {1, 2}


@pytest.mark.parametrize(
    ("signature", "why"),
    [
        (replace(ROWS, dims={"batch": (1, 1)}), "dims allows no batch of more than one row"),
        (
            Signature(inputs={"x": Tensor("float32", [2, 3])}, outputs=ROWS.outputs),
            "the inputs share no named leading dimension, so there is no batch to vary",
        ),
    ],
)
def test_without_a_batch_there_is_nothing_to_vary(signature, why):
    result = outcome("batch_invariant", scores, signature)
    assert (result.verdict, result.message, result.examples) == ("skip", why, 0)


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        ([["batch", 3], ["batch"]], "batch"),
        ([["batch", 3], ["rows"]], None),
        ([["batch", 3], [3]], None),
        ([["batch"], []], "batch"),
        ([[None, 3]], None),
        ([[]], None),
        ([], None),
    ],
)
def test_a_batch_is_a_named_leading_dimension_of_all_inputs_but_scalars(shapes, name):
    inputs = {f"x{number}": Tensor("float32", shape) for number, shape in enumerate(shapes)}
    assert batch_dimension(Signature(inputs=inputs, outputs={})) == name


@pytest.mark.parametrize(("shape", "verdict"), [([3], "skip"), (["batch"], "fail"), (None, "fail")])
def test_only_outputs_with_a_row_for_each_row_are_compared(shape, verdict):
    signature = replace(ROWS, outputs={"y": Tensor("float32", shape)}, dims={"batch": (1, 3)})
    three = lambda inputs: {"y": by_place(inputs)["y"] if verdict == "fail" else np.arange(3, dtype=np.float32)}  # noqa: E731
    assert outcome("batch_invariant", three, signature).verdict == verdict


@pytest.mark.parametrize("shape", [[], ["batch"], None])
def test_answers_without_rows_prove_nothing(shape):
    total = lambda inputs: {"y": np.float32(inputs["x"].sum()).reshape(())}  # noqa: E731
    result = outcome("batch_invariant", total, replace(ROWS, outputs={"y": Tensor("float32", shape)}))
    assert result.verdict == "skip"
    assert result.message == "no output has a row for each row of a batch"


def test_an_output_of_as_many_values_as_a_batch_has_by_chance_is_not_compared():
    totals = lambda inputs: {"y": scores(inputs)["y"], "t": np.arange(4, dtype=np.float32) + inputs["x"][0, 0]}  # noqa: E731
    signature = replace(ROWS, outputs={**ROWS.outputs, "t": Tensor("float32", [4])}, dims={"batch": (1, 4)})
    assert outcome("batch_invariant", totals, signature).verdict == "pass"


def test_every_output_is_compared():
    two = lambda inputs: {"a": scores(inputs)["y"], "b": by_place(inputs)["y"]}  # noqa: E731
    signature = replace(ROWS, outputs={"a": Tensor("float32", ["batch"]), "b": Tensor("float32", ["batch"])})
    assert "output 'b'" in outcome("batch_invariant", two, signature).message


def alone_refused(code):
    def answer(inputs):
        if len(inputs["x"]) == 1:
            raise refusal(code, "too few")
        return scores(inputs)

    return answer


def test_a_row_that_is_refused_alone_is_told():
    result = outcome("batch_invariant", alone_refused("INVALID_ARGUMENT"), ROWS)
    violation = result.violation
    assert violation.sentence == "row 0 is refused alone but answered in a batch"
    assert (violation.expected, violation.actual) == ("an answer", "INVALID_ARGUMENT: too few")
    assert violation.inputs["x"].shape == (1, 3)  # what is shown and sent again is what is refused


@pytest.mark.parametrize("answer", [by_place, scores])
def test_a_scalar_is_the_same_for_all_rows_of_a_batch(answer):
    signature = replace(ROWS, inputs={**ROWS.inputs, "scale": Tensor("float32", [], min=1, max=2)})
    scaled = lambda inputs: {"y": answer(inputs)["y"] * inputs["scale"]}  # noqa: E731
    result = outcome("batch_invariant", scaled, signature)
    assert (result.verdict, result.examples > 0) == ("fail" if answer is by_place else "pass", True)
    if result.violation:
        assert result.violation.inputs["scale"].shape == ()
        assert result.violation.rows == [1, 0]


def test_both_requests_are_sent_again():
    violation = outcome("batch_invariant", by_size, ROWS).violation
    assert violation.rows == [0]


def test_a_row_that_is_not_answered_in_time_ends_the_check():
    result = outcome("batch_invariant", alone_refused("DEADLINE_EXCEEDED"), ROWS)
    assert result.verdict == "error"
    assert "DEADLINE_EXCEEDED" in result.message


def test_a_batch_of_one_without_its_row_is_told():
    signature = replace(ROWS, outputs={"y": Tensor("float32")})
    violation = outcome("batch_invariant", lambda inputs: {"y": np.squeeze(scores(inputs)["y"])}, signature).violation
    assert violation.expected == "a shape whose first size is 1"
    assert violation.actual == "[]"
    assert violation.inputs["x"].shape == (1, 3)


@pytest.mark.parametrize("squeezed", ["matrix", "row"])
def test_a_batch_of_one_keeps_its_row_whatever_the_rank(squeezed):
    signature = replace(ROWS, outputs={"y": Tensor("float32")})
    answers = {"matrix": lambda x: x, "row": lambda x: np.squeeze(x, 0) if len(x) == 1 else x}
    result = outcome("batch_invariant", lambda inputs: {"y": answers[squeezed](inputs["x"])}, signature)
    assert result.verdict == ("pass" if squeezed == "matrix" else "fail")


def test_rows_are_taken_of_arrays_and_of_lists():
    inputs = {"x": np.array([[1], [2], [3]]), "examples": ["a", "b", "c"]}
    taken = take(inputs, [2, 0])
    assert taken["x"].tolist() == [[3], [1]]
    assert taken["examples"] == ["c", "a"]


@pytest.mark.parametrize(
    ("inputs", "size"),
    [
        ({"x": np.zeros((3, 2)), "y": np.zeros(3)}, 3),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, 2),
        ({"examples": [{}, {}]}, 2),
        ({"examples": np.zeros((4, 1))}, 4),
        ({"x": np.zeros((3, 2)), "scale": np.array(2.0)}, 3),
    ],
)
def test_the_size_of_a_batch(inputs, size):
    assert batch_size(inputs) == size


def copies(answer, rows):
    x = np.zeros((rows, 3), np.float32)
    x[:, 0] = np.arange(1, rows + 1)
    return _Copies(subject(answer, ROWS), {"x": x})


def steps(inputs):
    """Copies of row n lie 0.01 * n for each place apart."""
    x = inputs["x"][:, 0].astype(np.float64)
    return {"y": x * (1 + 0.01 * np.arange(len(x)))}


@pytest.mark.parametrize(
    ("wrong", "apart"),
    [
        # A row's copies are as far apart as its place lies from its place from the end.
        ([True, False, False, False], [0.03, 0, 0, 0]),
        ([False, True, False, False], [0, 0.02, 0, 0]),
        ([True, False, False, True], [0.03, 0, 0, 0.12]),
    ],
)
def test_copies_show_what_a_place_does(wrong, apart):
    assert copies(steps, 4).apart_by_order("y", np.array(wrong)).tolist() == pytest.approx(apart)


def test_rows_beyond_the_sixty_fourth_are_taken_to_be_like_those_before():
    asked = []

    def counting(inputs):
        asked.append(inputs["x"][0, 0])
        return steps(inputs)

    apart = copies(counting, 70).apart_by_order("y", np.ones(70, bool))
    assert asked == list(range(1, 65))
    assert apart[1] == pytest.approx(0.01 * 2 * 67)
    assert apart[64:].tolist() == [apart[:64].max()] * 6


def test_one_row_that_copies_do_not_excuse_is_enough():
    middle = copies(steps, 3)
    assert middle.apart_by_order("y", np.array([True, True, True])).tolist() == [0, 0, 0]


def test_copies_are_compared_value_by_value():
    def pairs(inputs):
        y = steps(inputs)["y"]
        return {"y": np.stack([y, -2 * y], axis=1)}

    apart = copies(pairs, 2).apart_by_order("y", np.array([[False, True], [False, False]]))
    assert apart.tolist() == [[pytest.approx(0.02)] * 2, [0, 0]]


def refused(_):
    raise refusal()


@pytest.mark.parametrize(
    "answer",
    [refused, lambda inputs: {"z": inputs["x"]}, lambda inputs: {"y": inputs["x"]}, lambda _: {"y": np.zeros(1)}],
    ids=["refused", "other name", "other rank", "other size"],
)
def test_copies_that_are_not_answered_alike_excuse_nothing(answer):
    made = copies(answer, 4)
    assert not made.apart_by_order("y", np.array([True, False, False, False])).any()
    assert not made.apart_by_size(0, {"y": np.zeros(1)}, "y", np.ones(1, bool)).any()


def test_copies_show_what_the_size_of_a_batch_does():
    alone = {"y": np.array([2.5])}
    apart = copies(steps, 4).apart_by_size(1, alone, "y", np.array([True]))
    assert apart.tolist() == pytest.approx([2.5 - 2 * 1.01])


def test_copies_that_are_not_answered_in_time_end_the_check():
    def silent(_):
        raise refusal("DEADLINE_EXCEEDED")

    with pytest.raises(ServingError):
        copies(silent, 4).apart_by_order("y", np.array([True, False, False, False]))


def test_tf_examples_are_told_apart_row_by_row():
    regress = Signature(
        method="regress",
        inputs={"inputs": Tensor("string", ["batch"], features={"a": Feature("float32", [])})},
        outputs={"outputs": Tensor("float32", ["batch"])},
    )
    placed = lambda examples: {"outputs": np.arange(len(examples), dtype=np.float32)}  # noqa: E731
    violation = outcome("batch_invariant", placed, regress).violation
    assert len(violation.inputs["examples"]) == 2


def test_an_output_that_only_batches_have_is_told():
    signature = replace(ROWS, outputs={"a": Tensor("float32", ["batch"]), "b": Tensor("float32", ["batch"])})

    def more(inputs):
        b = {"b": scores(inputs)["y"]} if len(inputs["x"]) > 1 else {}
        return {"a": scores(inputs)["y"], **b}

    violation = outcome("batch_invariant", more, signature).violation
    assert violation.sentence == "two answers have different outputs"
    assert (violation.expected, violation.actual) == ("row 0 in the batch of 2: a, b", "row 0 alone: a")
