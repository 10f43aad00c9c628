"""Loading: a version directory becomes a servable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.model_server import engine
from pytest_tfsig.model_server.servables import Servable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Loader"]


class Loader:
    """Loads versions with the same settings.

    Args:
        tags: Tags of the graph to load.
        config: A serialised ConfigProto for the sessions.
    """

    def __init__(self, tags: Sequence[str], config: bytes = b"") -> None:
        self._tags = tags
        self._config = config

    def load(self, name: str, version: int, directory: Path) -> Servable:
        """Load one version.

        Raises:
            StatusError: TensorFlow refuses it, or one of its warmup records fails.
        """
        session = engine.Session.load(directory, self._tags, config=self._config)
        return Servable(name, version, session.signatures, session)
