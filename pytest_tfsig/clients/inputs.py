"""The inputs of a request: a user's values as arrays of the declared dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import tensors
from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from pytest_tfsig.savedmodel import SignatureSpec

__all__ = ["as_array", "as_arrays"]


def as_arrays(inputs: Mapping[str, ArrayLike], specs: SignatureSpec | None) -> dict[str, NDArray[Any]]:
    """Return every input as an array, in the order given.

    Args:
        inputs: Values by input name.
        specs: The signature that is called; its dtypes apply to values that have none of their own.

    Raises:
        UsageError: A value cannot be an array of its declared dtype.
    """
    declared = {} if specs is None else {name: spec.dtype for name, spec in specs.inputs.items()}
    return {name: as_array(name, value, declared.get(name)) for name, value in inputs.items()}


def as_array(name: str, value: ArrayLike, dtype: str | None) -> NDArray[Any]:
    """Return one input as an array.

    An array (or a numpy scalar) keeps its dtype, so that a test may send a wrong one. Lists and Python scalars
    take `dtype`; where that is None they follow TensorFlow: floats are float32, integers int32 where they fit.

    Raises:
        UsageError: The value has no regular shape, or its numbers do not fit the declared dtype.
    """
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        return array.astype(object) if array.dtype.kind in "SU" else array
    # Strings keep their Python values: numpy's own string dtypes would drop trailing zero bytes.
    objects = np.asarray(value, dtype=object)
    if dtype == "string" or any(isinstance(item, str | bytes) for item in objects.flat):
        if any(isinstance(item, list | tuple) for item in objects.flat):
            raise UsageError(f"Input {name!r} is no array: its rows differ in length. Give rows of equal length.")
        return objects if dtype in (None, "string") else _converted(name, objects, dtype)
    try:
        natural = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"Input {name!r} is no array: {error}. Give rows of equal length.") from error
    if dtype is None:
        return _as_tensorflow_would(natural)
    return _converted(name, natural, dtype)


def _as_tensorflow_would(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64 and array.size and np.abs(array).max() <= np.iinfo(np.int32).max:
        return array.astype(np.int32)
    return array


def _converted(name: str, array: NDArray[Any], dtype: str) -> NDArray[Any]:
    refusal = UsageError(
        f"Input {name!r} is declared {dtype}, and the {array.dtype} values given do not fit it without loss. Give "
        f"{dtype} values, or a numpy array of another dtype to send that one on purpose."
    )
    if array.size == 0:
        return array.astype(tensors.dtype(dtype).numpy)
    if array.dtype.kind not in _ACCEPTED[_kind(dtype)]:
        raise refusal
    try:
        with np.errstate(all="ignore"):
            converted = array.astype(tensors.dtype(dtype).numpy)
    except (OverflowError, TypeError, ValueError) as error:
        raise refusal from error
    if _kind(dtype) == "integer" and not np.array_equal(converted.astype(array.dtype), array):
        raise refusal
    return converted


# Kinds of numpy that a Python value may have for each kind of dtype; an integer is a fine float, never the reverse.
_ACCEPTED = {"bool": "b", "integer": "biu", "float": "biuf", "complex": "biufc"}


def _kind(dtype: str) -> str:
    if dtype == "bool":
        return "bool"
    if dtype.startswith(("int", "uint", "qint", "quint")):
        return "integer"
    return "complex" if dtype.startswith("complex") else "float"
