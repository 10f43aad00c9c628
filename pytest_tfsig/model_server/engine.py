"""The engine: a SavedModel in a session of TensorFlow's C API."""

from __future__ import annotations

import ctypes
import time
from contextvars import ContextVar
from ctypes import c_char_p, c_void_p
from typing import TYPE_CHECKING, Any, final

from pytest_tfsig import protos
from pytest_tfsig.model_server import c_api, c_tensors, ops, wire
from pytest_tfsig.model_server.c_api import Buffer, Output
from pytest_tfsig.model_server.c_tensors import Feed
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

__all__ = ["Session", "deadline"]

#: When the request at hand must be answered, on the clock of `time.monotonic`; None: whenever it is ready.
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)

_GRAPH_DEF, _SIGNATURE_DEFS = 2, 5  # fields of MetaGraphDef


class _Plan:
    """The graph's ends of one kind of run: TF_Outputs of what is fed and of what is fetched."""

    __slots__ = ("feeds", "fetches", "number_of_feeds", "number_of_fetches")

    def __init__(self, feeds: Sequence[Output], fetches: Sequence[Output]) -> None:
        self.number_of_feeds, self.number_of_fetches = len(feeds), len(fetches)
        self.feeds = (Output * len(feeds))(*feeds)
        self.fetches = (Output * len(fetches))(*fetches)


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
        plan = self._plan(tuple(feeds), tuple(fetches))
        handles = self._run(plan, feeds.values())
        arrays: list[np.ndarray[Any, Any]] = []
        try:
            arrays.extend(c_tensors.to_array(self._api, handle) for handle in handles)
        except StatusError:
            c_tensors.delete(self._api, handles[len(arrays) + 1 :])
            raise
        return arrays

    def answer(self, feeds: Mapping[str, Any], fetches: Sequence[str], *, packed: bool = False) -> list[bytes]:
        """Run the graph, as `run` does, straight to the wire.

        Args:
            feeds: As for `run`.
            fetches: As for `run`.
            packed: Values as `tensor_content` rather than in the dtype's repeated field.

        Returns:
            Serialised TensorProtos.

        Raises:
            StatusError: As for `run`.
        """
        handles = self._run(self._plan(tuple(feeds), tuple(fetches)), feeds.values())
        try:
            return [c_tensors.to_wire(self._api, handle, packed=packed) for handle in handles]
        finally:
            c_tensors.delete(self._api, handles)

    def feed(self, value: np.ndarray[Any, Any] | Any) -> Feed:
        """A tensor made ready for `run`, so that what is wrong with it is known before anything runs.

        Args:
            value: A numpy array, a TensorProto message, or the bytes of one.

        Raises:
            StatusError: A TensorProto is malformed.
        """
        return Feed(self._api, self._tensor(value))

    def close(self) -> None:
        """Free the session; nothing may run any more."""
        status = self._scratch.status
        self._api.slow.TF_CloseSession(self._session, status)
        self._api.slow.TF_DeleteSession(self._session, status)
        self._api.slow.TF_DeleteGraph(self._graph)

    def _run(self, plan: _Plan, values: Iterable[Any]) -> list[int]:
        ready = [value if isinstance(value, Feed) else self.feed(value) for value in values]
        inputs = (c_void_p * len(ready))(*[feed.handle for feed in ready])
        outputs = (c_void_p * plan.number_of_fetches)()
        status = self._scratch.status
        options, _kept = _run_options()
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
        self._api.check(status)
        return list(outputs)

    def _tensor(self, value: Any) -> int:
        if isinstance(value, bytes):
            return c_tensors.from_bytes(self._api, self._scratch, value)
        if hasattr(value, "tensor_content"):
            return c_tensors.from_proto(self._api, self._scratch, value)
        return c_tensors.from_array(self._api, self._scratch, value)

    def _plan(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> _Plan:
        key = (feeds, fetches)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = _Plan(
                [self._end(name, "FeedInputs: unable to find feed output {}") for name in feeds],
                [self._end(name, "FetchOutputs node {}: not found") for name in fetches],
            )
        return plan

    def _end(self, name: str, complaint: str) -> Output:
        operation, _, index = name.partition(":")
        pointer = self._api.quick.TF_GraphOperationByName(self._graph, operation.encode())
        if not pointer or (index and not index.isdigit()):
            raise StatusError(Code.NOT_FOUND, complaint.format(name))
        return Output(pointer, int(index or 0))


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


def _run_options() -> tuple[Any, bytes]:
    """RunOptions with what is left of the request's time, and the bytes that must outlive them."""
    due = deadline.get()
    if due is None:
        return None, b""
    milliseconds = max(1, int((due - time.monotonic()) * 1000))
    data = b"\x10" + wire.varint(milliseconds)
    return ctypes.byref(Buffer(ctypes.cast(ctypes.c_char_p(data), c_void_p), len(data), None)), data


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
