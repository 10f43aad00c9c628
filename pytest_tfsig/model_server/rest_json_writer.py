"""JSON text as TensorFlow Serving writes it: RapidJSON's pretty layout, with decimals of its own.

Text is Latin-1 throughout, as in the reader: a character is a byte of the answer, whether or not the bytes are UTF-8.
"""

from __future__ import annotations

import base64
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.model_server import rest_json_digits
from pytest_tfsig.model_server.rest_json_reader import JsonObject, JsonValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["debug_string", "decimals", "error_body", "indent", "leaf_writer", "quoted", "raw", "spread", "text_of"]

_DEBUG_BYTES = 256
_SPECIAL = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def raw(text: str) -> str:
    """A name or message as the Latin-1 text of its UTF-8 bytes."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def text_of(latin: str) -> str:
    """The opposite of `raw`: text, in which bytes that are not UTF-8 survive as surrogates."""
    return latin.encode("latin-1").decode("utf-8", "surrogateescape")


def quoted(latin: str) -> str:
    """A JSON string; only what must be is escaped."""
    return f'"{_ESCAPED.sub(_escape, latin)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return _SHORT.get(character) or f"\\u{ord(character):04X}"


def indent(depth: int) -> str:
    """A new line, indented for that many open objects and arrays."""
    return "\n" + "    " * depth


def error_body(message: str) -> bytes:
    """The body of an answer that is an error."""
    return f'{{{indent(1)}"error": {quoted(raw(message))}{indent(0)}}}'.encode("latin-1")


def decimals(values: NDArray[Any]) -> list[str]:
    """Floats as text: six digits where those give the number back, else as many as any number needs (9 or 17).

    Args:
        values: float32 or float64, any shape.

    Returns:
        One text a value, in row-major order.
    """
    flat = values.reshape(-1)
    limits = np.finfo(flat.dtype)
    flat = np.where(np.abs(flat) < limits.tiny, np.copysign(flat.dtype.type(0), flat), flat)
    texts = _formatted("%g", flat)
    with np.errstate(over="ignore"):
        back = np.array(list(map(float, texts)), dtype=np.float64).astype(flat.dtype)
    longer = np.flatnonzero((back != flat) & np.isfinite(flat))
    pattern = "%.9g" if flat.dtype == np.float32 else "%.17g"
    for index, text in zip(longer.tolist(), _formatted(pattern, flat[longer]), strict=True):
        texts[index] = text
    return [text if "." in text or "e" in text else _SPECIAL.get(text) or text + ".0" for text in texts]


def _formatted(pattern: str, numbers: NDArray[Any]) -> list[str]:
    """The text of each number; one formatting of all is much faster than one each."""
    return (f"{pattern} " * len(numbers) % tuple(numbers.tolist())).split()


def leaf_writer(values: NDArray[Any], *, as_bytes: bool) -> Callable[[int], list[str]] | None:
    """What writes a tensor's values, given how many objects and arrays are open around each.

    Args:
        values: The tensor: any shape; strings are an object array of bytes.
        as_bytes: Write strings as base64 objects.

    Returns:
        A function, or None where REST has no JSON for this dtype.
    """
    flat = values.reshape(-1)
    if values.dtype in (np.float32, np.float64):
        return lambda _: decimals(flat)
    if values.dtype == np.bool_:
        return lambda _: ["true" if value else "false" for value in flat.tolist()]
    if values.dtype in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64):
        return lambda _: [str(value) for value in flat.tolist()]
    if values.dtype != np.object_:
        return None
    if as_bytes:
        return lambda depth: [
            f'{{{indent(depth + 1)}"b64": "{base64.b64encode(value).decode()}"{indent(depth)}}}' for value in flat
        ]
    return lambda _: [quoted(value.decode("latin-1")) for value in flat]


def spread(texts: Sequence[str], shape: Sequence[int], depth: int, *, single_line: bool) -> str:
    """Arrange the texts of values in nested arrays.

    Args:
        texts: The values, in row-major order.
        shape: Sizes of the nested arrays, outermost first; empty for a bare value.
        depth: How many objects and arrays are open around the outermost array.
        single_line: Arrays on one line; else one element a line.
    """
    level = list(texts)
    for axis in reversed(range(len(shape))):
        size = shape[axis]
        count = math.prod(shape[:axis])
        write = array_line if single_line else _array_lines(depth + axis)
        level = [write(level[row * size : (row + 1) * size]) for row in range(count)]
    return level[0]


def array_line(texts: Iterable[str]) -> str:
    """An array on one line."""
    return f"[{', '.join(texts)}]"


def _array_lines(depth: int) -> Callable[[Sequence[str]], str]:
    inner, outer = indent(depth + 1), indent(depth)

    def write(texts: Sequence[str]) -> str:
        return f"[{inner}{(',' + inner).join(texts)}{outer}]" if texts else "[]"

    return write


def debug_string(value: JsonValue) -> str:
    """A value as error messages show it, cut off after 256 bytes.

    Returns:
        Text, in which bytes that are not UTF-8 survive as surrogates.
    """
    writer = _DebugWriter()
    writer.write(value, "", 0)
    return text_of("".join(writer.pieces))


class _DebugWriter:
    """Writes a value's events until the limit is passed; an event is written whole."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.written = 0

    def put(self, text: str) -> bool:
        if self.written >= _DEBUG_BYTES:
            return False
        self.pieces.append(text)
        self.written += len(text)
        return True

    def write(self, value: JsonValue, before: str, depth: int) -> bool:
        if isinstance(value, JsonObject):
            return self.put(before + "{") and self.members(value, depth)
        if isinstance(value, list):
            return self.put(before + "[") and self.elements(value, depth)
        if isinstance(value, float) and not math.isfinite(value):
            self.put(before)  # RapidJSON's writer gives up at a number that JSON does not have
            return False
        return self.put(before + _scalar(value))

    def members(self, value: JsonObject, depth: int) -> bool:
        for index, (name, member) in enumerate(value.members):
            key = ("," if index else "") + indent(depth + 1) + quoted(name)
            if not (self.put(key) and self.write(member, ": ", depth + 1)):
                return False
        return self.put((indent(depth) if value.members else "") + "}")

    def elements(self, value: list[JsonValue], depth: int) -> bool:
        for index, element in enumerate(value):
            if not self.write(element, ", " if index else "", depth + 1):
                return False
        return self.put("]")


def _scalar(value: float | str | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    return str(value) if isinstance(value, int) else _double(value)


def _double(value: float) -> str:
    """A double as RapidJSON writes it: an exponent only below 1e-6 and from 1e21 on."""
    sign = "-" if math.copysign(1, value) < 0 else ""
    if value == 0:
        return sign + "0.0"
    digits, exponent = rest_json_digits.digits(abs(value))
    point = len(digits) + exponent  # the decimal point's place, counted from the first digit
    if exponent >= 0 and point <= _PLAIN_DIGITS:
        text = digits + "0" * exponent + ".0"
    elif 0 < point <= _PLAIN_DIGITS:
        text = f"{digits[:point]}.{digits[point:]}"
    elif _LEADING_ZEROS < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{point - 1}"
    return sign + text


_PLAIN_DIGITS = 21
_LEADING_ZEROS = -6
