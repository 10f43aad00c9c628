"""Servables: loaded versions, and the manager that finds the one a request means."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol, Self, final

from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    import numpy as np

    from pytest_tfsig.model_server.wire import Parts

__all__ = ["Runnable", "Servable", "Serving", "Table"]

logger = logging.getLogger(__name__)


class Runnable(Protocol):
    """What runs a servable's graph: an `engine.Session`, or one that batches on top of it."""

    def feed(self, value: np.ndarray[Any, Any] | Any, content: memoryview | None = None) -> Any:
        """Make a tensor ready to be fed; what is wrong with it is known then."""
        ...

    def run(
        self, feeds: Mapping[str, np.ndarray[Any, Any] | Any], fetches: Sequence[str]
    ) -> list[np.ndarray[Any, Any]]:
        """Run the graph from named tensors to named tensors."""
        ...

    def answer(self, feeds: Mapping[str, Any], fetches: Sequence[str], *, packed: bool = False) -> list[Parts]:
        """Run the graph, straight to serialised TensorProtos."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


@final
class Servable:
    """One loaded version of a model. As a context manager it ends one use of it, which `Serving.get` began.

    Args:
        name: The model's name.
        version: Its version.
        signatures: SignatureDef messages by name.
        session: Runs the graph.
        checks_methods: Whether a signature answers only the kind of request that its method_name says.
    """

    __slots__ = ("_idle", "_leaving", "_uses", "checks_methods", "name", "session", "signatures", "version")

    def __init__(
        self,
        name: str,
        version: int,
        signatures: Mapping[str, Any],
        session: Runnable,
        *,
        checks_methods: bool = False,
    ) -> None:
        self.checks_methods = checks_methods
        self.name = name
        self.version = version
        self.signatures = signatures
        self.session = session
        self._uses = 0
        self._leaving = False
        self._idle = threading.Condition(threading.Lock())

    def acquire(self) -> bool:
        """Begin a use; False if the version is being unloaded."""
        with self._idle:
            if self._leaving:
                return False
            self._uses += 1
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._idle:
            self._uses -= 1
            if self._leaving and not self._uses:
                self._idle.notify_all()

    def unload(self) -> None:
        """Wait until the last request that uses this version is answered, then free it."""
        with self._idle:
            self._leaving = True
            while self._uses:
                self._idle.wait()
        self.session.close()


class Serving(Protocol):
    """Where requests find their servable."""

    def get(self, spec: Any) -> Servable:
        """The servable that a ModelSpec means, in use until its `with` block ends."""
        ...


@final
class Table:
    """The servables that can answer now, and the labels of their versions."""

    def __init__(self) -> None:
        self._servables: dict[tuple[str, int | None], Servable] = {}
        self._labels: Mapping[str, Mapping[str, int]] = {}

    def update(self, ready: Iterable[Servable]) -> None:
        """Serve exactly `ready`; a model's latest is its highest version."""
        table: dict[tuple[str, int | None], Servable] = {}
        for servable in sorted(ready, key=lambda servable: servable.version):
            table[servable.name, servable.version] = servable
            table[servable.name, None] = servable
        self._servables = table

    def label(self, labels: Mapping[str, Mapping[str, int]]) -> None:
        """Replace all labels: model name -> label -> version."""
        self._labels = labels

    def version(self, name: str, label: str) -> int:
        """The version that carries a label.

        Raises:
            StatusError: No version of the model does.
        """
        try:
            return self._labels[name][label]
        except KeyError:
            raise StatusError(Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}") from None

    def get(self, spec: Any) -> Servable:
        """The servable that a ModelSpec means, in use until its `with` block ends.

        Raises:
            StatusError: The spec names no model, an unknown label, or a version that is not served.
        """
        name = spec.name
        if not name:
            raise StatusError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        version: int | None = None
        choice = spec.WhichOneof("version_choice")
        if choice == "version":
            version = spec.version.value
        elif choice is not None:
            version = self.version(name, spec.version_label)
        while (servable := self._servables.get((name, version))) is not None:
            if servable.acquire():
                return servable
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
