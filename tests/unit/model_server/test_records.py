from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.model_server import records
from pytest_tfsig.model_server.status import Code, StatusError


@given(data=st.lists(st.binary(max_size=50)))
def test_what_is_written_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("records") / "file"
    records.write(path, data)
    assert list(records.read(path)) == data


def test_one_record_byte_for_byte(tmp_path):
    records.write(tmp_path / "file", [b"123456789"])
    content = (tmp_path / "file").read_bytes()
    assert content[:8] == (9).to_bytes(8, "little")
    assert content[12:21] == b"123456789"
    # CRC-32C of "123456789" is the standard's check value, 0xE3069283; TFRecord rotates it by 15 and adds a constant
    rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    assert content[21:] == ((rotated + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda _: b"hello world this is no record", "corrupted record at 0 (Is this even a TFRecord file?)"),
        (lambda data: data[:20] + b"x" + data[21:], "corrupted record at 12"),
        (lambda data: data[:50], "truncated record at 0' failed with Read less bytes than requested"),
        (lambda data: data[:-6] + b"x" + data[-5:], "corrupted record at 128"),
    ],
)
def test_damage_is_told_as_tensorflow_tells_it(tmp_path, damage, said):
    path = tmp_path / "file"
    records.write(path, [b"a" * 100, b"b" * 5])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StatusError) as lost:
        list(records.read(path))
    assert (lost.value.code, lost.value.message) == (Code.DATA_LOSS, said)


@pytest.mark.parametrize("kept", [0, 5, 11, 121])
def test_a_header_that_is_cut_short_is_the_end(tmp_path, kept):
    path = tmp_path / "file"
    records.write(path, [b"a" * 100, b"b" * 5])
    path.write_bytes(path.read_bytes()[:kept])
    assert len(list(records.read(path))) == (1 if kept > 12 else 0)
