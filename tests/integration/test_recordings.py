"""`tfsig record` and `tfsig warmup`: what they write, on served models."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from pytest_tfsig import recordings, serving
from pytest_tfsig.cli import main
from pytest_tfsig.model_server.warmup import FILE

CONTRACT = """
model = "{model}"
[signatures.serving_default.inputs.x]
dtype = "float32"
shape = ["batch", 4]
min = 0
max = 1
[signatures.serving_default.dims]
batch = [2, 3]
"""


@pytest.fixture
def model(models, tmp_path):
    """A copy of the classifier that a test may write into."""
    return shutil.copytree(models("classifier"), tmp_path / "classifier")


@pytest.fixture
def contract(tmp_path, model):
    file = tmp_path / "classifier.tfsig.toml"
    file.write_text(CONTRACT.format(model=model))
    return file


def run(*words):
    return main([*map(str, words), "--server=embedded"])


def test_a_contract_s_requests_are_recorded_with_their_answers(contract, tmp_path, capsys):
    output = tmp_path / "out.tfrecord"
    assert run("record", contract, output, "--examples=4") == 0
    assert capsys.readouterr().out == f"{output}: 4 requests with their answers\n"
    for exchange in recordings.read(output):
        x = exchange.inputs()["x"]
        assert x.shape in {(2, 4), (3, 4)}
        assert x.min() >= 0
        assert x.max() <= 1
        assert exchange.outputs()["probabilities"].sum(axis=1) == pytest.approx(1)
        assert not exchange.request.model_spec.HasField("version")


def test_the_same_seed_records_the_same_bytes(contract, tmp_path):
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        assert run("record", contract, tmp_path / name, "--examples=3", f"--seed={seed}") == 0
    one, two, three = [(tmp_path / name).read_bytes() for name in ("one", "two", "three")]
    assert one == two != three


def test_given_requests_are_recorded(model, tmp_path):
    np.savez(tmp_path / "given.npz", x=np.ones((2, 4), np.float32))
    assert run("record", model, tmp_path / "first", "--requests", tmp_path / "given.npz") == 0
    requests = ["--requests", tmp_path / "first", "--requests", tmp_path / "given.npz"]
    assert run("record", model, tmp_path / "second", *requests) == 0
    assert [one.inputs()["x"].tolist() for one in recordings.read(tmp_path / "second")] == [[[1] * 4] * 2] * 2


def test_requests_that_are_refused_are_left_out_and_told(models, tmp_path, capsys):
    examples = models("examples")
    assert run("record", examples, tmp_path / "out", "--examples=2") == 0
    assert "requests were refused and left out, the first: gRPC INVALID_ARGUMENT" in capsys.readouterr().out
    methods = {one.method for one in recordings.read(tmp_path / "out")}
    assert methods == {"Predict", "Classify", "Regress"}


def test_what_warmup_writes_loads_and_is_replayed(contract, model, capsys):
    assert run("warmup", contract, "--examples=3") == 0
    file = model / "2" / FILE
    assert capsys.readouterr().out == f"{file}: 3 requests\n"
    assert all(one.response is None for one in recordings.read(file))
    server = serving.start("embedded")
    try:
        server.add("classifier", 2, model / "2")
        assert "Number of warmup records read: 3" in server.logs()
    finally:
        server.stop()


def test_warmup_replaces_a_file_for_which_the_model_does_not_load(model):
    file = model / "2" / FILE
    file.parent.mkdir()
    file.write_bytes(b"broken")
    assert run("warmup", model, "--examples=2") == 0
    assert len(recordings.read(file)) == 2


def test_a_request_log_becomes_a_warmup_file(model, tmp_path):
    assert run("record", model, tmp_path / "log", "--examples=2") == 0
    assert run("warmup", model, "--requests", tmp_path / "log") == 0
    assert len(recordings.read(model / "2" / FILE)) == 2


def cut(model, tmp_path):
    assert run("record", model, tmp_path / "cut", "--examples=2") == 0
    (tmp_path / "cut").write_bytes((tmp_path / "cut").read_bytes()[:-3])
    return ["--requests", tmp_path / "cut"]


def refused(_, tmp_path):
    np.savez(tmp_path / "refused.npz", y=np.ones(3))
    return ["--requests", tmp_path / "refused.npz"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (cut, "truncated record"),
        (refused, "no warmup file is written: gRPC INVALID_ARGUMENT"),
        (lambda *_: ["--requests", "nowhere"], "nowhere: cannot be read"),
        (lambda *_: ["--signature", "other"], "--signature other: the contract has serving_default"),
        (lambda *_: ["--examples", "0"], "at least one request is wanted"),
        (lambda *_: ["--examples", "1001"], "1001 requests are more than the 1000 that a server takes"),
        (lambda *_: ["--contract", "nowhere.tfsig.toml"], "nowhere.tfsig.toml"),
    ],
)
def test_a_warmup_that_cannot_be_written_leaves_the_old_one(model, tmp_path, capsys, options, message):
    assert run("warmup", model, "--examples=1") == 0
    before = (model / "2" / FILE).read_bytes()
    assert run("warmup", model, *options(model, tmp_path)) == 2
    assert message in capsys.readouterr().err
    assert (model / "2" / FILE).read_bytes() == before


def test_a_contract_must_name_a_model(tmp_path, capsys):
    (tmp_path / "c.tfsig.toml").write_text("[signatures.serving_default]\n")
    assert run("record", tmp_path / "c.tfsig.toml", tmp_path / "out") == 2
    assert "names no model" in capsys.readouterr().err
