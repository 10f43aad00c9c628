"""CRC-32C, the checksum of TFRecords; long data is summed in lanes, all at once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["crc32c"]

_POLYNOMIAL: Final = 0x82F63B78  # bits reversed
_ONES: Final = 0xFFFFFFFF
_LANE: Final = 256
"""Bytes in a lane. numpy takes a step in all lanes at once, so that the steps of Python are as many as these."""
_SHORT: Final = 16 * 1024
"""Shorter data is summed byte by byte, which is as fast there."""


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_TABLE: Final = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes."""
    if len(data) < _SHORT:
        return _ONES ^ _summed(_ONES, data)
    lanes = len(data) // _LANE
    # The sum is linear: a lane is summed from 0, and what came before it moves on as if zeros followed.
    moved = _past_a_lane()
    register = _ONES
    for lane in _lanes(np.frombuffer(data, np.uint8, lanes * _LANE).reshape(lanes, _LANE)):
        register = moved(register) ^ lane
    return _ONES ^ _summed(register, data[lanes * _LANE :])


def _summed(register: int, data: bytes) -> int:
    table = _TABLE
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ register >> 8
    return register


def _lanes(rows: NDArray[np.uint8]) -> list[int]:
    table = np.array(_TABLE, np.uint32)
    registers = np.zeros(len(rows), np.uint32)
    for column in np.ascontiguousarray(rows.T):
        registers = table[(registers ^ column) & np.uint32(0xFF)] ^ registers >> np.uint32(8)
    found: list[int] = registers.tolist()
    return found


@cache
def _past_a_lane() -> Callable[[int], int]:
    """Return what a lane of zeros does to a register: looked up byte by byte, as the map is linear."""
    zeros = bytes(_LANE)
    bits = [_summed(1 << bit, zeros) for bit in range(32)]
    tables = [[_sum_of(bits[place : place + 8], byte) for byte in range(256)] for place in range(0, 32, 8)]

    def moved(register: int) -> int:
        return (
            tables[0][register & 0xFF]
            ^ tables[1][register >> 8 & 0xFF]
            ^ tables[2][register >> 16 & 0xFF]
            ^ tables[3][register >> 24]
        )

    return moved


def _sum_of(images: list[int], byte: int) -> int:
    value = 0
    for bit, image in enumerate(images):
        value ^= image if byte >> bit & 1 else 0
    return value
