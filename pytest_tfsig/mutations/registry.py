"""The registry of mutations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.mutations import forms, rows, service, values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.mutations.mutation import Mutation


def mutations() -> Mapping[str, Mutation]:
    """Returns every mutation by name, in the order in which they are tried and reported."""
    every = (*forms.MUTATIONS, *rows.MUTATIONS, *values.MUTATIONS, *service.MUTATIONS)
    return {mutation.name: mutation for mutation in every}
