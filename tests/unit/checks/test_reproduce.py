from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from pytest_tfsig.checks.render import array_text, inputs_text
from pytest_tfsig.checks.reproduce import reproduction
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.contract import Signature, Tensor
from tests.unit.checks.fakes import subject

ON_DISK = SimpleNamespace(path=Path("/models/m/1"))


def again(inputs, method="predict", rows=(), **settings):
    key = "x" if method == "predict" else "inputs"
    tensor = Tensor("string" if method != "predict" else "float32", ["batch"])
    signature = Signature(method=method, inputs={key: tensor}, outputs={})
    return reproduction(
        subject(None, signature, saved_model=ON_DISK, settings=settings, pytest_line="pytest t"), inputs, rows
    )


def sent_by(snippet, monkeypatch):
    """Returns what a snippet of Python sends, each request's inputs."""
    sent = []
    call = lambda _, __, inputs, **___: sent.append(inputs)  # noqa: E731
    client = type("GrpcClient", (), {"__init__": lambda *_: None, "predict": call, "classify": call})
    monkeypatch.setattr("pytest_tfsig.clients.GrpcClient", client)
    exec(snippet, {"print": lambda _: None})  # noqa: S102 - it is what is tested
    return sent


@pytest.mark.parametrize("size", [3, 300])
def test_the_snippet_sends_both_requests_whose_answers_are_compared(tmp_path, monkeypatch, size):
    inputs = {"x": np.arange(size, dtype=np.float32), "scale": np.array(2.0)}
    whole, some = sent_by(again(inputs, rows=[2, 0], files=tmp_path).python, monkeypatch)
    assert whole["x"].tolist() == inputs["x"].tolist()
    assert (some["x"].tolist(), some["scale"].tolist()) == ([2, 0], 2)


def test_the_snippet_sends_both_lists_of_examples(monkeypatch):
    examples = [{"a": [1.0]}, {"a": [2.0]}]
    sent = sent_by(again({"examples": examples}, "classify", rows=[1]).python, monkeypatch)
    assert sent == [examples, examples[1:]]


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, -0.0, np.nan, np.inf, -np.inf]], np.float32),
        np.array([], np.float64),
        np.zeros((0, 3), np.int32),
        np.array([True, False]),
        np.array([2**63], np.uint64),
        np.array(b"\xff\x00", object),
        np.array([b"a", "é".encode()], object),
        np.array([1 + 2j], np.complex64),
        np.array([[complex(np.nan, -np.inf), 0.1]], np.complex64),
        np.array(complex(0, np.inf), np.complex128),
        np.array([0.1], ml_dtypes.bfloat16),
        np.array(7, np.int8),
    ],
)
def test_the_python_snippet_makes_the_same_array(array):
    snippet = again({"x": array}).python
    lines = snippet.splitlines()
    call = lines[-1]
    inside = call[call.index("{") : call.rindex("}") + 1]
    scope = {}
    exec("\n".join(line for line in lines[:-1] if "GrpcClient" not in line), scope)  # noqa: S102 - it is what is tested
    made = eval(inside, scope)["x"]  # noqa: S307 - it is what is tested
    assert made.dtype == array.dtype
    assert made.shape == array.shape
    if array.dtype == object:
        assert made.tolist() == array.tolist()
    else:
        assert made.tobytes() == array.tobytes()


def test_the_curl_line_survives_a_shell():
    words = shlex.split(again({"x": np.array([b"it's", b"\xff"], object)}).curl)
    assert words[:2] == ["curl", "-d"]
    assert json.loads(words[2])["inputs"]["x"][1] == {"b64": "/w=="}
    assert words[3] == "http://localhost:8501/v1/models/fake:predict"


def test_what_json_cannot_carry_has_no_curl_line():
    found = again({"x": np.array([1j])})
    assert not found.curl
    assert found.python


def test_large_inputs_are_saved(tmp_path):
    array = np.arange(1000, dtype=np.float32)
    found = again({"x": array}, files=tmp_path)
    assert np.array_equal(np.load(found.npz)["x"], array)
    assert found.npz in found.python


def test_a_photograph_is_saved_and_not_printed(tmp_path):
    photograph = np.array([bytes(range(256)) * 40], object)
    found = again({"x": photograph}, files=tmp_path)
    assert np.load(found.npz, allow_pickle=True)["x"].tolist() == photograph.tolist()
    assert len(found.curl) + len(found.python) < 1000
    assert "allow_pickle=True" in found.python


def test_large_inputs_are_saved_where_no_folder_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array = np.arange(1000, dtype=np.float32)
    found = again({"x": array})
    assert Path(found.npz).is_relative_to(tmp_path)
    assert not again({"x": array}, hasty=True).npz
    assert np.array_equal(np.load(found.npz)["x"], array)
    assert found.npz in found.python


def test_a_violation_is_told_in_order():
    violation = Violation("it is wrong", {"x": np.array([1])}, "this", "that", "do so")
    violation.reproduction = again({"x": np.array([1.0], np.float32)})
    text = str(violation)
    titles = ["it is wrong", "smallest input", "expected", "actual", "reproduce", "what to do"]
    places = [text.index(title) for title in titles]
    assert places == sorted(places)


def test_large_values_are_summarised():
    text = array_text(np.arange(2500, dtype=np.float32).reshape(50, 50))
    assert "2,500 values" in text
    assert len(text) < 1500
    assert "10,000 bytes" in inputs_text({"x": np.array([b"a" * 10_000], object)})
    assert inputs_text({}) == "(no inputs)"


@pytest.mark.parametrize(
    "inputs",
    [
        {"x": np.zeros((100, 100), np.float32), "file": np.ones(3, np.int64), "allow_pickle": np.ones(2)},
        {"x": np.full(5000, b"\xff\x00long", object)},
        {"x": np.zeros((100, 100), ml_dtypes.bfloat16), "y": np.ones(2, np.int8)},
    ],
    ids=["names-that-numpy-uses", "strings", "bfloat16"],
)
def test_saved_inputs_are_loaded_as_they_were(tmp_path, inputs):
    lines = again(inputs, files=tmp_path).python.splitlines()
    call = lines[-1]
    inside = call[call.index("'fake', ") + 8 : call.rindex(", signature=")]
    scope = {}
    exec("\n".join(line for line in lines[:-1] if "GrpcClient" not in line), scope)  # noqa: S102 - it is what is tested
    loaded = eval(inside, scope)  # noqa: S307 - it is what is tested
    assert loaded.keys() == inputs.keys()
    for name, array in inputs.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].tolist() == array.tolist()
