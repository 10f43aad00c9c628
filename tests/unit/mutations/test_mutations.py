"""Each mutation by itself: what it does to an answer, and where it does nothing."""

from __future__ import annotations

import copy

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.clients import ServingError, VersionStatus
from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.mutations import Call, Circumstances, Seen, mutations
from pytest_tfsig.mutations.mutation import MOST_OUTPUTS, WHOLE, row_count
from pytest_tfsig.mutations.tap import Tap
from tests.unit.checks.fakes import refusal, spec_of
from tests.unit.mutations.fakes import CLASSIFIED, EVERYTHING, REGRESSED, classify

KNOWN = mutations()
WAITED = []


def requests(count=60, rows=None):
    rng = np.random.default_rng(1)
    return [{"x": rng.uniform(-2, 2, (rows or 1 + number // 2 % 5, 4)).astype(np.float32)} for number in range(count)]


def seen_of(answers):
    seen = {}
    for answer in answers:
        for name, array in answer.items():
            seen.setdefault(name, Seen()).add(array)
    return seen


def circumstances(signature=EVERYTHING, **more):
    stated = {
        "seen": seen_of(map(classify, requests())),
        "rest": True,
        "version": 3,
        "slow": 0.5,
        "wait": WAITED.append,
    }
    return Circumstances(signature, spec_of(signature), **{**stated, **more})


def tap_of(name, output, **more):
    mutation, known = KNOWN[name], circumstances(**more)
    restate = None if mutation.states is None else mutation.states(known)
    return Tap(mutation.begin(known, output), restate)


def trials():
    return [(name, output) for name, mutation in KNOWN.items() for output in mutation.applies(circumstances())]


def refuse(_):
    raise refusal()


def exercise(tap):
    """Sends what shows any mutation: batches twice over both transports, a malformed request, a state."""
    for inputs in requests():
        for transport in ("grpc", "rest"):
            for _ in range(2):
                try:
                    tap.answer(inputs, transport, lambda inputs=inputs: classify(inputs))
                except ServingError as error:
                    assert error.code == "INTERNAL"  # noqa: PT017 - only the mutation that fails requests fails any
    try:
        tap.answer({"y": np.zeros(1)}, "grpc", lambda: refuse(None))
    except ServingError as error:
        assert error.code == "INVALID_ARGUMENT"  # noqa: PT017 - the server's own
    tap.states([VersionStatus(3, "AVAILABLE", "OK", "")])


def test_every_kind_of_fault_that_is_named_is_there():
    assert len(KNOWN) >= 25
    assert {"classes_permuted", "scaled", "nan_row", "rows_swapped", "dtype_widened", "output_renamed"} <= KNOWN.keys()
    assert {"row_lost", "row_added", "slow_tail", "stale", "text_truncated"} <= KNOWN.keys()


@pytest.mark.parametrize(("name", "output"), [each for each in trials() if each[0] != "crossed"])
def test_a_mutation_that_applies_changes_answers(name, output):
    tap = tap_of(name, output)
    WAITED.clear()
    exercise(tap)
    assert tap.changed or WAITED


@pytest.mark.parametrize(("name", "output"), trials())
def test_what_the_server_answered_is_left_as_it_is(name, output):
    tap = tap_of(name, output)
    for inputs in requests():
        genuine = classify(inputs)
        before = copy.deepcopy(genuine)
        for _ in range(2):
            try:
                tap.answer(inputs, "rest", lambda genuine=genuine: genuine)
            except ServingError:
                continue
        for key, array in before.items():
            np.testing.assert_array_equal(genuine[key], array)


@pytest.mark.parametrize(("name", "output"), [each for each in trials() if each[1] != WHOLE])
def test_a_mutation_of_one_output_leaves_the_others_alone(name, output):
    tap = tap_of(name, output)
    for inputs in requests():
        genuine = classify(inputs)
        answer = tap.answer(inputs, "grpc", lambda genuine=genuine: genuine)
        for other in genuine.keys() - {output}:
            np.testing.assert_array_equal(answer[other], genuine[other])


def answer_of(name, output=WHOLE, rows=4, transport="grpc"):
    [inputs] = requests(1, rows)
    genuine = classify(inputs)
    return genuine, tap_of(name, output).answer(inputs, transport, lambda: genuine)


@pytest.mark.parametrize(
    ("name", "output", "shape"),
    [
        ("row_lost", WHOLE, (3, 3)),
        ("row_added", WHOLE, (5, 3)),
        ("rows_swapped", WHOLE, (4, 3)),
        ("row_repeated", WHOLE, (4, 3)),
        ("classes_permuted", "probabilities", (4, 3)),
        ("squeezed_one", WHOLE, (4, 3)),
        ("batch_mean_taken_off", "probabilities", (4, 3)),
        ("quantized", "probabilities", (4, 3)),
        ("constant", WHOLE, (4, 3)),
    ],
)
def test_shapes_and_dtypes(name, output, shape):
    genuine, answer = answer_of(name, output)
    assert answer["probabilities"].shape == shape
    assert answer["probabilities"].dtype == genuine["probabilities"].dtype


def test_a_batch_of_one_is_squeezed():
    _, answer = answer_of("squeezed_one", rows=1)
    assert (answer["probabilities"].shape, answer["place"].shape) == ((3,), ())


@pytest.mark.parametrize(("name", "dtype"), [("dtype_widened", "float64"), ("dtype_narrowed", "float16")])
def test_dtypes_change_over_grpc_alone(name, dtype):
    genuine, answer = answer_of(name, "probabilities")
    assert answer["probabilities"].dtype == dtype
    np.testing.assert_allclose(answer["probabilities"], genuine["probabilities"], atol=1e-3)
    _, over_rest = answer_of(name, "probabilities", transport="rest")
    assert over_rest["probabilities"].dtype == "float32"


def test_rows_change_places_and_are_repeated():
    genuine, swapped = answer_of("rows_swapped")
    np.testing.assert_array_equal(swapped["logits"], genuine["logits"][[3, 1, 2, 0]])
    _, repeated = answer_of("row_repeated")
    np.testing.assert_array_equal(repeated["name"], genuine["name"][[0, 0, 0, 0]])


def test_numbers():
    genuine, scaled = answer_of("scaled", "logits")
    np.testing.assert_allclose(scaled["logits"], 0.99 * genuine["logits"])
    _, flipped = answer_of("sign_flipped", "logits")
    np.testing.assert_array_equal(flipped["logits"], -genuine["logits"])
    _, counted = answer_of("counted_from_one", "place")
    np.testing.assert_array_equal(counted["place"], genuine["place"] + 1)
    _, permuted = answer_of("classes_permuted", "probabilities")
    np.testing.assert_array_equal(permuted["probabilities"][:, 1:], genuine["probabilities"][:, :-1])
    _, raw = answer_of("activation_lost", "probabilities")
    assert raw["probabilities"].min() < 0
    _, transposed = answer_of("transposed", "square")
    np.testing.assert_array_equal(transposed["square"], genuine["square"].transpose(0, 2, 1))
    _, centred = answer_of("batch_mean_taken_off", "logits")
    np.testing.assert_allclose(centred["logits"].mean(axis=0), 0, atol=1e-12)


def test_names():
    genuine, renamed = answer_of("output_renamed", "place")
    assert renamed.keys() == (genuine.keys() - {"place"}) | {"output_0"}
    _, dropped = answer_of("output_dropped", "place")
    assert dropped.keys() == genuine.keys() - {"place"}
    _, added = answer_of("output_added")
    assert added.keys() == genuine.keys() | {"debug"}
    _, cut = answer_of("text_truncated", "name")
    assert all(len(short) == len(long) - 1 for short, long in zip(cut["name"], genuine["name"], strict=True))


def test_one_row_in_a_thousand_is_nan_and_stays_so():
    tap = tap_of("nan_row", "probabilities")
    sent = requests(2500, rows=1)
    hit = []
    for number, inputs in enumerate(sent):
        answer = tap.answer(inputs, "grpc", lambda inputs=inputs: classify(inputs))
        if np.isnan(answer["probabilities"]).any():
            hit.append(number)
    assert len(hit) == 3
    assert np.diff(hit).tolist() == [1000, 1000]
    again = tap.answer(sent[hit[0]], "rest", lambda: classify(sent[hit[0]]))
    assert np.isnan(again["probabilities"]).sum() == 1


def test_noise_is_never_the_same():
    [inputs] = requests(1)
    tap = tap_of("noisy", "logits")
    one, other = (tap.answer(inputs, "grpc", lambda: classify(inputs))["logits"] for _ in range(2))
    assert (one != other).any()
    np.testing.assert_allclose(one, classify(inputs)["logits"], rtol=0.1)


def test_a_stale_answer_is_the_one_before_where_it_fits():
    tap = tap_of("stale", WHOLE)
    first, second, longer = *requests(2, rows=2), *requests(1, rows=3)
    answers = [tap.answer(inputs, "grpc", lambda inputs=inputs: classify(inputs)) for inputs in (first, second, longer)]
    np.testing.assert_array_equal(answers[1]["logits"], classify(first)["logits"])
    np.testing.assert_array_equal(answers[2]["logits"], classify(longer)["logits"])


def test_one_request_in_a_hundred_fails():
    [inputs] = requests(1)
    tap = tap_of("failing", WHOLE)
    failed = 0
    for _ in range(300):
        try:
            tap.answer(inputs, "grpc", lambda: classify(inputs))
        except ServingError:
            failed += 1
    assert failed == tap.changed == 3


def test_refusals_become_answers_but_failures_do_not():
    [inputs] = requests(1)
    tap = tap_of("lenient", WHOLE)
    with pytest.raises(ServingError):
        tap.answer({}, "grpc", lambda: refuse(None))  # there is nothing to answer with as yet
    genuine = tap.answer(inputs, "grpc", lambda: classify(inputs))
    assert tap.answer({}, "grpc", lambda: refuse(None)) is genuine
    assert tap.changed == 1

    def dies():
        raise refusal("UNAVAILABLE")

    with pytest.raises(ServingError, match="UNAVAILABLE"):
        tap.answer(inputs, "grpc", dies)


def test_rest_answers_otherwise():
    genuine, answer = answer_of("rest_differs", transport="rest")
    assert all((answer[name] != genuine[name]).any() for name in genuine)
    genuine, answer = answer_of("rest_differs")
    assert answer is genuine


def test_the_version_before_is_served():
    states = [VersionStatus(3, "AVAILABLE", "OK", ""), VersionStatus(1, "END", "OK", "")]
    assert [status.version for status in tap_of("older_version", WHOLE).states(states)] == [2, 1]


@pytest.mark.parametrize(("name", "waits"), [("slow", 100), ("slow_tail", 2)])
def test_slowness(name, waits):
    [inputs] = requests(1)
    tap = tap_of(name, WHOLE)
    WAITED.clear()
    for _ in range(100):
        tap.answer(inputs, "grpc", lambda: classify(inputs))
    assert [0.5] * waits == WAITED
    assert tap.changed == 0


FIXED = Signature(inputs={"x": Tensor("float32", [3])}, outputs={"y": Tensor("bool", [3])})


@pytest.mark.parametrize(
    ("signature", "more", "absent"),
    [
        (FIXED, {}, {"rows_swapped", "row_lost", "scaled", "nan_row", "text_truncated", "counted_from_one", "clipped"}),
        (EVERYTHING, {"rest": False}, {"rest_differs"}),
        (EVERYTHING, {"slow": None}, {"slow", "slow_tail"}),
        (EVERYTHING, {"version": None}, {"older_version"}),
        (EVERYTHING, {"seen": {}}, {"clipped", "activation_lost"}),
        (CLASSIFIED, {}, {"output_renamed", "output_dropped", "output_added", "dtype_widened", "squeezed_one"}),
        (REGRESSED, {}, {"output_renamed", "classes_permuted", "transposed", "dtype_narrowed"}),
    ],
)
def test_where_a_mutation_makes_no_sense_it_does_not_apply(signature, more, absent):
    known = circumstances(signature, **more)
    assert absent <= {name for name, mutation in KNOWN.items() if not mutation.applies(known)}
    assert all(mutation.needs for mutation in KNOWN.values() if not mutation.applies(known))


def test_of_many_outputs_the_first_few_are_changed():
    outputs = {f"y{number}": Tensor("float32", ["batch"]) for number in range(20)}
    many = Signature(inputs={"x": Tensor("float32", ["batch"])}, outputs=outputs)
    assert len(KNOWN["scaled"].applies(circumstances(many))) == MOST_OUTPUTS


ARRAYS = {
    "float32": np.array([[0.25, 0.75], [1, 0]], np.float32),
    "bfloat16": np.array([[0.25, 0.75], [1, 0]], ml_dtypes.bfloat16),
    "float16": np.zeros((0, 2), np.float16),
    "int8": np.array([[127, -128], [0, 1]], np.int8),
    "uint8": np.array([[255, 0]], np.uint8),
    "bool": np.array([[True, False]]),
    "string": np.array([[b"", b"a"]], object),
    "float64": np.array([[np.nan, np.inf], [-np.inf, 0.0]]),
    "int64": np.array(5),
}


@pytest.mark.parametrize("dtype", ARRAYS)
@pytest.mark.parametrize("name", KNOWN)
def test_no_dtype_or_size_is_too_strange(name, dtype):
    array = ARRAYS[dtype]
    shape = ["batch", *array.shape[1:]] if array.ndim else []
    signature = Signature(inputs={"x": Tensor("float32", ["batch"])}, outputs={"y": Tensor(dtype, shape)})
    known = circumstances(signature, seen={"y": Seen(0.0, 1.0)})
    inputs = {"x": np.zeros(len(array) if array.ndim else 1, np.float32)}
    for output in KNOWN[name].applies(known):
        meddle = KNOWN[name].begin(known, output)
        for number in range(3):
            answer = meddle(Call(inputs, "rest", number, lambda: {"y": array}))
            assert all(isinstance(changed, np.ndarray | np.generic) for changed in answer.values())


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 4), max_size=3))
def test_rows_are_counted_where_inputs_but_scalars_agree(sizes):
    count = row_count({name: np.zeros((size, 2)) for name, size in sizes.items()} | {"scalar": np.array(1)})
    assert count == (next(iter(sizes.values())) if len(set(sizes.values())) == 1 else None)
