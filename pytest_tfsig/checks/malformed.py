"""Malformed requests: what a caller might send by mistake, made from a request that is well formed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_tfsig import protos, tensors
from pytest_tfsig.contract import shape_text
from pytest_tfsig.strategies.examples import parsed, serialized

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract import Tensor
    from pytest_tfsig.savedmodel import FeatureSpec

Transport = Literal["grpc", "rest"]
Form = Literal["columns", "rows"]

_NOT_AN_EXAMPLE = b"\xff\xff\xff\xff no tf.Example"
_NEIGHBOURS = {"float32": "float64", "float64": "float32", "int32": "int64", "int64": "int32"}
"""The dtype that callers send by mistake: what numpy makes of Python numbers, or the narrower one."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """One malformed request.

    Attributes:
        what: What is wrong with it, as part of a sentence: "input 'x' is missing".
        inputs: As for `Subject.ask`.
        refused_by: `server`: TensorFlow Serving itself, or the parsing of tf.Examples, must refuse it; `model`: only
            the graph can notice, so that an answer is possible.
        transport: How it is sent.
        form: For REST the form of the request.
    """

    what: str
    inputs: Mapping[str, Any]
    refused_by: Literal["server", "model"] = "server"
    transport: Transport = "grpc"
    form: Form = "columns"


def malformed(subject: Subject, inputs: Mapping[str, Any], *, rest: bool, rows: bool) -> Iterator[Malformed]:
    """Returns the malformed neighbours of a request.

    Args:
        subject: The signature that is asked.
        inputs: A request that is answered.
        rest: Whether to send some over REST too.
        rows: Whether REST's row form can carry the signature.
    """
    if subject.signature.method != "predict":
        yield from _examples(subject, inputs["examples"])
        return
    yield from _names(subject, inputs)
    for name, array in inputs.items():
        yield from _dtypes(name, np.asarray(array), inputs)
        yield from _shapes(name, subject.signature.inputs[name], np.asarray(array), inputs)
        yield from _serialized(subject, name, np.asarray(array), inputs)
    if rest:
        yield from _over_rest(inputs, rows=rows)


def _names(subject: Subject, inputs: Mapping[str, Any]) -> Iterator[Malformed]:
    for name, array in inputs.items():
        others = {key: value for key, value in inputs.items() if key != name}
        if name not in subject.spec.defaults:
            yield Malformed(f"input {name!r} is missing", others)
        yield Malformed(f"input {name!r} is called {_unused(name, inputs)!r}", {**others, _unused(name, inputs): array})
    extra = _unused("extra", inputs)
    array = next(iter(inputs.values()), np.zeros(1, np.float32))
    yield Malformed(f"there is an extra input {extra!r}", {**inputs, extra: array})


def _dtypes(name: str, array: NDArray[Any], inputs: Mapping[str, Any]) -> Iterator[Malformed]:
    for wrong in _wrong_dtypes(array):
        said = (
            f"input {name!r} has dtype {tensors.dtype(wrong.dtype).name} instead of {tensors.dtype(array.dtype).name}"
        )
        yield Malformed(said, {**inputs, name: wrong})


def _wrong_dtypes(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    if array.dtype == object:
        yield np.zeros(array.shape, np.float32)
        return
    yield _strings(array.shape)
    known = tensors.dtype(array.dtype).name
    with np.errstate(all="ignore"):
        yield array.real.astype(_NEIGHBOURS.get(known, "float32"))


def _shapes(name: str, tensor: Tensor, array: NDArray[Any], inputs: Mapping[str, Any]) -> Iterator[Malformed]:
    if tensor.shape is None:
        return
    declared = shape_text(tensor.shape)

    def wrong(changed: NDArray[Any]) -> Malformed:
        what = f"input {name!r} has shape {shape_text(changed.shape)} instead of {declared}"
        return Malformed(what, {**inputs, name: changed}, "model")

    yield wrong(np.expand_dims(array, array.ndim))
    if array.ndim and array.shape[0]:
        yield wrong(array[0, ...])
    for axis, size in enumerate(tensor.shape):
        if isinstance(size, int) and size:
            yield wrong(np.concatenate([array, np.take(array, [0], axis=axis)], axis=axis))


def _serialized(subject: Subject, name: str, array: NDArray[Any], inputs: Mapping[str, Any]) -> Iterator[Malformed]:
    spec = subject.spec.inputs.get(name)
    stated = subject.signature.inputs[name].features
    if spec is None or spec.features is None or stated is None or not array.size:
        return
    first = parsed(array.flat[0])
    found = [("bytes that are no tf.Example", _NOT_AN_EXAMPLE)]
    found += [
        (f"a tf.Example without the required feature {key!r}", serialized(_without(first, key), stated))
        for key, feature in spec.features.items()
        if feature.required
    ]
    for key, feature in spec.features.items():
        message = protos.Example.FromString(array.flat[0])
        _wrong_kind(message, key, feature)
        found.append((f"a tf.Example whose feature {key!r} is not {feature.dtype}", bytes(message.SerializeToString())))
    for said, data in found:
        changed = array.copy()
        changed.flat[0] = data
        yield Malformed(f"input {name!r} holds {said}", {**inputs, name: changed})


def _examples(subject: Subject, examples: list[Any]) -> Iterator[Malformed]:
    yield Malformed("there are no examples", {"examples": []})
    first, *rest = examples
    for key, feature in (subject.spec.features or {}).items():
        if feature.required:
            yield Malformed(
                f"an example lacks the required feature {key!r}", {"examples": [_without(first, key), *rest]}
            )
        stated = next(iter(subject.signature.inputs.values())).features or {}
        message = protos.Example.FromString(serialized(first, stated))
        _wrong_kind(message, key, feature)
        yield Malformed(f"feature {key!r} of an example is not {feature.dtype}", {"examples": [message, *rest]})


def _over_rest(inputs: Mapping[str, Any], *, rows: bool) -> Iterator[Malformed]:
    for name, value in inputs.items():
        array = np.asarray(value)
        others = {key: value for key, value in inputs.items() if key != name}
        if others:  # of a single input, REST takes a plain value for one without its name
            yield Malformed(f"input {name!r} is missing", others, transport="rest")
            if rows:
                yield Malformed(f"input {name!r} is missing", others, transport="rest", form="rows")
        if array.size:
            wrong = np.zeros(array.shape, np.float32) if array.dtype == object else _strings(array.shape)
            said = "numbers instead of strings" if array.dtype == object else "strings instead of numbers"
            yield Malformed(f"input {name!r} holds {said}", {**inputs, name: wrong}, transport="rest")
    if rows and len(inputs) > 1:
        extra = _unused("extra", inputs)
        array = next(iter(inputs.values()))
        yield Malformed(f"there is an extra input {extra!r}", {**inputs, extra: array}, transport="rest", form="rows")


def _unused(name: str, inputs: Mapping[str, Any]) -> str:
    while name in inputs:
        name += "_"
    return name


def _strings(shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.empty(shape, dtype=object)
    array.fill(b"text")
    return array


def _without(example: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: cells for name, cells in example.items() if name != key}


def _wrong_kind(message: Any, key: str, feature: FeatureSpec) -> None:
    """Gives a feature values of another kind than the graph parses."""
    entry = message.features.feature[key]
    entry.Clear()
    if feature.dtype == "string":
        entry.float_list.value.append(1.0)
    else:
        entry.bytes_list.value.append(b"text")
