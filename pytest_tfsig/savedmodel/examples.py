"""Parse specs of tf.Examples, read from the graph's own parse ops."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_tfsig.savedmodel.dtypes import dtype_name
from pytest_tfsig.savedmodel.flow import STRING_CARRIERS, Place, Source, Use, origin, uses
from pytest_tfsig.savedmodel.graph import Graph, data_inputs
from pytest_tfsig.savedmodel.meanings import image_of
from pytest_tfsig.savedmodel.specs import FeatureSpec, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONSTANT_CARRIERS: Final = frozenset({"Identity", "Reshape", "ExpandDims"})
_TYPECODES: Final = {"float32": ("f", "float_val"), "int64": ("q", "int64_val")}


def features_of(graph: Graph, start: Source) -> dict[str, FeatureSpec] | None:
    """Return the features that the graph parses out of a string tensor, by name; None where it parses none.

    Args:
        graph: The graph.
        start: The signature's input.
    """
    found: dict[str, FeatureSpec] = {}
    is_parsed = False
    for use in uses(graph, start, _passes):
        if use.node.op in _PARSERS and use.index == 0:
            is_parsed = True
            for spec in _with_images(graph, use, list(_PARSERS[use.node.op](use.node, use.place))):
                found.setdefault(spec.name, spec)
    return dict(sorted(found.items())) if is_parsed else None


def _with_images(graph: Graph, use: Use, specs: list[FeatureSpec]) -> Iterator[FeatureSpec]:
    """Yield features of which each dense string has the image format that the graph decodes it as."""
    sparse = len(use.node.attr["sparse_types"].list.type)
    dense = len(use.node.attr["Tdense"].list.type)
    # Dense features are told last; in a function, the op's lists of outputs have names, and elsewhere numbers alone.
    first = len(specs) - dense
    for number, spec in enumerate(specs):
        if number < first or spec.dtype != "string":
            yield spec
            continue
        at = number - first
        output = f"dense_values:{at}" if use.place.call is not None else 3 * sparse + at
        meaning = image_of(graph, Source(use.node.name, output, use.place))
        yield spec if meaning is None else replace(spec, image=meaning.image)


def _passes(use: Use) -> bool:
    return use.node.op in STRING_CARRIERS


def _parse_example(node: Any, place: Place) -> Iterator[FeatureSpec]:
    """Read ParseExample: serialized, names, a key tensor for each sparse and dense feature, dense defaults."""
    sparse, dense = node.attr["Nsparse"].i, node.attr["Ndense"].i
    keys = [_strings(_constant(place, tensor)) for tensor in data_inputs(node)[2 : 2 + sparse + dense]]
    names = [key[0] if key else "" for key in keys]
    yield from _variable(names[:sparse], node.attr["sparse_types"], "variable")
    yield from _dense(node, place, names[sparse:], data_inputs(node)[2 + sparse + dense :])


def _parse_example_v2(node: Any, place: Place) -> Iterator[FeatureSpec]:
    """Read ParseExampleV2: serialized, names, a vector of keys for each kind, dense defaults."""
    inputs = data_inputs(node)
    sparse, dense, ragged = (_strings(_constant(place, tensor)) for tensor in inputs[2:5])
    yield from _variable(sparse, node.attr["sparse_types"], "variable")
    yield from _variable(ragged, node.attr["ragged_value_types"], "ragged")
    yield from _dense(node, place, dense, inputs[5:])


def _parse_single_example(node: Any, place: Place) -> Iterator[FeatureSpec]:
    """Read ParseSingleExample: serialized, dense defaults; keys are attributes."""
    sparse, dense = (
        [key.decode("utf-8", "replace") for key in node.attr[name].list.s] for name in ("sparse_keys", "dense_keys")
    )
    yield from _variable(sparse, node.attr["sparse_types"], "variable")
    yield from _dense(node, place, dense, data_inputs(node)[1:])


_PARSERS: Final = {
    "ParseExample": _parse_example,
    "ParseExampleV2": _parse_example_v2,
    "ParseSingleExample": _parse_single_example,
}


def _variable(names: list[str], types: Any, kind: Literal["variable", "ragged"]) -> Iterator[FeatureSpec]:
    for name, dtype in zip(names, types.list.type, strict=False):
        yield FeatureSpec(name, dtype_name(dtype), None, kind)


def _dense(node: Any, place: Place, names: list[str], defaults: list[str]) -> Iterator[FeatureSpec]:
    types, shapes = node.attr["Tdense"].list.type, node.attr["dense_shapes"].list.shape
    for name, dtype, shape, tensor in zip(names, types, shapes, defaults, strict=False):
        sizes = shape_of(shape)
        varies = sizes is None or any(size is None for size in sizes)
        default = _default(_constant(place, tensor), sizes)
        yield FeatureSpec(name, dtype_name(dtype), sizes, "variable" if varies else "fixed", default)


def _constant(place: Place, tensor: str) -> Any:
    """Return the TensorProto behind a tensor; or None."""
    node = origin(place, tensor, _CONSTANT_CARRIERS)
    return node.attr["value"].tensor if node is not None and node.op == "Const" else None


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
