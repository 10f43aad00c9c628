"""Files that are no SavedModel: one clear error, soon, whatever they hold."""

import contextlib
import os
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_tfsig import savedmodel
from pytest_tfsig.errors import SavedModelError
from tests.unit.savedmodel.assemble import saved_model, signature, write

GRAPH = saved_model({name: signature() for name in ("a", "b", "serving_default")}).SerializeToString()


def file_with(content, name="saved_model.pb"):
    def make(base):
        (base / "1").mkdir()
        (base / "1" / name).write_bytes(content)
        return base

    return make


def fifo(base):
    (base / "1").mkdir()
    os.mkfifo(base / "1" / "saved_model.pb")
    return base


def directory(base):
    (base / "1" / "saved_model.pb").mkdir(parents=True)
    return base


def bound_socket(base):
    (base / "1").mkdir()
    # A socket's path has at most 107 bytes.
    with socket.socket(socket.AF_UNIX) as bound, contextlib.chdir(base / "1"):
        bound.bind("saved_model.pb")
    return base


def dangling_link(base):
    (base / "1").mkdir()
    (base / "1" / "saved_model.pb").symlink_to("nowhere")
    return base


def huge(base):
    (base / "1").mkdir()
    with (base / "1" / "saved_model.pb").open("wb") as file:
        file.write(b"\x08\x01\x12")
        file.truncate(2**40)
    return base


def huge_zeros(base):
    (base / "1").mkdir()
    with (base / "1" / "saved_model.pb").open("wb") as file:
        file.truncate(2**30)
    return base


def a_file(base):
    (base / "model.keras").write_bytes(b"PK")
    return base / "model.keras"


def base_path_inside(base):
    (base / "digits" / "7").mkdir(parents=True)
    (base / "digits" / "7" / "saved_model.pb").touch()
    return base


def misnamed(base):
    write(base, saved_model(), "first")
    return base


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda base: base / "missing", "missing: no such directory; give a SavedModel or a base path"),
        (lambda _: "", "path is empty"),
        (lambda _: "a\0b", "cannot be read"),
        (lambda _: "gs://bucket/model", "only directories of this machine"),
        (
            a_file,
            r"model.keras: a file, but a SavedModel is a directory; load it with Keras, .*model.export\(directory\)",
        ),
        (lambda base: base, r"neither a SavedModel .* nor a base path .* export a model there"),
        (
            base_path_inside,
            r'neither .* nor a base path .* but "digits" in it is a base path: give .*/digits\.',
        ),
        (misnamed, '"first" in it is a SavedModel: give that, or rename it to a version number'),
        (lambda base: (base / "1").mkdir() or base, r"1: no saved_model.pb is there"),
        (lambda base: (base / "1").mkdir() or base / "1", "1: this version holds no saved_model.pb"),
        (file_with(b""), "saved_model.pb: empty; the export was cut short"),
        (file_with(b"PK\x03\x04...."), r"first byte is 0x50; it looks like a .keras or other zip archive"),
        (file_with(b"\x89HDF\r\n"), "it looks like an HDF5 file"),
        (file_with(b"version https://git-lfs.github.com/spec/v1\n"), "git-lfs pointer; run git lfs pull"),
        (file_with(b"garbage"), "not a SavedModel: its first byte is 0x67"),
        (file_with(GRAPH[: len(GRAPH) // 2]), r"truncated: its graph has \d+ bytes but only \d+ are there"),
        (file_with(GRAPH[:-1] + b"\xff"), "truncated or not a SavedModel: protobuf cannot decode"),
        (file_with(b"\x08\x01"), "holds no graph, so it is truncated or not a SavedModel"),
        (file_with(b"meta_graphs {", "saved_model.pbtxt"), "not a SavedModel in protobuf text format: .*Expected"),
        (file_with(b"\xff", "saved_model.pbtxt"), "not a SavedModel in protobuf text format"),
        (file_with(b"", "saved_model.pbtxt"), "saved_model.pbtxt: empty"),
        (file_with(b"meta_graphs {" * 5000, "saved_model.pbtxt"), "not a SavedModel in protobuf text format"),
        (fifo, "not a regular file but a fifo"),
        (directory, "not a regular file but a directory"),
        (bound_socket, "saved_model.pb: "),
        (dangling_link, "cannot be read: No such file or directory"),
        (huge, r"1099511627776 bytes is more than a SavedModel can have"),
        (huge_zeros, "first byte is 0x0"),
    ],
)
def test_each_is_one_clear_error_that_names_the_path(tmp_path, make, message):
    started = time.monotonic()
    with pytest.raises(SavedModelError, match=message):
        savedmodel.read(make(tmp_path))
    assert time.monotonic() - started < 30  # a hang is the failure, whatever the machine's speed


def test_an_unreadable_directory(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    write(tmp_path, saved_model()).chmod(0)
    with pytest.raises(SavedModelError, match="Permission denied"):
        savedmodel.read(tmp_path)


def refused_or_none(base):
    try:
        savedmodel.read(base)
    except SavedModelError as error:
        return str(error)
    return None


@st.composite
def mutations(draw):
    content = bytearray(GRAPH)
    for _ in range(draw(st.integers(0, 4))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    start = draw(st.integers(0, 8))
    return bytes(content[start : draw(st.integers(start, len(content)))])


@given(content=mutations() | st.binary(max_size=64) | st.binary(max_size=64).map(lambda tail: b"\x08\x01\x12" + tail))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    base = file_with(content)(tmp_path_factory.mktemp("model"))
    assert refused_or_none(base) is None or "saved_model.pb" in refused_or_none(base)


@given(text=st.text(max_size=60) | st.text("{}[]<>:;,\"'\\#- \nmeta_graphs tags 019", max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    base = file_with(text.encode("utf-8", "surrogatepass"), "saved_model.pbtxt")(tmp_path_factory.mktemp("model"))
    assert refused_or_none(base) is None or "saved_model.pbtxt" in refused_or_none(base)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("m.h5", "load it with Keras"),
        ("m.KERAS", "load it with Keras"),
        ("m.tflite", "a TFLite model cannot be turned back"),
        ("m.onnx", "TensorFlow Serving serves no ONNX"),
        ("frozen.pb", "a frozen graph has no signatures"),
        ("m.txt", "give the directory that holds saved_model.pb"),
    ],
)
def test_a_file_of_another_format_is_told_how_to_export(tmp_path, name, advice):
    (tmp_path / name).write_bytes(b"\x1c\x00\x00\x00TFL3")
    with pytest.raises(SavedModelError, match=f"{name}: a file, but a SavedModel is a directory; {advice}"):
        savedmodel.resolve(tmp_path / name)


@pytest.mark.parametrize("name", ["m.h5", "m.tflite"])
@pytest.mark.parametrize("folder", [".", "1"])
def test_a_folder_that_holds_another_format_is_told_so(tmp_path, name, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / name).touch()
    with pytest.raises(SavedModelError, match=f'"{name}" in it is none: '):
        savedmodel.resolve(tmp_path / folder)


@pytest.mark.parametrize("name", ["m.tflite", "m.onnx", "frozen.pb", None])
def test_no_advice_has_a_keras_model_saved_as_what_fails_every_request(tmp_path, name):
    if name is not None:
        (tmp_path / name).touch()
    with pytest.raises(SavedModelError, match=r"with tf\.saved_model\.save\(\) where no Keras model is in it\.$"):
        savedmodel.resolve(tmp_path)
