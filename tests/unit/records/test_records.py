"""TFRecord files: what is written is read, and what is damaged is said to be."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig import records
from pytest_tfsig.errors import RecordError

# Two records, b"one" and b"", as TensorFlow's tf.io.TFRecordWriter writes them.
TENSORFLOWS = bytes.fromhex("0300000000000000b099490e6f6e6501405508000000000000000029039807d8ea82a2")


@given(content=st.lists(st.binary(max_size=300), max_size=5))
def test_what_is_written_is_read(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("records") / "file"
    records.write(file, content)
    assert list(records.read(file)) == content


def test_tensorflow_writes_the_same(tmp_path):
    records.write(tmp_path / "file", [b"one", b""])
    assert (tmp_path / "file").read_bytes() == TENSORFLOWS


@given(place=st.integers(0, len(TENSORFLOWS) - 1), bit=st.integers(0, 7))
def test_every_flipped_bit_is_noticed(tmp_path_factory, place, bit):
    damaged = bytearray(TENSORFLOWS)
    damaged[place] ^= 1 << bit
    file = tmp_path_factory.mktemp("records") / "file"
    file.write_bytes(damaged)
    with pytest.raises(RecordError, match=r"corrupted record|truncated record"):
        list(records.read(file))


@pytest.mark.parametrize("length", [length for length in range(1, len(TENSORFLOWS)) if length != 19])
def test_every_cut_is_noticed(tmp_path, length):
    file = tmp_path / "file"
    file.write_bytes(TENSORFLOWS[:length])
    with pytest.raises(RecordError, match=r"truncated record at (0|19)'") as caught:
        list(records.read(file))
    assert str(caught.value).startswith(str(file))


def test_a_length_beyond_memory_is_a_cut_file(tmp_path):
    head = struct.pack("<Q", 2**40)
    file = tmp_path / "file"
    file.write_bytes(head + struct.pack("<I", records._masked_checksum(head)) + b"short")
    with pytest.raises(RecordError, match="truncated record at 0"):
        list(records.read(file))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "file"
    records.write(file, [b"old"])

    def breaks():
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        records.write(file, breaks())
    assert list(records.read(file)) == [b"old"]
    assert list(tmp_path.iterdir()) == [Path(file)]
