"""State that a graph writes while it serves: what parallel requests can disturb each other by."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_tfsig import protos

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_tfsig.checks.subject import Subject

_WRITES = ("Assign", "ResourceScatter", "ResourceApply", "LookupTableInsert", "LookupTableRemove", "QueueEnqueue")
_LOADING = "__inference__traced"
"""How the functions are called that save and restore; those write variables in every SavedModel."""


def writes(subject: Subject) -> bool:
    """Whether a function of the graph, other than those that restore it, writes variables, tables or queues."""
    return subject.saved_model is not None and _writes(subject.saved_model.path / "saved_model.pb")


@lru_cache(maxsize=64)
def _writes(path: Path) -> bool:
    try:
        message: Any = protos.SavedModel.FromString(path.read_bytes())
    except OSError:
        return False
    return any(
        node.op.startswith(_WRITES)
        for meta_graph in message.meta_graphs
        for function in meta_graph.graph_def.library.function
        if not function.signature.name.startswith(_LOADING)
        for node in function.node_def
    )
