"""The error that a model server answered with, or that stands for an answer that never came."""

from __future__ import annotations

from typing import final

from pytest_tfsig.errors import TfsigError

__all__ = ["UNREADABLE", "ServingError", "code_of_http_status"]

# How the message begins of an answer that came and makes no sense; no server says so itself.
UNREADABLE = "the answer is not what"
# TensorFlow Serving maps several codes to one status; the code named here is the one that its handlers use most.
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@final
class ServingError(TfsigError):
    """A request was not answered with a result.

    Args:
        code: The canonical code's name, such as `INVALID_ARGUMENT`. `UNAVAILABLE` also stands for a server that
            cannot be reached, `DEADLINE_EXCEEDED` for an answer that took longer than the client's time-out.
        message: The server's own words, word for word.
        transport: `grpc` or `rest`.
        http_status: The status of the REST answer; None over gRPC, and when there was no answer.
    """

    def __init__(self, code: str, message: str, transport: str, http_status: int | None = None) -> None:
        super().__init__(code, message, transport, http_status)
        self.code = code
        self.message = message
        self.transport = transport
        self.http_status = http_status

    @property
    def unreadable(self) -> bool:
        """Whether an answer came that makes no sense, rather than a refusal."""
        return self.code == "INTERNAL" and self.message.startswith(UNREADABLE)

    def __str__(self) -> str:
        where = "gRPC" if self.transport == "grpc" else "REST"
        status = f" (HTTP {self.http_status})" if self.http_status is not None else ""
        return f"{where} {self.code}{status}: {self.message}"


def code_of_http_status(status: int) -> str:
    """Return the canonical code that an HTTP status most likely stands for."""
    return _CODES.get(status, "UNKNOWN")
