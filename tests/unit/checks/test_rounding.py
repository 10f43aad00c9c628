from __future__ import annotations

import numpy as np

from pytest_tfsig.checks.rounding import without_subnormals
from pytest_tfsig.contract import Feature, Signature, Tensor
from pytest_tfsig.strategies.examples import parsed, serialized

FEATURES = {"x": Feature("float32", [2]), "n": Feature("int64", [1])}
EXAMPLE = {"x": [1e-45, 0.5], "n": [1]}


def test_tiny_floats_of_tensors_are_sent_as_zero():
    signature = Signature(inputs={"x": Tensor("float32", ["batch"]), "n": Tensor("int64", ["batch"])})
    sent = without_subnormals(signature, {"x": np.array([1e-45, 0.5], np.float32), "n": np.array([1, 2])})
    assert sent["x"].tolist() == [0.0, 0.5]
    assert sent["x"].dtype == np.float32
    assert sent["n"].tolist() == [1, 2]


def test_tiny_floats_of_examples_are_sent_as_zero():
    signature = Signature(method="classify", inputs={"inputs": Tensor("string", ["batch"], features=FEATURES)})
    assert without_subnormals(signature, {"examples": [EXAMPLE]}) == {"examples": [{"x": [0.0, 0.5], "n": [1]}]}


def test_tiny_floats_of_serialized_examples_are_sent_as_zero_and_other_bytes_as_they_are():
    signature = Signature(inputs={"inputs": Tensor("string", ["batch"], features=FEATURES)})
    cells = np.array([serialized(EXAMPLE, FEATURES), b"\xff no example"], object)
    sent = without_subnormals(signature, {"inputs": cells})
    assert parsed(sent["inputs"][0]) == {"n": [1], "x": [0.0, 0.5]}
    assert sent["inputs"][1] == b"\xff no example"
