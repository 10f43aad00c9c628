"""The errors a user of pytest-tfsig may meet.

Every message is complete in itself: what is wrong, where, and what to do about it. Whoever catches one at the edge
(pytest hook, command line) prints the message and never the traceback.
"""

from __future__ import annotations


class TfsigError(Exception):
    """Base of every error that pytest-tfsig raises on purpose."""


class UsageError(TfsigError):
    """An option, a marker or an argument is not usable as it was written."""


class SavedModelError(TfsigError):
    """A SavedModel is missing, unreadable or not a SavedModel."""


class ContractError(TfsigError):
    """A contract is malformed, contradicts itself or contradicts the SavedModel."""


class RecordError(TfsigError):
    """A TFRecord file is damaged, cut short, or holds something else than is wanted.

    Args:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class TensorError(TfsigError, ValueError):
    """A tensor cannot be converted to or from the wire format."""


class StrategyError(TfsigError, ValueError):
    """No strategy can be built from what was asked, or a user's own strategy returned something unusable."""


class ServerError(TfsigError):
    """A model server could not be found, started or reached, or it died."""


class ModelLoadError(ServerError):
    """A server runs but refuses to load the model; the message carries the server's own words."""
