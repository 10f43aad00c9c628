"""Requests as relations change them: by how much, along which axis, and within what the contract allows."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig.checks.changed_inputs import growing, padded, permuted
from pytest_tfsig.contract import Monotone, PaddingInvariant, PermutationInvariant, Signature, Tensor


def signature(**inputs):
    dims = inputs.pop("dims", {})
    return Signature(inputs=inputs, outputs={}, dims=dims)


def grown(tensor, array, **relation):
    sent = {"x": array, "other": np.zeros(1)}
    found = list(growing(signature(x=tensor), Monotone("x", "y", **relation), sent))
    assert all(one["other"] is sent["other"] for one in found)
    return [one["x"] for one in found]


def test_numbers_grow_by_shares_of_what_is_left():
    found = grown(Tensor("float32", ["batch"], min=0, max=100), np.array([0, 50, 100], np.float32))
    assert [one.tolist() for one in found] == [[2, 51, 100], [25, 62.5, 100], [100, 100, 100]]
    assert {one.dtype for one in found} == {np.dtype(np.float32)}


def test_whole_numbers_grow_to_the_next_whole_number():
    found = grown(Tensor("int32", ["batch"], min=0, max=10), np.array([0, 9], np.int32))
    assert [one.tolist() for one in found] == [[1, 10], [3, 10], [10, 10]]
    assert {one.dtype for one in found} == {np.dtype(np.int32)}


def test_listed_values_grow_to_larger_ones():
    found = grown(Tensor("int64", ["batch"], values=[30, 10, 20, 40, 50]), np.array([10, 40, 50]))
    assert [one.tolist() for one in found] == [[20, 50, 50], [50, 50, 50]]
    half = grown(Tensor("float16", ["batch"], values=[0.5, 0.25]), np.array([0.25], np.float16))
    assert [one.tolist() for one in half] == [[0.5]]
    assert half[0].dtype == np.float16


def test_only_one_feature_grows_where_one_is_named():
    array = np.array([[0, 0], [50, 100]], np.float32)
    found = grown(Tensor("float32", ["batch", 2], min=0, max=100), array, feature=1)
    assert [one.tolist() for one in found] == [[[0, 2], [50, 100]], [[0, 25], [50, 100]], [[0, 100], [50, 100]]]
    assert array.tolist() == [[0, 0], [50, 100]]


def test_what_cannot_grow_is_not_sent_again():
    tensor = Tensor("float32", ["batch"], min=0, max=1)
    assert grown(tensor, np.array([1.0], np.float32)) == []
    assert grown(tensor, np.array([np.nan], np.float32)) == []
    assert grown(Tensor("int32", ["batch"], min=0, max=1), np.array([0], np.int32))[0].tolist() == [1]
    assert len(grown(Tensor("int32", ["batch"], min=0, max=1), np.array([0], np.int32))) == 1


def test_rounding_to_a_narrow_dtype_makes_nothing_smaller():
    tensor = Tensor("float16", ["batch"], max=60000)
    array = np.array([-0.1, 1.0, 2048.0, 59999.0], np.float16)
    for one in grown(tensor, array):
        assert (one >= array).all()
        assert one.dtype == np.float16


def test_large_numbers_that_are_finite_stay_so():
    largest = np.finfo(np.float32).max
    for one in grown(Tensor("float32", ["batch"]), np.array([-largest, 0, largest], np.float32)):
        assert np.isfinite(one).all()


def orders(inputs, sent, axis=1, name="x"):
    return list(permuted(signature(**inputs), PermutationInvariant(name, axis=axis), sent))


X = {"x": Tensor("float32", ["batch", "time"])}


def test_an_input_is_reversed_and_shuffled():
    array = np.arange(10, dtype=np.float32).reshape(2, 5)
    (reverse, one), (shuffle, other) = orders(X, {"x": array, "more": "kept"})
    assert (reverse, shuffle) == ("reversed along axis 1", "shuffled along axis 1")
    assert one["x"].tolist() == [[4, 3, 2, 1, 0], [9, 8, 7, 6, 5]]
    assert sorted(other["x"][0]) == [0, 1, 2, 3, 4]
    assert other["x"][0].tolist() not in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0])
    assert (other["x"][1] == other["x"][0] + 5).all()
    assert one["more"] == other["more"] == "kept"
    assert np.array_equal(other["x"], orders(X, {"x": array})[1][1]["x"])


def test_another_axis_may_be_meant_from_the_end():
    array = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    inputs = {"x": Tensor("float32", ["batch", "a", "b"])}
    (said, one), _ = orders(inputs, {"x": array}, axis=-1)
    assert said == "reversed along axis -1"
    assert one["x"].tolist() == [[[3, 2, 1, 0], [7, 6, 5, 4]]]


@pytest.mark.parametrize(("shape", "count"), [((2, 0), 0), ((2, 1), 0), ((2, 2), 2), ((2,), 0), ((), 0)])
def test_one_step_has_one_order(shape, count):
    assert len(orders({"x": Tensor("float32", None)}, {"x": np.zeros(shape, np.float32)}, axis=1)) == count


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_a_batch_is_never_taken_for_an_axis_behind_it(axis):
    unstated = {"x": Tensor("float32", None)}
    rows = {"x": np.arange(4, dtype=np.float32)}
    assert orders(unstated, rows, axis=axis) == []
    assert appended(unstated, rows, axis=axis) == []


TOKENS = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.int32)
TIED = {"x": Tensor("int32", ["batch", "time"]), "mask": Tensor("int32", ["batch", "time"], min=0, max=1)}


def test_a_mask_moves_with_what_it_masks():
    mask = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], np.int32)
    found = orders(TIED, {"x": TOKENS, "mask": mask})
    assert found[0][1]["x"].tolist() == TOKENS[:, ::-1].tolist()
    assert found[0][1]["mask"].tolist() == mask[:, ::-1].tolist()
    for _, one in found:
        assert sorted(one["x"][one["mask"] == 1].tolist()) == sorted(TOKENS[mask == 1].tolist())


def test_a_mask_of_other_steps_stays_and_what_is_permuted_may_be_a_mask_itself():
    mask = np.array([[1, 1, 0], [1, 0, 0]], np.int32)
    other = {**TIED, "mask": Tensor("int32", ["batch", "more"], min=0, max=1)}
    assert orders(other, {"x": TOKENS, "mask": mask})[0][1]["mask"] is mask
    same = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], np.int32)
    found = orders(TIED, {"x": TOKENS, "mask": same}, name="mask")
    assert found[0][1]["mask"].tolist() == same[:, ::-1].tolist()


def test_a_mask_is_over_the_second_axis():
    inputs = {
        "x": Tensor("float32", ["batch", "time", "features"]),
        "mask": Tensor("int32", ["batch", "time"], min=0, max=1),
    }
    sent = {"x": np.arange(12, dtype=np.float32).reshape(2, 2, 3), "mask": np.array([[1, 0], [1, 1]], np.int32)}
    assert orders(inputs, sent, axis=2)[0][1]["mask"] is sent["mask"]
    assert orders(inputs, sent, axis=1)[0][1]["mask"].tolist() == [[0, 1], [1, 1]]


def test_what_lies_behind_a_rows_length_stays_where_it_is():
    inputs = {"x": TIED["x"], "length": Tensor("int32", ["batch"], min=1, max=4)}
    sent = {"x": TOKENS, "length": np.array([3, 1], np.int32)}
    (_, reverse), (_, shuffle) = orders(inputs, sent)
    assert reverse["x"].tolist() == [[3, 2, 1, 4], [5, 6, 7, 8]]
    assert sorted(shuffle["x"][0, :3]) == [1, 2, 3]
    assert shuffle["x"][:, 3].tolist() == [4, 8]
    assert reverse["length"] is sent["length"]
    assert TOKENS.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def appended(inputs, sent, *, value=0, axis=1, dims=None):
    relation = PaddingInvariant("x", value=value, axis=axis)
    return list(padded(signature(**inputs, dims=dims or {}), relation, sent))


def test_padding_is_appended_once_and_three_times():
    (said, one), (more, three) = appended({"x": TIED["x"]}, {"x": TOKENS, "z": "kept"}, value=9)
    assert (said, more) == ("padded with 1 x 9 along axis 1", "padded with 3 x 9 along axis 1")
    assert one["x"].tolist() == [[1, 2, 3, 4, 9], [5, 6, 7, 8, 9]]
    assert three["x"].tolist() == [[1, 2, 3, 4, 9, 9, 9], [5, 6, 7, 8, 9, 9, 9]]
    assert {one["x"].dtype, three["x"].dtype} == {np.dtype(np.int32)}
    assert one["z"] == "kept"


@pytest.mark.parametrize(("most", "counts"), [(4, []), (5, [1]), (6, [1, 2]), (7, [1, 3]), (99, [1, 3])])
def test_padding_stays_within_the_contract(most, counts):
    found = appended({"x": TIED["x"]}, {"x": TOKENS}, dims={"time": (1, most)})
    assert [one["x"].shape[1] - 4 for _, one in found] == counts


def test_inputs_that_share_the_dimension_are_padded_with_nothing():
    inputs = {
        **TIED,
        "words": Tensor("string", ["time"]),
        "none": Tensor("int32", ["batch"]),
        "any": Tensor("int32", None),
        "deep": Tensor("float32", ["batch", 2, "time"]),
    }
    sent = {
        "x": TOKENS,
        "mask": np.ones((2, 4), np.int32),
        "words": np.array([b"a", b"b", b"c", b"d"], object),
        "none": np.array([1, 2], np.int32),
        "any": np.zeros((2, 4), np.int32),
        "deep": np.ones((2, 2, 4), np.float32),
    }
    _, one = appended(inputs, sent, value=7)[0]
    assert one["mask"].tolist() == [[1, 1, 1, 1, 0]] * 2
    assert one["words"].tolist() == [b"a", b"b", b"c", b"d", b""]
    assert one["deep"][..., 4].tolist() == [[0, 0], [0, 0]]
    assert one["none"] is sent["none"]
    assert one["any"] is sent["any"]


def test_text_is_padded_with_bytes():
    words = np.array([[b"a", b"b"]], object)
    (said, one), _ = appended({"x": Tensor("string", ["batch", "time"])}, {"x": words}, value="[PAD]")
    assert said == "padded with 1 x '[PAD]' along axis 1"
    assert one["x"].tolist() == [[b"a", b"b", b"[PAD]"]]


def test_padding_along_an_axis_from_the_end():
    inputs = {"x": Tensor("float32", ["batch", "time", "channel"])}
    array = np.ones((1, 2, 3), np.float32)
    _, one = appended(inputs, {"x": array}, axis=-2)[0]
    assert one["x"].tolist() == [[[1, 1, 1], [1, 1, 1], [0, 0, 0]]]


def test_padding_of_an_input_whose_shape_nobody_states():
    (_, one), _ = appended({"x": Tensor("int32", None)}, {"x": TOKENS})
    assert one["x"].shape == (2, 5)
    (_, one), _ = appended({"x": Tensor("int32", ["batch", None]), "z": Tensor("int32", ["batch", None])},
                           {"x": TOKENS, "z": TOKENS})  # fmt: skip
    assert one["x"].shape == (2, 5)
    assert one["z"] is TOKENS
