"""Inputs close to a given one, for climbing towards a violation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pytest_tfsig.strategies.signatures import Arrays, Plan
    from pytest_tfsig.strategies.source import Source

__all__ = ["mutated"]

_MOST_CELLS: Final = 4


def mutated(ready: Plan, arrays: Arrays, source: Source) -> Arrays:
    """Return ``arrays`` with a few cells of one input drawn anew.

    Args:
        ready: The signature's plan.
        arrays: One array for each input; they stay as they are.
        source: Makes the choices.
    """
    names = [name for name in ready.values if arrays[name].size]
    if not names:
        return arrays
    name = names[source.choose(len(names))]
    changed = np.array(arrays[name])
    cells = 1 + source.choose(min(_MOST_CELLS, changed.size))
    positions = [source.choose(changed.size) for _ in range(cells)]
    changed.reshape(-1)[positions] = ready.values[name].cells(source, cells)
    return {**arrays, name: changed}
