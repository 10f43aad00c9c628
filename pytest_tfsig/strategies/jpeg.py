"""A small baseline JPEG encoder, so that no imaging library is needed to draw images."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["encode_jpeg"]

_SIZE: Final = 8
_QUANTUM: Final = 8
_GREY: Final = 2
# Codes of one length each, 4 bits for DC and 8 for AC, are valid Huffman tables and need no table of code lengths:
# a symbol's code is its position.
_DC_SYMBOLS: Final = tuple(range(12))
_AC_SYMBOLS: Final = (0x00, 0xF0, *(run << 4 | bits for run in range(16) for bits in range(1, 11)))
_AC_CODES: Final = {symbol: code for code, symbol in enumerate(_AC_SYMBOLS)}
_LONGEST_RUN: Final = 16


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return a JPEG file of ``pixels``: uint8 [height, width] for grey, [height, width, 3] for RGB."""
    planes = [pixels.astype(np.float64)] if pixels.ndim == _GREY else _ycbcr(pixels.astype(np.float64))
    height, width = pixels.shape[:2]
    components = b"".join(bytes((number + 1, 0x11, 0)) for number in range(len(planes)))
    scans = b"".join(bytes((number + 1, 0x00)) for number in range(len(planes)))
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
            _segment(0xDB, bytes((0, *[_QUANTUM] * _SIZE * _SIZE))),
            _segment(0xC0, struct.pack(">BHHB", 8, height, width, len(planes)) + components),
            _segment(0xC4, bytes((0x00, *_lengths(4, len(_DC_SYMBOLS)), *_DC_SYMBOLS))),
            _segment(0xC4, bytes((0x10, *_lengths(8, len(_AC_SYMBOLS)), *_AC_SYMBOLS))),
            _segment(0xDA, bytes((len(planes),)) + scans + b"\x00\x3f\x00"),
            _scan([_coefficients(plane - 128) for plane in planes]),
            b"\xff\xd9",
        )
    )


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _lengths(bits: int, count: int) -> Iterator[int]:
    """Yield how many codes there are of each length from 1 to 16 bits."""
    return (count if length == bits else 0 for length in range(1, 17))


def _ycbcr(rgb: NDArray[Any]) -> list[NDArray[Any]]:
    red, green, blue = np.moveaxis(rgb, -1, 0)
    return [
        0.299 * red + 0.587 * green + 0.114 * blue,
        128 - 0.168736 * red - 0.331264 * green + 0.5 * blue,
        128 + 0.5 * red - 0.418688 * green - 0.081312 * blue,
    ]


def _coefficients(plane: NDArray[Any]) -> NDArray[np.int64]:
    """Return the quantised coefficients of every block, [blocks, 64] in zigzag order."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % _SIZE), (0, -width % _SIZE)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // _SIZE, _SIZE, padded.shape[1] // _SIZE, _SIZE).swapaxes(1, 2)
    frequency, position = np.ogrid[:_SIZE, :_SIZE]
    basis = np.cos((2 * position + 1) * frequency * np.pi / (2 * _SIZE)) / 2
    basis[0] /= np.sqrt(2)
    transformed = np.rint(basis @ blocks @ basis.T / _QUANTUM).astype(np.int64)
    ordered: NDArray[np.int64] = transformed.reshape(-1, _SIZE * _SIZE)[:, _zigzag()]
    return ordered


def _zigzag() -> list[int]:
    cells = [(row, column) for row in range(_SIZE) for column in range(_SIZE)]
    # Along each diagonal the direction alternates.
    cells.sort(key=lambda cell: (sum(cell), cell[0] if sum(cell) % 2 else cell[1]))
    return [row * _SIZE + column for row, column in cells]


def _scan(planes: list[NDArray[np.int64]]) -> bytes:
    previous = [0] * len(planes)
    bits: list[str] = []
    for blocks in zip(*planes, strict=True):
        for number, block in enumerate(blocks):
            bits.extend(_block(block.tolist(), previous[number]))
            previous[number] = int(block[0])
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big")
    # A byte that looks like the start of a marker is followed by a zero.
    return data.replace(b"\xff", b"\xff\x00")


def _block(coefficients: list[int], previous: int) -> Iterator[str]:
    difference = coefficients[0] - previous
    yield f"{difference.bit_length():04b}{_magnitude(difference)}"
    run = 0
    last = max((index for index, value in enumerate(coefficients) if value and index), default=0)
    for value in coefficients[1 : last + 1]:
        if value == 0:
            run += 1
            continue
        while run >= _LONGEST_RUN:
            yield f"{_AC_CODES[0xF0]:08b}"
            run -= _LONGEST_RUN
        yield f"{_AC_CODES[run << 4 | value.bit_length()]:08b}{_magnitude(value)}"
        run = 0
    if last < len(coefficients) - 1:
        yield f"{_AC_CODES[0x00]:08b}"


def _magnitude(value: int) -> str:
    """Return the bits of a value: itself, or the complement of a negative one."""
    bits = value.bit_length()
    return format(value if value >= 0 else value + (1 << bits) - 1, f"0{bits}b") if bits else ""
