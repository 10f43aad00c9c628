"""What rounding inside a model excuses: how far nudged inputs move an answer, and how far two answers may lie apart."""

from __future__ import annotations

from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from pytest_tfsig import protos, tensors
from pytest_tfsig.checks import rounding
from pytest_tfsig.checks.rounding import Rounding, distance, precision, sensitivity, without_subnormals
from pytest_tfsig.contract import Signature, Tensor
from tests.unit.checks.fakes import refusal, subject

EPS = 2.0**-23
F32 = np.float32
WIDE = Signature(inputs={"x": Tensor("float32", ["batch"])}, outputs={"y": Tensor("float64", ["batch"])})


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ([1.0, 2.0], [1.0, 4.5], [0, 2.5]),
        ([4.5, -1.0], [2.0, 1.0], [2.5, 2]),
        ([np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf], [0, 0, 0]),
        ([np.nan, 1.0, np.inf], [1.0, np.nan, -np.inf], [np.inf, np.inf, np.inf]),
        ([1, 2], [1, 3], [0, np.inf]),
        ([1 + 1j], [1 + 3j], [2]),
    ],
)
def test_distances(one, other, apart):
    assert distance(np.array(one), np.array(other)).tolist() == apart


def test_distances_of_text():
    assert distance(np.array([b"a", b"b"], object), np.array([b"a", b"c"], object)).tolist() == [0, np.inf]


def moves(answer, array, *, from_zero=False, tensor=None, saved_model=None, inputs=None):
    stated = {"x": tensor or Tensor("float32", ["batch"])}
    judged = subject(answer, Signature(inputs=stated, outputs=WIDE.outputs), saved_model=saved_model, compares=False)
    found = sensitivity(judged, {"x": array} | (inputs or {}), from_zero=from_zero)
    return found, judged


def doubled(inputs):
    return {"y": inputs["x"].astype(np.float64) * 2}


def test_inputs_are_moved_by_up_to_four_units_six_times():
    found, judged = moves(doubled, np.full(50, 1.0, F32))
    assert judged.model.requests == 7
    assert (found["y"] > 0).all()
    assert 4 * EPS < found["y"].max() <= 8 * EPS
    assert moves(doubled, np.full(50, 1.0, F32))[0]["y"].tolist() == found["y"].tolist()


def test_moves_grow_with_what_is_moved():
    small, large = (moves(doubled, np.full(50, size, F32))[0]["y"].max() for size in (1.0, 512.0))
    assert large == pytest.approx(512 * small)


def test_zeros_move_only_where_they_are_to():
    assert moves(doubled, np.zeros(50, F32))[0]["y"].max() == 0
    found, judged = moves(doubled, np.zeros(50, F32), from_zero=True)
    assert judged.model.requests == 25
    assert 6 * EPS < found["y"].max() <= 8 * EPS


@pytest.mark.parametrize(
    ("bounds", "largest"), [({}, 1), ({"min": -0.5, "max": 0.5}, 1), ({"max": 100}, 100), ({"min": -100}, 100)]
)
def test_zeros_move_by_units_of_the_largest_that_callers_send(bounds, largest):
    found, _ = moves(doubled, np.zeros(50, F32), from_zero=True, tensor=Tensor("float32", ["batch"], **bounds))
    assert 5 * EPS * largest < found["y"].max() <= 8.01 * EPS * largest


def test_pixels_and_samples_move_by_one_from_zero():
    for dtype in ("uint8", "int16"):
        array = np.full(50, 7, dtype)
        found, _ = moves(doubled, array, from_zero=True, tensor=Tensor(dtype, ["batch"]))
        assert set(found["y"].tolist()) == {2.0}
        assert moves(doubled, array, tensor=Tensor(dtype, ["batch"]))[0] == {}


@pytest.mark.parametrize("dtype", ["int32", "complex64", "bool"])
def test_what_has_no_last_place_is_not_moved(dtype):
    found, judged = moves(doubled, np.ones(5, dtype), from_zero=True, tensor=Tensor(dtype, ["batch"]))
    assert found == {}
    assert judged.model.requests == 0


def test_moved_inputs_stay_within_the_contract():
    seen = []

    def listening(inputs):
        seen.append(inputs["x"])
        return doubled(inputs)

    moves(listening, np.array([0, 1], F32), from_zero=True, tensor=Tensor("float32", ["batch"], min=0, max=1))
    assert all((array >= 0).all() and (array <= 1).all() and array.dtype == F32 for array in seen)


def test_half_precision_moves_by_its_own_units():
    found, _ = moves(doubled, np.full(50, 1.0, np.float16), tensor=Tensor("float16", ["batch"]))
    assert 4 * 2.0**-10 < found["y"].max() <= 8 * 2.0**-10


def test_a_model_that_computes_in_half_precision_moves_by_its_units(monkeypatch):
    monkeypatch.setattr(rounding, "precision", lambda _: 2.0**-10)
    assert 4 * 2.0**-10 < moves(doubled, np.full(50, 1.0, F32))[0]["y"].max() <= 8.01 * 2.0**-10


def test_an_answer_that_changes_in_kind_moves_without_end():
    steps = lambda inputs: {"y": np.where(inputs["x"] > 1, np.nan, 1.0), "n": (inputs["x"] > 1).astype(int)}  # noqa: E731
    found, _ = moves(steps, np.full(50, 1.0, F32))
    assert np.isinf(found["y"]).any()
    assert np.isinf(found["n"]).any()


def test_an_answer_that_flips_between_infinities_may_be_anything():
    pole = lambda inputs: {"y": np.where(inputs["x"] > 1, np.inf, -np.inf)}  # noqa: E731
    assert explains(pole, [np.nan], [np.inf])[0] == [True]


def test_what_is_not_answered_moves_nothing():
    def refused(_):
        raise refusal()

    assert moves(refused, np.ones(2, F32))[0] == {}


def test_outputs_that_come_and_go_or_change_their_shape_are_left_out():
    first = []

    def changing(inputs):
        first.append(1)
        early = len(first) == 1
        return {"y": doubled(inputs)["y"], **({"gone": np.zeros(1)} if early else {"new": np.zeros(1)}),
                "size": np.zeros(1 if early else 2)}  # fmt: skip

    assert list(moves(changing, np.ones(2, F32))[0]) == ["y"]


def test_other_inputs_stay_as_they_are():
    seen = []

    def listening(inputs):
        seen.append(inputs["ids"].tolist())
        return doubled(inputs)

    moves(listening, np.ones(2, F32), inputs={"ids": np.array([1, 2])})
    assert seen == [[1, 2]] * 7


def explains(answer, one, other, *, copies=None, array=None, wrong=None):
    judged = subject(answer, WIDE, compares=False)
    one, other = np.asarray(one), np.asarray(other)
    wrong = np.ones(one.shape, bool) if wrong is None else np.array(wrong)
    made = Rounding(judged, {"x": np.ones(len(one), F32) if array is None else array}, copies)
    return made.explains("y", one, other, wrong).tolist(), judged


def test_answers_may_lie_eight_times_as_far_apart_as_nudged_ones():
    moved = moves(doubled, np.ones(2, F32))[0]["y"]
    base = np.array([2.0, 2.0])
    assert explains(doubled, base, base + 7.9 * moved)[0] == [True, True]
    assert explains(doubled, base, base - 7.9 * moved)[0] == [True, True]
    assert explains(doubled, base, base + [7.9, 8.1] * moved)[0] == [True, False]


def test_an_output_that_nothing_moves_is_not_excused():
    other = lambda inputs: {"z": inputs["x"]}  # noqa: E731
    assert explains(other, [1.0], [2.0])[0] == [False]
    scalar = lambda inputs: {"y": inputs["x"].sum()}  # noqa: E731
    assert explains(scalar, [1.0, 1.0], [2.0, 2.0])[0] == [False, False]


def test_exact_outputs_are_excused_only_where_they_change():
    steps = lambda inputs: {"y": (inputs["x"] > [1, 5]).astype(np.int64)}  # noqa: E731
    assert explains(steps, [0, 0], [1, 1])[0] == [True, False]


def test_copies_are_asked_only_for_what_nudging_does_not_explain():
    asked = []

    def copies(name, wrong):
        asked.append((name, wrong.tolist()))
        return np.array([0.0, 0.0])

    moved = moves(doubled, np.ones(2, F32))[0]["y"]
    base = np.array([2.0, 2.0])
    found, judged = explains(doubled, base, base + [1, 100] * moved, copies=copies)
    assert found == [True, False]
    assert asked == [("y", [False, True])]
    assert judged.model.requests == 7, "copies that lie nowhere apart end it"
    asked.clear()
    assert explains(doubled, base, base + moved, copies=copies)[0] == [True, True]
    assert asked == []
    explains(doubled, base, base + [100, 100] * moved, copies=copies, wrong=[True, False])
    assert asked == [("y", [True, False])]


def sign(inputs):
    return {"y": np.sign(inputs["x"].astype(np.float64))}


@pytest.mark.parametrize(
    ("apart", "expected"), [([2.0, 2.0], [True, True]), ([2.0, 0.0], [True, False]), ([0.24, 0.26], [False, True])]
)
def test_from_zero_copies_and_nudged_zeros_must_both_show_the_difference(apart, expected):
    zeros = np.zeros(2, F32)
    found, judged = explains(sign, [1.0, 1.0], [-1.0, -1.0], copies=lambda *_: np.array(apart), array=zeros)
    assert found == expected
    assert judged.model.requests == 7 + 25


def test_copies_alone_excuse_nothing():
    found, _ = explains(doubled, [1.0, 1.0], [-1.0, -1.0], copies=lambda *_: np.array([9.0, 9.0]))
    assert found == [False, False]


def test_what_was_asked_once_is_not_asked_again():
    judged = subject(doubled, WIDE)
    made = Rounding(judged, {"x": np.ones(1, F32)})
    for _ in range(3):
        made.explains("y", np.array([2.0]), np.array([9.0]), np.array([True]))
    assert judged.model.requests == 7


def graph(tmp_path, *nodes):
    """Writes a SavedModel with nodes (op, dtype) in its graph and in a function."""
    message = protos.SavedModel()
    for place, (op, dtype) in enumerate(nodes):
        added = message.meta_graphs.add().graph_def
        node = added.node.add(op=op) if place % 2 else added.library.function.add().node_def.add(op=op)
        if dtype:
            node.attr["T"].type = tensors.dtype(dtype).number
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    return precision(SimpleNamespace(saved_model=SimpleNamespace(path=tmp_path)))


def test_the_narrowest_arithmetic_anywhere_counts(tmp_path):
    half, brain = 2.0**-10, 2.0**-7
    for name, nodes, expected in (
        ("a", [], 0),
        ("b", [("MatMul", "float32"), ("MatMul", "float16")], half),
        ("c", [("Mul", "bfloat16"), ("MatMul", "float16"), ("Add", "float32")], brain),
        ("d", [("Cast", "float16"), ("Identity", "bfloat16"), ("Const", None)], 0),
        ("e", [("Const", None), ("Mul", "float16")], half),
    ):
        (tmp_path / name).mkdir()
        assert graph(tmp_path / name, *nodes) == expected


def test_a_graph_that_cannot_be_read_is_taken_to_be_wide(tmp_path):
    assert precision(SimpleNamespace(saved_model=SimpleNamespace(path=tmp_path / "none"))) == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_with_subnormal_squares_are_sent_as_zero(dtype):
    tiny = np.sqrt(np.finfo(np.float32).tiny)
    signature = Signature(inputs={"x": Tensor(np.dtype(dtype).name, ["batch"])}, outputs={})
    array = np.array([tiny * 0.99, -tiny * 0.99, tiny * 1.01, 1, 0, np.nan, -np.inf], dtype)
    sent = without_subnormals(signature, {"x": array})["x"]
    assert sent.dtype == dtype
    expected = [0 if abs(value) < tiny else value for value in array.tolist()]
    assert sent.tolist() == pytest.approx(expected, nan_ok=True)
    assert sent[2] == array[2] or dtype == np.float16


def test_kinds_without_subnormals_in_float32_are_sent_as_they_are():
    signature = Signature(inputs={"x": Tensor("bfloat16", ["batch"]), "s": Tensor("string", ["batch"])}, outputs={})
    inputs = {"x": np.array([1e-30], ml_dtypes.bfloat16), "s": np.array([b"a"], object)}
    sent = without_subnormals(signature, inputs)
    assert sent["x"] is inputs["x"]
    assert sent["s"] is inputs["s"]
