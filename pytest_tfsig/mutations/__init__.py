"""Contract strength: faults put between server and checks, one at a time, to see which of them a contract notices."""

from __future__ import annotations

from pytest_tfsig.mutations.check import strength_check
from pytest_tfsig.mutations.mutation import Call, Circumstances, Mutation, Seen
from pytest_tfsig.mutations.registry import mutations
from pytest_tfsig.mutations.strength import Strength, measure

__all__ = [
    "Call",
    "Circumstances",
    "Mutation",
    "Seen",
    "Strength",
    "measure",
    "mutations",
    "strength_check",
]
