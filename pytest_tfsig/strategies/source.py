"""Where choices come from: Hypothesis, which can shrink them, or a seed, which is fast and lazy."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

__all__ = ["WORDS", "HypothesisSource", "Samples", "SeededSource", "Source", "generator"]

_SEEDS: Final = 2**32

WORDS: Final = 2**16
"""How many numbers a word of `Source.words` tells apart."""

Samples = Callable[["SearchStrategy[Any]", int], Any]
"""Returns a value of a strategy for a seed."""


class Source(Protocol):
    """Makes the choices that a generated input consists of; the first of the possible ones is the simplest."""

    def choose(self, count: int) -> int:
        """Return a number from 0 to ``count - 1``; smaller is simpler."""
        ...

    def words(self, count: int) -> NDArray[np.int64]:
        """Return ``count`` numbers from 0 to ``WORDS - 1``, in one choice; smaller is simpler."""
        ...

    def generator(self) -> np.random.Generator:
        """Return a numpy generator that this choice alone determines."""
        ...

    def draw(self, strategy: SearchStrategy[Any]) -> Any:
        """Return a value of a user's own strategy."""
        ...


class HypothesisSource:
    """Choices inside a running Hypothesis test: they are recorded, mutated and shrunk.

    Args:
        draw: What `hypothesis.strategies.composite` passes to its function.
    """

    __slots__ = ("_draw",)

    def __init__(self, draw: Callable[[SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def choose(self, count: int) -> int:
        """Return a number from 0 to ``count - 1``; smaller is simpler."""
        return 0 if count == 1 else int(self._draw(_choices(count)))

    def words(self, count: int) -> NDArray[np.int64]:
        """Return ``count`` numbers from 0 to ``WORDS - 1``, in one choice; smaller is simpler."""
        # One choice of many bytes costs Hypothesis as much as one of few, and it shrinks byte by byte.
        return np.frombuffer(self._draw(_bytes(2 * count)), dtype=">u2").astype(np.int64)

    def generator(self) -> np.random.Generator:
        """Return a numpy generator that this choice alone determines."""
        return generator(self.choose(_SEEDS))

    def draw(self, strategy: SearchStrategy[Any]) -> Any:
        """Return a value of a user's own strategy."""
        return self._draw(strategy)


class SeededSource:
    """Choices from a numpy generator, outside any Hypothesis test.

    Args:
        rng: Determines every choice.
        samples: Returns a value of a user's own strategy for a seed.
    """

    __slots__ = ("_rng", "_samples")

    def __init__(self, rng: np.random.Generator, samples: Samples | None = None) -> None:
        self._rng = rng
        self._samples = samples

    def choose(self, count: int) -> int:
        """Return a number from 0 to ``count - 1``."""
        return 0 if count == 1 else int(self._rng.integers(count))

    def words(self, count: int) -> NDArray[np.int64]:
        """Return ``count`` numbers from 0 to ``WORDS - 1``."""
        return self._rng.integers(WORDS, size=count)

    def generator(self) -> np.random.Generator:
        """Return a numpy generator that this choice alone determines."""
        return generator(self.choose(_SEEDS))

    def draw(self, strategy: SearchStrategy[Any]) -> Any:
        """Return a value of a user's own strategy."""
        if self._samples is None:
            raise TypeError("this source was made without a way to draw from users' strategies")
        return self._samples(strategy, self.choose(_SEEDS))


def generator(seed: int) -> np.random.Generator:
    """Return the generator that all bulk values come from: SFC64, the fastest that numpy has."""
    return np.random.Generator(np.random.SFC64(seed))


@lru_cache(maxsize=1024)
def _bytes(count: int) -> SearchStrategy[bytes]:
    return st.binary(min_size=count, max_size=count)


@lru_cache(maxsize=4096)
def _choices(count: int) -> SearchStrategy[int]:
    return st.integers(0, count - 1)
