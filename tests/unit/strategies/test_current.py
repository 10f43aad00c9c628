"""`signature_inputs` draws for the model under test, and its arrays shrink in a user's own test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies import current_signature, current_signatures, signature_inputs

ONE = Signature("one", {"x": Tensor("float32", ["batch", 2])}, {})
TWO = Signature("two", {"y": Tensor("int8", ["batch", 40], min=-5, max=5)}, {})


@pytest.fixture
def under_test():
    tokens = current_signature.set(ONE), current_signatures.set({"one": ONE, "two": TWO})
    yield
    current_signature.reset(tokens[0])
    current_signatures.reset(tokens[1])


SHARED = signature_inputs()


@pytest.mark.usefixtures("under_test")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(inputs=SHARED, named=signature_inputs("two"), stated=signature_inputs(TWO))
def test_inputs_are_those_of_the_model_under_test(inputs, named, stated):
    assert list(inputs) == ["x"]
    assert list(named) == list(stated) == ["y"]


@settings(max_examples=5)
@given(inputs=SHARED)
def drawn_for(name, inputs):
    assert list(inputs) == [name]


def test_one_strategy_serves_several_models():
    for signature, name in ((ONE, "x"), (TWO, "y"), (ONE, "x")):
        token = current_signature.set(signature)
        try:
            drawn_for(name)
        finally:
            current_signature.reset(token)


@pytest.mark.parametrize(
    ("name", "message"),
    [(None, "found no model under test"), ("three", "has no such signature; known: none")],
)
def test_without_a_model_under_test_the_remedy_is_told(name, message):
    with pytest.raises(StrategyError, match=message):
        find(signature_inputs(name), lambda _: True, settings=settings(database=None))


@pytest.mark.usefixtures("under_test")
def test_an_unknown_signature_is_told_the_known_ones():
    with pytest.raises(StrategyError, match=r'signature_inputs\("three"\).*known: one, two'):
        find(signature_inputs("three"), lambda _: True, settings=settings(database=None))


def test_a_signature_is_not_something_else():
    with pytest.raises(StrategyError, match=r"signature_inputs\(3\): give a signature's name"):
        signature_inputs(3)


SHRUNK = {
    "a small one": (ONE, lambda i: (i["x"] < 0).any(), lambda i: sorted(i["x"].ravel()) == [-1, 0]),
    "its batch": (ONE, lambda i: len(i["x"]) >= 17, lambda i: i["x"].shape == (17, 2)),
    "zeros": (ONE, lambda i: (i["x"] == 0).all(axis=1).any(), lambda i: i["x"].tolist() == [[0, 0]]),
    "a large one": (TWO, lambda i: (i["y"] == 5).any(), lambda i: len(i["y"]) == 1),
}


@pytest.mark.parametrize(("signature", "fails", "is_small"), SHRUNK.values(), ids=SHRUNK.keys())
def test_hypothesis_shrinks_what_it_draws(signature, fails, is_small):
    options = settings(database=None, max_examples=500, phases=[Phase.generate, Phase.shrink], derandomize=True)
    assert is_small(find(signature_inputs(signature), fails, settings=options))


def test_a_cell_of_a_large_array_shrinks_to_a_simple_background():
    signature = Signature("s", {"x": Tensor("float32", [50, 50])}, {})
    options = settings(database=None, max_examples=500, derandomize=True)
    found = find(signature_inputs(signature), lambda i: i["x"].max() == 1000, settings=options)
    assert len(np.unique(found["x"])) <= 2
