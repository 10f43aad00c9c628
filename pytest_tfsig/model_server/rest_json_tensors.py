"""JSON values as tensors: nested lists of numbers, booleans, strings and base64 objects."""

from __future__ import annotations

import base64
import math
import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_tfsig import protos, tensors
from pytest_tfsig.errors import TensorError
from pytest_tfsig.model_server.rest_json_numbers import MAX_UINT64
from pytest_tfsig.model_server.rest_json_reader import JsonObject, JsonValue
from pytest_tfsig.model_server.rest_json_writer import debug_string
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "array",
    "decoded_base64",
    "dense_shape",
    "dtype_name",
    "flush",
    "is_base64",
    "leaves_of",
    "quick_array",
    "shape_text",
    "tensorflow_name",
    "type_name",
]

_NAMES: Final = {"float32": "float", "float64": "double", "float16": "half"}  # where TensorFlow's differ from ours
_INT32 = (-(2**31), 2**31 - 1)
_RANGES: Final = {
    "int8": _INT32,
    "int16": _INT32,
    "int32": _INT32,
    "uint8": _INT32,
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, MAX_UINT64),
}
_QUICK_DIMENSIONS = 32  # what any numpy has
_PLAIN: Final[dict[str, type]] = {"bool": bool, "string": str}
_FLOATS = frozenset({"float32", "float64"})
_BASE64 = re.compile(r"([A-Za-z0-9+/]*)([=.]*)")
_WHITESPACE = re.compile(r"[ \t\n\v\f\r]+")


def dtype_name(number: int) -> str:
    """A dtype's name by its number in TensorFlow's DataType; also of one that no array can carry."""
    try:
        return tensors.dtype(number).name
    except TensorError:
        return str(protos.DataType.Name(number).removeprefix("DT_").lower())


def tensorflow_name(dtype: str) -> str:
    """The name that TensorFlow's messages have for a dtype."""
    return _NAMES.get(dtype, dtype)


def type_name(value: JsonValue) -> str:
    """RapidJSON's name for a value's type."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, JsonObject):
        return "Object"
    if isinstance(value, list):
        return "Array"
    return "String" if isinstance(value, str) else "Number"


def is_base64(value: JsonValue) -> bool:
    """Whether a value is bytes: an object with the one member "b64", a string."""
    return isinstance(value, JsonObject) and len(value) == 1 and "b64" in value and isinstance(value["b64"], str)


def decoded_base64(value: JsonObject) -> bytes:
    """The bytes of a base64 object; padding may be missing and white space is passed over."""
    match = _BASE64.fullmatch(_WHITESPACE.sub("", str(value["b64"])))
    if match is None or len(match[1]) % 4 == 1 or len(match[2]) not in {0, -len(match[1]) % 4}:
        raise _invalid("Unable to base64 decode")
    return base64.b64decode(match[1] + "=" * (-len(match[1]) % 4))


def quick_array(values: list[JsonValue], dtype: str) -> NDArray[Any] | None:
    """The array of regular nested lists of right values; None where anything needs a closer look."""
    shape = [len(values)]
    level: list[Any] = values
    while level and isinstance(level[0], list):
        size = len(level[0])
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            return None
        shape.append(size)
        level = list(chain.from_iterable(level))
    if len(shape) > _QUICK_DIMENSIONS or not _all_right(level, dtype):
        return None
    return array(level, tuple(shape), dtype)


def _all_right(leaves: list[Any], dtype: str) -> bool:
    kinds: set[type] = set(map(type, leaves))
    if dtype in _FLOATS:
        return kinds <= {float, int}
    if dtype in _RANGES:
        low, high = _RANGES[dtype]
        return not leaves or (kinds == {int} and low <= min(leaves) and max(leaves) <= high)
    return not leaves or kinds == {_PLAIN.get(dtype)}


def dense_shape(value: JsonValue) -> tuple[int, ...]:
    """The shape that a value's first elements suggest."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def leaves_of(value: JsonValue, shape: tuple[int, ...], dtype: str) -> list[JsonValue | bytes]:
    """A value's leaves in order; all lists must have the sizes of `shape`, and all leaves must suit the dtype."""
    leaves: list[JsonValue | bytes] = []
    pending: list[tuple[JsonValue, int]] = [(value, 0)]
    while pending:
        item, level = pending.pop()
        if not isinstance(item, list):
            leaves.append(_leaf(item, level, len(shape), dtype))
        elif level >= len(shape):
            raise _invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
        elif len(item) != shape[level]:
            raise _invalid(
                f"Encountered list at unexpected size: {len(item)} at level: {level} expected size: {shape[level]}"
            )
        else:
            pending.extend((element, level + 1) for element in reversed(item))
    return leaves


def _leaf(value: JsonValue, level: int, rank: int, dtype: str) -> JsonValue | bytes:
    if level != rank:
        raise _invalid(
            f"JSON Value: {debug_string(value)} found at incorrect level: {level + 1} in the JSON DOM. "
            f"Expected at level: {rank}"
        )
    if isinstance(value, JsonObject):
        if dtype != "string":
            raise _type_error(value, dtype)
        if not is_base64(value):
            raise _invalid(f"JSON Value: {debug_string(value)} not formatted correctly for base64 data")
        return decoded_base64(value)
    if dtype not in _FLOATS and dtype not in _RANGES and dtype not in _PLAIN:
        raise StatusError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value: {debug_string(value)} to type: {tensorflow_name(dtype)}",
        )
    if not _all_right([value], dtype):
        raise _type_error(value, dtype)
    return value


def array(leaves: Sequence[Any], shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """The array of checked leaves; leaves beyond the shape, which repeated names leave behind, are dropped.

    Raises:
        TensorError: No array can have this shape or dtype.
    """
    if len(shape) > tensors.MAX_DIMENSIONS:
        raise TensorError(f"the tensor has {len(shape)} dimensions, more than an array can have")
    target = tensors.dtype(dtype).numpy
    leaves = leaves[: math.prod(shape)]
    if dtype == "string":
        strings = np.empty(len(leaves), object)
        strings[:] = [leaf if isinstance(leaf, bytes) else leaf.encode("latin-1") for leaf in leaves]
        return strings.reshape(shape)
    if dtype not in _FLOATS:
        integers: NDArray[Any] = np.array(leaves, np.uint64 if dtype == "uint64" else np.int64)
        return integers.astype(target).reshape(shape)
    return flush(np.array(leaves, np.float64), target).reshape(shape)


def flush(values: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    """Doubles as another float dtype; subnormal numbers become zero, as on the real server's threads."""
    with np.errstate(over="ignore"):
        converted = values.astype(target)
    tiny = np.abs(converted) < np.finfo(target).tiny
    if tiny.any():
        converted[tiny] = np.copysign(target.type(0), converted[tiny])
    return converted


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as TensorFlow writes it."""
    return f"[{','.join(map(str, shape))}]"


def _type_error(value: JsonValue, dtype: str) -> StatusError:
    return _invalid(
        f"JSON Value: {debug_string(value)} Type: {type_name(value)} is not of expected type: {tensorflow_name(dtype)}"
    )


def _invalid(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)
