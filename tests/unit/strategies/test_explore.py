"""A search finds the inputs that models break at, and shows them small."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from pytest_tfsig.contract import Feature, Signature, Tensor
from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies import corner_cases, explore

TABLE = Signature(
    "s",
    {"x": Tensor("float32", ["batch", 3]), "ids": Tensor("int32", ["batch", "time"], min=0, max=999)},
    {},
    dims={"batch": (1, 64)},
)
TEXT = Signature("s", {"text": Tensor("string", ["batch"], encoding="utf-8")}, {})
RAW = Signature("s", {"text": Tensor("string", ["batch"])}, {})
COLOURS = Signature("s", {"colour": Tensor("string", ["batch"], values=["red", "green", "blue"])}, {})
PICTURE = Signature("s", {"image": Tensor("float32", ["batch", 224, 224, 3], min=0, max=1)}, {})
FEATURES = {
    "x": Feature("float32", [2]),
    "age": Feature("int64", [], default=[0]),
    "tags": Feature("string", None, kind="variable"),
}
CLASSIFY = Signature("s", {"inputs": Tensor("string", ["batch"], features=FEATURES)}, {}, method="classify")


def forbid(bad):
    def examine(inputs):
        assert not bad(inputs)

    return examine


def search(signature, bad, **options):
    return explore(signature, forbid(bad), **{"max_examples": 100, "seed": 0, **options})


def zeros(batch, time=1):
    return {"x": np.zeros((batch, 3)), "ids": np.zeros((batch, time))}


SMALLEST = {
    "anything": (lambda _: True, zeros(1)),
    "any negative": (lambda i: (i["x"] < 0).any(), {"x": [[-1, 0, 0]], "ids": [[0]]}),
    "batch of 17 or more": (lambda i: len(i["x"]) >= 17, zeros(17)),
    "batch of 20 or more": (lambda i: len(i["x"]) >= 20, zeros(20)),
    "batch of 33 or more": (lambda i: len(i["x"]) >= 33, zeros(33)),
    "a row of zeros": (lambda i: (i["x"] == 0).all(axis=1).any(), zeros(1)),
    "the last id": (lambda i: (i["ids"] == 999).any(), {"x": np.zeros((1, 3)), "ids": [[999]]}),
    "an odd length past 8": (lambda i: i["ids"].shape[1] % 2 == 1 and i["ids"].shape[1] > 8, zeros(1, 9)),
    "the longest": (lambda i: i["ids"].shape[1] == 16, zeros(1, 16)),
    "two equal rows": (
        lambda i: len(i["x"]) > 1 and len(np.unique(i["x"], axis=0)) < len(i["x"]),
        zeros(2),
    ),
}


def without_padding(array):
    """An array with its non-zero cells moved to the front of their rows: which cell it is, is a matter of chance."""
    return -np.sort(-np.abs(array), axis=-1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("bad", "smallest"), SMALLEST.values(), ids=SMALLEST.keys())
def test_the_smallest_input_is_shown(bad, smallest, seed):
    found = search(TABLE, bad, seed=seed)
    assert isinstance(found.error, AssertionError)
    assert bad(found.falsifying)
    for name, array in smallest.items():
        np.testing.assert_array_equal(without_padding(found.falsifying[name]), without_padding(np.array(array)))


MET = {
    "zero row": (TABLE, lambda i: (i["x"] == 0).all(axis=1).any()),
    "zero row among others": (TABLE, lambda i: 0 < (i["x"] == 0).all(axis=1).sum() < len(i["x"])),
    "constant row": (TABLE, lambda i: ((i["x"] == i["x"][:, :1]).all(axis=1) & (i["x"][:, 0] != 0)).any()),
    "one-hot row": (TABLE, lambda i: ((i["x"] == 1).sum(axis=1) + (i["x"] == 0).sum(axis=1) == 3).any()),
    "opposite ends": (TABLE, lambda i: ((i["x"][:, 0] == 1000) & (i["x"][:, 1] == -1000)).any()),
    "opposite ends, other way": (TABLE, lambda i: ((i["x"][:, 0] == -1000) & (i["x"][:, 1] == 1000)).any()),
    "subnormal": (TABLE, lambda i: ((i["x"] != 0) & (np.abs(i["x"]) < 1e-38)).any()),
    "repeated rows": (TABLE, lambda i: len(i["x"]) > 2 and len(np.unique(i["x"], axis=0)) < len(i["x"])),
    "last id": (TABLE, lambda i: (i["ids"] == 999).any()),
    "last id alone": (TABLE, lambda i: (i["ids"] == 999).all()),
    "batch of one": (TABLE, lambda i: len(i["x"]) == 1),
    "batch past 16": (TABLE, lambda i: len(i["x"]) > 16),
    "largest batch": (TABLE, lambda i: len(i["x"]) == 64),
    "odd length": (TABLE, lambda i: i["ids"].shape[1] % 2 == 1),
    "even length": (TABLE, lambda i: i["ids"].shape[1] % 2 == 0),
    "length of one": (TABLE, lambda i: i["ids"].shape[1] == 1),
    "empty string": (TEXT, lambda i: b"" in i["text"]),
    "long string": (TEXT, lambda i: any(len(text) >= 1000 for text in i["text"])),
    "not ASCII": (TEXT, lambda i: any(not text.isascii() for text in i["text"])),
    "NUL": (TEXT, lambda i: any(b"\0" in text for text in i["text"])),
    "not UTF-8": (RAW, lambda i: b"\xff" in i["text"]),
    "every category": (COLOURS, lambda i: set(i["colour"]) == {b"red", b"green", b"blue"}),
    "a bright pixel": (PICTURE, lambda i: (i["image"] == 1).any()),
    "past 16 pictures": (PICTURE, lambda i: len(i["image"]) > 16),
    "missing optional feature": (CLASSIFY, lambda i: any("age" not in example for example in i["examples"])),
    "empty list": (CLASSIFY, lambda i: any(example.get("tags") == [] for example in i["examples"])),
    "long list": (CLASSIFY, lambda i: any(len(example.get("tags", [])) > 16 for example in i["examples"])),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("signature", "seen"), MET.values(), ids=MET.keys())
def test_a_hundred_examples_meet_it(signature, seen, seed):
    assert search(signature, seen, seed=seed, shrink_requests=0).falsifying is not None


def test_text_shrinks_to_the_shortest_that_fails():
    found = search(TEXT, lambda i: any(len(text) > 20 for text in i["text"]))
    assert found.falsifying["text"].tolist() == [b"a" * 21]
    found = search(RAW, lambda i: any(b"\xff" in text for text in i["text"]))
    assert found.falsifying["text"].tolist() == [b"\xff"]


def test_examples_shrink_to_what_matters():
    found = search(CLASSIFY, lambda i: any(example.get("age", [0])[0] > 5 for example in i["examples"]))
    assert found.falsifying == {"examples": [{"x": [0.0, 0.0], "age": [9]}]}
    found = search(CLASSIFY, lambda i: any(len(example.get("tags", [])) >= 3 for example in i["examples"]))
    assert found.falsifying == {"examples": [{"x": [0.0, 0.0], "tags": [b"", b"", b""]}]}


def test_a_large_tensor_shrinks_to_one_cell_or_one_value():
    found = search(PICTURE, lambda i: (i["image"] > 0.99).any())
    assert found.falsifying["image"].shape == (1, 224, 224, 3)
    assert np.count_nonzero(found.falsifying["image"]) == 1
    found = search(PICTURE, lambda i: i["image"].mean() > 0.4)
    assert (found.falsifying["image"] == 1).all()


def test_what_holds_is_tried_as_often_as_asked():
    tried = []
    found = explore(TABLE, tried.append, max_examples=100, seed=0)
    assert found.falsifying is None
    assert found.error is None
    assert found.examples_run == len(tried) == 100


def test_corner_cases_come_first_and_count():
    tried = []
    explore(TABLE, tried.append, max_examples=5, seed=0)
    cases = list(corner_cases(TABLE))[:5]
    assert [repr(inputs) for inputs in tried] == [repr(case.inputs) for case in cases]


def test_the_same_seed_tries_the_same_inputs():
    first, second, other = [], [], []
    for tried, seed in ((first, 1), (second, 1), (other, 2)):
        explore(TABLE, lambda inputs, tried=tried: tried.append(repr(inputs)), max_examples=60, seed=seed)
    assert first == second
    assert first != other


def test_recorded_inputs_come_before_corner_cases_and_shrink():
    recorded = {"x": np.full((5, 3), 123.0, np.float32), "ids": np.full((5, 2), 7, np.int32)}
    found = search(TABLE, lambda i: (i["x"] == 123).any(), seeds=[recorded])
    assert found.examples_run == 1
    assert found.origin == "recorded"
    assert found.falsifying["x"].tolist() == [[0, 0, 123]]


def test_a_recorded_input_of_another_signature_is_named():
    with pytest.raises(StrategyError, match=r"a recorded request has inputs \['y'\], but signature s takes"):
        search(TABLE, lambda _: False, seeds=[{"y": [1]}])


@pytest.mark.parametrize("signature", [TABLE, TEXT, CLASSIFY])
def test_a_failing_example_is_tried_first_next_time(signature, tmp_path):
    first = search(signature, lambda i: len(next(iter(i.values()))) > 6, database=tmp_path)
    assert first.examples_run > 1
    again = search(signature, lambda i: len(next(iter(i.values()))) > 6, database=tmp_path)
    assert (again.examples_run, again.origin) == (1, "remembered")
    assert repr(again.falsifying) == repr(first.falsifying)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Tensor("string", ["batch"], vocabulary=["a"]), Tensor("string", ["batch"], vocabulary=["b", "c"])),
        (
            Tensor("string", ["batch"], features={"a": Feature("string", vocabulary=["a"])}),
            Tensor("string", ["batch"], features={"a": Feature("string", vocabulary=["b"])}),
        ),
    ],
)
def test_a_failing_example_is_remembered_when_only_the_vocabulary_changes(tmp_path, old, new):
    search(Signature("s", {"x": old}, {}), lambda i: len(i["x"]) > 6, database=tmp_path)
    again = search(Signature("s", {"x": new}, {}), lambda i: len(i["x"]) > 6, database=tmp_path)
    assert again.origin == "remembered"


def test_a_failing_example_is_forgotten_when_the_contract_changes(tmp_path):
    search(TABLE, lambda i: len(i["x"]) > 20, database=tmp_path)
    narrower = Signature(TABLE.name, TABLE.inputs, {}, dims={"batch": (1, 8)})
    tried = []
    explore(narrower, tried.append, max_examples=50, seed=0, database=tmp_path)
    assert max(len(inputs["x"]) for inputs in tried) <= 8


def test_a_damaged_memory_is_passed_over(tmp_path):
    search(TABLE, lambda i: len(i["x"]) > 6, database=tmp_path)
    for path in tmp_path.rglob("*.pb"):
        path.write_bytes(b"\xff" * 30)
    assert search(TABLE, lambda i: len(i["x"]) > 6, database=tmp_path).origin.startswith("corner case")


def test_nothing_is_printed_or_left_behind(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    own = Signature("s", {"x": Tensor("float32", ["batch"], strategy=hypothesis_numpy.arrays(np.float32, 3))}, {})
    search(TABLE, lambda i: (i["x"] > 5).any())
    search(TABLE, lambda _: False, target="size")
    search(own, lambda i: (i["x"] > 5).any())
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_another_exception_ends_the_search_and_is_raised():
    def examine(_):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        explore(TABLE, examine, max_examples=10, seed=0)


def test_an_exception_while_shrinking_leaves_what_was_found():
    calls = 0

    def examine(_):
        nonlocal calls
        calls += 1
        if calls > 1:
            raise ConnectionError
        raise AssertionError("first")

    found = explore(TABLE, examine, max_examples=10, seed=0)
    assert str(found.error) == "first"
    assert calls == 2


def test_shrinking_keeps_to_the_violation_that_was_found():
    def examine(inputs):
        assert len(inputs["x"]) < 17, "large"
        assert not (inputs["x"] == 0).all(), "zeros"

    found = explore(TABLE, examine, max_examples=100, seed=0)
    assert str(found.error).startswith("zeros")
    assert len(found.falsifying["x"]) == 1


def test_shrinking_takes_no_more_requests_than_allowed():
    calls = 0

    def examine(inputs):
        nonlocal calls
        calls += 1
        assert len(inputs["x"]) < 17

    found = explore(TABLE, examine, max_examples=100, seed=0, shrink_requests=5)
    assert calls == found.examples_run + 5
    assert len(found.falsifying["x"]) >= 17


def test_shrinking_stops_when_its_time_is_up():
    calls = []

    def examine(inputs):
        calls.append(len(inputs["x"]))
        time.sleep(0.01)
        raise AssertionError

    found = explore(TABLE, examine, max_examples=10, seed=0, shrink_seconds=0)
    assert isinstance(found.error, AssertionError)
    assert len(calls) <= 2


def test_a_target_is_climbed():
    signature = Signature("s", {"x": Tensor("int16", [6], min=0, max=30_000)}, {})
    wanted = np.array([12_345, 23_456, 4_567, 15_678, 26_789, 7_890])

    def best(target):
        scores = []

        def examine(inputs):
            scores.append(-float(np.abs(inputs["x"] - wanted).sum()))
            return scores[-1]

        explore(signature, examine, max_examples=400, seed=0, target=target)
        return max(scores)

    assert best("nearness") > best(None)


def test_a_target_is_climbed_through_a_strategy_of_the_users_own():
    own = st.integers(0, 10_000).map(lambda number: np.array([number], np.int32))
    signature = Signature("s", {"x": Tensor("int32", [1], strategy=own)}, {})
    found = explore(
        signature,
        lambda inputs: forbid(lambda i: i["x"][0] > 9_990)(inputs) or float(inputs["x"][0]),
        max_examples=300,
        seed=0,
        target="x",
    )
    assert found.falsifying["x"].tolist() == [9_991]


def test_a_strategy_of_the_users_own_is_shrunk_by_hypothesis_within_what_it_draws():
    even = st.integers(0, 500).map(lambda number: 2 * number)
    own = st.lists(even, min_size=1, max_size=8).map(lambda numbers: np.array(numbers, np.int32))
    inputs = {"x": Tensor("int32", ["batch"], strategy=own), "y": Tensor("float32", ["batch", 2])}
    found = search(Signature("s", inputs, {}), lambda i: (i["x"] > 700).any(), seed=3)
    assert found.falsifying["x"].max() > 700
    assert all(number % 2 == 0 for number in found.falsifying["x"])
    assert len(found.falsifying["y"]) == len(found.falsifying["x"])
    assert not found.falsifying["y"].any()


OWN = Signature("s", {"x": Tensor("int32", ["batch"], strategy=hypothesis_numpy.arrays(np.int32, 3))}, {})


@pytest.mark.parametrize("after", [5, 60])
def test_a_server_that_dies_under_a_users_own_strategy_is_asked_no_more(after):
    calls = 0

    def examine(_):
        nonlocal calls
        calls += 1
        if calls >= after:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        explore(OWN, examine, max_examples=100, seed=0)
    assert calls == after


@pytest.mark.parametrize("signature", [TABLE, OWN])
@pytest.mark.parametrize("at", [1, 60])
def test_a_violation_that_shows_only_once_is_reported(signature, at):
    calls = 0

    def examine(_):
        nonlocal calls
        calls += 1
        assert calls != at

    found = explore(signature, examine, max_examples=100, seed=0)
    assert isinstance(found.error, AssertionError)
    assert found.falsifying is not None


def test_recorded_bytes_that_are_no_text_are_made_smaller_all_the_same():
    recorded = [{"text": np.array([b"\xff\xfe long enough to be cut"], object)}]
    found = search(TEXT, lambda inputs: any(b"\xff" in text for text in inputs["text"]), seeds=recorded)
    assert found.origin == "recorded"
    assert found.falsifying["text"].tolist() == [b"\xff"]


def test_an_input_that_another_worker_drops_meanwhile_is_not_remembered(tmp_path, monkeypatch):
    assert search(TABLE, lambda inputs: len(inputs["x"]) > 3, database=tmp_path).falsifying is not None
    [kept] = tmp_path.glob("*/*.pb")
    glob = Path.glob

    def late(folder, pattern):
        found = list(glob(folder, pattern))
        kept.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "glob", late)
    assert search(TABLE, lambda inputs: len(inputs["x"]) > 3, database=tmp_path).origin != "remembered"
