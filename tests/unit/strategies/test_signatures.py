"""Whatever is drawn for a signature satisfies the signature."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from pytest_tfsig import tensors
from pytest_tfsig.contract import Feature, Signature, Tensor
from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies import arrays, corner_cases, draws, explore, signature_arrays
from pytest_tfsig.strategies.examples import parsed
from pytest_tfsig.strategies.limits import MAX_CORNER_CASES, MAX_ELEMENTS

BOUNDED = [
    entry.name for entry in tensors.DTYPES if (entry.is_float or entry.is_integer) and not entry.name.startswith("q")
]


def assert_satisfies(signature, inputs):
    sizes = {}
    assert list(inputs) == list(signature.inputs)
    for name, tensor in signature.inputs.items():
        array = inputs[name]
        assert array.dtype == tensors.dtype(tensor.dtype).numpy
        if tensor.shape is not None:
            assert array.ndim == len(tensor.shape)
            for size, stated in zip(array.shape, tensor.shape, strict=True):
                if isinstance(stated, str):
                    low, high = signature.dim_range(stated)
                    assert low <= size <= high
                    assert sizes.setdefault(stated, size) == size
                elif stated is not None:
                    assert size == stated
        assert_in_domain(tensor, array)


def assert_in_domain(tensor, array):
    if tensor.values is not None:
        stated = [value.encode() if isinstance(value, str) else value for value in tensor.values]
        assert all(value in stated for value in array.ravel().tolist())
    elif tensor.dtype == "string":
        assert all(isinstance(value, bytes) for value in array.flat)
        if tensor.encoding:
            assert all(isinstance(value.decode(tensor.encoding), str) for value in array.flat)
    elif array.size and not tensors.dtype(tensor.dtype).is_complex:
        wide = array.astype(np.float64)
        assert np.isfinite(wide).all()
        assert tensor.min is None or wide.min() >= tensor.min
        assert tensor.max is None or wide.max() <= tensor.max


@st.composite
def tensors_of(draw, shape):
    dtype = draw(st.sampled_from([*BOUNDED, "bool", "string", "complex64"]))
    if dtype == "string":
        return draw(
            st.sampled_from(
                [
                    Tensor(dtype, shape),
                    Tensor(dtype, shape, encoding="utf-8"),
                    Tensor(dtype, shape, encoding="ascii"),
                    Tensor(dtype, shape, values=["red", "green"]),
                    Tensor(dtype, shape, vocabulary=["red", b"\xff", *map(str, range(200))]),
                    Tensor(dtype, shape, vocabulary=["é"], encoding="utf-16"),
                ]
            )
        )
    if dtype in {"bool", "complex64"}:
        return Tensor(dtype, shape)
    ends = draw(st.sampled_from([(None, None), (0, None), (None, 1), (0, 1), (-1, 1), (1, 1)]))
    if dtype.startswith("u"):
        ends = tuple(None if end is None else max(0, end) for end in ends)
    vocabulary = draw(st.sampled_from([None, [1], [1, 1, 0] if ends != (1, 1) else [1]]))
    return Tensor(dtype, shape, min=ends[0], max=ends[1], vocabulary=vocabulary)


@st.composite
def signatures(draw):
    dims = {"batch": draw(st.sampled_from([(1, 4), (1, 40), (0, 2), (7, 7)]))}
    shape = st.lists(st.sampled_from(["batch", "time", None, 0, 2, 3]), max_size=3) | st.none()
    inputs = {name: draw(tensors_of(draw(shape))) for name in draw(st.sampled_from([("x",), ("x", "y", "z")]))}
    return Signature("s", inputs, {}, dims=dims)


@given(signature=signatures(), data=st.data())
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_drawn_inputs_satisfy_the_signature(signature, data):
    assert_satisfies(signature, data.draw(signature_arrays(signature)))


@given(signature=signatures(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_seeded_inputs_satisfy_the_signature_and_repeat(signature, seed):
    first = list(draws(signature, 3, seed))
    for inputs in first:
        assert_satisfies(signature, inputs)
    again = list(draws(signature, 3, seed))
    assert [repr(inputs) for inputs in again] == [repr(inputs) for inputs in first]


@given(signature=signatures())
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_corner_cases_satisfy_the_signature(signature):
    cases = list(corner_cases(signature))
    assert 1 <= len(cases) <= MAX_CORNER_CASES
    for case in cases:
        assert_satisfies(signature, case.inputs)


@pytest.mark.parametrize("dtype", [entry.name for entry in tensors.DTYPES])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (50, 2)])
@given(data=st.data())
@settings(max_examples=3, deadline=None)
def test_every_dtype_and_shape_is_drawn(dtype, shape, data):
    array = data.draw(arrays(Tensor(dtype), shape))
    assert array.shape == shape
    assert array.dtype == tensors.dtype(dtype).numpy
    assert array.flags.writeable


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn"])
def test_an_end_that_the_dtype_cannot_hold_is_not_passed(dtype):
    tensor = Tensor(dtype, ["batch", 40], min=0.1, max=0.3)
    for inputs in draws(Signature("s", {"x": tensor}, {}), 50, 0):
        wide = inputs["x"].astype(np.float64)
        assert wide.min() >= 0.1
        assert wide.max() <= 0.3


def test_limits_of_the_dtype_are_drawn_where_declared():
    limits = np.finfo(np.float64)
    tensor = Tensor("float64", ["batch", 3], min=float(limits.min), max=float(limits.max))
    seen = {value for inputs in draws(Signature("s", {"x": tensor}, {}), 100, 0) for value in inputs["x"].flat}
    assert {float(limits.min), float(limits.max)} <= seen
    assert all(math.isfinite(value) for value in seen)


def test_not_a_number_is_drawn_only_where_it_is_allowed():
    allowed = Signature("s", {"x": Tensor("float32", ["batch", 3], finite=False)}, {})
    assert any(np.isnan(inputs["x"]).any() for inputs in draws(allowed, 50, 0))
    forbidden = Signature("s", {"x": Tensor("float32", ["batch", 3])}, {})
    assert all(np.isfinite(inputs["x"]).all() for inputs in draws(forbidden, 200, 0))


def test_free_dimensions_stay_within_the_bound_on_elements():
    shape = [None, None, None, 3]
    signature = Signature(
        "s",
        {"x": Tensor("uint8", shape), "y": Tensor("uint8", ["a", "b", "c"])},
        {},
        dims={"a": (1, 10**6), "b": (1, 10**6), "c": (1, 10**6)},
    )
    for inputs in draws(signature, 20, 0):
        assert sum(array.size for array in inputs.values()) <= MAX_ELEMENTS


def test_fixed_sizes_past_the_bound_are_generated_as_they_are():
    signature = Signature("s", {"x": Tensor("uint8", ["batch", MAX_ELEMENTS + 1])}, {})
    assert next(draws(signature, 1, 0))["x"].shape == (1, MAX_ELEMENTS + 1)


def test_sizes_can_be_given():
    signature = Signature("s", {"x": Tensor("float32", ["batch", "time"])}, {})
    assert {inputs["x"].shape[0] for inputs in draws(signature, 20, 0, sizes={"batch": 8})} == {8}


def test_masks_end_where_sequences_do_and_lengths_fit():
    signature = Signature(
        "s",
        {
            "ids": Tensor("int32", ["batch", "time"], max=99),
            "input_mask": Tensor("int32", ["batch", "time"]),
            "length": Tensor("int64", ["batch"]),
        },
        {},
    )
    lengths = set()
    for inputs in draws(signature, 50, 0):
        mask = inputs["input_mask"]
        assert mask.dtype == np.int32
        assert (np.sort(mask, axis=1)[:, ::-1] == mask).all()
        assert set(np.unique(mask)) <= {0, 1}
        assert (mask[:, 0] == 1).all()
        assert ((inputs["length"] >= 1) & (inputs["length"] <= mask.shape[1])).all()
        lengths |= set(mask.sum(axis=1).tolist())
    assert len(lengths) > 5


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (Tensor("string", ["batch"]), [f"word {number}".encode() for number in range(40)]),
        (Tensor("string", ["batch"], encoding="utf-8"), ["é".encode(), b"other"]),
        (Tensor("int64", ["batch"]), [10**number for number in range(15)]),
        (Tensor("int8", ["batch"]), [7]),
        (Tensor("float32", ["batch", 3]), [float(2**number) for number in range(12, 50)]),
    ],
)
def test_known_words_are_drawn_beside_others(tensor, words):
    signature = Signature("s", {"x": replace(tensor, vocabulary=words)}, {})
    cells = [cell for inputs in draws(signature, 300, 5) for cell in inputs["x"].ravel().tolist()]
    assert set(words) <= set(cells)
    share = sum(cell in words for cell in cells) / len(cells)
    assert 0.05 < share < 0.9
    cases = [set(case.inputs["x"].ravel().tolist()) for case in corner_cases(signature)]
    assert any(words[-1] in cells for cells in cases), "the last word is where a table ends"
    assert any(not cells & set(words) for cells in cases)


def test_texts_are_made_of_known_words():
    signature = Signature("s", {"x": Tensor("string", ["batch"], vocabulary=["one", "two"], encoding="ascii")}, {})
    cells = {cell for inputs in draws(signature, 200, 5) for cell in inputs["x"].ravel().tolist()}
    assert any(b"one two" in cell for cell in cells)


def test_a_known_word_that_fails_is_found_and_shown():
    signature = Signature("s", {"x": Tensor("string", ["batch"], vocabulary=[f"w{n}" for n in range(999)])}, {})

    def examine(inputs):
        assert b"w998" not in inputs["x"]

    found = explore(signature, examine, max_examples=60, seed=0)
    assert found.falsifying["x"].tolist() == [b"w998"]


def test_an_input_of_probabilities_sums_to_one():
    signature = Signature("s", {"p": Tensor("float32", ["batch", 4], probabilities=True)}, {})
    for inputs in draws(signature, 50, 0):
        np.testing.assert_allclose(inputs["p"].sum(axis=1), 1, atol=1e-5)
        assert (inputs["p"] >= 0).all()


def test_a_request_that_was_recorded_is_finished_to_itself():
    from pytest_tfsig.strategies.signatures import plan

    features = {"age": Feature("int64", []), "tags": Feature("string", None, kind="variable")}
    ready = plan(Signature("s", {"e": Tensor("string", ["batch"], features=features), "x": Tensor("float32", [2])}, {}))
    for inputs in draws(ready.signature, 20, 0):
        again = ready.finish(ready.unfinished(inputs))
        assert again["e"].tolist() == inputs["e"].tolist()
        np.testing.assert_array_equal(again["x"], inputs["x"])


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (Signature("s", {}, {}), "states no inputs"),
        (Signature("s", {"x": Tensor()}, {}), r"signatures\.s\.inputs\.x: the dtype is not known"),
        (
            Signature("s", {"x": Tensor("string", ["batch"])}, {}, method="classify"),
            "sends serialized tf.Examples, but",
        ),
        (
            Signature("s", {"x": Tensor("float16", ["b"], min=1e-9, max=2e-9)}, {}),
            r"inputs\.x: no float16 lies between",
        ),
        (
            Signature("s", {"x": Tensor("int8", ["b"], strategy="no_such:thing")}, {}),
            "module no_such cannot be imported",
        ),
        (Signature("s", {"x": Tensor("int8", ["b"], strategy="math:thing")}, {}), 'there is no "thing" in module math'),
        (Signature("s", {"x": Tensor("int8", ["b"], strategy="math:pi")}, {}), "neither a strategy nor a function"),
        (
            Signature("s", {"x": Tensor("int8", ["b"], strategy=lambda: 3)}, {}),
            "returned int, not a Hypothesis strategy",
        ),
        (Signature("s", {"x": Tensor("int8", ["b"], strategy=lambda: 1 / 0)}, {}), "strategy raised ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("build", [signature_arrays, corner_cases, lambda signature: draws(signature, 1, 0)])
def test_what_cannot_be_drawn_is_said_at_once(build, signature, message):
    with pytest.raises(StrategyError, match=message):
        build(signature)


@pytest.mark.parametrize("shape", [(-1,), "ab", (2.0,)])
def test_a_shape_that_is_none_is_refused(shape):
    with pytest.raises(StrategyError, match="is not the shape of an array"):
        arrays(Tensor("int8"), shape)


OWN = {
    "a strategy": hypothesis_numpy.arrays(np.int8, (3, 2), elements=st.integers(5, 6)),
    "a function": lambda: hypothesis_numpy.arrays(np.int8, (3, 2), elements=st.integers(5, 6)),
    "a function of the shape": lambda shape: hypothesis_numpy.arrays(np.int8, shape, elements=st.integers(5, 6)),
    "lists": st.lists(st.lists(st.integers(5, 6), min_size=2, max_size=2), min_size=1, max_size=4),
}


@pytest.mark.parametrize("strategy", OWN.values(), ids=OWN.keys())
def test_a_strategy_of_the_users_own_draws_and_sets_the_sizes(strategy):
    inputs = {"x": Tensor("int8", ["batch", 2], strategy=strategy), "y": Tensor("float32", ["batch"])}
    signature = Signature("s", inputs, {})
    everything = [*draws(signature, 5, 0), *(case.inputs for case in corner_cases(signature))]
    for drawn in everything:
        assert drawn["x"].dtype == np.int8
        assert set(np.unique(drawn["x"])) <= {5, 6}
        assert len(drawn["x"]) == len(drawn["y"])


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (hypothesis_numpy.arrays(np.float64, (2, 2)), r"inputs\.x\.strategy draws float64, but the contract says int8"),
        (hypothesis_numpy.arrays(np.int8, (2, 3)), r"draws shape \[2, 3\], but \[batch, 2\] is wanted"),
        (st.just([[1, 2], [3]]), "draws what is no int8 tensor"),
        (st.just([[1000, 2]]), "draws what is no int8 tensor"),
        (hypothesis_numpy.arrays(np.int8, (50, 2)), r"draws batch = 50, outside dims\.batch = \[1, 8\]"),
    ],
)
def test_what_the_users_own_strategy_draws_is_checked(strategy, message):
    signature = Signature("s", {"x": Tensor("int8", ["batch", 2], strategy=strategy)}, {}, dims={"batch": (1, 8)})
    with pytest.raises(StrategyError, match=message):
        next(draws(signature, 1, 0))


def refuses(shape):
    raise ValueError(f"no array is {shape}")


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (refuses, r"inputs\.x\.strategy raised ValueError: no array is \(\d, 2\); mend the function .*refuses"),
        (
            lambda shape: st.just(shape).map(lambda _: 1 / 0),
            "strategy raised ZeroDivisionError: division by zero; mend",
        ),
        (st.just(0).map(lambda _: [].pop()), "strategy raised IndexError: pop from empty list; mend"),
        (st.nothing(), r"inputs\.x\.strategy draws nothing, or filters all of it out; widen it\."),
        (st.integers().filter(lambda _: False), "strategy draws nothing, or filters all of it out; widen it"),
    ],
)
def test_a_strategy_of_the_users_own_that_cannot_draw_is_named(strategy, message):
    signature = Signature("s", {"x": Tensor("int8", ["batch", 2], strategy=strategy)}, {}, dims={"batch": (1, 8)})
    with pytest.raises(StrategyError, match=message):
        explore(signature, lambda _: None, max_examples=60, seed=0)


def test_an_assertion_in_a_strategy_of_the_users_own_is_no_violation():
    def asserts(shape):
        assert not shape

    signature = Signature("s", {"x": Tensor("int8", ["batch", 2], strategy=asserts)}, {})
    with pytest.raises(StrategyError, match="strategy raised AssertionError"):
        explore(signature, lambda _: None, max_examples=60, seed=0)


def test_two_strategies_that_disagree_about_a_size_are_told_how_to_agree():
    own = {
        name: Tensor("int8", ["batch"], strategy=hypothesis_numpy.arrays(np.int8, size))
        for name, size in (("x", 2), ("y", 3))
    }
    with pytest.raises(StrategyError, match="a parameter named shape"):
        next(draws(Signature("s", own, {}), 1, 0))


@pytest.mark.parametrize("method", ["predict", "classify"])
def test_a_strategy_of_the_users_own_may_draw_examples(method, tmp_path):
    own = st.lists(
        st.fixed_dictionaries({"age": st.lists(st.integers(0, 99), min_size=1, max_size=1)}), min_size=1, max_size=4
    )
    features = {"age": Feature("int64", [])}
    signature = Signature("s", {"e": Tensor("string", ["batch"], features=features, strategy=own)}, {}, method=method)

    def ages(inputs):
        examples = inputs["examples"] if method == "classify" else [parsed(data) for data in inputs["e"]]
        return [example["age"][0] for example in examples]

    def examine(inputs):
        assert max(ages(inputs)) < 50

    found = explore(signature, examine, max_examples=200, seed=0, database=tmp_path)
    assert ages(found.falsifying) == [50]
    again = explore(signature, examine, max_examples=200, seed=0, database=tmp_path)
    assert (again.origin, ages(again.falsifying)) == ("remembered", [50])


@pytest.mark.parametrize(("image", "start"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8")])
def test_features_that_are_images_are_drawn_as_files(image, start):
    signature = Signature(
        "s",
        {"inputs": Tensor("string", ["batch"], features={"photo": Feature("string", image=image)})},
        {},
        method="classify",
    )
    for inputs in draws(signature, 20, 0):
        assert all(example["photo"][0].startswith(start) for example in inputs["examples"])
