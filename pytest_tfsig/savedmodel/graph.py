"""The graph of a SavedModel as something to walk: nodes, functions, who feeds whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def node_of(tensor: str) -> str:
    """Return the node that makes a tensor: ``"a"`` for ``"a:0"``, ``"a:out:0"`` and the control input ``"^a"``."""
    return tensor.lstrip("^").partition(":")[0]


def output_of(tensor: str) -> int:
    """Return which of its node's outputs a tensor is: 0 for ``"a"``, 1 for ``"a:1"`` and for ``"a:out:1"``."""
    last = tensor.rpartition(":")[2]
    return int(last) if last.isdecimal() and ":" in tensor else 0


def data_inputs(node: Any) -> list[str]:
    """Return a node's inputs without those that only order it after others."""
    return [tensor for tensor in node.input if not tensor.startswith("^")]


@dataclass
class Scope:
    """The nodes that see each other's tensors: the main graph, or one function's body.

    Attributes:
        nodes: NodeDefs by name.
        arguments: The function's arguments, in order; none in the main graph.
        returns: The tensors that the function returns, in order; none in the main graph.
    """

    nodes: dict[str, Any]
    arguments: list[str] = field(default_factory=list)
    returns: list[str] = field(default_factory=list)

    @cached_property
    def consumers(self) -> dict[str, list[tuple[Any, int]]]:
        """Per node or argument, the nodes it feeds and the index of that input; control inputs left out."""
        found: dict[str, list[tuple[Any, int]]] = {}
        for node in self.nodes.values():
            for index, tensor in enumerate(data_inputs(node)):
                found.setdefault(node_of(tensor), []).append((node, index))
        return found

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """Return ``names`` and all nodes that must run before them, control inputs included."""
        reached: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached and name in self.nodes:
                reached.add(name)
                waiting.extend(node_of(tensor) for tensor in self.nodes[name].input)
        return reached


class Graph:
    """A GraphDef with its function library."""

    def __init__(self, graph_def: Any) -> None:
        self.main = Scope({node.name: node for node in graph_def.node})
        self._definitions = {function.signature.name: function for function in graph_def.library.function}
        self._functions: dict[str, Scope] = {}

    def function(self, name: str) -> Scope | None:
        """Return a function's body, or None where the library has no such function."""
        if name not in self._functions and name in self._definitions:
            definition = self._definitions[name]
            nodes = {node.name: node for node in definition.node_def}
            arguments = [argument.name for argument in definition.signature.input_arg]
            returns = [definition.ret[output.name] for output in definition.signature.output_arg]
            self._functions[name] = Scope(nodes, arguments, returns)
        return self._functions.get(name)

    def functions(self) -> Iterator[Scope]:
        """Yield every function's body."""
        for name in self._definitions:
            scope = self.function(name)
            if scope is not None:
                yield scope

    def calls(self, node: Any) -> Iterator[tuple[Scope, int]]:
        """Yield the functions that a node calls, each with the index of the node's input that is its first argument."""
        if node.op in self._definitions:
            names, first = [node.op], 0
        else:
            names, first = [_called(node, key) for key in _CALLS.get(node.op, ())], int(node.op in _CONDITIONAL)
            if node.op in {"Case", "StatelessCase"}:
                names = [branch.name for branch in node.attr["branches"].list.func]
        for name in names:
            scope = self.function(name)
            if scope is not None:
                yield scope, first


_CALLS = {
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
    "While": ("body",),
    "StatelessWhile": ("body",),
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
    "Case": (),
    "StatelessCase": (),
    "BatchFunction": ("f",),
}
_CONDITIONAL = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})


def _called(node: Any, key: str) -> str:
    return str(node.attr[key].func.name) if key in node.attr else ""
