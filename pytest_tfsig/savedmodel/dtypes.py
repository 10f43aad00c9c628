"""The names of TensorFlow's dtypes, without numpy."""

from __future__ import annotations

from typing import Final

# DataType's numbers are the wire format; a reference type (TensorFlow 1 variables) is its value type plus 100.
_NAMES: Final = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    14: "bfloat16",
    15: "qint16",
    16: "quint16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    20: "resource",
    21: "variant",
    22: "uint32",
    23: "uint64",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
    26: "float8_e4m3fnuz",
    27: "float8_e4m3b11fnuz",
    28: "float8_e5m2fnuz",
    29: "int4",
    30: "uint4",
    31: "int2",
    32: "uint2",
    33: "float4_e2m1fn",
}
_FIRST_REFERENCE: Final = 100

DTYPE_NAMES: Final = frozenset(_NAMES.values())
"""Every dtype a signature can declare, by name."""

FLOAT_DTYPES: Final = frozenset(name for name in DTYPE_NAMES if name.startswith(("float", "bfloat")))
COMPLEX_DTYPES: Final = frozenset({"complex64", "complex128"})
HALF_DTYPES: Final = frozenset({"float16", "bfloat16"})

INTEGER_RANGES: Final = {
    f"{'u' * unsigned}int{bits}": (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for bits in (2, 4, 8, 16, 32, 64)
    for unsigned in (False, True)
}
"""Smallest and largest value of each integer dtype."""


def dtype_name(number: int) -> str:
    """Return the name of a DataType number: ``"float32"`` for 1, ``"dtype 99"`` for one TensorFlow has not defined."""
    value = number - _FIRST_REFERENCE if number > _FIRST_REFERENCE else number
    return _NAMES.get(value, f"dtype {number}")
