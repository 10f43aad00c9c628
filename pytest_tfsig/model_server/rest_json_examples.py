"""A classify or regress request's JSON as an Input message: examples, with a context or without."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from pytest_tfsig import protos
from pytest_tfsig.model_server.rest_json_inputs import document, signature_name
from pytest_tfsig.model_server.rest_json_reader import JsonObject, JsonValue
from pytest_tfsig.model_server.rest_json_tensors import decoded_base64, flush, is_base64, type_name
from pytest_tfsig.model_server.rest_json_writer import debug_string, text_of
from pytest_tfsig.model_server.status import Code, StatusError

__all__ = ["read_examples"]

_KINDS: Final = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}
_MAX_INT64 = 2**63 - 1


def read_examples(body: bytes) -> tuple[str, Any]:
    """Read the body of a classify or regress request.

    Returns:
        The signature's name as it was given (empty for the default one) and the Input.

    Raises:
        StatusError: What TensorFlow Serving would say.
    """
    top = document(body)
    signature = signature_name(top)
    given = protos.Input()
    target = given.example_list
    if "context" in top:
        target = given.example_list_with_context
        target.context.CopyFrom(_example(top["context"]))
    problem = "When method is classify, key 'examples' is expected and was not found"
    if "examples" in top:
        examples = top["examples"]
        if isinstance(examples, list) and examples:
            target.examples.extend(map(_example, examples))
            return signature, given
        problem = "'examples' value is an empty array"
        if not isinstance(examples, list):
            problem = "Expecting 'examples' value to be an list/array"
    raise _invalid(f"JSON Value: {debug_string(top)} {problem}")


def _example(value: JsonValue) -> Any:
    if not isinstance(value, JsonObject):
        raise _invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = protos.Example()
    example.features.SetInParent()
    for member, content in value.members:
        name = text_of(member.partition("\0")[0])
        feature = protos.Feature()
        for element in content if isinstance(content, list) else [content]:
            _add(element, name, feature)
        try:
            example.features.feature[name].CopyFrom(feature)  # of two equal names the last wins
        except UnicodeEncodeError:
            raise _invalid(f"Feature: {name} has a name that is not UTF-8") from None
    return example


def _add(value: JsonValue, name: str, feature: Any) -> None:
    if isinstance(value, bool):
        _values(feature, "int64_list", name).append(int(value))
    elif isinstance(value, str):
        _values(feature, "bytes_list", name).append(value.encode("latin-1"))
    elif isinstance(value, JsonObject) and is_base64(value):
        _values(feature, "bytes_list", name).append(decoded_base64(value))
    elif isinstance(value, float):
        _values(feature, "float_list", name).append(flush(np.array(value), np.dtype(np.float32)).item())
    elif isinstance(value, int):
        values = _values(feature, "int64_list", name)
        if value > _MAX_INT64:
            raise _invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        values.append(value)
    else:
        raise _invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")


def _values(feature: Any, kind: str, name: str) -> Any:
    """The feature's list of a kind; it keeps the kind of its first element."""
    present = feature.WhichOneof("kind")
    if present not in {None, kind}:
        raise _invalid(f"Unexpected element type in feature: {name} expecting type: {_KINDS[present]}")
    return getattr(feature, kind).value


def _invalid(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)
