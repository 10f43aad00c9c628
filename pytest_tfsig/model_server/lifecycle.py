"""Lifecycles: the state of every version a server has known, and the policies that move a version on."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

__all__ = [
    "Action",
    "Managed",
    "Monitor",
    "Phase",
    "Policy",
    "Row",
    "State",
    "availability_preserving",
    "resource_preserving",
    "unavailable",
]


class State(IntEnum):
    """What clients are told of a version; numbers of ModelVersionStatus.State."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A version's row in a model's status.

    Args:
        version: The version's number.
        state: Where it is in its life.
        error: Why it ended, if not by request.
        change: The count of all changes when this one happened.
    """

    version: int
    state: State
    error: StatusError | None
    change: int


class Monitor:
    """Remembers the last state of every version, also of those that ended, as TensorFlow Serving does."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, Row]] = {}
        self._changed = threading.Condition()
        self._changes = 0

    @property
    def changes(self) -> int:
        """How many changes there have been."""
        return self._changes

    def publish(self, name: str, version: int, state: State, error: StatusError | None = None) -> None:
        """Note a version's new state."""
        with self._changed:
            self._changes += 1
            self._rows.setdefault(name, {})[version] = Row(version, state, error, self._changes)
            self._changed.notify_all()

    def rows(self, name: str) -> list[Row]:
        """All versions of a model that were ever known, newest first."""
        with self._changed:
            return [row for _, row in sorted(self._rows.get(name, {}).items(), reverse=True)]

    def wait(
        self, names: Collection[str], since: int = 0, keep_waiting: Callable[[], bool] = lambda: True
    ) -> list[tuple[str, Row]]:
        """Wait until each model has a version that became available or ended.

        Args:
            names: The models.
            since: Only changes after this count matter.
            keep_waiting: Asked now and then; False gives up.

        Returns:
            Of each model the version that decided.
        """
        with self._changed:
            while True:
                decided = [(name, self._decided(name, since)) for name in sorted(names)]
                known = [(name, row) for name, row in decided if row is not None]
                if len(known) == len(decided) or not keep_waiting():
                    return known
                self._changed.wait(_LOOK_AGAIN)

    def _decided(self, name: str, since: int) -> Row | None:
        rows = sorted(self._rows.get(name, {}).items(), reverse=True)
        return next((row for _, row in rows if row.change > since and row.state in {State.AVAILABLE, State.END}), None)


_LOOK_AGAIN: Final = 0.5


def unavailable(decided: Sequence[tuple[str, Row]], noun: str) -> StatusError | None:
    """The error that names each version that ended instead of becoming available, if there is one."""
    failed = [(name, row) for name, row in decided if row.state is not State.AVAILABLE]
    if not failed:
        return None
    listed = "".join(
        f"{{{{name: {name} version: {row.version}}}{f' due to error: {row.error}' if row.error else ''}}}, "
        for name, row in failed
    )
    return StatusError(Code.UNKNOWN, f"{len(failed)} {noun} did not become available: {{{listed}}}")


class Phase(Enum):
    """Where the server itself is with a version."""

    NEW = auto()
    LOADING = auto()
    READY = auto()
    UNLOADING = auto()
    DONE = auto()
    FAILED = auto()


class Managed(Protocol):
    """What a policy looks at."""

    number: int
    phase: Phase
    aspired: bool


class Action(Enum):
    """What a policy asks for."""

    LOAD = auto()
    UNLOAD = auto()


Policy: TypeAlias = "Callable[[Sequence[Managed]], tuple[Action, Managed] | None]"


def availability_preserving(versions: Sequence[Managed]) -> tuple[Action, Managed] | None:
    """The next step for one model: what is served stays until something else can take its place."""
    aspired = [version for version in versions if version.aspired]
    leaving = [version for version in versions if not version.aspired and version.phase is Phase.READY]
    replaced = any(version.phase is Phase.READY for version in aspired)
    if leaving and (not aspired or replaced or len(leaving) > 1):
        return Action.UNLOAD, min(leaving, key=_number)
    return _load_newest(versions)


def resource_preserving(versions: Sequence[Managed]) -> tuple[Action, Managed] | None:
    """The next step for one model: what is not wanted any more leaves before anything else is loaded."""
    unwanted = [version for version in versions if not version.aspired]
    ready = [version for version in unwanted if version.phase is Phase.READY]
    if ready:
        return Action.UNLOAD, ready[0]
    if any(version.phase not in {Phase.DONE, Phase.FAILED} for version in unwanted):
        return None
    return _load_newest(versions)


def _load_newest(versions: Sequence[Managed]) -> tuple[Action, Managed] | None:
    new = [version for version in versions if version.aspired and version.phase is Phase.NEW]
    return (Action.LOAD, max(new, key=_number)) if new else None


def _number(version: Managed) -> int:
    return version.number
