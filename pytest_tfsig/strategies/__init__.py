"""Hypothesis strategies for what a contract allows: one tensor, all inputs of a signature, tf.Examples."""

from __future__ import annotations

from pytest_tfsig.strategies.arrays import arrays
from pytest_tfsig.strategies.corners import Case, corner_cases
from pytest_tfsig.strategies.current import current_signature, current_signatures, signature_inputs
from pytest_tfsig.strategies.explore import Exploration, draws, explore
from pytest_tfsig.strategies.signatures import Inputs, signature_arrays

__all__ = [
    "Case",
    "Exploration",
    "Inputs",
    "arrays",
    "corner_cases",
    "current_signature",
    "current_signatures",
    "draws",
    "explore",
    "signature_arrays",
    "signature_inputs",
]
