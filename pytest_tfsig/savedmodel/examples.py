"""Parse specs of tf.Examples, read from the graph's own parse ops."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_tfsig.savedmodel.dtypes import dtype_name
from pytest_tfsig.savedmodel.graph import Graph, Scope, node_of
from pytest_tfsig.savedmodel.specs import FeatureSpec, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Ops through which a serialized example stays that example: same strings, perhaps in another shape or one by one.
_TRANSPARENT: Final = frozenset(
    {"Identity", "IdentityN", "StopGradient", "PreventGradient", "EnsureShape", "PlaceholderWithDefault", "Snapshot"}
    | {"Reshape", "ExpandDims", "Squeeze", "Gather", "GatherV2", "StridedSlice", "Pack", "Unpack", "ConcatV2"}
    | {"TensorListFromTensor", "TensorListGetItem", "TensorArrayScatterV3", "TensorArrayReadV3"}
)
_DEEPEST: Final = 64
_TYPECODES: Final = {"float32": ("f", "float_val"), "int64": ("q", "int64_val")}


@dataclass(frozen=True, slots=True)
class _Frame:
    """A place in the graph: a scope, and the call that led there."""

    scope: Scope
    call: Any = None
    first: int = 0
    caller: _Frame | None = None
    depth: int = 0


def features_of(graph: Graph, tensor_name: str) -> dict[str, FeatureSpec] | None:
    """Return the features that the graph parses out of a string tensor, by name; None where it parses none.

    Args:
        graph: The graph.
        tensor_name: The signature's input, such as ``serving_default_examples:0``.
    """
    found: dict[str, FeatureSpec] = {}
    is_parsed = False
    for node, frame in _parsers(graph, node_of(tensor_name)):
        is_parsed = True
        for spec in _PARSERS[node.op](node, frame):
            found.setdefault(spec.name, spec)
    return dict(sorted(found.items())) if is_parsed else None


def _parsers(graph: Graph, start: str) -> Iterator[tuple[Any, _Frame]]:
    """Yield the parse ops that the tensor of ``start`` feeds as serialized examples, through calls and identities."""
    waiting = [(start, _Frame(graph.main))]
    seen: set[tuple[int, str]] = set()
    while waiting:
        name, frame = waiting.pop()
        if (id(frame.scope), name) in seen or frame.depth > _DEEPEST:
            continue
        seen.add((id(frame.scope), name))
        for node, index in frame.scope.consumers.get(name, ()):
            if node.op in _PARSERS and index == 0:
                yield node, frame
            elif node.op in _TRANSPARENT:
                waiting.append((node.name, frame))
            for scope, first in graph.calls(node):
                if 0 <= index - first < len(scope.arguments):
                    inner = _Frame(scope, node, first, frame, frame.depth + 1)
                    waiting.append((scope.arguments[index - first], inner))


def _parse_example(node: Any, frame: _Frame) -> Iterator[FeatureSpec]:
    """Read ParseExample: serialized, names, a key tensor for each sparse and dense feature, dense defaults."""
    sparse, dense = node.attr["Nsparse"].i, node.attr["Ndense"].i
    keys = [_strings(_constant(frame, tensor)) for tensor in _data_inputs(node)[2 : 2 + sparse + dense]]
    names = [key[0] if key else "" for key in keys]
    yield from _variable(names[:sparse], node.attr["sparse_types"], "variable")
    yield from _dense(node, frame, names[sparse:], _data_inputs(node)[2 + sparse + dense :])


def _parse_example_v2(node: Any, frame: _Frame) -> Iterator[FeatureSpec]:
    """Read ParseExampleV2: serialized, names, a vector of keys for each kind, dense defaults."""
    inputs = _data_inputs(node)
    sparse, dense, ragged = (_strings(_constant(frame, tensor)) for tensor in inputs[2:5])
    yield from _variable(sparse, node.attr["sparse_types"], "variable")
    yield from _variable(ragged, node.attr["ragged_value_types"], "ragged")
    yield from _dense(node, frame, dense, inputs[5:])


def _parse_single_example(node: Any, frame: _Frame) -> Iterator[FeatureSpec]:
    """Read ParseSingleExample: serialized, dense defaults; keys are attributes."""
    sparse, dense = (
        [key.decode("utf-8", "replace") for key in node.attr[name].list.s] for name in ("sparse_keys", "dense_keys")
    )
    yield from _variable(sparse, node.attr["sparse_types"], "variable")
    yield from _dense(node, frame, dense, _data_inputs(node)[1:])


_PARSERS: Final = {
    "ParseExample": _parse_example,
    "ParseExampleV2": _parse_example_v2,
    "ParseSingleExample": _parse_single_example,
}


def _variable(names: list[str], types: Any, kind: Literal["variable", "ragged"]) -> Iterator[FeatureSpec]:
    for name, dtype in zip(names, types.list.type, strict=False):
        yield FeatureSpec(name, dtype_name(dtype), None, kind)


def _dense(node: Any, frame: _Frame, names: list[str], defaults: list[str]) -> Iterator[FeatureSpec]:
    types, shapes = node.attr["Tdense"].list.type, node.attr["dense_shapes"].list.shape
    for name, dtype, shape, tensor in zip(names, types, shapes, defaults, strict=False):
        sizes = shape_of(shape)
        varies = sizes is None or any(size is None for size in sizes)
        default = _default(_constant(frame, tensor), sizes)
        yield FeatureSpec(name, dtype_name(dtype), sizes, "variable" if varies else "fixed", default)


def _constant(frame: _Frame, tensor: str) -> Any:
    """Return the TensorProto behind a tensor, looking through identities and up through the calls; or None."""
    place: _Frame | None = frame
    seen: set[tuple[int, str]] = set()
    while place is not None and (id(place), node_of(tensor)) not in seen:
        name = node_of(tensor)
        seen.add((id(place), name))
        if name in place.scope.arguments:
            index = place.scope.arguments.index(name) + place.first
            inputs = _data_inputs(place.call)
            if index >= len(inputs):
                return None
            tensor, place = inputs[index], place.caller
            continue
        node = place.scope.nodes.get(name)
        if node is not None and node.op == "Const":
            return node.attr["value"].tensor
        if node is None or node.op not in {"Identity", "Reshape", "ExpandDims"} or not node.input:
            return None
        tensor = node.input[0]
    return None


def _data_inputs(node: Any) -> list[str]:
    return [tensor for tensor in node.input if not tensor.startswith("^")]


def _strings(proto: Any) -> list[str]:
    return [] if proto is None else [value.decode("utf-8", "replace") for value in _values(proto)]


def _default(proto: Any, sizes: tuple[int | None, ...] | None) -> tuple[float | int | bytes, ...] | None:
    """Return a feature's default values; None where the op has an empty one, which makes the feature required."""
    if proto is None:
        # A default computed in the graph: there is one, whatever its values.
        return ()
    values = _values(proto)
    is_empty_shape = sizes is not None and 0 in sizes
    return tuple(values) if values or is_empty_shape else None


def _values(proto: Any) -> list[Any]:
    """Return the values of a float32, int64 or string TensorProto, in row-major order."""
    count = 1
    for size in shape_of(proto.tensor_shape) or ():
        count *= size or 0
    dtype = dtype_name(proto.dtype)
    if dtype not in _TYPECODES:
        values = list(proto.string_val)
    else:
        typecode, field = _TYPECODES[dtype]
        values = list(getattr(proto, field))
        if proto.tensor_content:
            content = proto.tensor_content
            values = list(
                array(typecode, content[: len(content) // 8 * 8 if typecode == "q" else len(content) // 4 * 4])
            )
    # A TensorProto may write a run of equal values at the end once.
    missing = count - len(values)
    return values + values[-1:] * min(missing, _LONGEST_RUN) if missing > 0 else values


_LONGEST_RUN: Final = 2**20
