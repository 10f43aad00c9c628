"""Batching: concurrent runs of one signature joined into one run of TensorFlow."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from pytest_tfsig import tensors
from pytest_tfsig.model_server import batches, metrics, wire
from pytest_tfsig.model_server.batches import Batch, Piece, Task
from pytest_tfsig.model_server.engine import deadline
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from pytest_tfsig.model_server.engine import Session

__all__ = ["BatchingSession", "Parameters", "Scheduler"]


_LARGEST: Final = 1000
_MOST_WAITING: Final = 10
_CPUS: Final = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Parameters:
    """How runs are joined; the defaults are TensorFlow Serving's.

    Args:
        largest: Rows that one request may have (`max_batch_size`).
        seconds: How long a batch waits for more (`batch_timeout_micros`).
        most_waiting: Batches that may wait for a thread (`max_enqueued_batches`).
        threads: Batches that run at once (`num_batch_threads`).
        pool: The threads' name in metrics (`thread_pool_name`).
        allowed: Sizes to which batches are filled up (`allowed_batch_sizes`); empty: any.
        pads: Whether rows of different shapes are padded (`pad_variable_length_inputs`).
        splits: Whether a request may be spread over batches (`enable_large_batch_splitting`).
        largest_run: Rows of one run when it may (`max_execution_batch_size`).
    """

    largest: int = _LARGEST
    seconds: float = 0.0
    most_waiting: int = _MOST_WAITING
    threads: int = _CPUS
    pool: str = "model_server_batch_threads"
    allowed: tuple[int, ...] = ()
    pads: bool = False
    splits: bool = False
    largest_run: int = _LARGEST

    @classmethod
    def from_message(cls, message: Any) -> Parameters:
        """The parameters of a BatchingParameters message."""

        def given(field: str, default: Any) -> Any:
            return getattr(message, field).value if message.HasField(field) else default

        largest = given("max_batch_size", _LARGEST)
        splits = given("enable_large_batch_splitting", default=False)
        return cls(
            largest=largest,
            seconds=given("batch_timeout_micros", 0) / 1e6,
            most_waiting=given("max_enqueued_batches", _MOST_WAITING),
            threads=given("num_batch_threads", _CPUS),
            pool=given("thread_pool_name", ""),
            allowed=tuple(message.allowed_batch_sizes),
            pads=message.pad_variable_length_inputs,
            splits=splits,
            largest_run=given("max_execution_batch_size", largest) if splits else largest,
        )

    def padded(self, size: int) -> int:
        """The rows that a batch of `size` is run with."""
        return next((allowed for allowed in self.allowed if allowed >= size), size)

    def refuse_contradictions(self) -> None:
        """Refuse what no batch could be formed with; a model does not load then.

        Raises:
            StatusError: Saying which parameter.
        """
        if self.allowed and self.allowed[-1] != self.largest:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
                f"{self.allowed[-1]}; expected {self.largest}",
            )
        for text, value, least in (
            ("input_batch_size_limit must be positive", self.largest, 1),
            ("batch_timeout_micros must be non-negative", round(self.seconds * 1e6), 0),
            ("max_enqueued_batches must be positive", self.most_waiting, 1),
        ):
            if value < least:
                raise StatusError(Code.INVALID_ARGUMENT, f"{text}; was {value}")
        if self.largest_run > self.largest:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
                f"max_execution_batch_size.{int(self.splits)}{self.largest}{self.largest_run}",
            )


@final
class Scheduler:
    """The threads that run batches, shared by all models of a server.

    Args:
        parameters: How many threads there are, and how batches are formed.

    Raises:
        StatusError: There would be no thread.
    """

    def __init__(self, parameters: Parameters) -> None:
        if parameters.threads < 1:
            raise StatusError(Code.INVALID_ARGUMENT, f"num_batch_threads must be positive; was {parameters.threads}")
        self.parameters = parameters
        self._queues: deque[_Queue] = deque()
        self._changed = threading.Condition()
        for index in range(parameters.threads):
            threading.Thread(target=self._work, name=f"batch-{index}", daemon=True).start()

    def queue(self, run: Callable[[Batch], None], parameters: Parameters) -> _Queue:
        """A queue whose batches `run` answers."""
        queue = _Queue(run, parameters)
        with self._changed:
            self._queues.append(queue)
        return queue

    def remove(self, queue: _Queue) -> None:
        """Forget a queue in which nothing waits."""
        with self._changed:
            self._queues.remove(queue)

    def schedule(self, queue: _Queue, task: Task) -> None:
        """Put a task into a queue.

        Raises:
            StatusError: The task is too large, or the queue full.
        """
        with self._changed:
            queue.add(task, time.monotonic())
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                batch, run = self._next()
            run(batch)

    def _next(self) -> tuple[Batch, Callable[[Batch], None]]:
        while True:
            now = time.monotonic()
            for _ in range(len(self._queues)):
                queue = self._queues[0]
                self._queues.rotate(-1)  # every queue gets its turn
                batch = queue.take(now)
                if batch is not None:
                    return batch, queue.run
            due = min((due for queue in self._queues if (due := queue.due()) is not None), default=None)
            self._changed.wait(None if due is None else max(0.0, due - now))


@final
class _Queue:
    """Batches of one signature of one version; the last one is open for more."""

    def __init__(self, run: Callable[[Batch], None], parameters: Parameters) -> None:
        self.run = run
        self._parameters = parameters
        self._batches: deque[Batch] = deque([Batch()])

    def add(self, task: Task, now: float) -> None:
        """Add a task, whole or in pieces.

        Raises:
            StatusError: The task is too large, or the queue full.
        """
        limit = self._parameters.largest_run
        self._refuse_too_much(task)
        room = limit - self._batches[-1].size
        sizes = [task.size]
        if self._parameters.splits and task.size > room:
            rest = task.size - room
            sizes = [room] * (room > 0) + [limit] * (rest // limit) + [rest % limit] * (rest % limit > 0)
        for piece in task.split(sizes):
            self._append(piece, limit, now)

    def _append(self, piece: Piece, limit: int, now: float) -> None:
        batch = self._batches[-1]
        if batch.pieces and batch.size + piece.size > limit:
            batch = Batch()
            self._batches.append(batch)
        if not batch.pieces:
            batch.opened = now
        batch.add(piece)

    def _refuse_too_much(self, task: Task) -> None:
        parameters = self._parameters
        if task.size > parameters.largest:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Task size {task.size} is larger than maximum input batch size {parameters.largest}",
            )
        waiting = len(self._batches)
        last = self._batches[-1].size
        full = "The batch scheduling queue to which this task was submitted is full; "
        if parameters.splits:
            limit = parameters.largest_run
            capacity = (parameters.most_waiting - waiting) * limit + limit - last
            if task.size > capacity:
                raise StatusError(
                    Code.UNAVAILABLE,
                    f"{full}task size is {task.size} but scheduling capacity is only {capacity} "
                    f"(num_enqueued_batches={waiting}, max_enqueued_batches={parameters.most_waiting}, "
                    f"open_batch_size={last}, max_execution_batch_size={limit})",
                )
        elif last + task.size > parameters.largest and waiting >= parameters.most_waiting:
            raise StatusError(
                Code.UNAVAILABLE,
                f"{full}currently {waiting} batches enqueued and max_enqueued_batches is {parameters.most_waiting}",
            )

    def due(self) -> float | None:
        """When the open batch is to run even if it is not full; None while nothing waits."""
        batch = self._batches[0]
        return batch.opened + self._parameters.seconds if batch.pieces else None

    def take(self, now: float) -> Batch | None:
        """The next batch that is full, closed or has waited long enough."""
        batch = self._batches[0]
        if len(self._batches) > 1:
            return self._batches.popleft()
        if not batch.pieces:
            return None
        if batch.size >= self._parameters.largest_run or now >= batch.opened + self._parameters.seconds:
            self._batches[0] = Batch()
            return batch
        return None


@final
class BatchingSession:
    """A session whose concurrent runs of the same inputs and outputs are joined.

    Args:
        session: Runs the batches.
        scheduler: Whose threads.
        parameters: How batches are formed; the scheduler's own unless the model has its own.

    Raises:
        StatusError: The parameters contradict themselves.
    """

    def __init__(self, session: Session, scheduler: Scheduler, parameters: Parameters | None = None) -> None:
        self._parameters = parameters or scheduler.parameters
        self._parameters.refuse_contradictions()
        self._session = session
        self._scheduler = scheduler
        self._queues: dict[tuple[frozenset[str], frozenset[str]], _Queue] = {}
        self._adding = threading.Lock()

    def feed(self, value: np.ndarray[Any, Any] | Any, content: memoryview | None = None) -> np.ndarray[Any, Any]:
        """A tensor as an array, checked by TensorFlow as it would be without batching."""
        return self._session.feed(value, content).array()

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]], fetches: Sequence[str]) -> list[np.ndarray[Any, Any]]:
        """Run together with others; arguments and result as `engine.Session.run` has them.

        Raises:
            StatusError: What batching refuses, or what TensorFlow says of the whole batch.
        """
        task = Task(dict(feeds), batches.common_size(feeds), deadline.get())
        key = frozenset(feeds), frozenset(fetches)
        self._scheduler.schedule(self._queue(key), task)
        outputs = task.result()
        return [outputs[name] for name in fetches]

    def answer(
        self, feeds: Mapping[str, np.ndarray[Any, Any]], fetches: Sequence[str], *, packed: bool = False
    ) -> list[wire.Parts]:
        """Run together with others, straight to serialised TensorProtos."""
        outputs = self.run(feeds, fetches)
        return [[tensors.to_proto(output, packed=packed).SerializeToString()] for output in outputs]

    def close(self) -> None:
        """Free the session."""
        for queue in self._queues.values():
            self._scheduler.remove(queue)
        self._session.close()

    def _queue(self, key: tuple[frozenset[str], frozenset[str]]) -> _Queue:
        with self._adding:
            queue = self._queues.get(key)
            if queue is None:
                fetches = sorted(key[1])
                queue = self._scheduler.queue(lambda batch: self._run(batch, fetches), self._parameters)
                self._queues[key] = queue
            return queue

    def _run(self, batch: Batch, fetches: list[str]) -> None:
        now = time.monotonic()
        for piece in batch.pieces:
            metrics.QUEUING_LATENCY.observe((self._parameters.pool,), (now - piece.task.enqueued) * 1e6)
        try:
            token = deadline.set(batch.deadline(now))
            try:
                size = self._parameters.padded(batch.size)
                merged = batch.merge(size, pads=self._parameters.pads)
                outputs = self._session.run(merged, fetches)
            finally:
                deadline.reset(token)
            metrics.BATCHED_RUNS.add(())
            batch.finish(dict(zip(fetches, outputs, strict=True)), size)
        except StatusError as error:
            batch.fail(error)
        except Exception as error:  # noqa: BLE001 - whatever happened, the requests must not wait for ever
            batch.fail(StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}"))
