"""Parse specs of tf.Examples, read from the graph's own parse ops."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_tfsig.savedmodel.constants import constant, values
from pytest_tfsig.savedmodel.dtypes import dtype_name
from pytest_tfsig.savedmodel.flow import STRING_CARRIERS, Place, Source, Use, uses
from pytest_tfsig.savedmodel.graph import Graph, data_inputs
from pytest_tfsig.savedmodel.meanings import image_of
from pytest_tfsig.savedmodel.specs import FeatureSpec, shape_of
from pytest_tfsig.savedmodel.vocabulary import ids_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_tfsig.savedmodel.vocabulary import ReadAsset


def features_of(graph: Graph, start: Source, read_asset: ReadAsset) -> dict[str, FeatureSpec] | None:
    """Return the features that the graph parses out of a string tensor, by name; None where it parses none.

    Args:
        graph: The graph.
        start: The signature's input.
        read_asset: As for ``words_of``.
    """
    found: dict[str, FeatureSpec] = {}
    is_parsed = False
    for use in uses(graph, start, _passes):
        if use.node.op in _PARSERS and use.index == 0:
            is_parsed = True
            specs = list(_PARSERS[use.node.op](use.node, use.place))
            for spec, output in zip(specs, _outputs(use), strict=False):
                at = Source(use.node.name, output, use.place)
                found.setdefault(spec.name, _with_meaning(graph, spec, at, read_asset))
    return dict(sorted(found.items())) if is_parsed else None


def _outputs(use: Use) -> Iterator[int | str]:
    """Yield the outputs that hold the features' values, in the order in which their specs are told.

    In a function, the op's lists of outputs have names, and elsewhere numbers alone.
    """
    attributes = use.node.attr
    sparse, dense, ragged = (
        len(attributes[name].list.type) for name in ("sparse_types", "Tdense", "ragged_value_types")
    )
    for name, count, first in (
        ("sparse_values", sparse, sparse),
        ("ragged_values", ragged, 3 * sparse + dense),
        ("dense_values", dense, 3 * sparse),
    ):
        for number in range(count):
            yield f"{name}:{number}" if use.place.call is not None else first + number


def _with_meaning(graph: Graph, spec: FeatureSpec, at: Source, read_asset: ReadAsset) -> FeatureSpec:
    """Return a feature with what the graph takes its values for."""
    if spec.dtype == "int64":
        meaning = ids_of(graph, at, read_asset)
    elif spec.dtype == "string":
        image = image_of(graph, at) if spec.kind == "fixed" else None
        meaning = image or words_of(graph, at, read_asset)
    else:
        meaning = None
    return spec if meaning is None else replace(spec, image=meaning.image, vocabulary=meaning.vocabulary)


def _passes(use: Use) -> bool:
    return use.node.op in STRING_CARRIERS


def _parse_example(node: Any, place: Place) -> Iterator[FeatureSpec]:
    """Read ParseExample: serialized, names, a key tensor for each sparse and dense feature, dense defaults."""
    sparse, dense = node.attr["Nsparse"].i, node.attr["Ndense"].i
    keys = [_strings(constant(place, tensor)) for tensor in data_inputs(node)[2 : 2 + sparse + dense]]
    names = [key[0] if key else "" for key in keys]
    yield from _variable(names[:sparse], node.attr["sparse_types"], "variable")
    yield from _dense(node, place, names[sparse:], data_inputs(node)[2 + sparse + dense :])


def _parse_example_v2(node: Any, place: Place) -> Iterator[FeatureSpec]:
    """Read ParseExampleV2: serialized, names, a vector of keys for each kind, dense defaults."""
    inputs = data_inputs(node)
    sparse, dense, ragged = (_strings(constant(place, tensor)) for tensor in inputs[2:5])
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
        default = _default(constant(place, tensor), sizes)
        yield FeatureSpec(name, dtype_name(dtype), sizes, "variable" if varies else "fixed", default)


def _strings(proto: Any) -> list[str]:
    return [] if proto is None else [value.decode("utf-8", "replace") for value in values(proto)]


def _default(proto: Any, sizes: tuple[int | None, ...] | None) -> tuple[float | int | bytes, ...] | None:
    """Return a feature's default values; None where the op has an empty one, which makes the feature required."""
    if proto is None:
        # A default computed in the graph: there is one, whatever its values.
        return ()
    found = values(proto)
    is_empty_shape = sizes is not None and 0 in sizes
    return tuple(found) if found or is_empty_shape else None
