"""The tap between server and checks: passes requests through one mutation, and notes what that changed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_tfsig.checks.tolerances import is_inexact, widened
from pytest_tfsig.clients import ServingError
from pytest_tfsig.mutations.mutation import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from pytest_tfsig.clients import VersionStatus
    from pytest_tfsig.mutations.mutation import Inputs, Meddle, Outputs, States

_MOST_KEPT = 64
_MOST_NUMBERS = 2**20
"""Numbers of all answers that are kept together."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One request that was answered, as the server answered it and as callers got it.

    Attributes:
        inputs: The request.
        transport: How it came.
        genuine: What the server answered.
        returned: What callers got; None: an error.
    """

    inputs: Inputs
    transport: str
    genuine: Outputs
    returned: Outputs | None


@dataclass(slots=True)
class Tap:
    """Where requests pass through a mutation.

    Attributes:
        meddle: The mutation at work.
        restate: What it makes of the states of a model's versions.
        keep_all: Whether answers are kept that came through unchanged.
        asked: Requests that came.
        changed: Requests that came out otherwise than the server answered them.
        exhibits: The first few of them.
    """

    meddle: Meddle
    restate: States | None = None
    keep_all: bool = False
    asked: int = 0
    changed: int = 0
    exhibits: list[Exhibit] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _left: int = _MOST_NUMBERS

    def answer(self, inputs: Inputs, transport: str, proceed: Callable[[], Outputs]) -> Outputs:
        """Returns what callers get for a request.

        Raises:
            ServingError: The server refused it, or the mutation does.
        """
        genuine: Outputs | None = None
        refusal: ServingError | None = None

        def asked() -> Outputs:
            nonlocal genuine, refusal
            try:
                genuine = proceed()
            except ServingError as error:
                refusal = error
                raise
            return genuine

        number = next(self._numbers)
        self.asked = number + 1
        try:
            returned = self.meddle(Call(inputs, transport, number, asked))
        except ServingError as error:
            if error is not refusal:
                self._note(inputs, transport, genuine, None)
            raise
        self._note(inputs, transport, genuine, returned)
        return returned

    def states(self, states: list[VersionStatus]) -> list[VersionStatus]:
        """Returns what callers are told of the states of a model's versions."""
        if self.restate is None:
            return states
        told = self.restate(states)
        self.changed += told != states
        return told

    def _note(self, inputs: Inputs, transport: str, genuine: Outputs | None, returned: Outputs | None) -> None:
        is_changed = genuine is None or returned is None or not _alike(genuine, returned)
        self.changed += is_changed
        if genuine is None or not (is_changed or self.keep_all) or len(self.exhibits) == _MOST_KEPT:
            return
        self._left -= sum(array.size for array in genuine.values())
        if self._left >= 0 or not self.exhibits:
            self.exhibits.append(Exhibit(inputs, transport, genuine, returned))


def _alike(one: Outputs, other: Outputs) -> bool:
    """Whether two answers are the same to the last bit, but for the sign of zero and the kind of NaN."""
    return one is other or (
        one.keys() == other.keys() and all(_same(array, other[name]) for name, array in one.items())
    )


def _same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    if one is other:
        return True
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if is_inexact(one):
        return bool(np.array_equal(widened(one), widened(other), equal_nan=True))
    return bool(np.array_equal(one, other))
