"""TFRecord files: framed, checksummed records, as warmup files hold them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["read", "write"]

_POLYNOMIAL: Final = 0x82F63B78  # CRC-32C, bits reversed
_MASK_DELTA: Final = 0xA282EAD8
_HEADER: Final = struct.Struct("<QI")
_FOOTER: Final = struct.Struct("<I")


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_TABLE: Final = _table()


def _masked_checksum(data: bytes) -> int:
    value = 0xFFFFFFFF
    table = _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + _MASK_DELTA) & 0xFFFFFFFF


def read(path: Path) -> Iterator[bytes]:
    """The records of a file, one after the other.

    Raises:
        StatusError: DATA_LOSS, in TensorFlow's words, where a record is cut short or damaged.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        offset = 0
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            length, checksum = _HEADER.unpack(header)
            if _masked_checksum(header[:8]) != checksum:
                raise StatusError(Code.DATA_LOSS, f"corrupted record at {offset} (Is this even a TFRecord file?)")
            data = file.read(length)
            footer = file.read(_FOOTER.size)
            if len(data) < length or len(footer) < _FOOTER.size:
                raise StatusError(
                    Code.DATA_LOSS, f"truncated record at {offset}' failed with Read less bytes than requested"
                )
            if _masked_checksum(data) != _FOOTER.unpack(footer)[0]:
                raise StatusError(Code.DATA_LOSS, f"corrupted record at {offset + _HEADER.size}")
            yield data
            offset += _HEADER.size + length + _FOOTER.size


def write(path: Path, records: Iterable[bytes]) -> None:
    """Write records to a new file.

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("wb") as file:
        for data in records:
            length = struct.pack("<Q", len(data))
            file.write(length + _FOOTER.pack(_masked_checksum(length)))
            file.write(data + _FOOTER.pack(_masked_checksum(data)))
