"""All inputs of a signature together: dimensions agree, masks end where lengths say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies.arrays import draw_array
from pytest_tfsig.strategies.kinds import values_of
from pytest_tfsig.strategies.sizes import layout
from pytest_tfsig.strategies.source import HypothesisSource
from pytest_tfsig.strategies.ties import ties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_tfsig.contract import Signature
    from pytest_tfsig.strategies.patterns import Values
    from pytest_tfsig.strategies.sizes import Layout
    from pytest_tfsig.strategies.source import Source
    from pytest_tfsig.strategies.ties import Tie

__all__ = ["Inputs", "Plan", "plan", "signature_arrays"]

Inputs = dict[str, Any]
"""Arrays by input name; for classify and regress ``{"examples": [{feature: values}, …]}``."""

Arrays = dict[str, "NDArray[Any]"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A signature, made ready for drawing its inputs.

    Attributes:
        signature: What was made ready.
        layout: The inputs' shapes.
        values: What each input may hold.
        ties: Inputs that depend on others.
    """

    signature: Signature
    layout: Layout
    values: Mapping[str, Values]
    ties: tuple[Tie, ...]

    def draw(self, source: Source) -> Arrays:
        """Return one array for each input, before `finish`."""
        shapes = self.layout.draw(source, {})
        return {name: draw_array(source, values, shapes[name]) for name, values in self.values.items()}

    def finish(self, arrays: Arrays) -> Inputs:
        """Return ``arrays`` as they are sent: masks and lengths tied, probabilities summing to 1."""
        inputs: Inputs = dict(arrays)
        for tie in self.ties:
            inputs[tie.name] = tie.tied(inputs)
        for name, tensor in self.signature.inputs.items():
            if tensor.probabilities is not None and tensor.probabilities is not True:
                inputs[name] = _normalised(inputs[name], tensor.probabilities.axis)
        return inputs


def plan(signature: Signature) -> Plan:
    """Make ``signature`` ready for drawing.

    Raises:
        StrategyError: An input's dtype is not known, or an input can hold nothing.
    """
    if not signature.inputs:
        raise StrategyError(
            f"signature {signature.name} states no inputs; state them, or complete the contract from the SavedModel."
        )
    values = {
        name: values_of(tensor, f"signatures.{signature.name}.inputs.{name}")
        for name, tensor in signature.inputs.items()
    }
    return Plan(signature, layout(signature), values, ties(signature))


def signature_arrays(signature: Signature) -> SearchStrategy[Inputs]:
    """Return a strategy for all inputs of a signature.

    Args:
        signature: Its inputs have a dtype; `dims` bounds the sizes of named dimensions.

    Raises:
        StrategyError: An input's dtype is not known, or an input can hold nothing.
    """
    ready = plan(signature)

    def make(draw: Callable[[SearchStrategy[Any]], Any]) -> Inputs:
        return ready.finish(ready.draw(HypothesisSource(draw)))

    return st.composite(make)()


def _normalised(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return probabilities in proportion to ``array``; where all are 0, even ones."""
    wide = array.astype(np.float64)
    total = wide.sum(axis=axis, keepdims=True)
    even = np.full_like(wide, 1 / max(1, wide.shape[axis]))
    return np.divide(wide, total, out=even, where=total > 0).astype(array.dtype)
