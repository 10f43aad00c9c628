"""Batches: the rows of several requests as one, and back."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Array = np.ndarray[Any, Any]

__all__ = ["Batch", "Piece", "Task", "common_size"]

_MOST_PADDED_DIMENSIONS: Final = 6


def common_size(feeds: Mapping[str, Array]) -> int:
    """The number of rows that all inputs have.

    Raises:
        StatusError: There is no input, one has no dimension, or they have different numbers of rows.
    """
    sizes = set()
    if not feeds:
        raise StatusError(Code.INVALID_ARGUMENT, "Batching Run() must have at least one input tensor")
    for array in feeds.values():
        if not array.ndim:
            raise StatusError(Code.INVALID_ARGUMENT, "Batching Run() input tensors must have at least one dimension")
        sizes.add(array.shape[0])
        if len(sizes) > 1:
            raise StatusError(Code.INVALID_ARGUMENT, "Batching Run() input tensors must have equal 0th-dimension size")
    return int(sizes.pop())


@final
class Task:
    """One request's run.

    Args:
        feeds: Tensor name -> array.
        size: Rows of each of them.
        due: When the request must be answered, on the clock of `time.monotonic`.
    """

    def __init__(self, feeds: dict[str, Array], size: int, due: float | None) -> None:
        self.feeds = feeds
        self.size = size
        self.due = due
        self.enqueued = time.monotonic()
        self._answered = threading.Event()
        self._waiting = threading.Lock()
        self._parts: list[dict[str, Array] | None] = []
        self._error: StatusError | None = None

    def split(self, sizes: Sequence[int]) -> list[Piece]:
        """Pieces of these sizes; the task is done when all of them are."""
        self._parts = [None] * len(sizes)
        pieces = []
        start = 0
        for index, size in enumerate(sizes):
            pieces.append(Piece(self, index, start, size))
            start += size
        return pieces

    def done(self, index: int, part: dict[str, Array] | StatusError) -> None:
        """Note one piece's outputs, or why it has none."""
        with self._waiting:
            if isinstance(part, StatusError):
                self._error = self._error or part
                part = {}
            self._parts[index] = part
            if None not in self._parts:
                self._answered.set()

    def result(self) -> dict[str, Array]:
        """Wait for the outputs by tensor name.

        Raises:
            StatusError: A piece failed.
        """
        self._answered.wait()
        if self._error is not None:
            raise StatusError(self._error.code, self._error.message)
        parts = [part for part in self._parts if part is not None]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@final
class Piece:
    """Some rows of a task."""

    __slots__ = ("_index", "_start", "size", "task")

    def __init__(self, task: Task, index: int, start: int, size: int) -> None:
        self.task = task
        self.size = size
        self._index = index
        self._start = start

    def rows(self, name: str) -> Array:
        """One input's rows."""
        return self.task.feeds[name][self._start : self._start + self.size]

    def done(self, part: dict[str, Array] | StatusError) -> None:
        """Note the outputs, or why there are none."""
        self.task.done(self._index, part)


@final
class Batch:
    """Pieces that run together."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.size = 0
        self.opened = 0.0

    def add(self, piece: Piece) -> None:
        """Add a piece's rows behind the others."""
        self.pieces.append(piece)
        self.size += piece.size

    def deadline(self, now: float) -> float | None:
        """The latest time at which one of the requests must be answered; None if one has all the time.

        Raises:
            StatusError: All of them are late already.
        """
        dues = [piece.task.due for piece in self.pieces]
        known = [due for due in dues if due is not None]
        if len(known) < len(dues):
            return None
        if max(known) <= now:
            raise StatusError(Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")
        return max(known)

    def merge(self, size: int, *, pads: bool) -> dict[str, Array]:
        """All rows of each input, filled up to `size` rows with copies of the last request's first row.

        Raises:
            StatusError: Shapes or dtypes of the requests do not go together.
        """
        names = sorted(self.pieces[0].task.feeds)
        return {name: self._merge(name, size, pads=pads) for name in names}

    def _merge(self, name: str, size: int, *, pads: bool) -> Array:
        rows = [piece.rows(name) for piece in self.pieces]
        if pads:
            rows = _padded(rows)
        elif any(array.shape[1:] != rows[0].shape[1:] for array in rows):
            raise StatusError(
                Code.FAILED_PRECONDITION,
                f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. Set "
                "pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
                "dimensions starting with the first dim.",
            )
        if any(array.dtype != rows[0].dtype for array in rows):
            raise StatusError(
                Code.INTERNAL,
                "Tensor concat operation failed: INVALID_ARGUMENT: Cannot concatenate tensors that have different data "
                "types.",
            )
        rows.extend([rows[-1][:1]] * (size - self.size))
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def finish(self, outputs: dict[str, Array], size: int) -> None:
        """Give each request its rows of the outputs.

        Raises:
            StatusError: An output has not a row for each row of the inputs.
        """
        for array in outputs.values():
            if not array.ndim:
                raise StatusError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
            if array.shape[0] != size:
                raise StatusError(
                    Code.FAILED_PRECONDITION,
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                    "input tensors",
                )
        start = 0
        for piece in self.pieces:
            piece.done({name: array[start : start + piece.size] for name, array in outputs.items()})
            start += piece.size

    def fail(self, error: StatusError) -> None:
        """Answer every request with the same error."""
        for piece in self.pieces:
            piece.done(error)


def _padded(rows: list[Array]) -> list[Array]:
    """Arrays of equal shapes but for their rows, larger ones filled up with their own first value."""
    rank = rows[0].ndim
    if not 1 <= rank <= _MOST_PADDED_DIMENSIONS or any(array.ndim != rank for array in rows):
        raise StatusError(Code.INVALID_ARGUMENT, "Only tensors with rank from 1 to 6 can be padded.")
    shape = [max(array.shape[axis] for array in rows) for axis in range(1, rank)]
    return [_fill(array, (array.shape[0], *shape)) for array in rows]


def _fill(array: Array, shape: tuple[int, ...]) -> Array:
    if array.shape == shape:
        return array
    if not array.size:
        raise StatusError(Code.INVALID_ARGUMENT, "Got empty tensor in batch of non-empty tensors.")
    filled = np.full(shape, array.flat[0], array.dtype)
    filled[tuple(slice(size) for size in array.shape)] = array
    return filled
