"""The engine on a real SavedModel, in this process: the libraries are loaded, the `tensorflow` package is not."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING

import google.protobuf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfsig import protos, tensors
from pytest_tfsig.errors import ServerError
from pytest_tfsig.model_server import c_api, engine
from pytest_tfsig.model_server.engine import _Plan
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64"]
NUMBERS += ["uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"]


@pytest.fixture(scope="module")
def session(models: Callable[[str], Path]) -> engine.Session:
    return engine.Session.load(models("echo") / "1")


def ends(session: engine.Session, signature: str) -> tuple[str, str]:
    definition = session.signatures[signature]
    return definition.inputs["x"].name, definition.outputs["y"].name


@pytest.mark.parametrize("form", ["array", "proto", "fields", "bytes"])
@pytest.mark.parametrize("dtype", NUMBERS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_dtype_passes_unchanged(session, dtype, form, data):
    entry = tensors.dtype(dtype)
    bits = data.draw(hnp.arrays(np.uint8, (data.draw(st.integers(0, 20)), entry.numpy.itemsize)))
    array = bits.astype(bool).reshape(-1) if dtype == "bool" else bits.view(entry.numpy).reshape(-1)
    if int(google.protobuf.__version__.partition(".")[0]) < 7 and dtype in {"float32", "complex64"}:
        with np.errstate(all="ignore"):  # protobuf before 7 makes a Python float of each: no NaN signals after that
            array = array.astype(np.result_type(array, np.float64)).astype(array.dtype)
    value = {
        "array": lambda: array,
        "proto": lambda: tensors.to_proto(array),
        "fields": lambda: tensors.to_proto(array, packed=False),
        "bytes": lambda: tensors.to_proto(array).SerializeToString(),
    }[form]()
    feed, fetch = ends(session, dtype)
    (result,) = session.run({feed: value}, [fetch])
    assert result.dtype == array.dtype
    np.testing.assert_array_equal(result.view(np.uint8), array.view(np.uint8))
    (answer,) = session.answer({feed: value}, [fetch])
    np.testing.assert_array_equal(
        tensors.from_proto(protos.TensorProto.FromString(b"".join(answer))).view(np.uint8), array.view(np.uint8)
    )


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.binary(max_size=60)))
def test_strings_of_every_length_pass_unchanged(session, values):
    array = np.empty(len(values), object)
    array[:] = values
    feed, fetch = ends(session, "string")
    (result,) = session.run({feed: array}, [fetch])
    assert result.tolist() == values
    (answer,) = session.answer({feed: array}, [fetch])
    assert list(protos.TensorProto.FromString(b"".join(answer)).string_val) == values


def test_an_output_keeps_its_memory(session):
    feed, fetch = ends(session, "float32")
    (result,) = session.run({feed: np.arange(100_000, dtype=np.float32)}, [fetch])
    part = result[10:20]
    del result
    gc.collect()
    for _ in range(20):
        session.run({feed: np.zeros(100_000, np.float32)}, [fetch])
    assert part.tolist() == list(range(10, 20))
    with pytest.raises(ValueError, match="read-only"):
        part[0] = 1


def test_outputs_are_freed(session):
    feed, fetch = ends(session, "float32")
    (result,) = session.run({feed: np.ones(3, np.float32)}, [fetch])
    owner = result
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    freed = weakref.ref(owner)
    del result, owner
    gc.collect()
    assert freed() is None


def test_many_threads_run_one_session(session):
    feed, fetch = ends(session, "int32")
    wrong = []

    def run(number: int) -> None:
        for _ in range(200):
            (result,) = session.run({feed: np.full(5, number, np.int32)}, [fetch])
            if result.tolist() != [number] * 5:
                wrong.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


MISSING = ", specified in either feed_devices or fetch_devices was not found in the Graph"


@pytest.mark.parametrize(
    ("feeds", "fetches", "code", "said"),
    [
        ({"nothing:1": np.ones(1)}, ["Identity:0"], Code.INVALID_ARGUMENT, f"Tensor nothing:1{MISSING}"),
        ({}, ["nothing"], Code.INVALID_ARGUMENT, f"Tensor nothing:0{MISSING}"),
        ({}, ["a:b"], Code.INVALID_ARGUMENT, f"Tensor a:b:0{MISSING}"),
        ({"serving_default_x:0": np.ones(1)}, None, Code.INVALID_ARGUMENT, "to be float but double is provided"),
        ({}, None, Code.INVALID_ARGUMENT, "You must feed a value for placeholder"),
    ],
)
def test_runs_that_fail_say_what_tensorflow_says(session, feeds, fetches, code, said):
    fetches = fetches or [ends(session, "serving_default")[1]]
    with pytest.raises(StatusError) as refused:
        session.run(feeds, fetches)
    assert refused.value.code is code
    assert said in refused.value.message


def test_a_directory_without_a_savedmodel(tmp_path):
    with pytest.raises(StatusError) as refused:
        engine.Session.load(tmp_path)
    assert refused.value.code is Code.NOT_FOUND
    assert "Could not find SavedModel .pb or .pbtxt at supplied export directory path" in refused.value.message


def test_tags_that_are_not_there(models):
    with pytest.raises(StatusError, match=r"Could not find meta graph def matching supplied tags: \{ other \}"):
        engine.Session.load(models("echo") / "1", ("other",))


def test_no_tensorflow(monkeypatch):
    monkeypatch.setattr(c_api.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ServerError, match=r"install `pytest-tfsig\[embedded\]`"):
        c_api.package_directory()


def test_a_wheel_without_the_c_api(tmp_path):
    with pytest.raises(ServerError, match=r"needs a wheel of TensorFlow 2\.16 to 2\.21 for Linux or macOS"):
        c_api._libraries(tmp_path)


def test_short_runs_that_often_fail_are_not_timed():
    """TensorFlow keeps some memory of each timed run that fails; a run that may hang must be timed all the same."""
    plan = _Plan([], [])
    for _ in range(200):
        plan.note(1e-4, failed=False)
    assert plan.is_short
    assert plan.is_timed
    plan.note(1e-4, failed=True)
    assert not plan.is_timed
    plan.note(60.0, failed=True)
    assert not plan.is_short
    assert plan.is_timed
    for _ in range(200):
        plan.note(1e-4, failed=False)
    assert plan.is_short
    assert plan.is_timed
