"""What the checks outputs, finite and values say of one answer, word for word."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig.checks import Observation, Violation
from pytest_tfsig.checks.finite import finite
from pytest_tfsig.checks.outputs import dimension_sizes, outputs
from pytest_tfsig.checks.values import tally_sums, values
from pytest_tfsig.clients.error import UNREADABLE
from pytest_tfsig.contract import Feature, Probabilities, Signature, Tensor
from tests.unit.checks.fakes import refusal, subject

F32 = np.float32
X = {"x": Tensor("float32", ["batch", 3])}


def zeros(*shape, dtype=F32):
    return np.zeros(shape, dtype)


def told(inspection, stated, answered, *, sent=None, error=None, **more):
    """Returns what an inspection says of one answer to a request of two rows; None: nothing."""
    signature = Signature(**({"inputs": X, "outputs": stated} | more))
    sent = sent or {"x": zeros(2, 3)}
    try:
        inspection(subject(None, signature), Observation(sent, answered, error))
    except Violation as violation:
        return violation
    return None


def said(violation):
    return violation and (violation.sentence, violation.expected, violation.actual, violation.advice.partition(":")[0])


SQUEEZED = "A dimension of size 1 was dropped"
TURNED = "The sizes are there in another order"


@pytest.mark.parametrize(
    ("stated", "answered", "expected"),
    [
        (Tensor("float32", ["batch"]), zeros(2), None),
        (Tensor(None, None), zeros(7, dtype=np.int8), None),
        (Tensor("float32", None), zeros(7), None),
        (Tensor("float32", ["batch", None]), zeros(2, 9), None),
        (Tensor("float32", ["batch", "classes"]), zeros(2, 9), None),
        (Tensor("float32", [3]), zeros(3), None),
        (
            Tensor("float32", ["batch"]),
            zeros(2, dtype=np.float64),
            ("output 'y' has another dtype than declared", "float32", "float64", ""),
        ),
        (
            Tensor("float32", None),
            zeros(2, dtype=np.int64),
            ("output 'y' has another dtype than declared", "float32", "int64", ""),
        ),
        (
            Tensor("float32", ["batch"]),
            zeros(3),
            ("output 'y' has another shape than declared", "[batch], here [2]", "[3]", ""),
        ),
        (
            Tensor("float32", [3]),
            zeros(4),
            ("output 'y' has another shape than declared", "[3]", "[4]", ""),
        ),
        (
            Tensor("float32", ["batch", "classes"]),
            zeros(2),
            ("output 'y' has another shape than declared", "[batch, classes], here [2, classes]", "[2]", ""),
        ),
        (
            Tensor("float32", ["batch", 1]),
            zeros(2),
            ("output 'y' has another shape than declared", "[batch, 1], here [2, 1]", "[2]", SQUEEZED),
        ),
        (
            Tensor("float32", [1, "batch", 1]),
            zeros(2),
            ("output 'y' has another shape than declared", "[1, batch, 1], here [1, 2, 1]", "[2]", SQUEEZED),
        ),
        (
            Tensor("float32", [1, "batch", 5]),
            zeros(2),
            ("output 'y' has another shape than declared", "[1, batch, 5], here [1, 2, 5]", "[2]", ""),
        ),
        (
            Tensor("float32", ["batch", 1]),
            zeros(2, 1, 1),
            ("output 'y' has another shape than declared", "[batch, 1], here [2, 1]", "[2, 1, 1]", ""),
        ),
        (
            Tensor("float32", ["batch", 5]),
            zeros(5, 2),
            ("output 'y' has another shape than declared", "[batch, 5], here [2, 5]", "[5, 2]", TURNED),
        ),
        (
            Tensor("float32", ["batch", 5]),
            zeros(5, 3),
            ("output 'y' has another shape than declared", "[batch, 5], here [2, 5]", "[5, 3]", ""),
        ),
    ],
)
def test_an_output_is_as_declared(stated, answered, expected):
    assert said(told(outputs, {"y": stated}, {"y": answered})) == expected


def test_advice_on_shapes_says_what_to_do():
    squeezed = told(outputs, {"y": Tensor("float32", ["batch", 1])}, {"y": zeros(2)})
    assert squeezed.advice == (
        "A dimension of size 1 was dropped: tf.squeeze without axis, or x[0], also removes a batch of one. Name the "
        "axis to squeeze, or keep the dimension."
    )
    turned = told(outputs, {"y": Tensor("float32", ["batch", 5])}, {"y": zeros(5, 2)})
    assert turned.advice == "The sizes are there in another order: look for a transpose or a wrong axis."


def test_a_dimension_that_only_outputs_have_is_of_one_size_in_all_of_them():
    stated = {"a": Tensor("float32", ["batch", "classes"]), "b": Tensor("float32", ["classes"])}
    assert told(outputs, stated, {"a": zeros(2, 4), "b": zeros(4)}) is None
    violation = told(outputs, stated, {"a": zeros(2, 4), "b": zeros(5)})
    assert said(violation) == ("output 'b' has another shape than declared", "[classes], here [4]", "[5]", "")
    three = {**stated, "c": Tensor("float32", ["batch"])}
    violation = told(outputs, three, {"a": zeros(2, 4), "b": zeros(4), "c": zeros(4)})
    assert violation.expected == "[batch], here [2]"


@pytest.mark.parametrize(
    ("answered", "actual"),
    [({}, "none"), ({"z": zeros(2)}, "z"), ({"y": zeros(2), "b": zeros(2), "a": zeros(2)}, "a, b, y")],
)
def test_an_answer_has_the_stated_outputs_and_no_others(answered, actual):
    stated = {"y": Tensor("float32", ["batch"])}
    violation = told(outputs, stated, {name: zeros(2) for name in answered})
    assert said(violation) == ("the answer has other outputs than the contract", "y", actual, "")
    two = {"y": Tensor("float32", ["batch"]), "w": Tensor("float32", ["batch"])}
    assert told(outputs, two, {"y": zeros(2)}).expected == "w, y"


def test_classify_may_leave_out_what_it_states_but_adds_nothing():
    stated = {"classes": Tensor("string", ["batch", None]), "scores": Tensor("float32", ["batch", None])}
    more = {
        "method": "classify",
        "inputs": {"inputs": Tensor("string", ["batch"], features={"a": Feature("float32", [])})},
    }
    sent = {"examples": [{"a": [1.0]}] * 2}
    assert told(outputs, stated, {"scores": zeros(2, 4)}, sent=sent, **more) is None
    assert told(outputs, stated, {"scores": zeros(3, 4)}, sent=sent, **more).expected == "[batch, ?], here [2, ?]"
    assert said(told(outputs, stated, {"scores": zeros(2, 4), "more": zeros(2)}, sent=sent, **more)) == (
        "the answer has other outputs than the contract",
        "scores",
        "more, scores",
        "",
    )


def test_a_refusal_is_told_with_the_servers_words():
    violation = told(outputs, {}, {}, error=refusal("INTERNAL", "boom"))
    assert said(violation) == (
        "the server refuses an input that the contract allows",
        "an answer",
        "INTERNAL: boom",
        "",
    )


def test_an_answer_that_cannot_be_read_is_no_refusal():
    violation = told(outputs, {}, {}, error=refusal("INTERNAL", f"{UNREADABLE} a tensor of no dtype"))
    assert violation.sentence == "an input that the contract allows is answered by what cannot be read"
    assert violation.actual == f"INTERNAL: {UNREADABLE} a tensor of no dtype"


def test_an_answer_that_does_not_come_in_time_is_told():
    violation = told(outputs, {}, {}, error=refusal("DEADLINE_EXCEEDED", "too late"))
    assert violation.sentence == "an input that the contract allows is not answered within 5 s"
    assert (violation.expected, violation.actual) == ("an answer", "DEADLINE_EXCEEDED: too late")
    assert violation.advice.startswith("A loop that this input never lets end")
    assert violation.advice.endswith("If it is only slow, allow more with --tfsig-request-timeout.")


@pytest.mark.parametrize(
    ("second", "sent", "advice"),
    [
        (
            [None, None],
            (2, 4),
            "The contract lets axis 1 of 'x' (3) and 'z' (4) differ, and here it does. If callers send ",
        ),
        ([None, None], (2, 3), ""),
        (["batch", 4], (2, 4), ""),
        (None, (2, 4), ""),
        ([None, None, None], (2, 4), ""),
    ],
)
def test_inputs_that_the_contract_lets_differ_are_named_where_a_server_refuses_them(second, sent, advice):
    stated = {"x": Tensor("float32", ["batch", None]), "z": Tensor("float32", second)}
    arrays = {"x": zeros(2, 3), "z": zeros(*sent)}
    violation = told(outputs, {}, {}, sent=arrays, error=refusal(), inputs=stated)
    assert violation.advice.startswith(advice)
    assert bool(violation.advice) == bool(advice)


def test_sizes_of_dimensions_are_read_off_a_request():
    declared = {
        "a": Tensor("float32", ["batch", "time", 3]),
        "b": Tensor("float32", None),
        "c": Tensor("float32", ["other"]),
        "d": Tensor("float32", ["no"]),
    }
    arrays = {"a": zeros(2, 7, 3), "b": zeros(4), "c": zeros(5, 5), "d": [1.0]}
    assert dimension_sizes(declared, arrays) == {"batch": 2, "time": 7}
    assert dimension_sizes({"e": Tensor("string", ["rows"])}, {"examples": [{}] * 3}) == {"rows": 3}
    assert dimension_sizes({"e": Tensor("string", [2])}, {"examples": [{}] * 3}) == {}
    assert dimension_sizes({"e": Tensor("string", [])}, {"examples": [{}] * 3}) == {}


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([1.0, 2.0], F32), None),
        (np.array([1, 2]), None),
        (np.array([b"nan"], object), None),
        (
            np.array([[1, np.nan], [np.inf, 0]], F32),
            ("output 'y' has NaN at [0, 1]", "finite numbers", "y = float32 [2, 2]\n[[ 1., nan],\n [inf,  0.]]"),
        ),
        (
            np.array([0, -np.inf, np.nan]),
            ("output 'y' has infinity at [1]", "finite numbers", "y = float64 [3] [  0., -inf,  nan]"),
        ),
        (np.array(np.inf, F32), ("output 'y' has infinity at []", "finite numbers", "y = float32 [] inf")),
    ],
)
def test_what_is_not_finite_is_told_with_its_place(array, expected):
    violation = told(finite, {"a": Tensor("int32"), "y": Tensor()}, {"a": np.array([1]), "y": array})
    assert said(violation) == (
        expected and (*expected, ("A division, logarithm or square root met zero, or an exponential overflowed"))
    )


def test_an_output_that_may_be_infinite_excuses_no_other():
    stated = {"a": Tensor("float32", finite=False), "y": Tensor("float32")}
    broken = np.array([np.inf], F32)
    assert told(finite, stated, {"a": broken, "y": np.array([1], F32)}) is None
    assert told(finite, stated, {"a": broken, "y": broken}).sentence == "output 'y' has infinity at [0]"
    assert told(finite, {}, {"new": broken}).sentence == "output 'new' has infinity at [0]"


def bounded(array, **stated):
    array = np.asarray(array)
    dtype = "string" if array.dtype == object else array.dtype.name
    return said(told(values, {"y": Tensor(dtype, **stated)}, {"y": array}))


@pytest.mark.parametrize(
    ("array", "stated", "expected"),
    [
        ([0.5, 1.0], {"min": 0.5, "max": 1}, None),
        ([2, 3], {"min": 2, "max": 3}, None),
        ([1.0, np.nan], {"min": 0, "max": 2}, None),
        ([], {"min": 1}, None),
        (
            [1.0, 0.25],
            {"min": 0.5},
            ("output 'y' is below min = 0.5 at [1]", ">= 0.5", "0.25 in float64 [2] [1.  , 0.25]"),
        ),
        ([1, 9], {"max": 3}, ("output 'y' is above max = 3 at [1]", "<= 3", "9 in int64 [2] [1, 9]")),
        ([1, -4], {"min": 0}, ("output 'y' is below min = 0 at [1]", ">= 0", "-4 in int64 [2] [ 1, -4]")),
        ([np.inf], {"max": 3}, ("output 'y' is above max = 3 at [0]", "<= 3", "inf in float64 [1] [inf]")),
    ],
)
def test_bounds_are_met_by_what_equals_them(array, stated, expected):
    assert bounded(array, **stated) == (expected and (*expected, ""))


def test_a_bound_means_the_number_that_the_outputs_dtype_makes_of_it():
    tenth = np.array([0.1], F32)
    assert bounded(tenth, max=0.1) is None
    assert bounded(np.nextafter(tenth, F32(1)), max=0.1)[0] == "output 'y' is above max = 0.1 at [0]"
    assert bounded(np.nextafter(tenth, F32(0)), min=0.1)[0] == "output 'y' is below min = 0.1 at [0]"


@pytest.mark.parametrize(
    ("array", "listed", "expected"),
    [
        (np.array([1, 2]), [1, 2], None),
        (np.array([0.1], F32), [0.1], None),
        (np.array([b"ham", b"\xff"], object), ["ham", b"\xff"], None),
        (np.array([1, 3]), [1, 2], ("[1]", "[1, 2]", f"{np.int64(3)!r} in int64 [2] [1, 3]")),
        (
            np.array([[b"ham"], [b"eggs"]], object),
            ["ham", "spam"],
            ("[1, 0]", "[b'ham', b'spam']", "b'eggs' in string [2, 1]\n[[b'ham'],\n [b'eggs']]"),
        ),
    ],
)
def test_values_are_among_those_listed(array, listed, expected):
    found = bounded(array, values=listed)
    if expected is None:
        assert found is None
        return
    where, those, actual = expected
    assert found == (
        f"output 'y' has a value that the contract does not list, at {where}",
        f"one of {those}",
        actual,
        "",
    )


def test_text_is_of_the_stated_encoding():
    assert bounded(np.array(["é".encode()], object), encoding="utf-8") is None
    sentence, expected, actual, _ = bounded(np.array([[b"a", b"\xff"]], object), encoding="utf-8")
    assert sentence == "output 'y' is no utf-8 text at [0, 1]"
    assert expected == "utf-8 text"
    assert actual.startswith("b'\\xff': 'utf-8' codec can't decode byte 0xff")


def test_numbers_that_are_stated_as_text_have_no_encoding():
    assert told(values, {"y": Tensor("string", encoding="utf-8")}, {"y": np.array([1.0])}) is None


def probable(array, axis=-1, **rule):
    array = np.asarray(array, F32)
    stated = Probabilities("float32", [None] * array.ndim, axis=axis, **rule)
    return told(values, {"p": stated}, {"p": array})


@pytest.mark.parametrize(
    ("array", "axis"),
    [
        ([[0.25, 0.75], [1, 0]], -1),
        ([[0.25, 1], [0.75, 0]], 0),
        ([0.5, 0.5], 0),
        ([[np.nan, 1]], -1),
        ([[0.5, 0.5]], 1),
    ],
)
def test_probabilities_sum_to_one_along_their_axis(array, axis):
    assert probable(array, axis) is None


def test_probabilities_that_do_not_sum_to_one_are_told():
    violation = probable([[0.5, 0.5], [0.5, 0.25]], atol=0.0625)
    assert violation.sentence == "the probabilities in output 'p' sum to 0.75, not to 1"
    assert violation.expected == "a sum of 1 within 0.0625 along axis -1"
    assert violation.actual == "0.75 at [1]: float32 [2, 2]\n[[0.5 , 0.5 ],\n [0.5 , 0.25]]"
    assert probable([0.5, 0.25], 0).actual == "0.75 at [0]: float32 [2] [0.5 , 0.25]"


@pytest.mark.parametrize(("last", "holds"), [(0.3125, True), (0.325, False), (0.1875, True), (0.175, False)])
def test_a_sum_may_miss_one_by_atol(last, holds):
    assert (probable([[0.75, last]], atol=0.0625) is None) == holds


@pytest.mark.parametrize(("value", "holds"), [(-0.0625, True), (-0.07, False), (1.0625, True), (1.07, False)])
def test_a_probability_may_miss_its_range_by_atol(value, holds):
    violation = probable([[value, 1 - value]], atol=0.0625)
    assert (violation is None) == holds


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        ([[3.0, -2.0]], "These look like logits"),
        ([[-0.5, 1.5]], "These look like logits"),
        ([[0.0, 1.1]], ""),
        ([[0.0, 1.125]], ""),
        ([[0.0, 1.15]], "These look like logits"),
    ],
)
def test_what_is_no_probability_is_told(array, advice):
    violation = probable(array, atol=0.0625)
    index = 0 if array[0][0] != 0.0 else 1
    assert violation.sentence == f"output 'p' is no probability at [0, {index}]"
    assert violation.expected == "values from 0 to 1"
    assert violation.actual.startswith(f"{F32(array[0][index]):.9g} in float32 [1, 2] ")
    assert violation.advice.partition(":")[0] == advice


@pytest.mark.parametrize(
    ("array", "axis", "advice"),
    [
        (
            [[0.25, 0.25], [0.75, 0.75]],
            -1,
            (
                "The sums along axis 0 are 1: softmax is applied over the wrong axis. Say "
                "tf.nn.softmax(logits, axis=-1)."
            ),
        ),
        (
            [[0.25, 0.75], [0.25, 0.75]],
            0,
            ("The sums along axis 1 are 1: softmax is applied over the wrong axis. Say tf.nn.softmax(logits, axis=0)."),
        ),
        (
            [[0.75, 0.75]],
            -1,
            (
                "Each value is in [0, 1] but they do not sum to 1: sigmoids of independent labels are no "
                "softmax. If they are independent, state min = 0 and max = 1 instead of probabilities."
            ),
        ),
        ([[0.5, 0.515]], -1, "If rounding explains it, give the contract a larger atol for this output."),
        ([[-0.005, 0.9]], -1, "If rounding explains it, give the contract a larger atol for this output."),
    ],
)
def test_wrong_sums_are_explained(array, axis, advice):
    assert probable(array, axis, atol=0.01).advice == advice


def test_every_output_is_looked_at():
    stated = {"a": Tensor("float32", max=1), "gone": Tensor("float32", max=1), "b": Tensor("float32", max=1)}
    empty = {"a": zeros(0), "b": np.array([2], F32)}
    assert told(values, stated, empty).sentence == "output 'b' is above max = 1 at [0]"
    gone = {"gone": Tensor("float32", max=1), "b": Tensor("float32", max=1)}
    assert told(values, gone, {"b": np.array([2], F32)}).sentence == "output 'b' is above max = 1 at [0]"


def test_how_far_sums_are_from_one_is_counted():
    signature = Signature(
        inputs=X,
        outputs={
            "plain": Tensor("float32"),
            "p": Probabilities("float32", [None, None], atol=0.25),
            "whole": Probabilities("float32", [None, None]),
            "gone": Probabilities("float32", [None, None]),
            "scalar": Probabilities("float32", None),
            "q": Probabilities("float32", [None, None], axis=0),
        },
    )
    answered = {
        "plain": zeros(1),
        "p": np.array([[0.5, 0.5], [0.5, 0.25]], F32),
        "whole": zeros(1, 2, dtype=np.int32),
        "scalar": np.array(1.0, F32),
        "q": np.array([[0.5, 0.5], [0.5, 0.5]], F32),
    }
    tallies = {}
    for _ in range(2):
        tally_sums(signature, Observation({}, answered), tallies)
    assert list(tallies) == ["p", "q"]
    assert (tallies["p"].rows, tallies["p"].largest, tallies["p"].allowed) == (4, 0.25, 0.25)
    assert (tallies["q"].rows, tallies["q"].largest) == (4, 0.0)


SIGMOIDS = "Each value is in [0, 1] but they do not sum to 1"
ROUNDED = "If rounding explains it, give the contract a larger atol for this output."
TURNED_SOFTMAX = "The sums along axis 0 are 1"


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        ([[1.0, 0.75]], SIGMOIDS),
        ([[1.03125, 0.75]], ROUNDED),
        # Ten times atol is 0.625.
        ([[0.8125, 0.8125]], ROUNDED),
        ([[0.828125, 0.828125]], SIGMOIDS),
        ([[0.25, 0.5], [0.75, 0.5625]], TURNED_SOFTMAX),
        ([[0.25, 0.5], [0.75, 0.578125]], ROUNDED),
    ],
)
def test_sums_are_explained_up_to_their_boundaries(array, advice):
    assert probable(array, atol=0.0625).advice.startswith(advice)
