"""The meaning of an input, read from the ops that it feeds: a file of an image, or indices of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_tfsig.savedmodel.flow import STRING_CARRIERS, Place, Source, Use, origin, uses
from pytest_tfsig.savedmodel.graph import Graph, data_inputs, node_of
from pytest_tfsig.savedmodel.specs import Meaning, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Image = Literal["png", "jpeg"]

# Of each op, a format that it decodes. All but DecodeBmp and DecodeAndCropJpeg decode each other's formats too.
_DECODERS: Final[dict[str, Image]] = {
    "DecodeJpeg": "jpeg",
    "DecodeAndCropJpeg": "jpeg",
    "ExtractJpegShape": "jpeg",
    "DecodePng": "png",
    "DecodeImage": "png",
    "DecodeGif": "png",
}
_BMP_ONLY: Final = "DecodeBmp"

# Ops whose output holds numbers of their first input, or of all inputs, and no others that could be larger.
_FIRST: Final = frozenset(
    {"Identity", "StopGradient", "PreventGradient", "EnsureShape", "PlaceholderWithDefault", "Snapshot", "Cast"}
    | {"Reshape", "ExpandDims", "Squeeze", "StridedSlice", "Slice", "Transpose", "Tile", "BroadcastTo", "Unpack"}
    | {"Split", "Reverse", "ReverseV2", "TensorListFromTensor", "TensorListGetItem", "TensorListStack"}
)
_ALL: Final = frozenset({"IdentityN", "Pack", "ConcatV2"})
_SELECTIONS: Final = frozenset({"Select", "SelectV2"})

# Ops that look at numbers, or at their number, and need them to be in no range.
_LOOKING: Final = frozenset(
    {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "NoOp", "Assert"}
    | {"Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"}
)
_ADDITIONS: Final = frozenset({"Add", "AddV2"})
_VALUE_CARRIERS: Final = frozenset({"Identity", "ReadVariableOp", "Cast", "StopGradient", "Enter"})
_VARIABLES: Final = frozenset({"VarHandleOp", "VariableV2", "Variable"})


def image_of(graph: Graph, start: Source) -> Meaning | None:
    """Return the image format that the graph decodes strings as; None where it decodes none, or only BMP."""
    found: list[Use] = []
    for use in uses(graph, start, lambda use: use.node.op in STRING_CARRIERS):
        if use.node.op == _BMP_ONLY:
            return None
        if use.node.op in _DECODERS and use.index == 0:
            found.append(use)
    if not found:
        return None
    # Where the graph decodes several formats, JPEG is the one that none of its ops refuses.
    chosen = next((use for use in found if _DECODERS[use.node.op] == "jpeg"), found[0])
    return Meaning(image=_DECODERS[chosen.node.op], source=f"decodes it with {chosen.node.op}")


def indices_of(graph: Graph, start: Source) -> Meaning | None:
    """Return the size of the smallest table that the graph looks an input up in.

    None where a table's size is not known, where an input is used in another way as well (arithmetic, say: then what
    is looked up is not what was sent), or in no table at all. A one-hot encoding counts as a table only where there is
    no other: it answers for numbers past its depth, too.
    """
    tables: list[Meaning] = []
    encodings: list[Meaning] = []
    for use in uses(graph, start, keeps_numbers):
        if is_looked_at(use):
            continue
        look_up = _LOOK_UPS.get(use.node.op)
        meaning = look_up(use) if look_up is not None else None
        if meaning is None:
            return None
        (encodings if use.node.op == "OneHot" else tables).append(meaning)
    return min(tables or encodings, key=lambda meaning: meaning.table_size or 0, default=None)


def keeps_numbers(use: Use) -> bool:
    """Tell whether an op's outputs hold numbers of the input, and no others that could be larger."""
    op = use.node.op
    if op in _SELECTIONS:
        return use.index > 0
    # A gather of numbers from an input that is itself the table.
    return op in _ALL or (use.index == 0 and (op in _FIRST or op in {"Gather", "GatherV2"}))


def is_looked_at(use: Use) -> bool:
    """Tell whether an op needs the numbers to be in no range, or adds to negative ones alone."""
    return use.node.op in _LOOKING or _wraps_negatives(use)


def _wraps_negatives(use: Use) -> bool:
    """Whether an addition is chosen for negative numbers only, as NumPy's indexing and Keras's embeddings do."""
    if use.node.op not in _ADDITIONS:
        return False
    consumers = use.place.scope.consumers.get(use.node.name, [])
    return bool(consumers) and all(_chooses_if_negative(node, index, use) for node, index in consumers)


def _chooses_if_negative(selection: Any, index: int, addition: Use) -> bool:
    if selection.op not in _SELECTIONS or index != 1:
        return False
    condition, _, otherwise = data_inputs(selection)
    compared = addition.place.scope.nodes.get(node_of(condition))
    number = data_inputs(addition.node)[addition.index]
    return compared is not None and compared.op == "Less" and data_inputs(compared)[0] == number == otherwise


def _gathered(use: Use) -> Meaning | None:
    """Return what Gather, GatherV2 or ResourceGather tells of its indices."""
    node = use.node
    if use.index != 1 or ("batch_dims" in node.attr and node.attr["batch_dims"].i):
        return None
    inputs = data_inputs(node)
    axis = _integer(use.place, inputs[2]) if node.op == "GatherV2" else 0
    table = origin(use.place, inputs[0], _VALUE_CARRIERS)
    shape = None if table is None else _shape(table)
    if axis is None or shape is None or not -len(shape) <= axis < len(shape):
        return None
    size = shape[axis]
    return Meaning(table_size=size, source=f'looks it up in "{table.name}", of {size} rows') if size else None


def _one_hot(use: Use) -> Meaning | None:
    depth = _integer(use.place, data_inputs(use.node)[1]) if use.index == 0 else None
    return Meaning(table_size=depth, source=f"encodes it with OneHot of depth {depth}") if depth and depth > 0 else None


_LOOK_UPS: Final[dict[str, Callable[[Use], Meaning | None]]] = {
    "Gather": _gathered,
    "GatherV2": _gathered,
    "ResourceGather": _gathered,
    "OneHot": _one_hot,
}


def _shape(table: Any) -> tuple[int | None, ...] | None:
    if table.op == "Const":
        return shape_of(table.attr["value"].tensor.tensor_shape)
    return shape_of(table.attr["shape"].shape) if table.op in _VARIABLES else None


def _integer(place: Place, tensor: str) -> int | None:
    """Return a constant scalar of the graph; None where it is computed."""
    node = origin(place, tensor, _VALUE_CARRIERS)
    if node is None or node.op != "Const":
        return None
    proto = node.attr["value"].tensor
    for values in (proto.int_val, proto.int64_val):
        if values:
            return int(values[0])
    # A scalar is in little-endian bytes as well as it is in a field; zero may be in neither.
    return int.from_bytes(proto.tensor_content, "little", signed=True)
