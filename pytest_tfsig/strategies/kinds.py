"""Which kind of values a tensor of a contract holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies.examples import examples
from pytest_tfsig.strategies.images import images
from pytest_tfsig.strategies.numeric import numbers
from pytest_tfsig.strategies.text import strings

if TYPE_CHECKING:
    from pytest_tfsig.contract import Tensor
    from pytest_tfsig.strategies.patterns import Values

__all__ = ["values_of"]


def values_of(tensor: Tensor, where: str) -> Values:
    """Return what ``tensor`` may hold.

    Args:
        tensor: A tensor whose dtype is known.
        where: The key path that errors name.

    Raises:
        StrategyError: Its dtype is not known, or it may hold nothing.
    """
    if tensor.dtype is None:
        raise StrategyError(f"{where}: the dtype is not known; state it, or complete the contract from the SavedModel.")
    if tensor.features is not None:
        return examples(tensor.features, where)
    if tensor.image is not None:
        return images(tensor.image)
    if tensor.dtype != "string":
        return numbers(tensor if tensor.probabilities is None else replace(tensor, min=0.0, max=1.0), where)
    return strings(tensor)
