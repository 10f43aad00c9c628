"""Protobuf's wire format, as far as answers are written without building messages first."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Parts", "delimited", "delimited_parts", "fields", "float32", "shape", "varint", "varints"]

#: A message in parts, to be joined once it is whole.
Parts: TypeAlias = "list[bytes | memoryview]"

_ONE_BYTE: Final = 0x80
_BYTES: Final = [bytes((value,)) for value in range(_ONE_BYTE)]
_FEW: Final = 32  # from here on numpy encodes faster than a loop
_LENGTH_DELIMITED, _FOUR_BYTES = 2, 5
_FIXED: Final = {1: 8, 5: 4}


def varint(value: int) -> bytes:
    """A non-negative integer in seven-bit groups, the lowest first."""
    if value < _ONE_BYTE:
        return _BYTES[value]
    encoded = bytearray()
    while value >= _ONE_BYTE:
        encoded.append(value & 0x7F | _ONE_BYTE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def varints(values: np.ndarray[Any, Any]) -> bytes:
    """Integers of any dtype, one varint after the other; negative ones take ten bytes, as protobuf has it."""
    wide = values.reshape(-1).astype(np.uint64 if values.dtype.kind == "u" else np.int64).view(np.uint64)
    if not wide.size:
        return b""
    if wide.max() < _ONE_BYTE:
        return wide.astype(np.uint8).tobytes()
    if wide.size < _FEW:
        return b"".join(map(varint, wide.tolist()))
    return _many(wide)


def _many(wide: np.ndarray[Any, Any]) -> bytes:
    lengths = np.ones(wide.size, np.int64)
    for group in range(1, 10):
        lengths += wide >= np.uint64(1 << (7 * group))
    ends = np.cumsum(lengths)
    encoded = np.empty(int(ends[-1]), np.uint8)
    starts = ends - lengths
    for group in range(int(lengths.max())):
        present = lengths > group
        septets = ((wide[present] >> np.uint64(7 * group)) & np.uint64(0x7F)).astype(np.uint8)
        more = lengths[present] > group + 1
        encoded[starts[present] + group] = septets | (more.astype(np.uint8) << 7)
    return encoded.tobytes()


def delimited(number: int, payload: bytes) -> bytes:
    """A field with a length: a string, bytes, a message or packed numbers."""
    return varint(number << 3 | _LENGTH_DELIMITED) + varint(len(payload)) + payload


def delimited_parts(number: int, parts: Parts) -> Parts:
    """A field whose payload is in parts."""
    length = sum(len(part) for part in parts)
    return [varint(number << 3 | _LENGTH_DELIMITED) + varint(length), *parts]


def float32(number: int, value: float) -> bytes:
    """A field that holds a float; nothing for zero, whose sign is positive."""
    encoded = struct.pack("<f", value)
    return varint(number << 3 | _FOUR_BYTES) + encoded if any(encoded) else b""


def shape(sizes: Sequence[int]) -> bytes:
    """A TensorShapeProto; a dimension of size 0 is written as an empty one."""
    return b"".join(
        b"\x12\x00" if not size else b"\x12" + varint(len(encoded := varint(size)) + 1) + b"\x08" + encoded
        for size in sizes
    )


def fields(view: memoryview) -> Iterator[tuple[int, int, int, int]]:
    """A message's fields.

    Args:
        view: The serialised message.

    Yields:
        number, start of the field (its tag), start of its payload, end.

    Raises:
        IndexError: The message is cut short.
    """
    position = 0
    end = len(view)
    while position < end:
        start = position
        tag, position = _read(view, position)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            length, position = _read(view, position)
        elif kind == 0:
            _, after = _read(view, position)
            length = after - position
        else:
            length = _FIXED[kind]
        payload, position = position, position + length
        if position > end:
            raise IndexError(position)
        yield tag >> 3, start, payload, position


def _read(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < _ONE_BYTE:
            return value, position
        shift += 7
