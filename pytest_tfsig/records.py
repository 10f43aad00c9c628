"""TFRecord files: framed, checksummed records, as warmup files and request logs hold them."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

from pytest_tfsig.checksum import crc32c
from pytest_tfsig.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["read", "write"]

_MASK_DELTA: Final = 0xA282EAD8
_HEADER: Final = struct.Struct("<QI")
_FOOTER: Final = struct.Struct("<I")


def _masked_checksum(data: bytes) -> int:
    value = crc32c(data)
    return ((value >> 15 | value << 17) + _MASK_DELTA) & 0xFFFFFFFF


def read(path: Path) -> Iterator[bytes]:
    """Return the records of a file, one after the other.

    Raises:
        RecordError: A record is cut short or damaged; its reason is in TensorFlow's words.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        offset, size = 0, os.fstat(file.fileno()).st_size
        while header := file.read(_HEADER.size):
            if len(header) < _HEADER.size:
                raise _truncated(path, offset)
            length, checksum = _HEADER.unpack(header)
            if _masked_checksum(header[:8]) != checksum:
                raise RecordError(path, f"corrupted record at {offset} (Is this even a TFRecord file?)")
            if length > size - file.tell():
                raise _truncated(path, offset)
            data = file.read(length)
            footer = file.read(_FOOTER.size)
            if len(footer) < _FOOTER.size:
                raise _truncated(path, offset)
            if _masked_checksum(data) != _FOOTER.unpack(footer)[0]:
                raise RecordError(path, f"corrupted record at {offset + _HEADER.size}")
            yield data
            offset += _HEADER.size + length + _FOOTER.size


def _truncated(path: Path, offset: int) -> RecordError:
    return RecordError(path, f"truncated record at {offset}' failed with Read less bytes than requested")


def write(path: Path, records: Iterable[bytes]) -> None:
    """Write records to a file, whole or not at all: what was there before stays until the new file is complete.

    Raises:
        OSError: The file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            for data in records:
                length = struct.pack("<Q", len(data))
                file.write(length + _FOOTER.pack(_masked_checksum(length)))
                file.write(data + _FOOTER.pack(_masked_checksum(data)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
