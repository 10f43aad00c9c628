"""The flow of a tensor through a graph: into functions and out of them, through ops that pass it on, to its uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.savedmodel.graph import Graph, Scope, data_inputs, node_of, output_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DEEPEST: Final = 64
STRING_CARRIERS: Final = frozenset(
    {"Identity", "IdentityN", "StopGradient", "PreventGradient", "EnsureShape", "PlaceholderWithDefault", "Snapshot"}
    | {"Reshape", "ExpandDims", "Squeeze", "Gather", "GatherV2", "StridedSlice", "Pack", "Unpack", "ConcatV2"}
    | {"TensorListFromTensor", "TensorListGetItem", "TensorArrayScatterV3", "TensorArrayReadV3"}
)
"""Ops whose output strings are their input strings, perhaps in another shape or one by one."""

# The parts of a string are the second output, behind their places.
_SPLITS: Final = frozenset({"StringSplit", "StringSplitV2"})
_LOOPS: Final = frozenset({"While", "StatelessWhile"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a graph something is: a scope, and the calls that lead there.

    Attributes:
        scope: The main graph or a function's body.
        call: The node that calls the function; None in the main graph.
        first: Which of the call's inputs is the function's first argument.
        caller: The place of the call.
        depth: How many calls lead here.
    """

    scope: Scope
    call: Any = None
    first: int = 0
    caller: Place | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor, wherever it is.

    Attributes:
        node: The node or argument that makes it.
        output: Which of the node's outputs it is; in a function, ops with several lists of outputs name them, such as
            ``dense_values:0``.
        place: Where the node is.
    """

    node: str
    output: int | str
    place: Place

    def is_named(self, tensor: str) -> bool:
        """Tell whether a tensor's name in the same place means this one."""
        if node_of(tensor) != self.node:
            return False
        return self.output == (output_of(tensor) if isinstance(self.output, int) else tensor.partition(":")[2])


def source(graph: Graph, tensor: str) -> Source:
    """Return a tensor of the main graph, such as ``serving_default_examples:0``."""
    return Source(node_of(tensor), output_of(tensor), Place(graph.main))


@dataclass(frozen=True, slots=True)
class Use:
    """An op that takes a tensor and does not merely pass it on.

    Attributes:
        node: The op.
        index: Which of its inputs the tensor is.
        place: Where the op is.
    """

    node: Any
    index: int
    place: Place


def uses(graph: Graph, start: Source, passes: Callable[[Use], bool]) -> Iterator[Use]:
    """Yield every use of a tensor, wherever calls and ops that pass it on carry it.

    Args:
        graph: The graph.
        start: The tensor.
        passes: Says whether an op's outputs are its input again: these are followed and not yielded.
    """
    waiting = [start]
    seen: set[tuple[int, str, int | str, int]] = set()
    while waiting:
        at = waiting.pop()
        place = at.place
        key = id(place.scope), at.node, at.output, id(place.call)
        if key in seen or place.depth > _DEEPEST:
            continue
        seen.add(key)
        waiting += _returned(at)
        for node, index in place.scope.consumers.get(at.node, ()):
            if not at.is_named(data_inputs(node)[index]):
                continue
            entered = list(_entered(graph, node, index, place))
            use = Use(node, index, place)
            waiting += entered
            if passes(use):
                # An identity of many tensors passes each on as itself; what is taken apart is in every part.
                parts = [index] if node.op == "IdentityN" else range(_parts(node))
                waiting += [Source(node.name, part, place) for part in parts]
            elif not entered:
                yield use


def _parts(node: Any) -> int:
    if node.op in _SPLITS:
        return 2
    return max(1, int(node.attr["num"].i)) if node.op == "Unpack" else 1


def _entered(graph: Graph, node: Any, index: int, place: Place) -> Iterator[Source]:
    for scope, first in graph.calls(node):
        if 0 <= index - first < len(scope.arguments):
            yield Source(scope.arguments[index - first], 0, Place(scope, node, first, place, place.depth + 1))


def _returned(at: Source) -> Iterator[Source]:
    """Yield where a tensor goes on that its function returns; a loop's body returns to its own arguments as well."""
    place = at.place
    if place.caller is None:
        return
    for number, tensor in enumerate(place.scope.returns):
        if at.is_named(tensor):
            yield Source(place.call.name, number, place.caller)
            if place.call.op in _LOOPS and number < len(place.scope.arguments):
                yield Source(place.scope.arguments[number], 0, place)


def origin(place: Place, tensor: str, carriers: frozenset[str]) -> Any:
    """Return the node that makes a tensor, looked for through carriers and up through the calls; or None.

    Args:
        place: Where the tensor is.
        tensor: Its name there.
        carriers: Ops whose first input is looked for in their stead.
    """
    at: Place | None = place
    seen: set[tuple[int, str]] = set()
    while at is not None and (id(at), node_of(tensor)) not in seen:
        name = node_of(tensor)
        seen.add((id(at), name))
        if name in at.scope.arguments:
            index = at.scope.arguments.index(name) + at.first
            inputs = data_inputs(at.call)
            if index >= len(inputs):
                return None
            tensor, at = inputs[index], at.caller
            continue
        node = at.scope.nodes.get(name)
        if node is None or node.op not in carriers or not node.input:
            return node
        tensor = node.input[0]
    return None
