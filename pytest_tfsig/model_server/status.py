"""The canonical status: a code and a message, as TensorFlow, gRPC and REST share them."""

from __future__ import annotations

from enum import IntEnum
from typing import final

__all__ = ["Code", "StatusError"]


class Code(IntEnum):
    """The canonical codes, with the numbers of the wire."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@final
class StatusError(Exception):
    """An answer that is not OK; its text reads as TensorFlow prints a status.

    Args:
        code: A canonical code other than OK.
        message: What the client is told, word for word; bytes of it that are not UTF-8 are surrogates.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = Code(code)
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    def readable(self) -> StatusError:
        """The same without surrogates, for messages and files that hold text alone."""
        return StatusError(self.code, self.message.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
