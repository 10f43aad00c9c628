"""The wine model: two signatures, two contracts, one test."""

from __future__ import annotations

import pytest

from pytest_tfsig import Probabilities, Tensor

MEASUREMENTS = {"input": Tensor("float32", ["batch", 13], min=-10, max=10)}


@pytest.mark.tfsig_model("../models/wine")
@pytest.mark.tfsig_contract(inputs=MEASUREMENTS, outputs={"probabilities": Probabilities("float32", ["batch", 3])})
@pytest.mark.tfsig_contract(
    "embed",
    inputs=MEASUREMENTS,
    outputs={"embedding": Tensor("float32", ["batch", 8], min=-1, max=1)},
    # Bounds alone let any eight numbers pass for an embedding: train.py records what the release answers.
    checks={"examples": {"file": "../models/wine/recorded.tfrecord"}},
)
def test_contract(tfsig_check):
    """One item for each signature and check: ``test_contract[embed-outputs]``."""
    tfsig_check()
