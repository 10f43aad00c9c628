"""Contracts: what callers of a model may rely on, stated in Python or in a file."""

from __future__ import annotations

from pytest_tfsig.contract.agreement import Contract, infer
from pytest_tfsig.contract.comparison import Mismatch, compare, side_by_side, tensor_text
from pytest_tfsig.contract.completion import remarks
from pytest_tfsig.contract.consistency import contradictions
from pytest_tfsig.contract.latency import METRICS, PERCENTILES, LatencyBudget
from pytest_tfsig.contract.relations import Argmax, Monotone, PaddingInvariant, PermutationInvariant, Relation
from pytest_tfsig.contract.signature import BATCH_RANGE, SIZE_RANGE, Signature
from pytest_tfsig.contract.tensor import Dimension, Feature, Probabilities, ProbabilityRule, Tensor, shape_text
from pytest_tfsig.contract.toml import load, loads
from pytest_tfsig.contract.writing import dumps

__all__ = [
    "BATCH_RANGE",
    "METRICS",
    "PERCENTILES",
    "SIZE_RANGE",
    "Argmax",
    "Contract",
    "Dimension",
    "Feature",
    "LatencyBudget",
    "Mismatch",
    "Monotone",
    "PaddingInvariant",
    "PermutationInvariant",
    "Probabilities",
    "ProbabilityRule",
    "Relation",
    "Signature",
    "Tensor",
    "compare",
    "contradictions",
    "dumps",
    "infer",
    "load",
    "loads",
    "remarks",
    "shape_text",
    "side_by_side",
    "tensor_text",
]
