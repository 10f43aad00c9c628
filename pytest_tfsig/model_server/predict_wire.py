"""Large PredictRequests read from the wire without copying their tensors."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from pytest_tfsig import protos
from pytest_tfsig.model_server import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Request", "parse"]

_LARGE: Final = 1 << 16
_INPUTS: Final = 2  # field of PredictRequest
_KEY, _VALUE = 1, 2  # fields of a map's entry
_TENSOR_CONTENT: Final = 4  # field of TensorProto


class Request(NamedTuple):
    """A PredictRequest.

    Args:
        message: The message, but for the contents.
        contents: Alias -> large `tensor_content`, where it lies in the bytes that came.
    """

    message: Any
    contents: Mapping[str, memoryview]

    @property
    def model_spec(self) -> Any:
        """The message's."""
        return self.message.model_spec


def parse(data: bytes) -> Request:
    """A PredictRequest from its bytes.

    Raises:
        DecodeError: The bytes are no PredictRequest.
    """
    if len(data) >= _LARGE:
        with suppress(LookupError, ValueError, DecodeError):  # not the plain case: protobuf says what it is
            return _lean(memoryview(data))
    return Request(protos.PredictRequest.FromString(data), {})


def _lean(view: memoryview) -> Request:
    kept: list[bytes | memoryview] = []
    contents: dict[str, memoryview] = {}
    entries = 0
    for number, start, payload, end in wire.fields(view):
        entries += number == _INPUTS
        if number == _INPUTS and end - payload >= _LARGE:
            key, content, rest = _entry(view[payload:end])
            contents[key] = content
            kept.append(rest)
        else:
            kept.append(view[start:end])
    request = protos.PredictRequest.FromString(b"".join(kept))
    if len(request.inputs) != entries:
        raise ValueError("an alias is given twice")
    return Request(request, contents)


def _entry(view: memoryview) -> tuple[str, memoryview, bytes]:
    """Alias, content, and the entry without that content.

    Raises:
        ValueError: It is not one key with one tensor that has one large content.
    """
    (key_number, _, key_start, key_end), (value_number, _, value_start, value_end) = wire.fields(view)
    if (key_number, value_number) != (_KEY, _VALUE):
        raise ValueError("not a key and a value in this order")
    key = view[key_start:key_end]
    value = view[value_start:value_end]
    fields = list(wire.fields(value))
    contents = [value[payload:end] for number, _, payload, end in fields if number == _TENSOR_CONTENT]
    (content,) = contents
    if len(content) < _LARGE:
        raise ValueError("the values are not in the content")
    rest = b"".join(value[start:end] for number, start, _, end in fields if number != _TENSOR_CONTENT)
    entry = wire.delimited(_KEY, bytes(key)) + wire.delimited(_VALUE, rest)
    return str(key, "utf-8"), content, wire.delimited(_INPUTS, entry)
