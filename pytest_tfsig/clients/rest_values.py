"""JSON as TensorFlow Serving's REST API writes and reads it: bare NaN, exact integers, raw bytes in strings."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import tensors
from pytest_tfsig.errors import UsageError
from pytest_tfsig.savedmodel.dtypes import INTEGER_RANGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec

__all__ = [
    "array_to_json",
    "columns_from_json",
    "decode",
    "encode",
    "example_to_json",
    "rows_from_json",
    "rows_to_json",
]

_DECODER = json.JSONDecoder(strict=False)


def encode(document: Any) -> bytes:
    """Return a request's body; floats that are not finite are written as the bare words NaN and Infinity."""
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def decode(body: bytes) -> Any:
    """Return an answer's document; bytes that are not UTF-8 become surrogates and can be had back.

    Raises:
        ValueError: The body is no JSON.
    """
    try:
        return _DECODER.decode(body.decode("utf-8", "surrogateescape"))
    except RecursionError as error:
        raise ValueError("lists in lists without end") from error


def array_to_json(name: str, array: NDArray[Any]) -> Any:
    """Return the nested lists of an input: bytes as `{"b64": …}`, text as it is, numbers exactly.

    Raises:
        UsageError: The dtype has no form in JSON.
    """
    if array.dtype.kind == "c":
        raise UsageError(f"Input {name!r} is {array.dtype}, which the REST API cannot carry: send it over gRPC.")
    if array.dtype.kind == "O":
        return _strings_to_json(array.tolist())
    if array.dtype.kind in "biuf":
        # float32 values are exact as float64, and so is their shortest text.
        return array.tolist()
    return array.astype(np.float64).tolist() if _is_float(array.dtype) else array.astype(np.int64).tolist()


def rows_to_json(arrays: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """Return the inputs in row form: one `{name: value}` an instance.

    Raises:
        UsageError: An input has no leading dimension, or they differ.
    """
    sizes = {name: array.shape[0] if array.ndim else None for name, array in arrays.items()}
    if None in sizes.values() or len(set(sizes.values())) > 1:
        raise UsageError(f"Row form needs one leading dimension shared by all inputs; they have {sizes}.")
    columns = {name: array_to_json(name, array) for name, array in arrays.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def columns_from_json(outputs: Any, specs: SignatureSpec | None) -> dict[str, NDArray[Any]]:
    """Return the arrays of an answer in columnar form; a single output comes without its name."""
    declared = _outputs(specs)
    if len(declared) == 1:
        [(name, spec)] = declared.items()
        return {name: _array_from_json(outputs, spec)}
    return {name: _array_from_json(value, declared.get(name)) for name, value in sorted(outputs.items())}


def rows_from_json(predictions: Any, specs: SignatureSpec | None) -> dict[str, NDArray[Any]]:
    """Return the arrays of an answer in row form."""
    declared = _outputs(specs)
    if len(declared) == 1:
        return columns_from_json(predictions, specs)
    names = sorted({name for row in predictions for name in row}) or sorted(declared)
    return {name: _array_from_json([row[name] for row in predictions], declared.get(name)) for name in names}


def example_to_json(example: Any) -> dict[str, Any]:
    """Return a tf.Example as the REST API writes it; floats keep their point, bytes are b64."""
    document: dict[str, Any] = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = [] if kind is None else getattr(feature, kind).value
        document[name] = (
            [_b64(value) for value in values] if kind == "bytes_list" else [value for value in values]  # noqa: C416 - a repeated field is no list
        )
    return document


def _outputs(specs: SignatureSpec | None) -> dict[str, TensorSpec]:
    return {} if specs is None else specs.outputs


def _is_float(dtype: np.dtype[Any]) -> bool:
    return tensors.dtype(dtype).name.startswith(("float", "bfloat"))


def _strings_to_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_strings_to_json(item) for item in value]
    return _b64(value) if isinstance(value, bytes) else value


def _b64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}


def _array_from_json(value: Any, spec: TensorSpec | None) -> NDArray[Any]:
    if spec is None:
        array = np.asarray(value)
        return _strings_from_json(value) if array.dtype.kind in "OU" else array
    if spec.dtype == "string":
        array = _strings_from_json(value)
    else:
        # Through Python's own integers: numpy would take mixed or large ones for floats.
        numbers = np.asarray(value, dtype=object)
        _check_range(numbers, spec.dtype)
        array = numbers.astype(tensors.dtype(spec.dtype).numpy)
    return _with_declared_rank(array, spec)


def _check_range(numbers: NDArray[Any], dtype: str) -> None:
    """Raise OverflowError for numbers that an integer dtype does not hold: NumPy before 2 would wrap them."""
    if dtype not in INTEGER_RANGES:
        return
    low, high = INTEGER_RANGES[dtype]
    for number in numbers.flat:
        if not low <= number <= high:
            raise OverflowError(f"{number} is no {dtype}")


def _with_declared_rank(array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    # `[]` says nothing about the dimensions behind the empty one: the declaration does.
    if array.size or spec.shape is None or array.ndim >= len(spec.shape):
        return array
    return array.reshape(array.shape + tuple(size or 0 for size in spec.shape[array.ndim :]))


def _strings_from_json(value: Any) -> NDArray[Any]:
    def as_bytes(item: Any) -> Any:
        if isinstance(item, list):
            return [as_bytes(entry) for entry in item]
        if isinstance(item, dict):
            return base64.b64decode(item["b64"])
        return item.encode("utf-8", "surrogateescape") if isinstance(item, str) else item

    return np.asarray(as_bytes(value), dtype=object)
