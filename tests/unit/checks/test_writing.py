"""How values, violations, reproductions and explanations are written, to the letter."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import textwrap
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from pytest_tfsig import checks
from pytest_tfsig.checks import Reproduction, Violation, registry
from pytest_tfsig.checks.causes import CAUSES, advice
from pytest_tfsig.checks.explanation import explain, overview
from pytest_tfsig.checks.render import array_text, first_index, index_text, inputs_text, is_large, violation_text
from pytest_tfsig.checks.reproduce import reproduction
from pytest_tfsig.checks.telling import parts
from pytest_tfsig.checks.untried import untried
from pytest_tfsig.contract import Feature, Signature, Tensor
from pytest_tfsig.errors import UsageError
from pytest_tfsig.strategies.examples import serialized
from tests.unit.checks.fakes import subject

F32 = np.float32


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array([1, 2.5], F32), "float32 [2] [1. , 2.5]"),
        (np.array(3), "int64 [] 3"),
        (np.zeros((0, 3), F32), "float32 [0, 3] (no values)"),
        (np.array([[1, 2], [3, 4]]), "int64 [2, 2]\n[[1, 2],\n [3, 4]]"),
        (np.array([b"a", "é"], object), "string [2] [b'a', 'é']"),
        (np.array([True]), "bool [1] [ True]"),
        (np.array([0.5], ml_dtypes.bfloat16), "bfloat16 [1] [0.5]"),
    ],
)
def test_arrays_are_written_with_dtype_shape_and_values(array, text):
    assert array_text(array) == text


def test_large_arrays_are_summarised_with_their_range():
    text = array_text(np.arange(201, dtype=F32))
    assert text.startswith("float32 [201]\n[  0.,   1.,   2., ..., 198., 199., 200.]\n")
    assert text.endswith("\n(201 values from 0 to 200, mean 100)")
    assert "values from" not in array_text(np.arange(200, dtype=F32))
    assert array_text(np.array([np.nan, *range(2000)])).endswith("(2,001 values from 0 to 1999, mean 999.5)")
    for array in (np.array([b"%d" % number for number in range(201)], object), np.arange(201, dtype=np.complex64)):
        assert array_text(array).endswith("\n(201 values)")


@pytest.mark.filterwarnings("error")
def test_large_arrays_without_a_mean_are_summarised_without_a_warning():
    assert array_text(np.array([np.nan] * 20 + [np.inf] * 200)).endswith("\n(220 values from inf to inf, mean inf)")
    assert array_text(np.array([np.inf] * 20 + [-np.inf] * 200)).endswith("\n(220 values from -inf to inf, mean nan)")


BUT = np.zeros((2, 8, 8, 3), F32)
BUT[1, 7, 7, 2], BUT[0, 0, 3, 0] = -1, 0.1


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((2, 16, 16, 3), np.uint8), "uint8 [2, 16, 16, 3], all 0"),
        (BUT, "float32 [2, 8, 8, 3], all 0.0 but\n[0, 0, 3, 0] = 0.1\n[1, 7, 7, 2] = -1.0"),
        (np.full(201, b"a", object), "string [201], all b'a'"),
        (np.array([b""] * 200 + [b"a"], object), "string [201], all b'' but\n[200] = b'a'"),
        (np.zeros(201, np.complex64), "complex64 [201], all 0j"),
        (np.array([True] * 300), "bool [300], all True"),
        (np.full(300, np.nan), "float64 [300], all nan"),
        (np.array([np.nan] * 300 + [1.0]), "float64 [301], all nan but\n[300] = 1.0"),
        (np.zeros(300, ml_dtypes.bfloat16), "bfloat16 [300], all 0"),
    ],
)
def test_what_a_search_made_all_alike_is_told_in_a_line(array, text):
    assert array_text(array) == text


def test_more_than_a_few_exceptions_are_no_line_each():
    array = np.zeros(300)
    array[:8] = 1
    assert array_text(array).count("\n") == 8
    array[8] = 1
    assert "..., " in array_text(array)


def test_lines_are_a_hundred_wide():
    lines = array_text(np.full(60, 1234567)).splitlines()[1:]
    assert max(map(len, lines)) == 99


@pytest.mark.parametrize(
    ("length", "end"), [(116, "a'"), (117, "a'"), (118, "… (118 bytes)"), (1500, "… (1,500 bytes)")]
)
def test_long_values_are_cut(length, end):
    text = inputs_text({"x": b"a" * length})
    assert text.startswith("x = b'aaa")
    assert text.endswith(end)
    assert len(text.partition("…")[0]) <= 4 + 120


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({}, "(no inputs)"),
        ({"x": np.array([1]), "s": "text"}, "x = int64 [1] [1]\ns = 'text'"),
        ({"x": np.array([[1], [2]])}, "x =\n  int64 [2, 1]\n  [[1],\n   [2]]"),
        ({"examples": [{"a": [1]}]}, "examples = [0] {'a': [1]}"),
        ({"examples": [1, 2]}, "examples =\n  [0] 1\n  [1] 2"),
        ({"other": [1, 2]}, "other = [1, 2]"),
        ({"examples": np.array([1])}, "examples = int64 [1] [1]"),
    ],
)
def test_inputs_are_written_one_after_the_other(inputs, text):
    assert inputs_text(inputs) == text


def test_a_long_example_is_cut():
    example = {f"feature {number}": [0.0] for number in range(100)}
    text = inputs_text({"examples": [example]})
    assert text.endswith("… (100 features)")
    assert len(text) == len("examples = [0] ") + 1000 + len("… (100 features)")
    assert inputs_text({"examples": [{"text": [b"a" * 900]}]}).endswith("a']}")


def serialized_example(**features):
    return serialized(features, {})


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ([serialized_example(a=[1])], "x =\n  string [1] of tf.Examples\n  [0] {'a': [1]}"),
        (
            [serialized_example(a=[1.5], b=[b"c"]), b"\xff"],
            "x =\n  string [2] of tf.Examples\n  [0] {'a': [1.5], 'b': [b'c']}\n  [1] b'\\xff'",
        ),
        ([], "x = string [0] (no values)"),
    ],
)
def test_serialized_examples_are_written_as_what_they_say(cells, text):
    array = np.array(cells, object)
    violation = Violation("wrong", {"x": array}, serialized=["x"])
    assert inputs_text({"x": array}, ["x"]) == text
    told = parts(violation)
    assert told["falsifying"] == {"x": text}
    assert textwrap.indent(text, "    ") in told["text"]
    assert told["inputs"]["x"]["shape"] == [len(cells)]
    if cells:
        assert told["inputs"]["x"]["dtype"] == "tf.Example"
        assert "string [" in inputs_text({"x": array})


def test_of_many_examples_ten_are_written():
    assert inputs_text({"examples": list(range(10))}).count("\n") == 10
    many = np.array([serialized_example(a=[1])] * 11, object)
    assert inputs_text({"x": many}, ["x"]).endswith("\n  [9] {'a': [1]}\n  … 11 examples")
    eleven = inputs_text({"examples": list(range(11))})
    assert eleven.endswith("\n  [9] 9\n  … 11 examples")


def test_places_are_written_as_lists():
    assert index_text((0, np.int64(3))) == "[0, 3]"
    assert index_text(()) == "[]"
    assert first_index(np.array([[False, False], [False, True]])) == (1, 1)


@pytest.mark.parametrize(("size", "large"), [(200, False), (201, True)])
def test_what_is_too_large_to_print(size, large):
    assert is_large({"a": np.zeros(1), "x": np.zeros(size)}) == large
    assert not is_large({"x": [0] * 999})


@pytest.mark.parametrize(("size", "large"), [(2000, False), (2001, True)])
def test_so_are_strings_of_many_bytes(size, large):
    strings = np.array([b"a" * 2000, b"b" * size], object)
    assert is_large({"a": np.zeros(1), "x": strings}) == large


def test_a_violation_is_written_in_full():
    violation = Violation("It is wrong", {"x": np.array([1])}, "this\nand this", "that", "word " * 30)
    violation.reproduction = Reproduction("tfsig serve", "curl it", "import x", "pytest it", "in.npz")
    assert (
        violation_text(violation)
        == str(violation)
        == (
            "It is wrong\n"
            "  smallest input that shows it:\n    x = int64 [1] [1]\n"
            "  expected:\n    this\n    and this\n"
            "  actual:\n    that\n"
            "  reproduce:\n    $ tfsig serve\n    $ curl it\n    import x\n    $ pytest it\n"
            "    inputs saved in in.npz\n"
            "  what to do:\n"
            f"    {'word ' * 19}word\n    {'word ' * 9}word"
        )
    )
    assert violation_text(Violation("It is wrong")) == "It is wrong"


def test_a_reproduction_has_the_parts_that_there_are():
    assert Reproduction(serve="a", npz="b").as_dict() == {"serve": "a", "npz": "b"}
    assert list(Reproduction("a", "b", "c", "d", "e").as_dict()) == ["serve", "curl", "python", "pytest", "npz"]


def test_the_parts_of_a_violation_are_told_apart():
    violation = Violation("wrong", {"x": np.array([1.0]), "n": np.array([2])}, "a", "b", "c", Reproduction(serve="s"))
    told = parts(violation)
    assert told["text"] == violation_text(violation)
    assert (told["expected"], told["actual"], told["advice"], told["reproduce"]) == ("a", "b", "c", {"serve": "s"})
    assert told["falsifying"] == {"x": "x = float64 [1] [1.]", "n": "n = int64 [1] [2]"}
    assert set(told["inputs"]) == {"x", "n"}


def again(inputs, *, method="predict", name="my model", saved_model="/m x/1", **settings):
    tensor = Tensor("string" if method != "predict" else "float32", ["batch"])
    signature = Signature("sig", method=method, inputs={"x": tensor}, outputs={})
    disk = saved_model and SimpleNamespace(path=Path(saved_model))
    judged = subject(None, signature, saved_model=disk, settings=settings, pytest_line="pytest t")
    judged.model.name = name
    return reproduction(judged, inputs)


def test_how_to_see_a_request_again():
    found = again({"x": np.array([0.1, 2], F32)})
    assert found.serve == "tfsig serve '/m x/1' --name 'my model'"
    assert shlex.split(found.curl) == [
        "curl", "-d", '{"signature_name":"sig","inputs":{"x":[0.1,2.0]}}',
        "http://localhost:8501/v1/models/my model:predict",
    ]  # fmt: skip
    assert found.python == (
        "import numpy as np\n"
        "from pytest_tfsig.clients import GrpcClient\n"
        "print(GrpcClient(\"localhost:8500\").predict('my model', {'x': np.array([0.1, 2.0], np.float32)}, "
        "signature='sig'))"
    )
    assert (found.pytest, found.npz) == ("pytest t", "")


@pytest.mark.parametrize(
    "found",
    [again(None), again({"x": np.zeros(1)}, saved_model=None), again({"x": np.zeros(1)}, hasty=True)],
    ids=["no request", "no files", "hasty"],
)
def test_where_only_the_test_can_be_run_again(found):
    assert found.as_dict() == {"pytest": "pytest t"}


@pytest.mark.parametrize(
    ("array", "literal"),
    [
        (np.array([0.1], np.float16), "np.array([0.1], np.float16)"),
        (np.array([0.1]), "np.array([0.1], np.float64)"),
        (np.array([0.5], ml_dtypes.bfloat16), "np.array([0.5], ml_dtypes.bfloat16)"),
        (np.array([True]), "np.array([True], np.bool_)"),
        (np.array([[1]], np.int8), "np.array([[1]], np.int8)"),
        (np.array([b"a"], object), "np.array([b'a'], object)"),
        (np.zeros((0, 2), F32), "np.array([], np.float32).reshape((0, 2))"),
        (np.array([np.nan, -np.inf], F32), "np.array([np.nan, -np.inf], np.float32)"),
    ],
)
def test_arrays_are_written_as_python(array, literal):
    lines = again({"x": array}).python.splitlines()
    assert f"{{'x': {literal}}}" in lines[-1]
    assert ("import ml_dtypes" in lines) == ("ml_dtypes" in literal)
    assert lines[-2:][0] == "from pytest_tfsig.clients import GrpcClient"


def test_examples_are_written_as_they_are():
    found = again({"examples": [{"a": [1.5], "b": [b"t"]}]}, method="regress")
    assert "regress('my model', [{'a': [1.5], 'b': [b't']}], signature='sig')" in found.python
    words = shlex.split(found.curl)
    assert json.loads(words[2]) == {"signature_name": "sig", "examples": [{"a": [1.5], "b": [{"b64": "dA=="}]}]}
    assert words[3].endswith(":regress")


@pytest.mark.parametrize("examples", [[object()], [3]])
def test_what_json_cannot_carry_has_no_curl_line(examples):
    assert again({"examples": examples}, method="classify").curl == ""


def test_large_inputs_are_loaded_from_a_file(tmp_path):
    folder = tmp_path / "deep" / "folder"
    inputs = {"x": np.zeros(201, F32), "s": np.array([b"a"], object)}
    found = again(inputs, files=folder)
    assert Path(found.npz).parent == folder
    assert Path(found.npz).name.startswith("inputs-")
    assert Path(found.npz).suffix == ".npz"
    assert found.curl == ""
    assert found.serve.startswith("tfsig serve")
    assert found.pytest == "pytest t"
    assert f"dict(np.load('{found.npz}', allow_pickle=True))" in found.python
    assert again(inputs, files=folder).npz == found.npz
    for changed in ({"x": np.ones(201, F32), "s": inputs["s"]}, {**inputs, "s": np.array([b"b"], object)},
                    {"z": inputs["x"], "s": inputs["s"]}):  # fmt: skip
        assert again(changed, files=folder).npz != found.npz
    alike = {"x": np.zeros(201, F32), "s": np.array([b"".join([b"a"] * 300)], object)}
    twin = {"x": np.zeros(201, F32), "s": np.array([b"".join([b"a"] * 300)], object)}
    assert again(alike, files=folder).npz == again(twin, files=folder).npz
    assert "allow_pickle" not in again({"x": np.zeros(201, F32)}, files=folder).python
    narrow = again({"x": np.zeros(201, ml_dtypes.bfloat16)}, files=folder).python
    assert "(saved := dict(np.load(" in narrow
    assert narrow.startswith("import ml_dtypes\nimport numpy as np\n")


def test_every_check_is_in_the_overview():
    known = checks.checks()
    lines = overview().splitlines()
    assert lines == [f"{name:<16}  {entry.holds_when}" for name, entry in known.items()]
    assert max(map(len, known)) == 16


def test_a_check_is_explained_with_its_options():
    text = explain("deterministic")
    assert text == (
        "deterministic: holds when the same request gives the same answer.\n\n"
        "Sends every drawn request twice.\n\n"
        "Options, in [signatures.NAME.checks]:\n"
        "  deterministic = { rtol = … }  (default: derived from dtype and magnitude)\n"
        "  deterministic = { atol = … }  (default: derived from dtype and magnitude)"
    )
    assert explain("rejects_invalid").endswith("  rejects_invalid = { strict = … }  (default: false)")
    assert "  no_slower = { tolerance = … }  (default: 0.1)\n" in explain("no_slower")
    assert "  swap = { slowest = … }  (default: '')" in explain("swap")
    assert explain("finite").endswith(
        "\n\nIt has no options; finite = false in [signatures.NAME.checks] switches it off."
    )


def test_a_users_check_needs_no_description(monkeypatch):
    checks.checks()
    monkeypatch.setattr(registry, "_CHECKS", dict(registry._CHECKS))
    checks.check("bare")(lambda *_: None)
    assert explain("bare") == (
        "bare: holds when bare.\n\nIt has no options; bare = false in [signatures.NAME.checks] switches it off."
    )


def test_known_causes_are_explained_where_servers_refuse():
    for name in ("loads", "outputs"):
        listed = explain(name).partition("Causes that are known by the server's words, and what to do:\n")[2]
        assert listed.startswith("    The SavedModel was written with tf.saved_model.save(keras_model)")
        assert all(line.startswith("    ") and len(line) <= 104 for line in listed.splitlines())
        assert " ".join(listed.split()) == " ".join(" ".join(cause.advice for cause in CAUSES).split())
    assert "Causes" not in explain("signature")


def test_a_check_that_there_is_not_cannot_be_explained():
    with pytest.raises(UsageError) as caught:
        explain("finte")
    assert str(caught.value).startswith("there is no check 'finte'; it is one of loads, signature, outputs, ")


@pytest.mark.parametrize("cause", CAUSES, ids=[cause.name for cause in CAUSES])
def test_causes_are_known_by_their_traces_in_any_case(cause):
    assert cause.name
    assert cause.advice[0].isupper()
    assert cause.traces.flags & re.IGNORECASE
    assert cause.traces.flags & re.DOTALL


def test_traces_may_lie_lines_apart():
    found = advice("/assets/words.txt; no such thing\nNO SUCH FILE OR DIRECTORY")
    assert found.startswith("A file that the graph reads is not in the SavedModel")
    assert advice("nothing that is known") == ""


SMALL = "only small integers were sent to"


def contract(**inputs):
    return Signature(inputs=inputs, outputs={})


@pytest.mark.parametrize(
    ("signature", "notes"),
    [
        (contract(x=Tensor("float32", ["batch"])), []),
        (
            contract(a=Tensor("int32", ["batch"]), b=Tensor("uint64", ["batch"], min=3), c=Tensor("int8", ["batch"])),
            [f"{SMALL} 'a' (0 to 9), 'b' (the first after min): state max to have its last ids tried"],
        ),
        (contract(a=Tensor("int64", ["batch"], max=5), b=Tensor("int64", ["batch"], values=[1])), []),
        (contract(a=Tensor("int64", ["batch"], vocabulary=[700])), []),
        (
            contract(a=Tensor("string", ["batch"]), b=Tensor("string", ["batch"], encoding="utf-8"),
                     c=Tensor("string", ["batch"], values=["x"]), d=Tensor("string", ["batch"], vocabulary=["x"]),
                     e=Tensor("string", ["batch"], image="png"), f=Tensor("string", ["batch"], strategy="m:f")),
            ["only made-up strings were sent to 'a', 'b': state values or vocabulary to have its words tried"],
        ),
        (
            contract(a=Tensor("float32", ["batch", "dim_1"]), b=Tensor("float32", ["batch", "dim_1"]),
                     c=Tensor("float32", ["dim_2"]), d=Tensor("float32", None)),
            [("inputs of unknown length were sent equally long: 'a' and 'b' (dim_1); name their sizes apart if they "
             "differ")],
        ),
        (contract(a=Tensor("float32", ["batch", "time"]), b=Tensor("float32", ["batch", "time"])), []),
        (
            contract(ids=Tensor("int64", ["batch", "time"]), mask=Tensor("int64", ["batch", "time"]),
                     length=Tensor("int32", ["batch"])),
            [f"{SMALL} 'ids' (0 to 9): state max to have its last ids tried"],
        ),
    ],
)  # fmt: skip
def test_what_the_draws_leave_out(signature, notes):
    assert untried(signature) == notes


def test_features_have_bounds_of_their_own():
    serialized = Tensor("string", ["batch"], features={"a": Feature("int64", [])})
    assert untried(contract(s=serialized)) == []
    assert inspect.getdoc(untried)
