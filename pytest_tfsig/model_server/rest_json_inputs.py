"""A predict request's JSON as input tensors: row form ("instances") and columnar form ("inputs")."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_tfsig.errors import TensorError
from pytest_tfsig.model_server.rest_json_reader import JsonObject, JsonValue, parse
from pytest_tfsig.model_server.rest_json_tensors import (
    array,
    dense_shape,
    dtype_name,
    is_base64,
    leaves_of,
    quick_array,
    shape_text,
)
from pytest_tfsig.model_server.rest_json_writer import debug_string, raw, text_of
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

__all__ = ["PredictBody", "document", "read_predict", "signature_name"]


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
    # in this order, so that of two inputs that are wrong the same one is found every time
    dtypes = {raw(name): dtype_name(infos[name].dtype) for name in sorted(infos)}
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


@dataclass(slots=True)
class _Column:
    """One input's values, gathered row by row; `shape` is that of the first row."""

    dtype: str
    shape: tuple[int, ...] | None = None
    size: int = 0
    leaves: list[JsonValue | bytes] = field(default_factory=list)

    def add(self, value: JsonValue) -> None:
        shape = dense_shape(value)
        leaves = leaves_of(value, shape, self.dtype)
        self.leaves.extend(leaves)
        if self.shape is None:
            self.shape, self.size = shape, len(leaves)
        elif len(leaves) != self.size:
            raise _invalid(f"Expecting tensor size: {self.size} but got: {len(leaves)}")
        elif shape != self.shape:
            raise _invalid(f"Expecting shape {shape_text(self.shape)} but got: {shape_text(shape)}")


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
    quick = {name: quick_array(column, dtypes[name]) for name, column in columns.items()}
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
        name: _made(name, column.leaves, (len(instances), *column.shape), column.dtype)
        for name, column in columns.items()
        if column.shape is not None  # bytes are no names: they were all given to one input, whatever others there are
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
            found[name] = _tensor(name, value[name], dtype)
        return found
    if len(dtypes) > 1:
        raise _invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    return {name: _tensor(name, value, dtype) for name, dtype in dtypes.items()}


def _tensor(name: str, value: JsonValue, dtype: str) -> NDArray[Any]:
    if isinstance(value, list):
        quick = quick_array(value, dtype)
        if quick is not None:
            return quick
    shape = dense_shape(value)
    return _made(name, leaves_of(value, shape, dtype), shape, dtype)


def _made(name: str, leaves: list[JsonValue | bytes], shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    try:
        return array(leaves, shape, dtype)
    except (TensorError, ValueError) as error:  # numpy before 2.0 stops at 32 dimensions
        raise _invalid(f"tensor parsing error: {text_of(name)}") from error


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


def _format_error(value: JsonValue, problem: str) -> StatusError:
    return _invalid(f"JSON Value: {debug_string(value)} {problem}")


def _invalid(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)
