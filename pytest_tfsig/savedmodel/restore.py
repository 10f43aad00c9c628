"""Variables that a signature reads and nothing restores when the SavedModel is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.savedmodel.graph import Graph, node_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_VARIABLES: Final = frozenset({"VarHandleOp", "VariableV2", "Variable"})
_ASSIGNMENTS: Final = frozenset({"AssignVariableOp", "Assign"})


def restored_variables(graph: Graph, restored_by: Iterable[str]) -> frozenset[str]:
    """Return the names of the variables that have a value once a SavedModel is loaded.

    The loader of TensorFlow Serving runs the restore op and the initialisers, then requests; a variable that none of
    them is given has no value. Where variables are assigned anywhere else in the graph, they are taken to be set.

    Args:
        graph: The graph.
        restored_by: The restore op and the initialisers, by node name.
    """
    nodes = graph.main.nodes
    setters = graph.main.ancestors(restored_by)
    for node in nodes.values():
        if node.op in _ASSIGNMENTS:
            setters |= {node_of(tensor) for tensor in node.input[:1]}
    made_in_functions = (node for scope in graph.functions() for node in scope.nodes.values() if node.op in _VARIABLES)
    # One name is one variable, however many handles the graph has for it, wherever they are made.
    return _variables(graph, setters) | {_shared_name(node) for node in made_in_functions}


def read_variables(graph: Graph, tensors: Iterable[str]) -> frozenset[str]:
    """Return the names of the variables that some tensors of the graph need."""
    return _variables(graph, graph.main.ancestors(node_of(tensor) for tensor in tensors))


def _variables(graph: Graph, names: Iterable[str]) -> frozenset[str]:
    found = (graph.main.nodes[name] for name in names if name in graph.main.nodes)
    return frozenset(_shared_name(node) for node in found if node.op in _VARIABLES)


def _shared_name(node: Any) -> str:
    shared = node.attr["shared_name"].s if "shared_name" in node.attr else b""
    return shared.decode("utf-8", "replace") or node.name
