"""TensorFlow's own tensors (`TF_Tensor`) from the wire and from numpy, and back."""

from __future__ import annotations

import ctypes
import math
import os
import threading
from ctypes import c_int64, c_void_p
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_tfsig import protos, tensors
from pytest_tfsig.errors import TensorError
from pytest_tfsig.model_server import wire
from pytest_tfsig.model_server.c_api import Api, Buffer
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Feed", "Scratch", "from_array", "from_bytes", "from_content", "from_proto", "to_array", "to_wire"]

DT_STRING: Final = 7
# Below this, parsing takes less time than giving up the GIL and waiting for it.
_KEEP_GIL_BELOW: Final = 1 << 16
# From here on an answer's values are joined to it from where TensorFlow has put them, without a copy in between.
_VIEW_FROM: Final = 1 << 14
# A TensorProto may stand for far more than it carries (one value repeated): from here on memory is asked first.
_ASK_FOR_MEMORY_FROM: Final = 1 << 28
_TENSOR_CONTENT: Final = 4  # field of TensorProto
_MAX_RANK: Final = 254
_STRING_WORDS: Final = 3  # a TF_TString takes three 64-bit words
_SMALL, _LARGE, _OFFSET = 0, 1, 2  # the two lowest bits of a TF_TString; 3 is a view


class _Status:
    """A `TF_Status`, freed with this object."""

    def __init__(self, api: Api) -> None:
        self.handle: int = api.quick.TF_NewStatus()
        self._delete = api.quick.TF_DeleteStatus

    def __del__(self) -> None:
        self._delete(self.handle)


class Scratch(threading.local):
    """What one thread needs again and again: a `TF_Status`."""

    def __init__(self, api: Api) -> None:
        self._owner = _Status(api)  # goes with the thread
        self.status = self._owner.handle


class Feed:
    """A tensor of TensorFlow's, which is freed with this object."""

    __slots__ = ("_api", "handle")

    def __init__(self, api: Api, handle: int) -> None:
        self.handle = handle
        self._api = api

    def array(self) -> np.ndarray[Any, Any]:
        """The tensor's values, which this object's end does not take away.

        Raises:
            StatusError: No array can show them.
        """
        return to_array(self._api, self)

    def __del__(self) -> None:
        self._api.quick.TF_DeleteTensor(self.handle)


def from_bytes(api: Api, scratch: Scratch, data: bytes) -> int:
    """A tensor from a serialised TensorProto, parsed by TensorFlow itself.

    Raises:
        StatusError: TensorFlow refuses it.
    """
    handle = api.quick.TF_AllocateTensor(1, None, 0, 4)
    buffer = Buffer(ctypes.cast(ctypes.c_char_p(data), c_void_p), len(data), None)
    functions = api.quick if len(data) < _KEEP_GIL_BELOW else api.slow
    functions.TF_TensorFromProto(buffer, handle, scratch.status)
    try:
        api.check(scratch.status)
    except StatusError:
        api.quick.TF_DeleteTensor(handle)
        raise
    return int(handle)


def affordable(number_of_bytes: int) -> bool:
    """Whether a tensor of that size fits into the memory that is free now."""
    if number_of_bytes < _ASK_FOR_MEMORY_FROM:
        return True
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return True
    return number_of_bytes < free // 2


def from_content(api: Api, dtype: tensors.DType, shape: Sequence[int], content: bytes | memoryview) -> int:
    """A tensor with a copy of `content`, which lies as TensorFlow wants it (not for strings).

    The copy is the only one: TensorFlow keeps tensors at addresses divisible by 64, and bytes that came over a
    connection are not.
    """
    dims = (c_int64 * len(shape))(*shape)
    handle = api.quick.TF_AllocateTensor(dtype.number, dims, len(shape), len(content))
    if not handle:
        raise StatusError(Code.RESOURCE_EXHAUSTED, f"No memory for a tensor of {len(content)} bytes")
    if content:
        source = np.frombuffer(content, np.uint8)
        ctypes.memmove(api.quick.TF_TensorData(handle), source.ctypes.data, len(content))
    return int(handle)


def from_proto(api: Api, scratch: Scratch, proto: Any, content: memoryview | None = None) -> int:
    """A tensor from a TensorProto message, under TensorFlow's own rules for what is well-formed.

    Args:
        api: TensorFlow.
        scratch: This thread's.
        proto: The message.
        content: Its `tensor_content`, if that was left out of the message.

    Raises:
        StatusError: It is malformed, or stands for more than there is memory for.
    """
    if content is None:
        data = proto.SerializeToString()
        if len(data) < _KEEP_GIL_BELOW or not proto.HasField("tensor_shape"):
            _refuse_unaffordable(proto, len(data))
            return from_bytes(api, scratch, data)
        content = memoryview(proto.tensor_content)
    shape = [dim.size for dim in proto.tensor_shape.dim]
    dtype = _plain_dtype(proto.dtype)
    if dtype is not None and _fits(shape, dtype, len(content)):
        return from_content(api, dtype, shape, content)
    whole = proto.SerializeToString() + wire.delimited(_TENSOR_CONTENT, bytes(content))
    _refuse_unaffordable(proto, len(whole))
    return from_bytes(api, scratch, whole)


def _plain_dtype(number: int) -> tensors.DType | None:
    """The dtype, if its values lie in memory as they do in `tensor_content`."""
    try:
        dtype = tensors.dtype(number)
    except TensorError:
        return None
    return None if number == DT_STRING else dtype


def _fits(shape: Sequence[int], dtype: tensors.DType, length: int) -> bool:
    return len(shape) <= _MAX_RANK and min(shape, default=0) >= 0 and math.prod(shape) * dtype.numpy.itemsize == length


def _refuse_unaffordable(proto: Any, size: int) -> None:
    elements = 1
    for dim in proto.tensor_shape.dim:
        elements *= max(dim.size, 0)
    dtype = _plain_dtype(proto.dtype)
    needed = elements * (dtype.numpy.itemsize if dtype is not None else 8 * _STRING_WORDS)
    if needed > size and not affordable(needed):
        raise StatusError(Code.INVALID_ARGUMENT, f"A tensor of {needed} bytes does not fit into memory")


def from_array(api: Api, scratch: Scratch, array: np.ndarray[Any, Any]) -> int:
    """A tensor with a numpy array's dtype, shape and values.

    Raises:
        TensorError: TensorFlow has no such dtype.
    """
    dtype = tensors.dtype(array.dtype)
    if dtype.number == DT_STRING:
        return from_bytes(api, scratch, tensors.to_proto(array).SerializeToString())
    array = np.ascontiguousarray(array, dtype.numpy).reshape(array.shape)
    return from_content(api, dtype, array.shape, array.reshape(-1).view(np.uint8).data)


class _Memory:
    """A tensor's memory, which lives as long as an array looks at it."""

    __slots__ = ("__array_interface__", "_owner")

    def __init__(self, owner: Feed, address: int, length: int) -> None:
        self._owner = owner
        self.__array_interface__ = {
            "version": 3,
            "shape": (length,),
            "typestr": "|u1",
            "data": (address, True),
        }


def to_array(api: Api, tensor: Feed) -> np.ndarray[Any, Any]:
    """A read-only view of the tensor, which lives as long as the array does; strings are copied into Python's bytes.

    Raises:
        StatusError: The tensor is of a kind that has no values to show (a resource, a variant), or has more dimensions
            than an array can have.
    """
    quick, handle = api.quick, tensor.handle
    number = quick.TF_TensorType(handle)
    shape = tuple(quick.TF_Dim(handle, axis) for axis in range(quick.TF_NumDims(handle)))
    if len(shape) > tensors.MAX_DIMENSIONS:
        raise StatusError(Code.UNIMPLEMENTED, f"A tensor of {len(shape)} dimensions cannot be shown as an array")
    try:
        dtype = tensors.dtype(number)
    except TensorError:
        raise StatusError(
            Code.UNIMPLEMENTED, f"A tensor of TensorFlow's type {number} cannot be sent to a client"
        ) from None
    if number == DT_STRING:
        strings = np.empty(math.prod(shape), object)
        strings[:] = _strings(quick.TF_TensorData(handle), strings.size)
        return strings.reshape(shape)
    length = quick.TF_TensorByteSize(handle)
    if not length:
        return np.empty(shape, dtype.numpy)
    memory = _Memory(tensor, quick.TF_TensorData(handle), length)
    return np.asarray(memory).view(dtype.numpy).reshape(shape)


def to_wire(api: Api, tensor: Feed, *, packed: bool) -> wire.Parts:
    """The tensor as a serialised TensorProto, with its values in the dtype's own field unless `packed`.

    Raises:
        StatusError: The tensor is of a kind that has no values to show (a resource, a variant).
    """
    quick, handle = api.quick, tensor.handle
    number = quick.TF_TensorType(handle)
    entry = _WIRE.get(number)
    if entry is None:
        raise StatusError(Code.UNIMPLEMENTED, f"An output of TensorFlow's type {number} cannot be sent to a client")
    sizes = [quick.TF_Dim(handle, axis) for axis in range(quick.TF_NumDims(handle))]
    head = b"\x08" + wire.varint(number) + wire.delimited(2, wire.shape(sizes))
    address = quick.TF_TensorData(handle)
    if number == DT_STRING:
        values = _strings(address, math.prod(sizes))
        return [head, b"".join([b"\x42" + wire.varint(len(value)) + value for value in values])]
    length = quick.TF_TensorByteSize(handle)
    if not length:
        return [head]
    field, integers = entry
    payload: bytes | memoryview
    if not (packed or integers is None):
        payload = wire.varints(np.frombuffer((ctypes.c_ubyte * length).from_address(address), integers))
    elif length < _VIEW_FROM:
        payload = ctypes.string_at(address, length)
    else:
        payload = np.asarray(_Memory(tensor, address, length)).data
    tag = b"\x22" if packed or field is None else wire.varint(field << 3 | 2)
    return [b"".join((head, tag, wire.varint(len(payload)))), payload]


def _wire_forms() -> Iterator[tuple[int, tuple[int | None, np.dtype[Any] | None]]]:
    """Each dtype's field number and, if its values travel as varints, the integers that lie in memory."""
    numbers = protos.TensorProto.DESCRIPTOR.fields_by_name
    for dtype in reversed(tensors.DTYPES):
        if dtype.field is None:
            yield dtype.number, (None, None)
        elif dtype.field in _AS_IN_MEMORY:
            yield dtype.number, (numbers[dtype.field].number, None)
        else:
            integers = dtype.bits or (dtype.numpy if dtype.numpy.kind in "iu" else np.dtype(np.int8))
            yield dtype.number, (numbers[dtype.field].number, integers)


_AS_IN_MEMORY: Final = {"float_val", "double_val", "scomplex_val", "dcomplex_val", "bool_val", "float8_val"}
_WIRE: Final = dict(_wire_forms())


def _strings(address: int, count: int) -> list[bytes]:
    """The values of `count` TF_TStrings: short ones lie in the words themselves, long ones behind a pointer."""
    size = 8 * _STRING_WORDS
    raw = ctypes.string_at(address, count * size)
    words = memoryview(raw).cast("Q")
    read = ctypes.string_at
    result = []
    for index in range(count):
        first = words[index * _STRING_WORDS]
        start = index * size
        kind = first & 3
        if kind == _SMALL:
            result.append(raw[start + 1 : start + 1 + ((first & 0xFF) >> 2)])
        elif kind == _LARGE:
            result.append(read(words[index * _STRING_WORDS + 2], first >> 2))
        elif kind == _OFFSET:
            result.append(read(address + start + (first >> 32), (first & 0xFFFFFFFF) >> 2))
        else:
            result.append(read(words[index * _STRING_WORDS + 1], first >> 2))
    return result
