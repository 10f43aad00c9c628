"""A predict request's JSON as input tensors: row form ("instances") and columnar form ("inputs")."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_tfsig import tensors
from pytest_tfsig.model_server.rest_json_numbers import MAX_UINT64
from pytest_tfsig.model_server.rest_json_reader import JsonObject, JsonValue, parse
from pytest_tfsig.model_server.rest_json_writer import debug_string, raw, text_of
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "TYPE_NAMES",
    "PredictBody",
    "decoded_base64",
    "document",
    "is_base64",
    "read_predict",
    "signature_name",
    "type_name",
]

TYPE_NAMES: Final = {"float32": "float", "float64": "double", "float16": "half"}  # where TensorFlow's differ from ours
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
_FLOATS = frozenset({"float32", "float64"})
_BASE64 = re.compile(r"([A-Za-z0-9+/]*)([=.]*)")
_WHITESPACE = re.compile(r"[ \t\n\v\f\r]+")


@dataclass(frozen=True, slots=True)
class PredictBody:
    """What a predict request asks.

    Attributes:
        signature: The signature's name as it was given; empty for the default one.
        inputs: Input name -> array of the dtype that the signature declares.
        is_row: Row form, which the answer then has, too.
    """

    signature: str
    inputs: dict[str, NDArray[Any]]
    is_row: bool


def read_predict(body: bytes, inputs_of: Callable[[str], Mapping[str, Any]]) -> PredictBody:
    """Read the body of a predict request.

    Args:
        body: JSON, as RapidJSON reads it.
        inputs_of: Gives the input TensorInfos (name -> message) of a signature by its name; raises StatusError.

    Raises:
        StatusError: What TensorFlow Serving would say.
    """
    top = document(body)
    signature = signature_name(top)
    infos = inputs_of(signature)
    if not infos:
        raise _invalid(f"Failed to get input map for signature: {signature or 'DEFAULT'}")
    dtypes = {raw(name): tensors.dtype(info.dtype).name for name, info in infos.items()}
    if "instances" in top:
        instances = top["instances"]
        if "inputs" in top:
            raise _format_error(
                top, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
            )
        if not isinstance(instances, list):
            raise _format_error(top, "Expecting 'instances' to be an list/array")
        if not instances:
            raise _format_error(top, "No values in 'instances' array")
        arrays = _rows(instances, dtypes)
    elif "inputs" in top:
        arrays = _columns(top["inputs"], dtypes)
    else:
        raise _invalid("Missing 'inputs' or 'instances' key")
    return PredictBody(signature, {text_of(name): value for name, value in arrays.items()}, "instances" in top)


def document(body: bytes) -> JsonObject:
    """Read a body whose JSON value must be an object."""
    top = parse(body)
    if not isinstance(top, JsonObject):
        raise _format_error(top, "Is not object")
    return top


def signature_name(top: JsonObject) -> str:
    """The signature that a request names; empty for none."""
    if "signature_name" not in top:
        return ""
    name = top["signature_name"]
    if not isinstance(name, str):
        raise _format_error(top, "not formatted correctly. 'signature_name' key must be a string value.")
    return text_of(name)


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


@dataclass(slots=True)
class _Column:
    """One input's values, gathered row by row; `shape` is that of the first row."""

    dtype: str
    shape: tuple[int, ...] | None = None
    size: int = 0
    leaves: list[JsonValue] = field(default_factory=list)

    def add(self, value: JsonValue) -> None:
        shape = _dense_shape(value)
        leaves = _leaves(value, shape, self.dtype)
        self.leaves.extend(leaves)
        if self.shape is None:
            self.shape, self.size = shape, len(leaves)
        elif len(leaves) != self.size:
            raise _invalid(f"Expecting tensor size: {self.size} but got: {len(leaves)}")
        elif shape != self.shape:
            raise _invalid(f"Expecting shape {_shape_text(self.shape)} but got: {_shape_text(shape)}")


def _is_named(value: JsonValue) -> bool:
    """Whether a row gives its values by input name: an object that is not bytes."""
    return isinstance(value, JsonObject) and not is_base64(value)


def _rows(instances: list[JsonValue], dtypes: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    first = instances[0]
    if not isinstance(first, JsonObject) and len(dtypes) > 1:
        raise _invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    by_name = _is_named(first)
    columns = _quick_columns(instances, list(dtypes)) if by_name else {next(iter(dtypes)): instances}
    quick = {name: _quick_array(column, dtypes[name]) for name, column in columns.items()}
    if quick and all(array is not None for array in quick.values()):
        return {name: array for name, array in quick.items() if array is not None}
    return _gathered(instances, dtypes, by_name=by_name)


def _gathered(instances: list[JsonValue], dtypes: Mapping[str, str], *, by_name: bool) -> dict[str, NDArray[Any]]:
    """Read rows one by one, which finds the first thing that is wrong."""
    columns = {name: _Column(dtype) for name, dtype in dtypes.items()}
    for index, row in enumerate(instances):
        if by_name:
            if not isinstance(row, JsonObject) or is_base64(row):
                raise _invalid(f"Expecting object but got list at item {index} of input list")
            _add_named(index, row, columns)
        elif _is_named(row):
            raise _invalid(f"Expecting value/list but got object at item {index} of input list")
        else:
            try:
                next(iter(columns.values())).add(row)
            except StatusError as error:
                raise _invalid(f"Failed to process element: {index} of 'instances' list. Error: {error}") from error
    return {
        name: _array(column.leaves, (len(instances), *(column.shape or ())), column.dtype)
        for name, column in columns.items()
    }


def _add_named(index: int, row: JsonObject, columns: Mapping[str, _Column]) -> None:
    seen = set()
    for member, value in row.members:
        name = member.partition("\0")[0]  # TensorFlow Serving takes a name up to its first NUL
        seen.add(name)
        try:
            if name not in columns:
                raise _invalid(f"JSON object: does not have named input: {text_of(name)}")
            columns[name].add(value)
        except StatusError as error:
            raise _invalid(
                f"Failed to process element: {index} key: {text_of(name)} of 'instances' list. Error: {error}"
            ) from error
    if seen != columns.keys():
        names = ",".join(text_of(name) for name in sorted(columns))
        raise _invalid(
            f"Failed to process element: {index} of 'instances' list. JSON object: {debug_string(row)} "
            f"keys must be equal to: {names}"
        )


def _columns(value: JsonValue, dtypes: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    if isinstance(value, JsonObject) and not is_base64(value):
        found = {}
        for name, dtype in dtypes.items():
            if name not in value:
                raise _invalid(f"Missing named input: {text_of(name)} in 'inputs' object.")
            found[name] = _tensor(value[name], dtype)
        return found
    if len(dtypes) > 1:
        raise _invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    return {name: _tensor(value, dtype) for name, dtype in dtypes.items()}


def _tensor(value: JsonValue, dtype: str) -> NDArray[Any]:
    if isinstance(value, list):
        quick = _quick_array(value, dtype)
        if quick is not None:
            return quick
    shape = _dense_shape(value)
    return _array(_leaves(value, shape, dtype), shape, dtype)


def _quick_columns(instances: list[JsonValue], names: list[str]) -> dict[str, list[JsonValue]]:
    """The rows' values by input name; nothing unless every row has each name once."""
    columns: dict[str, list[JsonValue]] = {name: [] for name in names}
    wanted = set(names)
    for row in instances:
        if not isinstance(row, JsonObject) or len(row) != len(wanted):
            return {}
        if {name for name, _ in row.members} != wanted:
            return {}
        for name, value in row.members:
            columns[name].append(value)
    return columns


def _quick_array(values: list[JsonValue], dtype: str) -> NDArray[Any] | None:
    """The array of regular nested lists of right values; None where anything needs a closer look."""
    shape = [len(values)]
    level: list[Any] = values
    while level and isinstance(level[0], list):
        size = len(level[0])
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            return None
        shape.append(size)
        level = list(chain.from_iterable(level))
    if len(shape) > tensors.MAX_DIMENSIONS or not _all_right(level, dtype):
        return None
    return _array(level, tuple(shape), dtype)


def _all_right(leaves: list[Any], dtype: str) -> bool:
    kinds = set(map(type, leaves))
    if dtype in _FLOATS:
        return kinds <= {float, int}
    if dtype in _RANGES:
        low, high = _RANGES[dtype]
        return not leaves or (kinds == {int} and low <= min(leaves) and max(leaves) <= high)
    return kinds <= {"bool": {bool}, "string": {str}}.get(dtype, set())


def _dense_shape(value: JsonValue) -> tuple[int, ...]:
    """The shape that a value's first elements suggest."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _leaves(value: JsonValue, shape: tuple[int, ...], dtype: str) -> list[JsonValue]:
    """A value's leaves in order; all lists must have the sizes of `shape`, and all leaves must suit the dtype."""
    leaves: list[JsonValue] = []
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
    if dtype not in _FLOATS and dtype not in _RANGES and dtype not in {"bool", "string"}:
        raise StatusError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value: {debug_string(value)} to type: {TYPE_NAMES.get(dtype, dtype)}",
        )
    if not _all_right([value], dtype):
        raise _type_error(value, dtype)
    return value


def _array(leaves: Sequence[Any], shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """The array of checked leaves; leaves beyond the shape, which repeated names leave behind, are dropped."""
    if len(shape) > tensors.MAX_DIMENSIONS:
        raise _invalid(f"The tensor has {len(shape)} dimensions; at most {tensors.MAX_DIMENSIONS} can be read")
    count = 1
    for size in shape:
        count *= size
    leaves = leaves[:count]
    if dtype == "string":
        strings = np.empty(len(leaves), object)
        strings[:] = [leaf if isinstance(leaf, bytes) else leaf.encode("latin-1") for leaf in leaves]
        return strings.reshape(shape)
    target = tensors.dtype(dtype).numpy
    if dtype not in _FLOATS:
        return np.array(leaves, np.uint64 if dtype == "uint64" else np.int64).astype(target).reshape(shape)
    values = np.array(leaves, np.float64)
    if dtype == "float32":
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        tiny = np.abs(values) < np.finfo(np.float32).tiny
        if tiny.any():  # the real server's threads flush subnormal numbers to zero
            values[tiny] = np.copysign(np.float32(0), values[tiny])
    return values.reshape(shape)


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _type_error(value: JsonValue, dtype: str) -> StatusError:
    return _invalid(
        f"JSON Value: {debug_string(value)} Type: {type_name(value)} is not of expected type: {TYPE_NAMES.get(dtype, dtype)}"
    )


def _format_error(value: JsonValue, problem: str) -> StatusError:
    return _invalid(f"JSON Value: {debug_string(value)} {problem}")


def _invalid(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)
