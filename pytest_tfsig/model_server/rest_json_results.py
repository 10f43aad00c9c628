"""Answers as JSON: predictions by row or by column, classifications, regressions, status and metadata."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format

from pytest_tfsig import protos, tensors
from pytest_tfsig.model_server.rest_json_tensors import tensorflow_name
from pytest_tfsig.model_server.rest_json_writer import (
    array_line,
    decimals,
    indent,
    leaf_writer,
    quoted,
    raw,
    spread,
)
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.model_server.classify import Classification

__all__ = ["classifications", "metadata", "predictions", "regressions", "status"]

_BYTES_SUFFIX = "_bytes"
# protobuf 4, all that TensorFlow 2.16 and 2.17 run with, knows the option by its older name only.
_OPTIONS: Final = inspect.signature(json_format.MessageToDict).parameters
_EVERY_FIELD: Final = next(
    name for name in ("always_print_fields_with_no_presence", "including_default_value_fields") if name in _OPTIONS
)


def predictions(outputs: Mapping[str, NDArray[Any]], *, is_row: bool) -> bytes:
    """The body of a predict answer.

    Args:
        outputs: Output name -> array; strings as object arrays of bytes.
        is_row: One element an instance, under "predictions"; else each output whole, under "outputs".

    Raises:
        StatusError: The outputs do not fit the row form, or a dtype has no JSON.
    """
    text = _rows(outputs) if is_row else _columns(outputs)
    return text.encode("latin-1")


def _rows(outputs: Mapping[str, NDArray[Any]]) -> str:
    size = _batch_size(outputs)
    several = len(outputs) > 1
    depth = 3 if several else 2
    columns = {}
    for name, output in outputs.items():
        rank = output.ndim - 1
        values = _texts(name, output, depth + rank)
        count = len(values) // size if size else 0
        columns[name] = [
            spread(values[row * count : (row + 1) * count], output.shape[1:], depth, single_line=True)
            for row in range(size)
        ]
    if several:
        keys = [f"{indent(3)}{quoted(raw(name))}: " for name in columns]
        rows = [
            indent(2) + "{" + ",".join(map(str.__add__, keys, row)) + indent(2) + "}"
            for row in zip(*columns.values(), strict=True)
        ]
        elements = ",".join(rows)
    else:
        elements = ", ".join(next(iter(columns.values())))
    return f'{{{indent(1)}"predictions": [{elements}{indent(1) if size else ""}]{indent(0)}}}'


def _batch_size(outputs: Mapping[str, NDArray[Any]]) -> int:
    size = -1
    for name, output in outputs.items():
        if output.ndim == 0:
            raise _invalid(f"Tensor name: {name} has no shape information ")
        if size not in {-1, output.shape[0]}:
            raise _invalid(f"Tensor name: {name} has inconsistent batch size: {output.shape[0]} expecting: {size}")
        size = output.shape[0]
    if size < 0:
        raise _invalid("Cannot convert empty tensor map to JSON")
    return size


def _columns(outputs: Mapping[str, NDArray[Any]]) -> str:
    if not outputs:
        raise _invalid("Cannot convert empty tensor map to JSON")
    several = len(outputs) > 1
    depth = 2 if several else 1
    texts = {
        name: spread(_texts(name, output, depth + output.ndim), output.shape, depth, single_line=False)
        for name, output in outputs.items()
    }
    if several:
        members = ",".join(f"{indent(2)}{quoted(raw(name))}: {text}" for name, text in texts.items())
        value = "{" + members + indent(1) + "}"
    else:
        value = next(iter(texts.values()))
    return f'{{{indent(1)}"outputs": {value}{indent(0)}}}'


def _texts(name: str, output: NDArray[Any], depth: int) -> list[str]:
    if not output.size:
        return []
    write = leaf_writer(output, as_bytes=name.endswith(_BYTES_SUFFIX))
    if write is None:
        dtype = tensors.dtype(output.dtype).name
        raise _invalid(f"Failed to write JSON value for tensor type: {tensorflow_name(dtype)}")
    return write(depth)


def classifications(result: Classification) -> bytes:
    """The body of a classify answer: pairs of label and score, in a list an example."""
    labels = [quoted(label.decode("latin-1")) for label in result.labels.reshape(-1)]
    pairs = [array_line(pair) for pair in zip(labels, decimals(result.scores), strict=True)]
    size = result.scores.shape[1]
    rows = [array_line(pairs[row * size : (row + 1) * size]) for row in range(len(result.scores))]
    return f'{{{indent(1)}"results": [{", ".join(rows)}{indent(1)}]{indent(0)}}}'.encode("latin-1")


def regressions(values: NDArray[Any]) -> bytes:
    """The body of a regress answer: one number an example."""
    return f'{{{indent(1)}"results": {array_line(decimals(values))}{indent(0)}}}'.encode("latin-1")


def status(response: Any) -> bytes:
    """The body of a status answer: the message, pretty-printed by protobuf, every field shown."""
    return (_pretty(response) + "\n").encode()


def metadata(response: Any) -> bytes:
    """The body of a metadata answer: TensorFlow Serving puts it together from two pretty-printed messages."""
    signatures = protos.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    parts = f'"model_spec":{_pretty(response.model_spec)}\n,\n"metadata": {{"signature_def": {_pretty(signatures)}\n}}'
    return f"{{\n{parts}\n}}\n".encode()


def _pretty(message: Any) -> str:
    shown: dict[str, Any] = {_EVERY_FIELD: True}
    values = json_format.MessageToDict(message, preserving_proto_field_name=True, **shown)
    return json.dumps(_in_order(values, message.DESCRIPTOR), indent=1, ensure_ascii=False)


def _in_order(values: Any, descriptor: Any) -> Any:
    """Bring fields into the order of their numbers, as the C++ printer writes them."""
    ordered = {}
    for field in sorted(descriptor.fields, key=lambda field: field.number):
        if field.name in values:
            ordered[field.name] = _field(values[field.name], field)
    return ordered


def _field(value: Any, field: Any) -> Any:
    if field.message_type is None or field.message_type.full_name.startswith("google."):
        return value
    if field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name["value"]
        return {key: _field(member, entry) for key, member in value.items()}
    if isinstance(value, list):
        return [_in_order(element, field.message_type) for element in value]
    return _in_order(value, field.message_type)


def _invalid(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)
