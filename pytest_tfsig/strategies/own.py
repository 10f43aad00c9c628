"""A user's own strategy for an input: found, called, and what it draws compared with the contract."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis.errors import HypothesisException, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from pytest_tfsig import tensors
from pytest_tfsig.contract import shape_text
from pytest_tfsig.errors import StrategyError, TensorError, TfsigError
from pytest_tfsig.strategies.examples import serialized

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_tfsig.contract import Tensor
    from pytest_tfsig.strategies.source import Source

__all__ = ["Own", "own"]


@dataclass(frozen=True, slots=True)
class Own:
    """A user's own strategy for one input.

    Attributes:
        tensor: What the contract says about the input.
        where: The key path that errors name.
        strategy: Draws the arrays, of whatever sizes it likes; None if `function` does.
        function: Returns a strategy for a shape, given as ``shape``.
    """

    tensor: Tensor
    where: str
    strategy: SearchStrategy[Any] | None
    function: Callable[..., Any] | None

    def draw(self, source: Source, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
        """Return an array that the user's strategy draws.

        Args:
            source: Makes the choices.
            shape: The sizes it has to have, if the user's function takes them.

        Raises:
            StrategyError: What it drew is not what the contract declares.
        """
        strategy = self.strategy
        try:
            if strategy is None and self.function is not None and shape is not None:
                strategy = _for_shape(self.function, shape)
            drawn = source.draw(_strategy(strategy, self.where))
        except Unsatisfiable as error:
            raise StrategyError(f"{self.where}.strategy draws nothing, or filters all of it out; widen it.") from error
        except (HypothesisException, TfsigError):
            raise  # what Hypothesis tells itself, and what says already what is wrong
        except Exception as error:
            raise _raised(self, error) from error
        return self._checked(drawn, shape)

    def _checked(self, drawn: Any, shape: tuple[int, ...] | None) -> NDArray[Any]:
        if isinstance(drawn, list | tuple) and drawn and all(isinstance(example, dict) for example in drawn):
            # tf.Examples as they are written for classify and regress.
            drawn = [serialized(example, self.tensor.features or {}) for example in drawn]
        wanted = tensors.dtype(self.tensor.dtype)
        if (
            isinstance(drawn, np.ndarray | np.generic)
            and drawn.dtype.kind not in "OSUT"
            and drawn.dtype != wanted.numpy
        ):
            raise StrategyError(
                f"{self.where}.strategy draws {drawn.dtype}, but the contract says {wanted.name}; cast it."
            )
        try:
            array = tensors.as_array(drawn, wanted)
        except TensorError as error:
            raise StrategyError(f"{self.where}.strategy draws what is no {wanted.name} tensor: {error}.") from error
        if not _fits(array.shape, self.tensor.shape if shape is None else shape):
            raise StrategyError(
                f"{self.where}.strategy draws shape {shape_text(array.shape)}, but "
                f"{shape_text(self.tensor.shape if shape is None else shape)} is wanted; a function with a parameter "
                "named shape is told the sizes."
            )
        return array


def own(tensor: Tensor, where: str) -> Own | None:
    """Return the user's own strategy for an input, None if there is none.

    Args:
        tensor: Its `strategy` is ``"module:function"``, a function, or a Hypothesis strategy. A function that has a
            parameter named ``shape`` is called with the sizes to draw.
        where: The key path that errors name.

    Raises:
        StrategyError: The function cannot be found, called, or returns no strategy.
    """
    stated = tensor.strategy
    if stated is None:
        return None
    if isinstance(stated, str):
        stated = _imported(stated, where)
    if isinstance(stated, SearchStrategy):
        return Own(tensor, where, stated, None)
    if not callable(stated):
        raise StrategyError(f"{where}.strategy is {stated!r}, neither a strategy nor a function that returns one.")
    if "shape" in inspect.signature(stated).parameters:
        return Own(tensor, where, None, stated)
    try:
        returned = stated()
    except Exception as error:
        raise _raised(Own(tensor, where, None, stated), error) from error
    return Own(tensor, where, _strategy(returned, where), None)


@lru_cache(maxsize=256)
def _for_shape(function: Callable[..., Any], shape: tuple[int, ...]) -> Any:
    """Call a user's function once for each shape, so that what is known about its strategy is kept."""
    return function(shape=shape)


def _raised(mine: Own, error: Exception) -> StrategyError:
    what = f"{type(error).__name__}: {error}"
    return StrategyError(f"{mine.where}.strategy raised {what}; mend the function {mine.tensor.strategy}.")


def _strategy(returned: Any, where: str) -> SearchStrategy[Any]:
    if not isinstance(returned, SearchStrategy):
        raise StrategyError(
            f"{where}.strategy returned {type(returned).__name__}, not a Hypothesis strategy; return one such as "
            "hypothesis.extra.numpy.arrays(...)."
        )
    return returned


def _imported(path: str, where: str) -> Any:
    module, _, names = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        raise StrategyError(
            f"{where}.strategy: module {module} cannot be imported ({type(error).__name__}: {error}); "
            "it has to be on pytest's pythonpath."
        ) from error
    for name in names.split("."):
        if not hasattr(found, name):
            raise StrategyError(f'{where}.strategy: there is no "{names}" in module {module}; correct "{path}".')
        found = getattr(found, name)
    return found


def _fits(actual: tuple[int, ...], wanted: Any) -> bool:
    if wanted is None:
        return True
    return len(actual) == len(wanted) and all(
        not isinstance(size, int) or size == given for given, size in zip(actual, wanted, strict=True)
    )
