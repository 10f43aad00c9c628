"""What commands say of models whose names act on a terminal."""

from __future__ import annotations

import json

import pytest

from pytest_tfsig import protos
from pytest_tfsig.cli import main
from pytest_tfsig.contract import loads

HOSTILE = "x\x1b]0;owned\x07\x9b2J\u202e\n::error::gone"


@pytest.fixture
def model(tmp_path):
    """Returns a base path with one version, of a signature with inputs of these names."""

    def make(name, *inputs):
        saved = protos.SavedModel()
        graph = saved.meta_graphs.add()
        graph.meta_info_def.tags.append("serve")
        graph.meta_info_def.tensorflow_version = HOSTILE
        signature = graph.signature_def["serving_default"]
        signature.method_name = "tensorflow/serving/predict"
        for key in ("y", *inputs):
            info = (signature.outputs if key == "y" else signature.inputs)[key]
            info.name, info.dtype = "t:0", protos.DataType.Value("DT_FLOAT")
            info.tensor_shape.dim.add().size = -1
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "saved_model.pb").write_bytes(saved.SerializeToString())
        return str(tmp_path / name)

    return make


@pytest.fixture
def said(capfd):
    def run(*words):
        main(words)
        return capfd.readouterr()

    return run


@pytest.mark.parametrize(
    "words", [("show",), ("show", "--json"), ("init",), ("diff",), ("diff", "--json"), ("diff", "--github")]
)
def test_names_of_models_act_on_no_terminal(model, said, words):
    paths = [model("old", "x", HOSTILE), model("new", "x")][: 2 if words[0] == "diff" else 1]
    out, err = said(words[0], *paths, *words[1:])
    assert "owned" in out
    assert not err
    assert all(line.isprintable() for line in out.splitlines())
    assert not any(line.startswith("::error::gone") for line in out.splitlines())


def test_a_contract_of_such_names_is_read_back_as_it_was(model, said):
    out, _ = said("init", model("old", HOSTILE))
    assert set(loads(out).signatures["serving_default"].inputs) == {HOSTILE}


def test_programs_are_told_such_names_as_they_are(model, said):
    out, _ = said("diff", "--json", model("old", "x", HOSTILE), model("new", "x"))
    assert {finding["name"] for finding in json.loads(out)["findings"]} == {HOSTILE}


def test_errors_act_on_no_terminal(said):
    out, err = said("show", f"/nowhere{HOSTILE}")
    assert not out
    assert err.startswith("tfsig: /nowherex\\x1b]0;owned\\x07\\x9b2J\\u202e")
