from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfsig import protos
from pytest_tfsig.model_server import predict_wire, wire


@given(hnp.arrays(np.int64, st.integers(0, 80)))
def test_varints_are_what_protobuf_writes(values):
    packed = protos.TensorProto.FromString(wire.delimited(10, wire.varints(values)))
    assert list(packed.int64_val) == values.tolist()
    assert packed.SerializeToString() == protos.TensorProto(int64_val=values.tolist()).SerializeToString()


@given(hnp.arrays(np.uint64, st.integers(0, 80)))
def test_unsigned_varints_are_what_protobuf_writes(values):
    packed = protos.TensorProto.FromString(wire.delimited(17, wire.varints(values)))
    assert list(packed.uint64_val) == values.tolist()


@given(st.lists(st.integers(0, 2**62), max_size=300))
def test_shapes_are_what_protobuf_writes(sizes):
    message = protos.TensorShapeProto()
    for size in sizes:
        message.dim.add(size=size)
    assert wire.shape(sizes) == message.SerializeToString()


@given(st.binary(max_size=60))
def test_fields_of_anything_end(data):
    try:
        found = list(wire.fields(memoryview(data)))
    except (IndexError, KeyError):
        return
    assert all(0 <= start < payload <= end <= len(data) for _, start, payload, end in found)
    assert not found or found[-1][3] == len(data)


def request(**contents: bytes) -> object:
    message = protos.PredictRequest()
    message.model_spec.name = "m"
    message.output_filter.append("y")
    for alias, content in contents.items():
        message.inputs[alias].dtype = 3
        message.inputs[alias].tensor_shape.dim.add(size=len(content) // 4)
        message.inputs[alias].tensor_content = content
    return message


@pytest.mark.parametrize("sizes", [{}, {"a": 8}, {"a": 70_000}, {"a": 8, "b": 70_000, "c": 200_000}])
def test_large_contents_stay_where_they_are(sizes):
    whole = request(**{alias: bytes(size) for alias, size in sizes.items()})
    parsed = predict_wire.parse(whole.SerializeToString())
    assert {alias: len(content) for alias, content in parsed.contents.items()} == {
        alias: size for alias, size in sizes.items() if size > 60_000
    }
    for alias, content in parsed.contents.items():
        assert not parsed.message.inputs[alias].tensor_content
        parsed.message.inputs[alias].tensor_content = bytes(content)
    assert parsed.message == whole


@pytest.mark.parametrize(
    "twist",
    [
        lambda data: data + data,  # an alias given twice
        lambda data: b"\x12\x00" + data,  # an entry without key and value
        lambda data: data + b"\x12\xf0\xa2\x04" + b"\x0a\x01b" + b"\x12" + b"\xea\xa2\x04" + bytes(70_000),
    ],
)
def test_what_is_not_plain_is_protobufs_to_read(twist):
    data = twist(request(a=bytes(70_000)).SerializeToString())
    try:
        expected = protos.PredictRequest.FromString(data)
    except predict_wire.DecodeError:
        with pytest.raises(predict_wire.DecodeError):
            predict_wire.parse(data)
        return
    parsed = predict_wire.parse(data)
    for alias, content in parsed.contents.items():
        parsed.message.inputs[alias].tensor_content = bytes(content)
    assert parsed.message == expected
