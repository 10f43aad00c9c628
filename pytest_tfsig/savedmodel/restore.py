"""Variables that a signature reads and nothing restores when the SavedModel is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.savedmodel.graph import Graph, node_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_VARIABLES: Final = frozenset({"VarHandleOp", "VariableV2", "Variable"})
_ASSIGNMENTS: Final = frozenset({"AssignVariableOp", "Assign"})


def unrestored_variables(graph: Graph, restored_by: Iterable[str], tensors: Iterable[str]) -> list[str]:
    """Return the names of variables that some tensors need and that no restoring op is given.

    The loader of TensorFlow Serving runs the restore op and the initialisers, then requests; a variable that none
    of them is given has no value. Where variables are assigned anywhere else in the graph, they are taken to be set.

    Args:
        graph: The graph.
        restored_by: The restore op and the initialisers, by node name.
        tensors: What a signature answers with.
    """
    nodes = graph.main.nodes
    setters = graph.main.ancestors(iter(restored_by))
    for node in nodes.values():
        if node.op in _ASSIGNMENTS:
            setters |= {node_of(tensor) for tensor in node.input[:1]}
    # One name is one variable, however many handles the graph has for it, wherever they are made.
    known = {_shared_name(nodes[name]) for name in setters if name in nodes and nodes[name].op in _VARIABLES}
    known |= {
        _shared_name(node) for scope in graph.functions() for node in scope.nodes.values() if node.op in _VARIABLES
    }
    needed = graph.main.ancestors(node_of(tensor) for tensor in tensors)
    read = {_shared_name(nodes[name]) for name in needed if nodes[name].op in _VARIABLES}
    return sorted(read - known)


def _shared_name(node: Any) -> str:
    shared = node.attr["shared_name"].s if "shared_name" in node.attr else b""
    return shared.decode("utf-8", "replace") or node.name
