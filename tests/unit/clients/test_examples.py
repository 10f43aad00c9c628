from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig import protos
from pytest_tfsig.clients.examples import as_examples, classification, example_input
from pytest_tfsig.errors import UsageError


def feature(example, name):
    kind = example.features.feature[name].WhichOneof("kind")
    return kind, list(getattr(example.features.feature[name], kind).value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, ("float_list", [1.5])),
        (2, ("int64_list", [2])),
        (True, ("int64_list", [1])),
        ("ä", ("bytes_list", ["ä".encode()])),
        (b"\xff", ("bytes_list", [b"\xff"])),
        ([1, 2.5], ("float_list", [1.0, 2.5])),
        (["a", b"b"], ("bytes_list", [b"a", b"b"])),
        (np.array([[1, 2], [3, 4]]), ("int64_list", [1, 2, 3, 4])),
        (np.array([1.5], np.float32), ("float_list", [1.5])),
        ([], ("float_list", [])),
    ],
)
def test_a_value_becomes_the_list_of_its_kind(value, expected):
    [example] = as_examples([{"f": value}], None)
    assert feature(example, "f") == expected


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float32", 1, ("float_list", [1.0])),
        ("int64", [3], ("int64_list", [3])),
        ("string", [], ("bytes_list", [])),
        ("int64", [], ("int64_list", [])),
    ],
)
def test_a_declared_feature_takes_its_dtype(dtype, value, expected):
    specs = SimpleNamespace(features={"f": SimpleNamespace(dtype=dtype)})
    [example] = as_examples([{"f": value}], specs)
    assert feature(example, "f") == expected


def test_messages_pass_as_they_are():
    message = protos.Example()
    message.features.feature["f"].int64_list.value.append(7)
    assert as_examples([message], None) == [message]


def test_no_examples_are_an_empty_list_and_not_nothing():
    assert example_input([], None).WhichOneof("kind") == "example_list"


@pytest.mark.parametrize(("example", "match"), [(7, "Example 0 is a int"), ({"f": [1, "a", 2]}, "'f'")])
def test_what_is_no_example_is_refused(example, match):
    with pytest.raises(UsageError, match=match):
        as_examples([example], None)


def test_a_declared_integer_refuses_a_fraction():
    specs = SimpleNamespace(features={"f": SimpleNamespace(dtype="int64")})
    with pytest.raises(UsageError, match="'f' takes int64 values"):
        as_examples([{"f": 1.5}], specs)


def test_classes_and_scores_are_arrays_of_rows():
    answer = classification([[("a", 0.25), ("b", 0.75)]])
    assert answer["classes"].tolist() == [[b"a", b"b"]]
    assert answer["scores"].dtype == np.float32
    assert classification([])["scores"].shape == (0, 0)
