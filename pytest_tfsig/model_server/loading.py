"""Loading: a version directory becomes a servable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig import protos
from pytest_tfsig.model_server import config, engine, warmup
from pytest_tfsig.model_server.batching import BatchingSession, Parameters, Scheduler
from pytest_tfsig.model_server.servables import Servable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Loader"]

_OWN_PARAMETERS: Final = "batching_params.pbtxt"


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads versions with the same settings.

    Args:
        tags: Tags of the graph to load.
        session: A serialised ConfigProto for the sessions.
        warmup_iterations: How often each warmup record is replayed; 0: never.
        batching: Joins concurrent requests; None: each runs alone.
        own_batching: Whether only models with batching parameters of their own are batched, by those.
        checks_methods: Whether a signature answers only the kind of request that its method_name says.
    """

    tags: tuple[str, ...] = ("serve",)
    session: bytes = b""
    warmup_iterations: int = 1
    batching: Scheduler | None = None
    own_batching: bool = False
    checks_methods: bool = False

    def load(self, name: str, version: int, directory: Path) -> Servable:
        """Load one version.

        Raises:
            StatusError: TensorFlow refuses it, it cannot be batched, or one of its warmup records fails.
        """
        session = engine.Session.load(directory, self.tags, config=self.session)
        runs: Any = session
        try:
            if self.batching is not None:
                runs = self._batched(session, self.batching, directory)
            servable = Servable(name, version, session.signatures, runs, checks_methods=self.checks_methods)
            if self.warmup_iterations:
                warmup.warm_up(servable, directory, self.warmup_iterations)
        except BaseException:
            runs.close()
            raise
        return servable

    def _batched(self, session: engine.Session, scheduler: Scheduler, directory: Path) -> Any:
        if not self.own_batching:
            return BatchingSession(session, scheduler)
        path = directory / _OWN_PARAMETERS
        if not path.is_file():
            return session
        own = Parameters.from_message(config.read_text(str(path), protos.BatchingParameters()))
        return BatchingSession(session, scheduler, own)
