"""Encoded images, as an input with `image` holds them: PNG and JPEG files of many sizes and kinds."""

from __future__ import annotations

import math
import struct
import zlib
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from pytest_tfsig.strategies.jpeg import encode_jpeg
from pytest_tfsig.strategies.source import generator
from pytest_tfsig.strategies.text import Strings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_tfsig.strategies.source import Source

__all__ = ["encode_png", "images"]

Format = Literal["png", "jpeg"]

_COLOUR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}
_SIZES: Final = (1, 2, 3, 8, 17, 28, 32, 33, 64)
_PAINTS: Final = ("black", "white", "gradient", "noise")
_SEEDS: Final = 4


def images(kind: Format) -> Strings:
    """Return what an input whose `image` is ``kind`` may hold: images from 1x1 to 64x64, colour and grey.

    PNG files also come with an alpha channel and with 16 bits a channel: decoders that assume three channels of eight
    are a known cause of failing requests.
    """

    def painted(height: int, width: int, channels: int, paint: str) -> bytes:
        return _painted(kind, (height, width, channels), paint)

    points = [
        painted(1, 1, 3, "black"),
        painted(8, 8, 3, "white"),
        painted(17, 31, 3, "noise"),
        painted(8, 8, 1, "gradient"),
        painted(1, 64, 3, "gradient"),
        painted(64, 1, 3, "gradient"),
        painted(33, 33, 3, "gradient"),
    ]
    if kind == "png":
        points += [painted(8, 8, 4, "noise"), painted(8, 8, 2, "gradient"), encode_png(_deep_pixels())]
    return Strings(tuple(points), partial(_drawn, kind), closed=True)


def encode_png(pixels: NDArray[Any]) -> bytes:
    """Return a PNG file of ``pixels``: uint8 or uint16, [height, width, channels] with 1 to 4 channels."""
    height, width, channels = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPES[channels], 0, 0, 0)
    # Every row starts with the number of its filter, 0 for none.
    data = b"".join(b"\x00" + row.tobytes() for row in rows)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _drawn(kind: Format, source: Source) -> bytes:
    height, width = (_SIZES[source.choose(len(_SIZES))] for _ in range(2))
    paint = _PAINTS[source.choose(len(_PAINTS))]
    # One image in four is grey.
    channels = 1 if source.choose(4) == 3 else 3  # noqa: PLR2004 - the last of four choices
    return _painted(kind, (height, width, channels), paint, source.choose(_SEEDS))


@lru_cache(maxsize=512)
def _painted(kind: Format, shape: tuple[int, int, int], paint: str, seed: int = 0) -> bytes:
    if paint == "noise":
        pixels = generator(seed).integers(256, size=shape, dtype=np.uint8)
    elif paint == "gradient":
        pixels = np.resize(np.linspace(seed, 255 - seed, math.prod(shape)), shape).astype(np.uint8)
    else:
        pixels = np.full(shape, 0 if paint == "black" else 255, dtype=np.uint8)
    if kind == "png":
        return encode_png(pixels)
    return encode_jpeg(pixels[..., 0] if shape[2] == 1 else pixels)


def _deep_pixels() -> NDArray[np.uint16]:
    return generator(0).integers(2**16, size=(8, 8, 3), dtype=np.uint16)
