"""A request's inputs as plain data: numbers and texts of small tensors, and pictures of those that are images."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_tfsig.strategies.images import encode_png

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

MOST_VALUES: Final = 200
"""Larger tensors are told by dtype and shape alone: their values are in the .npz file beside the report."""
LARGEST_PICTURE: Final = 24_000
"""Bytes of one picture's file: a page with many failures must stay small."""
_MOST_PICTURES = 4
_LONGEST_TEXT = 120
_SIDE = 64
"""Pixels: of larger images every second, third, … pixel is shown."""
_LEAST_SIDE, _LARGEST_SIDE = 8, 4096
_LEAST_SIDE_ALONE = 16
"""Without a batch dimension three numbers in a row could as well be the features of a sequence."""
_FILES: Final = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}


def as_data(inputs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns inputs by name as plain data.

    Args:
        inputs: Arrays by input name; `{"examples": [...]}` for classify and regress, a mapping of features each.

    Returns:
        For each: `dtype`, `shape`, `values` (nested lists; None where they are too many) and `pictures`, data URIs.
        Numbers that JSON has no words for are written as text, and so are bytes.
    """
    return {name: _tensor(value) for name, value in inputs.items()}


def _tensor(value: Any) -> dict[str, Any]:
    if not isinstance(value, np.ndarray | np.generic):
        rows = list(value) if isinstance(value, list | tuple) else [value]
        values = [_plain(row) for row in rows] if len(rows) <= MOST_VALUES else None
        return {"dtype": "tf.Example", "shape": [len(rows)], "values": values, "pictures": []}
    value = np.asarray(value)
    return {
        "dtype": "string" if value.dtype == object else str(value.dtype),
        "shape": list(value.shape),
        "values": _plain(value.tolist()) if value.size <= MOST_VALUES else None,
        "pictures": list(_pictures(value)),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        text = repr(value)
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
    return number if math.isfinite(number) else str(number)


def _pictures(array: NDArray[Any]) -> Iterator[str]:
    """Yields the images of a tensor as data URIs, the first four."""
    if array.dtype == object:
        files = [value for value in array.ravel()[:_MOST_PICTURES].tolist() if isinstance(value, bytes)]
        for file in files:
            kind = next((kind for magic, kind in _FILES.items() if file.startswith(magic)), None)
            if kind is not None and len(file) <= LARGEST_PICTURE:
                yield _uri(kind, file)
        return
    for pixels in _images(array)[:_MOST_PICTURES]:
        step = math.ceil(max(pixels.shape[:2]) / _SIDE)
        yield _uri("png", encode_png(np.ascontiguousarray(pixels[::step, ::step])))


def _images(array: NDArray[Any]) -> list[NDArray[np.uint8]]:
    """Returns a batch of images as bytes of pixels, [height, width, 1 or 3]; none where it is no such batch."""
    alone = array.ndim == 3  # noqa: PLR2004 - height, width, channels
    if array.ndim not in {3, 4} or array.shape[-1] not in {1, 3} or array.size == 0:
        return []
    least = _LEAST_SIDE_ALONE if alone else _LEAST_SIDE
    if not all(least <= side <= _LARGEST_SIDE for side in array.shape[-3:-1]):
        return []
    batch = (array[np.newaxis] if alone else array)[:_MOST_PICTURES]
    if batch.dtype == np.uint8:
        return list(batch)
    with np.errstate(all="ignore"):
        wide = batch.astype(np.float32) if batch.dtype.kind in "fV" else None
        if wide is None or not np.all((wide >= 0) & (wide <= 1)):
            return []
        return list(np.rint(wide * 255).astype(np.uint8))


def _uri(kind: str, file: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file).decode('ascii')}"
