"""The constants of a graph: the TensorProto behind a tensor, and its values."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.savedmodel.dtypes import dtype_name
from pytest_tfsig.savedmodel.flow import origin
from pytest_tfsig.savedmodel.specs import shape_of

if TYPE_CHECKING:
    from pytest_tfsig.savedmodel.flow import Place

_CARRIERS: Final = frozenset({"Identity", "Reshape", "ExpandDims"})
# Per dtype the type code of its values in little-endian bytes, and the field that may hold them instead.
_TYPECODES: Final = {"float32": ("f", "float_val"), "int32": ("i", "int_val"), "int64": ("q", "int64_val")}
_LONGEST_RUN: Final = 2**20


def constant(place: Place, tensor: str) -> Any:
    """Return the TensorProto behind a tensor; None where it is computed."""
    node = origin(place, tensor, _CARRIERS)
    return node.attr["value"].tensor if node is not None and node.op == "Const" else None


def values(proto: Any) -> list[Any]:
    """Return the values of a float32, int32, int64 or string TensorProto, in row-major order."""
    count = 1
    for size in shape_of(proto.tensor_shape) or ():
        count *= size or 0
    found = written(proto)
    # A run of equal values at the end may be written once.
    missing = count - len(found)
    return found + found[-1:] * min(missing, _LONGEST_RUN) if missing > 0 else found


def written(proto: Any) -> list[Any]:
    """Return the values that are written in a TensorProto: of a run of equal ones at the end perhaps one."""
    dtype = dtype_name(proto.dtype)
    if dtype not in _TYPECODES:
        return list(proto.string_val)
    typecode, field = _TYPECODES[dtype]
    if not proto.tensor_content:
        return list(getattr(proto, field))
    size = array(typecode).itemsize
    return list(array(typecode, proto.tensor_content[: len(proto.tensor_content) // size * size]))
