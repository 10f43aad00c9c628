"""numpy arrays <-> TensorProto, and the table of dtypes on TensorFlow's wire.

A tensor's values travel in one of two forms: packed, as the array's bytes in `tensor_content`, or as one repeated
field a dtype (`float_val`, `int_val`, …), which may be cut short: the last value given then fills the rest, and none
given means zeros. Both forms are read; either can be written.

Strings are object arrays of `bytes`. Arrays read from a message are read-only views of its memory where possible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from pytest_tfsig import protos
from pytest_tfsig.errors import TensorError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, DTypeLike, NDArray

MAX_DIMENSIONS = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32
"""numpy's own limit; TensorFlow's is 254."""


@dataclass(frozen=True, slots=True)
class DType:
    """One dtype of the wire format.

    Attributes:
        name: As users write it: "float32", "bfloat16", "string".
        number: Its value in TensorFlow's enum DataType (DT_FLOAT is 1).
        numpy: The array dtype that carries it; object for strings.
        field: The repeated field of TensorProto that holds it, None for a dtype that only `tensor_content` can carry.
        bits: The integer dtype whose bit patterns `field` holds, where it holds those rather than values.
    """

    name: str
    number: int
    numpy: np.dtype[Any]
    field: str | None
    bits: np.dtype[Any] | None = None

    @property
    def is_string(self) -> bool:
        """Whether elements are byte strings of any length."""
        return self.name == "string"

    @property
    def is_float(self) -> bool:
        """Whether elements are real floating-point numbers, half and eight-bit kinds included."""
        return self.name.startswith(("float", "bfloat"))

    @property
    def is_integer(self) -> bool:
        """Whether elements are integers, quantized ones included."""
        return self.name.lstrip("q").startswith(("int", "uint"))

    @property
    def is_complex(self) -> bool:
        """Whether elements are complex numbers."""
        return self.name.startswith("complex")


def _table() -> Iterable[DType]:
    number = protos.DataType.Value
    u1, u2 = np.dtype(np.uint8), np.dtype(np.uint16)
    plain = [
        ("float32", "DT_FLOAT", "float_val"),
        ("float64", "DT_DOUBLE", "double_val"),
        ("int8", "DT_INT8", "int_val"),
        ("int16", "DT_INT16", "int_val"),
        ("int32", "DT_INT32", "int_val"),
        ("int64", "DT_INT64", "int64_val"),
        ("uint8", "DT_UINT8", "int_val"),
        ("uint16", "DT_UINT16", "int_val"),
        ("uint32", "DT_UINT32", "uint32_val"),
        ("uint64", "DT_UINT64", "uint64_val"),
        ("bool", "DT_BOOL", "bool_val"),
        ("complex64", "DT_COMPLEX64", "scomplex_val"),
        ("complex128", "DT_COMPLEX128", "dcomplex_val"),
    ]
    for name, enum, field in plain:
        yield DType(name, number(enum), np.dtype(name), field)
    yield DType("string", number("DT_STRING"), np.dtype(object), "string_val")
    yield DType("float16", number("DT_HALF"), np.dtype(np.float16), "half_val", u2)
    yield DType("bfloat16", number("DT_BFLOAT16"), np.dtype(ml_dtypes.bfloat16), "half_val", u2)
    for name in ("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz"):
        yield DType(name, number(f"DT_{name.upper()}"), np.dtype(getattr(ml_dtypes, name)), "float8_val", u1)
    for name in ("int4", "uint4"):
        yield DType(name, number(f"DT_{name.upper()}"), np.dtype(getattr(ml_dtypes, name)), "int_val")
    for name in ("int2", "uint2", "float4_e2m1fn"):
        if hasattr(ml_dtypes, name):
            own_field = "int_val" if name.endswith("int2") else None
            yield DType(name, number(f"DT_{name.upper()}"), np.dtype(getattr(ml_dtypes, name)), own_field)
    for name in ("qint8", "quint8", "qint16", "quint16", "qint32"):
        yield DType(name, number(f"DT_{name.upper()}"), np.dtype(name[1:]), "int_val")


DTYPES: tuple[DType, ...] = tuple(_table())
"""Every dtype that a tensor on the wire may have; quantized ones, whose arrays are those of plain ones, come last."""

_BY_NAME = {entry.name: entry for entry in DTYPES} | {
    alias: next(entry for entry in DTYPES if entry.name == name)
    for alias, name in {"half": "float16", "float": "float32", "double": "float64", "str": "string"}.items()
}
_BY_NUMBER = {entry.number: entry for entry in DTYPES}
_BY_NUMPY = {entry.numpy: entry for entry in reversed(DTYPES)}


@cache
def dtype(key: str | int | DTypeLike) -> DType:
    """Returns the table's entry for a name, an enum number or a numpy dtype.

    Args:
        key: "float32", "string", …; a number of TensorFlow's DataType; a numpy dtype or scalar type.

    Raises:
        TensorError: The wire format has no such dtype.
    """
    if isinstance(key, str) and key in _BY_NAME:
        return _BY_NAME[key]
    if isinstance(key, int) and key in _BY_NUMBER:
        return _BY_NUMBER[key]
    if not isinstance(key, int):
        try:
            array_dtype = np.dtype(key)
        except TypeError:
            array_dtype = None
        if array_dtype is not None:
            if array_dtype.kind in "SUT":
                return _BY_NAME["string"]
            if array_dtype.newbyteorder("=") in _BY_NUMPY:
                return _BY_NUMPY[array_dtype.newbyteorder("=")]
    names = ", ".join(entry.name for entry in DTYPES)
    raise TensorError(f"{key!r} is no dtype that a tensor on the wire can have; it is one of {names}")


def as_array(values: ArrayLike, wanted: str | DType | None = None) -> NDArray[Any]:
    """Returns values as an array whose dtype the wire format has, changing no value beyond float rounding.

    Args:
        values: An array, or nested lists of numbers, booleans, str (encoded as UTF-8) or bytes.
        wanted: The dtype to have; None keeps the array's own (Python floats become float64, ints int64).

    Raises:
        TensorError: The values are ragged, of no dtype the wire has, or would change as `wanted`.
    """
    entry = wanted if isinstance(wanted, DType) or wanted is None else dtype(wanted)
    if entry is not None and not entry.is_string and isinstance(values, list | tuple | int):
        exact = _integers(values, entry)
        if exact is not None:
            return exact
    array = _as_numpy(values)
    if array.dtype.kind in "SUTO" or (entry is not None and entry.is_string):
        return _strings(array, entry)
    own = dtype(array.dtype)
    if entry is None or entry.numpy == array.dtype:
        return array.astype(own.numpy, copy=False)
    return _converted(array, own, entry)


def _as_numpy(values: ArrayLike) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except UnicodeDecodeError:  # str and bytes side by side
        return np.asarray(values, object)
    except (ValueError, OverflowError) as error:
        raise TensorError(f"the values do not form a rectangular array of one dtype: {error}") from error
    if array.dtype.kind in "SU" and array is not values:  # a fixed width would drop NUL bytes at a string's end
        return np.asarray(values, object)
    return array


def _integers(values: list[Any] | tuple[Any, ...] | int, entry: DType) -> NDArray[Any] | None:
    """Returns Python integers as `entry`, which np.asarray alone would push through float64 when they pass 2**63."""
    if entry.name not in {"uint64", "int64"}:
        return None
    array = np.asarray(values, dtype=object)
    if not all(type(value) is int for value in array.flat):
        return None
    limits = np.iinfo(entry.numpy)
    for value in array.flat:
        if not limits.min <= value <= limits.max:
            raise TensorError(f"{value} does not fit {entry.name} ({limits.min} to {limits.max})")
    return array.astype(entry.numpy)


def _strings(array: NDArray[Any], entry: DType | None) -> NDArray[Any]:
    if entry is not None and not entry.is_string:
        raise TensorError(f"strings were given where {entry.name} is wanted")
    encoded = np.empty(array.shape, object)
    flat = encoded.reshape(-1)
    for index, value in enumerate(array.flat):
        if isinstance(value, str):
            flat[index] = value.encode("utf-8", "surrogateescape")
        elif isinstance(value, bytes):
            flat[index] = bytes(value)
        else:
            kind = "a nested list of another length" if isinstance(value, list | tuple) else type(value).__name__
            raise TensorError(f"element {index} of a string tensor is {kind}, not str or bytes: {value!r}")
    return encoded


def _converted(array: NDArray[Any], own: DType, entry: DType) -> NDArray[Any]:
    narrows = (own.is_complex and not entry.is_complex) or (own.is_float and not (entry.is_float or entry.is_complex))
    if narrows or ((entry.name == "bool") != (own.name == "bool") and array.size):
        raise TensorError(f"{own.name} values were given where {entry.name} is wanted: convert them if that is meant")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(entry.numpy)
    if entry.is_integer and not np.array_equal(converted.astype(object), array.astype(object)):
        raise TensorError(f"a value of the {own.name} array does not fit {entry.name}")
    return converted


def to_proto(values: ArrayLike, wanted: str | DType | None = None, *, packed: bool = True) -> Any:
    """Returns values as a TensorProto.

    Args:
        values: As for `as_array`: any shape, scalars and empty arrays included.
        wanted: The dtype on the wire; None keeps the array's own.
        packed: Values as `tensor_content`; False puts them in the dtype's repeated field, as TensorFlow Serving
            does in its answers. Strings always use `string_val`.

    Raises:
        TensorError: As for `as_array`, or an unpacked tensor of a dtype that has no field.
    """
    entry = wanted if isinstance(wanted, DType) or wanted is None else dtype(wanted)
    array = as_array(values, entry)
    entry = entry or dtype(array.dtype)
    proto = protos.TensorProto(dtype=entry.number)
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    if entry.is_string:
        proto.string_val.extend(array.ravel().tolist())
    elif packed or entry.field is None:
        if not packed:
            raise TensorError(f"{entry.name} has no field of its own on the wire: write it packed")
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    else:
        _fill(proto, entry, array)
    return proto


_FIXED_WIDTH = {
    "float_val": np.float32,
    "double_val": np.float64,
    "scomplex_val": np.float32,
    "dcomplex_val": np.float64,
}
"""The repeated fields whose packed encoding is the array's own memory."""


def _fill(proto: Any, entry: DType, array: NDArray[Any]) -> None:
    field = str(entry.field)
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.size == 0:
        return
    if field in _FIXED_WIDTH:
        proto.MergeFromString(_prefix(field, flat.nbytes) + flat.tobytes())
    elif field == "float8_val":
        proto.float8_val = flat.tobytes()
    elif entry.bits is not None:
        getattr(proto, field).extend(flat.view(entry.bits).tolist())
    else:
        getattr(proto, field).extend(flat.astype(np.int8).tolist() if flat.dtype.kind == "V" else flat.tolist())


def _prefix(field: str, size: int) -> bytes:
    """Returns the tag and length in front of a packed repeated field of `size` bytes."""
    number = protos.TensorProto.DESCRIPTOR.fields_by_name[field].number
    return _varint(number << 3 | 2) + _varint(size)


_SEVEN_BITS, _MORE = 0x7F, 0x80
"""A varint's payload in each byte, and the bit that says another byte follows."""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > _SEVEN_BITS:
        out.append(value & _SEVEN_BITS | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(content: bytes, position: int) -> tuple[int, int]:
    """Returns the varint at a position and the position after it; IndexError where the bytes end before it does."""
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & _SEVEN_BITS) << shift
        if byte < _MORE:
            return value, position
        shift += 7


def shape_of(proto: Any) -> tuple[int, ...]:
    """Returns a TensorProto's shape.

    Raises:
        TensorError: The rank is unknown, a size is negative, or there are more dimensions than numpy has.
    """
    if proto.tensor_shape.unknown_rank:
        raise TensorError("the tensor's shape has no rank")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if any(size < 0 for size in shape):
        raise TensorError(f"the tensor's shape {list(shape)} has a negative size")
    if len(shape) > MAX_DIMENSIONS:
        raise TensorError(f"the tensor has {len(shape)} dimensions; at most {MAX_DIMENSIONS} can be read")
    return shape


def from_proto(proto: Any) -> NDArray[Any]:
    """Returns a TensorProto's values as an array of its shape; strings as objects of type bytes.

    A tensor that repeats one value is returned as a read-only view of that value, however large its shape.

    Raises:
        TensorError: No array can carry the dtype, the shape is unusable or `tensor_content` has another size than it.
    """
    entry = dtype(proto.dtype)
    shape = shape_of(proto)
    count = math.prod(shape)
    if proto.tensor_content:
        return _from_content(proto.tensor_content, entry, shape, count)
    values = _field_values(proto, entry)
    if len(values) >= count:
        return values[:count].reshape(shape)
    if len(values) <= 1:
        single = np.zeros((), entry.numpy)
        single[()] = values[0] if len(values) else (b"" if entry.is_string else single[()])
        try:
            return np.broadcast_to(single, shape)
        except ValueError as error:
            raise TensorError(f"the tensor's shape {list(shape)} is too large: {error}") from error
    try:
        full = np.empty(count, entry.numpy)
    except (MemoryError, ValueError) as error:
        raise TensorError(f"the tensor's shape {list(shape)} is too large: {error}") from error
    full[: len(values)] = values
    full[len(values) :] = values[-1]
    return full.reshape(shape)


def _from_content(content: bytes, entry: DType, shape: tuple[int, ...], count: int) -> NDArray[Any]:
    if entry.is_string:
        return _decoded_strings(content, count).reshape(shape)
    size = count * entry.numpy.itemsize
    if len(content) != size:
        raise TensorError(f"tensor_content has {len(content)} bytes; {entry.name} of shape {list(shape)} takes {size}")
    return np.frombuffer(content, entry.numpy).reshape(shape)


def _decoded_strings(content: bytes, count: int) -> NDArray[Any]:
    """Returns the strings of TensorFlow's packed form: all lengths as varints, then all bytes."""
    lengths, position = [], 0
    try:
        for _ in range(count):
            length, position = _read_varint(content, position)
            lengths.append(length)
    except IndexError:
        position = len(content) + 1
    if position + sum(lengths) != len(content):
        raise TensorError(f"tensor_content does not hold {count} strings")
    strings = np.empty(count, object)
    for index, length in enumerate(lengths):
        strings[index] = content[position : position + length]
        position += length
    return strings


_MANY = 64
"""From this many values on, reading a repeated field through its encoding beats reading it value by value."""


def _field_values(proto: Any, entry: DType) -> NDArray[Any]:
    """Returns the repeated field's values, flat, as the dtype's array."""
    if entry.field is None:
        return np.empty(0, entry.numpy)
    values = getattr(proto, entry.field)
    if entry.field == "float8_val":
        return np.frombuffer(values, entry.numpy)
    if entry.is_string:
        strings = np.empty(len(values), object)
        strings[:] = values
        return strings
    if entry.field in _FIXED_WIDTH:
        return _fixed_width_values(values, entry.field, entry)
    if entry.bits is not None:
        return np.array(values, np.int64).astype(entry.bits).view(entry.numpy)
    return np.array(values, np.uint64 if entry.field == "uint64_val" else np.int64).astype(entry.numpy)


def _fixed_width_values(values: Any, field: str, entry: DType) -> NDArray[Any]:
    width = np.dtype(_FIXED_WIDTH[field])
    count = len(values) * width.itemsize // entry.numpy.itemsize
    if len(values) < _MANY:
        return np.array(values, width)[: count * entry.numpy.itemsize // width.itemsize].view(entry.numpy)
    alone = protos.TensorProto()
    getattr(alone, field).MergeFrom(values)
    encoded = alone.SerializeToString()
    return np.frombuffer(encoded, entry.numpy, count=count, offset=len(encoded) - len(values) * width.itemsize)
