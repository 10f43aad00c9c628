"""Rows that are mixed up: what batching, padding and squeezing do to a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.tolerances import widened
from pytest_tfsig.mutations.mutation import Call, Mutation, has_rows, of_array, of_rows
from pytest_tfsig.savedmodel.dtypes import FLOAT_DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_tfsig.mutations.mutation import Circumstances

    Rows = dict[str, NDArray[Any]]

_NEEDS = "a named batch dimension, of more than one row"


def _swapped(rows: Rows, _: Call) -> Rows:
    return {name: array[_exchanged(len(array))] for name, array in rows.items()}


def _exchanged(count: int) -> NDArray[np.intp]:
    order = np.arange(count)
    if count > 1:
        order[[0, -1]] = order[[-1, 0]]
    return order


def _repeated(rows: Rows, _: Call) -> Rows:
    return {name: array[np.zeros(len(array), int)] for name, array in rows.items()}


def _lost(rows: Rows, _: Call) -> Rows:
    return {name: array[:-1] for name, array in rows.items()}


def _added(rows: Rows, _: Call) -> Rows:
    return {name: np.concatenate([array, array[-1:]]) for name, array in rows.items()}


def _squeezed(rows: Rows, _: Call) -> Rows:
    return {name: array[0, ...] if len(array) == 1 else array for name, array in rows.items()}


def _centred(array: NDArray[Any], _: Call) -> NDArray[Any]:
    wide = widened(array)
    with np.errstate(all="ignore"):
        return (wide - wide.mean(axis=0)).astype(array.dtype) if array.ndim and len(array) else array


def _float_rows(circumstances: Circumstances) -> tuple[str, ...]:
    batch = circumstances.batch
    return tuple(
        name
        for name in (circumstances.outputs(*FLOAT_DTYPES) if has_rows(circumstances) else ())
        if (shape := circumstances.signature.outputs[name].shape) is None or shape[:1] == (batch,)
    )


def _tensors_with_rows(circumstances: Circumstances) -> tuple[str, ...]:
    return has_rows(circumstances) if circumstances.predicts else ()


MUTATIONS = (
    Mutation(
        "rows_swapped",
        "the first and the last row of a batch get each other's answers",
        _NEEDS,
        has_rows,
        of_rows(_swapped),
        ("batch_invariant",),
    ),
    Mutation(
        "row_repeated",
        "every row of a batch gets the answer of the first",
        _NEEDS,
        has_rows,
        of_rows(_repeated),
        ("batch_invariant",),
    ),
    Mutation("row_lost", "the last row of a batch is not answered", _NEEDS, has_rows, of_rows(_lost), ("outputs",)),
    Mutation("row_added", "a batch is answered with one row too many", _NEEDS, has_rows, of_rows(_added), ("outputs",)),
    Mutation(
        "squeezed_one",
        "the answer to a batch of one has no batch dimension",
        "a predict signature with a named batch dimension",
        _tensors_with_rows,
        of_rows(_squeezed),
        ("outputs", "batch_invariant"),
    ),
    Mutation(
        "batch_mean_taken_off",
        "each row of output {output!r} has the batch's mean taken off",
        "an output of floating-point numbers with a row for each row of a batch",
        _float_rows,
        of_array(_centred),
        ("batch_invariant",),
    ),
)
