"""The engine: a SavedModel in a session of TensorFlow's C API."""

from __future__ import annotations

import ctypes
import time
from contextvars import ContextVar
from ctypes import c_char_p, c_void_p
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from pytest_tfsig import protos
from pytest_tfsig.model_server import c_api, c_tensors, heap, ops, wire
from pytest_tfsig.model_server.c_api import Buffer, Output
from pytest_tfsig.model_server.c_tensors import Feed
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Session", "deadline"]

#: When the request at hand must be answered, on the clock of `time.monotonic`; None: whenever it is ready.
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)

# A run this short is over before another thread has taken a part of it: it runs in the thread that asks for it, which
# takes a third of the time. Longer ones are spread over TensorFlow's threads, as TensorFlow Serving does with all.
_SHORT: Final = 0.001
_SMOOTHING: Final = 0.1
_FEW: Final = 0.01
_INLINE: Final = b"\x18" + b"\xff" * 9 + b"\x01"  # RunOptions.inter_op_thread_pool = -1
_GRAPH_DEF, _SIGNATURE_DEFS = 2, 5  # fields of MetaGraphDef


class _Plan:
    """The graph's ends of one kind of run: TF_Outputs of what is fed and of what is fetched."""

    __slots__ = ("failures", "feeds", "fetches", "number_of_feeds", "number_of_fetches", "seconds")

    def __init__(self, feeds: Sequence[Output], fetches: Sequence[Output]) -> None:
        self.number_of_feeds, self.number_of_fetches = len(feeds), len(fetches)
        self.feeds = (Output * len(feeds))(*feeds)
        self.fetches = (Output * len(fetches))(*fetches)
        self.seconds = _SHORT  # what a run takes, smoothed
        self.failures = 0.0  # the share of runs that fail, smoothed

    @property
    def is_short(self) -> bool:
        """Whether runs are over before another thread could take them on."""
        return self.seconds < _SHORT

    @property
    def is_timed(self) -> bool:
        """Whether TensorFlow is told when to give up; it never frees a kilobyte of each timed run that fails."""
        return not self.is_short or self.failures < _FEW

    def note(self, seconds: float, *, failed: bool) -> None:
        """Take a run into account."""
        self.seconds += _SMOOTHING * (seconds - self.seconds)
        self.failures += _SMOOTHING * (failed - self.failures)


@final
class Session:
    """A loaded SavedModel; any number of threads may run it at once.

    Args:
        signatures: Every SignatureDef of the graph by its name, internal ones included.
    """

    def __init__(self, api: c_api.Api, session: int, graph: int, signatures: dict[str, Any]) -> None:
        self.signatures = signatures
        self._api = api
        self._session = session
        self._graph = graph
        self._scratch = c_tensors.Scratch(api)
        self._plans: dict[tuple[tuple[str, ...], tuple[str, ...]], _Plan] = {}

    @classmethod
    def load(cls, directory: Path, tags: Sequence[str] = ("serve",), *, config: bytes = b"") -> Session:
        """Load a SavedModel as TensorFlow Serving does: variables restored, initialisers run.

        Args:
            directory: The version directory, which holds saved_model.pb.
            tags: Tags of the graph to load.
            config: A serialised ConfigProto for the session.

        Raises:
            StatusError: TensorFlow refuses the SavedModel, in its own words.
            ServerError: TensorFlow's libraries are missing.
        """
        api = c_api.load()
        graph = api.quick.TF_NewGraph()
        meta_graph = api.quick.TF_NewBuffer()
        try:
            handle = _open(api, directory, tags, config=config, into=(graph, meta_graph))
            content = meta_graph.contents
            view = memoryview((ctypes.c_ubyte * content.length).from_address(content.data)).cast("B")
            session = cls(api, handle, graph, _signatures(view))
            try:
                ops.refuse_missing(api, graph, _graph(view))
            except StatusError:
                session.close()
                raise
            return session
        finally:
            api.quick.TF_DeleteBuffer(meta_graph)

    def run(
        self, feeds: Mapping[str, np.ndarray[Any, Any] | Any], fetches: Sequence[str]
    ) -> list[np.ndarray[Any, Any]]:
        """Run the graph.

        Args:
            feeds: Tensor name ("serving_default_x:0") -> what `feed` made, or anything that `feed` accepts.
            fetches: Names of the tensors to compute; the result has their order.

        Returns:
            Arrays that look at TensorFlow's own memory and must not be written; strings as object arrays of bytes.

        Raises:
            StatusError: TensorFlow's code and message.
        """
        handles = self._run(self._plan(tuple(feeds), tuple(fetches)), feeds.values())
        outputs = [Feed(self._api, handle) for handle in handles]
        return [output.array() for output in outputs]

    def answer(self, feeds: Mapping[str, Any], fetches: Sequence[str], *, packed: bool = False) -> list[wire.Parts]:
        """Run the graph, as `run` does, straight to the wire.

        Args:
            feeds: As for `run`.
            fetches: As for `run`.
            packed: Values as `tensor_content` rather than in the dtype's repeated field.

        Returns:
            Serialised TensorProtos; their values may lie in TensorFlow's memory still, which lives as long as they do.

        Raises:
            StatusError: As for `run`.
        """
        handles = self._run(self._plan(tuple(feeds), tuple(fetches)), feeds.values())
        outputs = [Feed(self._api, handle) for handle in handles]
        return [c_tensors.to_wire(self._api, output, packed=packed) for output in outputs]

    def feed(self, value: np.ndarray[Any, Any] | Any, content: memoryview | None = None) -> Feed:
        """A tensor made ready for `run`, so that what is wrong with it is known before anything runs.

        Args:
            value: A numpy array, a TensorProto message, or the bytes of one.
            content: A TensorProto's `tensor_content`, if it was left where it is and out of the message.

        Raises:
            StatusError: A TensorProto is malformed.
        """
        if isinstance(value, np.ndarray):
            handle = c_tensors.from_array(self._api, self._scratch, value)
        elif isinstance(value, bytes):
            handle = c_tensors.from_bytes(self._api, self._scratch, value)
        else:
            handle = c_tensors.from_proto(self._api, self._scratch, value, content)
        return Feed(self._api, handle)

    def close(self) -> None:
        """Free the session, and all that it took; nothing may run any more."""
        status = self._scratch.status
        self._api.slow.TF_CloseSession(self._session, status)
        self._api.slow.TF_DeleteSession(self._session, status)
        self._api.slow.TF_DeleteGraph(self._graph)
        heap.trim()

    def _run(self, plan: _Plan, values: Iterable[Any]) -> list[int]:
        ready = [value if isinstance(value, Feed) else self.feed(value) for value in values]
        inputs = (c_void_p * len(ready))(*[feed.handle for feed in ready])
        outputs = (c_void_p * plan.number_of_fetches)()
        status = self._scratch.status
        options, _kept = _run_options(inline=plan.is_short, timed=plan.is_timed)
        started = time.perf_counter()
        self._api.slow.TF_SessionRun(
            self._session,
            options,
            plan.feeds,
            inputs,
            plan.number_of_feeds,
            plan.fetches,
            outputs,
            plan.number_of_fetches,
            None,
            0,
            None,
            status,
        )
        plan.note(time.perf_counter() - started, failed=bool(self._api.quick.TF_GetCode(status)))
        self._api.check(status)
        return list(outputs)

    def _plan(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> _Plan:
        key = (feeds, fetches)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = _Plan([self._end(name) for name in feeds], [self._end(name) for name in fetches])
        return plan

    def _end(self, name: str) -> Output:
        operation, colon, index = name.rpartition(":")
        if not (colon and index.isdigit()):
            operation, index = name, "0"
        pointer = self._api.quick.TF_GraphOperationByName(self._graph, operation.encode())
        if not pointer:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Tensor {operation}:{index}, specified in either feed_devices or fetch_devices was not found in the "
                "Graph",
            )
        return Output(pointer, int(index))


def _open(api: c_api.Api, directory: Path, tags: Sequence[str], *, config: bytes, into: tuple[int, Any]) -> int:
    """Load into a graph and a buffer for the MetaGraphDef; frees the graph if that fails."""
    graph, meta_graph = into
    scratch = c_tensors.Scratch(api)  # must outlive the calls that write to its status
    status = scratch.status
    options = api.quick.TF_NewSessionOptions()
    names = (c_char_p * len(tags))(*(tag.encode() for tag in tags))
    try:
        if config:
            api.quick.TF_SetConfig(options, config, len(config), status)
            api.check(status)
        session = api.slow.TF_LoadSessionFromSavedModel(
            options, None, bytes(directory), names, len(tags), graph, meta_graph, status
        )
        api.check(status)
    except StatusError as error:
        api.slow.TF_DeleteGraph(graph)
        raise ops.advise(error) from None
    finally:
        api.quick.TF_DeleteSessionOptions(options)
    return int(session)


def _options(data: bytes) -> tuple[Any, bytes]:
    """A `TF_Buffer` over serialised RunOptions, and the bytes that must outlive it."""
    return ctypes.byref(Buffer(ctypes.cast(ctypes.c_char_p(data), c_void_p), len(data), None)), data


_RUN_INLINE: Final = _options(_INLINE)


def _run_options(*, inline: bool, timed: bool) -> tuple[Any, bytes]:
    """RunOptions for one run, with what is left of the request's time."""
    due = deadline.get()
    if due is None or not timed:
        return _RUN_INLINE if inline else (None, b"")
    milliseconds = max(1, int((due - time.monotonic()) * 1000))
    return _options(b"\x10" + wire.varint(milliseconds) + (_INLINE if inline else b""))


def _signatures(meta_graph: memoryview) -> dict[str, Any]:
    """The SignatureDefs of a serialised MetaGraphDef."""
    wanted = b"".join(
        meta_graph[start:end] for number, start, _, end in wire.fields(meta_graph) if number == _SIGNATURE_DEFS
    )
    message = protos.MetaGraphDef.FromString(wanted)
    return {name: message.signature_def[name] for name in sorted(message.signature_def)}


def _graph(meta_graph: memoryview) -> bytes:
    """The serialised GraphDef of a serialised MetaGraphDef."""
    return b"".join(
        meta_graph[payload:end] for number, _, payload, end in wire.fields(meta_graph) if number == _GRAPH_DEF
    )
