"""The digits model: its contract, and two promises that only a test can put in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from sklearn.datasets import load_digits

from pytest_tfsig import Probabilities, Tensor, signature_inputs

if TYPE_CHECKING:
    from pytest_tfsig import ServedModel

# On the module: the contract's checks and this file's own tests draw from the same domains.
pytestmark = [
    pytest.mark.tfsig_model("../models/digits"),
    pytest.mark.tfsig_contract(
        inputs={"input": Tensor("float32", ["batch", 8, 8], min=0, max=1)},
        outputs={"probabilities": Probabilities("float32", ["batch", 10], atol=1e-5)},
        dims={"batch": (1, 64)},
        latency={"p99": "100ms"},
        consumer="dashboard",
    ),
]


def test_contract(tfsig_check):
    """One test item for each check of pytest-tfsig."""
    tfsig_check()


def test_recognises_digits(served_model: ServedModel):
    """What is served has learned its task, whatever happened between training and here."""
    data = load_digits()
    answer = served_model.predict({"input": (data.images / 16).astype("float32")})
    assert np.mean(answer["probabilities"].argmax(axis=1) == data.target) > 0.95


@given(inputs=signature_inputs())
def test_rest_gives_the_same_digit(served_model: ServedModel, inputs):
    """The dashboard asks over REST, the pipeline over gRPC: they may not disagree."""
    grpc, rest = (served_model.predict(inputs, transport=transport) for transport in ("grpc", "rest"))
    np.testing.assert_allclose(grpc["probabilities"], rest["probabilities"], rtol=1e-5, atol=1e-7)
