"""One tensor: small ones element by element, large ones from a pattern, a seed and a few cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from hypothesis import strategies as st

from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies.kinds import values_of
from pytest_tfsig.strategies.limits import ELEMENTWISE
from pytest_tfsig.strategies.patterns import PATTERNS
from pytest_tfsig.strategies.source import HypothesisSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_tfsig.contract import Tensor
    from pytest_tfsig.strategies.patterns import Pattern, Values
    from pytest_tfsig.strategies.source import Source

__all__ = ["arrays", "draw_array"]

_MOST_CELLS: Final = 4
# How often the cells that are drawn one by one show in a large tensor.
_ONE_IN: Final = 3
# Patterns that mix values freely are drawn more often than those that the corner cases already contain.
_RANDOM: Final = ("typical", "anywhere", "points", "ends", "near")
_DECK: Final[tuple[Pattern, ...]] = (*PATTERNS.values(), *(PATTERNS[name] for name in _RANDOM * 2))


def arrays(tensor: Tensor, shape: Sequence[int]) -> SearchStrategy[NDArray[Any]]:
    """Return a strategy for arrays of one tensor.

    It shrinks towards zeros (or what is nearest to them in the tensor's domain) with few other cells.

    Args:
        tensor: What the arrays hold: its dtype, `min`, `max`, `values`, `finite`, `encoding`, `image` and `features`.
        shape: The sizes, all of them known.

    Raises:
        StrategyError: The tensor can hold nothing, or the shape is not that of an array.
    """
    sizes = _checked(shape)
    values = values_of(tensor, "tensor")

    def make(draw: Callable[[SearchStrategy[Any]], Any]) -> NDArray[Any]:
        return draw_array(HypothesisSource(draw), values, sizes)

    return st.composite(make)()


def draw_array(source: Source, values: Values, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of ``shape`` that ``source`` determines."""
    count = math.prod(shape)
    # The first cells are drawn before anything else, and are all there is of a small tensor: when Hypothesis takes rows
    # away from a large one, what is left begins with the same cells.
    first = values.cells(source, min(count, ELEMENTWISE))
    if count <= ELEMENTWISE:
        return first.reshape(shape)
    pattern = _DECK[source.choose(len(_DECK))]
    array = pattern(values, shape, source.generator())
    flat = array.reshape(-1)
    if source.choose(_ONE_IN) == 0:
        flat[: len(first)] = first
    cells = source.choose(_MOST_CELLS + 1)
    if cells:
        positions = [source.choose(count) for _ in range(cells)]
        flat[positions] = values.cells(source, cells)
    return array


def _checked(shape: Sequence[int]) -> tuple[int, ...]:
    if not all(isinstance(size, int | np.integer) and size >= 0 for size in shape):
        raise StrategyError(f"shape = {shape!r} is not the shape of an array: give sizes of 0 or more, such as (2, 3).")
    return tuple(int(size) for size in shape)
