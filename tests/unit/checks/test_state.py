from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_tfsig import protos
from pytest_tfsig.checks.state import writes


@pytest.mark.parametrize(
    ("function", "op", "expected"),
    [
        ("__inference_serve_12", "AssignVariableOp", True),
        ("__inference_serve_12", "AssignAddVariableOp", True),
        ("__inference_serve_12", "ReadVariableOp", False),
        ("__inference__traced_restore_40", "AssignVariableOp", False),
    ],
)
def test_a_graph_that_writes_as_it_serves_is_told(tmp_path, function, op, expected):
    message = protos.SavedModel()
    added = message.meta_graphs.add().graph_def.library.function.add()
    added.signature.name = function
    added.node_def.add(op=op)
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert writes(SimpleNamespace(saved_model=SimpleNamespace(path=tmp_path))) is expected


def test_a_graph_out_of_sight_is_taken_for_one_that_only_reads():
    assert not writes(SimpleNamespace(saved_model=None))


def test_a_graph_that_cannot_be_read_is_taken_for_one_that_only_reads(tmp_path):
    assert not writes(SimpleNamespace(saved_model=SimpleNamespace(path=tmp_path / "none")))
