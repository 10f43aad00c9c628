"""The domain of a tensor's values: bounds, listed values and what its dtype can hold."""

from __future__ import annotations

import codecs
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from pytest_tfsig.contract.naming import suggestion
from pytest_tfsig.errors import ContractError
from pytest_tfsig.savedmodel.dtypes import COMPLEX_DTYPES, DTYPE_NAMES, FLOAT_DTYPES, INTEGER_RANGES

Value = bool | int | float | str | bytes
"""One value that a contract can write down."""

_FLOAT_LIMITS: Final = {
    "float8_e4m3fn": 448.0,
    "float8_e5m2": 57344.0,
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
}
_MEANT: Final = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "int": "int64",
    "long": "int64",
    "str": "string",
    "bytes": "string",
    "object": "string",
    "boolean": "bool",
}


def checked_dtype(dtype: object) -> str:
    """Return the dtype's name, given that name, a ``tf.DType``, a ``np.dtype`` or a numpy scalar type.

    Raises:
        ContractError: TensorFlow has no such dtype.
    """
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", getattr(dtype, "__name__", repr(dtype)))
    if name in DTYPE_NAMES:
        return str(name)
    meant = f'did you mean "{_MEANT[name]}"?' if name in _MEANT else suggestion(str(name), DTYPE_NAMES)
    raise ContractError(f'"{name}" is not a dtype of TensorFlow; {meant}')


def is_number(dtype: str) -> bool:
    """Tell whether values of ``dtype`` have an order: integers and real floats."""
    return dtype in INTEGER_RANGES or dtype in FLOAT_DTYPES


def check_bounds(dtype: str | None, low: float | None, high: float | None) -> None:
    """Raise ContractError unless ``min`` and ``max`` are numbers of ``dtype`` in that order."""
    for key, bound in (("min", low), ("max", high)):
        if bound is None:
            continue
        if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not _is_finite(bound):
            raise ContractError(f"{key} = {bound!r} is not a finite number.")
        if dtype is not None and not is_number(dtype):
            raise ContractError(f"{key} has no meaning for dtype {dtype}: its values have no order; remove it.")
        if dtype is not None:
            check_fits(dtype, key, bound)
    if low is not None and high is not None and low > high:
        raise ContractError(f"min = {low} is above max = {high}: no value satisfies both; swap them.")


def _is_finite(number: float) -> bool:
    # An integer that no float can hold is none that math.isfinite takes.
    return isinstance(number, int) or math.isfinite(number)


def check_fits(dtype: str, key: str, number: float) -> None:
    """Raise ContractError unless ``dtype``, an integer or real float, can hold ``number``."""
    if dtype in INTEGER_RANGES:
        lowest, highest = INTEGER_RANGES[dtype]
        if not _is_finite(number) or number != int(number):
            raise ContractError(f"{key} = {number} is not a whole number, but the dtype is {dtype}.")
    else:
        highest = _FLOAT_LIMITS.get(dtype, sys.float_info.max)
        lowest = -highest
    if not lowest <= number <= highest:
        raise ContractError(f"{key} = {number} does not fit {dtype}, which holds {lowest} to {highest}.")


def checked_values(
    dtype: str | None,
    values: Sequence[Value],
    low: float | None = None,
    high: float | None = None,
    encoding: str | None = None,
    *,
    key: str = "values",
) -> tuple[Value, ...]:
    """Return ``values`` as a tuple of plain Python values of ``dtype`` within the bounds; those of a string as bytes.

    Raises:
        ContractError: There are none, or one is not of the dtype or outside ``min`` and ``max``; the message names
            ``key``.
    """
    plain = checked_default(dtype, values, key, encoding)
    if not plain:
        raise ContractError(f"{key} is empty: list some or remove the key.")
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    for value in plain:
        if isinstance(value, (int, float)) and not low <= value <= high:
            raise ContractError(f"{key}: {value!r} lies outside min and max.")
    return plain


def check_vocabulary(dtype: str | None, **others: object) -> None:
    """Raise ContractError where a vocabulary has no meaning: for this dtype, or beside what others say of the values.

    Args:
        dtype: The tensor's dtype.
        others: Statements that leave no room for a vocabulary, by key.
    """
    if dtype is not None and dtype != "string" and not is_number(dtype):
        raise ContractError(f"vocabulary lists strings or numbers, but the dtype is {dtype}; remove it.")
    for key, stated in others.items():
        if stated is not None:
            raise ContractError(f"vocabulary and {key} both say what is sent; keep one.")


def checked_default(
    dtype: str | None, values: Sequence[Value], key: str = "default", encoding: str | None = None
) -> tuple[Value, ...]:
    """Return ``values`` as a tuple of plain Python values of ``dtype``, perhaps empty; those of a string as bytes.

    Raises:
        ContractError: They are no list, or one is not of the dtype; the message names ``key``.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ContractError(f"{key} = {values!r} is not a list; write {key} = [...].")
    return tuple(_checked_value(dtype, _plain(value), key, encoding) for value in values)


def _plain(value: Any) -> Any:
    """Return a numpy scalar's Python value, and any other value as it is."""
    return value.item() if hasattr(value, "item") else value


def _checked_value(dtype: str | None, value: object, key: str, encoding: str | None) -> Value:
    if not isinstance(value, (bool, int, float, str, bytes)) or (isinstance(value, float) and math.isnan(value)):
        raise ContractError(f"{key}: {value!r} is not a number, text, bytes or a boolean.")
    if dtype is None:
        return value
    if dtype == "string":
        fits = isinstance(value, (str, bytes))
    elif dtype == "bool":
        fits = isinstance(value, bool)
    elif is_number(dtype):
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    else:
        raise ContractError(f"{key} cannot be listed for dtype {dtype}; remove the key.")
    if not fits:
        raise ContractError(f"{key}: {value!r} is not of dtype {dtype}.")
    if isinstance(value, str):
        return _encoded(value, key, encoding or "utf-8")
    if isinstance(value, (int, float)) and dtype != "bool" and (_is_finite(value) or dtype not in FLOAT_DTYPES):
        check_fits(dtype, key, value)
    return value


def _encoded(text: str, key: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        raise ContractError(f"{key}: {text!r} cannot be encoded as {encoding}.") from None


def check_text(dtype: str | None, *, encoding: str | None, image: str | None) -> None:
    """Raise ContractError unless ``encoding`` is a text encoding and ``image`` a format, for strings, not both."""
    for key, stated in (("encoding", encoding), ("image", image)):
        if stated is not None and dtype not in {None, "string"}:
            raise ContractError(f'{key} = "{stated}" describes dtype string, but the dtype is {dtype}; remove it.')
    if encoding is not None and image is not None:
        raise ContractError("encoding and image contradict each other: bytes are text or an image; keep one.")
    if image is not None and image not in {"png", "jpeg"}:
        raise ContractError(f'image = "{image}" is not a format we can draw; write "png" or "jpeg".')
    if encoding is not None and not _is_text_encoding(encoding):
        raise ContractError(f'encoding = "{encoding}" is not a text encoding of Python; "utf-8" is the usual one.')


def _is_text_encoding(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding  # noqa: SLF001 - codecs has no public way to ask
    except (LookupError, TypeError, ValueError):
        return False


def has_infinities(dtype: str) -> bool:
    """Tell whether values of ``dtype`` can be NaN or infinite."""
    return dtype in FLOAT_DTYPES or dtype in COMPLEX_DTYPES
