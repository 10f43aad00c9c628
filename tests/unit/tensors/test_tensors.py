import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfsig import protos, tensors
from pytest_tfsig.errors import TensorError

PLAIN = [entry for entry in tensors.DTYPES if not entry.name.startswith("q")]
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@st.composite
def arrays(draw, entries=tuple(PLAIN)):
    """(dtype entry, array) for every dtype of the wire, bit patterns and all."""
    entry = draw(st.sampled_from(entries))
    shape = draw(shapes)
    if entry.is_string:
        return entry, draw(hnp.arrays(object, shape, elements=st.binary(max_size=6), fill=st.nothing()))
    if entry.name == "bool":
        return entry, draw(hnp.arrays(bool, shape))
    if entry.numpy.kind == "V" and entry.is_integer:
        low, high = {"int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1), "uint2": (0, 3)}[entry.name]
        return entry, draw(hnp.arrays(np.int8, shape, elements=st.integers(low, high))).astype(entry.numpy)
    if entry.name == "float4_e2m1fn":
        return entry, draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 15))).view(entry.numpy)
    raw = draw(
        st.binary(min_size=math.prod(shape) * entry.numpy.itemsize, max_size=math.prod(shape) * entry.numpy.itemsize)
    )
    return entry, np.frombuffer(raw, entry.numpy).reshape(shape)


def assert_same(got, want):
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    if want.dtype == object:
        assert got.tolist() == want.tolist()
    else:
        with np.errstate(invalid="ignore"):
            same = (got == want) | ((got != got) & (want != want))  # noqa: PLR0124 - NaN of every dtype
        assert np.all(same)


@given(arrays(), st.booleans())
def test_round_trip(drawn, packed):
    entry, array = drawn
    if entry.field is None:
        packed = True
    proto = tensors.to_proto(array, packed=packed)
    assert proto.dtype == entry.number
    again = protos.TensorProto.FromString(proto.SerializeToString())
    assert_same(tensors.from_proto(again), array)


@given(arrays())
def test_packed_round_trip_keeps_every_bit(drawn):
    entry, array = drawn
    back = tensors.from_proto(tensors.to_proto(array))
    if not entry.is_string:
        assert back.tobytes() == array.tobytes()


@pytest.fixture(scope="module")
def tensor_util():
    """TensorFlow's own conversions, in the process that tests ours: 5 s, once."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow as tf
    return tf


NOT_IN_PYTHON_TENSORFLOW = {
    "int2",
    "uint2",
    "float4_e2m1fn",
    "float8_e4m3fnuz",
    "float8_e4m3b11fnuz",
    "float8_e5m2fnuz",
}
OFFICIAL = tuple(entry for entry in PLAIN if entry.name not in NOT_IN_PYTHON_TENSORFLOW)


# TensorFlow's own make_ndarray sets an array's dtype, which NumPy 2.5 deprecates.
@pytest.mark.filterwarnings("ignore:Setting the dtype on a NumPy array:DeprecationWarning")
def test_tensorflow_reads_what_we_write_and_we_read_what_it_writes(tensor_util):
    from tensorflow.core.framework import tensor_pb2

    @given(arrays(OFFICIAL), st.booleans())
    def law(drawn, packed):
        entry, array = drawn
        if not packed and (entry.field is None or entry.is_float or entry.is_complex):
            array = np.zeros(array.shape, array.dtype)
        ours = tensors.to_proto(array, packed=packed or entry.field is None)
        theirs = tensor_util.make_ndarray(tensor_pb2.TensorProto.FromString(ours.SerializeToString()))
        if entry.is_string:
            assert theirs.tolist() == array.tolist()
        else:
            assert theirs.astype(array.dtype).tobytes() == array.tobytes()
        written = tensor_util.make_tensor_proto(array, dtype=entry.number, shape=array.shape)
        assert_same(tensors.from_proto(protos.TensorProto.FromString(written.SerializeToString())), array)

    law()


@pytest.mark.parametrize("entry", [e for e in PLAIN if e.field], ids=lambda e: e.name)
def test_the_short_form_repeats_its_last_value(entry):
    two = tensors.to_proto(
        tensors.as_array(["a", "b"] if entry.is_string else np.array([0, 1]).astype(entry.numpy)), packed=False
    )
    two.tensor_shape.dim[0].size = 5
    values = tensors.from_proto(two).astype(object).tolist()
    assert values[1:] == [values[1]] * 4
    assert values[0] != values[1]


@pytest.mark.parametrize("entry", PLAIN, ids=lambda e: e.name)
def test_no_value_means_zeros_whatever_the_shape(entry):
    proto = protos.TensorProto(dtype=entry.number)
    for size in (2**20, 2**20):
        proto.tensor_shape.dim.add().size = size
    array = tensors.from_proto(proto)
    assert array.shape == (2**20, 2**20)
    assert array[7, 7] == (b"" if entry.is_string else np.zeros((), entry.numpy)[()])


def test_strings_packed_as_tensorflow_packs_them():
    proto = protos.TensorProto(dtype=7, tensor_content=b"\x01\x00\xc8\x01" + b"a" + b"b" * 200)
    proto.tensor_shape.dim.add().size = 3
    assert tensors.from_proto(proto).tolist() == [b"a", b"", b"b" * 200]


def proto_of(number, shape, **values):
    proto = protos.TensorProto(dtype=number, **values)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (proto_of(1, [2], tensor_content=b"1234567"), "has 7 bytes; float32 of shape .2. takes 8"),
        (proto_of(1, [-1]), "negative size"),
        (proto_of(1, [1] * 65), "has 65 dimensions; at most (64|32) can be read"),
        (proto_of(20, [1]), "no dtype that a tensor on the wire can have"),
        (proto_of(0, [1]), "no dtype that a tensor on the wire can have"),
        (proto_of(7, [2], tensor_content=b"\x01"), "does not hold 2 strings"),
        (proto_of(7, [2**40], tensor_content=b"\x01\x01ab"), "does not hold 1099511627776 strings"),
        (proto_of(1, [2**62, 2**62]), "too large"),
        (proto_of(1, [2**62], float_val=[1.0, 2.0]), "too large"),
        (protos.TensorProto(dtype=1, tensor_shape=protos.TensorShapeProto(unknown_rank=True)), "no rank"),
    ],
)
def test_an_unusable_message_is_one_sentence(proto, message):
    with pytest.raises(TensorError, match=message):
        tensors.from_proto(proto)


@pytest.mark.parametrize(
    ("values", "wanted", "message"),
    [
        ([[1], [2, 3]], None, "rectangular"),
        (["a"], "float32", "strings were given where float32 is wanted"),
        ([1.5], "int32", "float64 values were given where int32"),
        ([300], "uint8", "does not fit uint8"),
        ([2**64], "uint64", "does not fit uint64"),
        ([-1], "uint64", "does not fit uint64"),
        ([1], "bool", "int64 values were given where bool"),
        ([True], "float32", "bool values were given where float32"),
        ([1j], "float32", "complex128 values were given where float32"),
        ([None], "string", "element 0 of a string tensor is NoneType"),
        ([1], "flaot32", "no dtype that a tensor on the wire"),
        (np.array(["2020-01-01"], "datetime64[D]"), None, "no dtype that a tensor on the wire"),
    ],
)
def test_values_that_would_change_are_refused(values, wanted, message):
    with pytest.raises(TensorError, match=message):
        tensors.to_proto(values, wanted)


@pytest.mark.parametrize(
    ("values", "wanted", "back"),
    [
        ([2**64 - 1, 0], "uint64", [2**64 - 1, 0]),
        ([-(2**63), 2**63 - 1], "int64", [-(2**63), 2**63 - 1]),
        (["é", b"\xff"], "string", ["é".encode(), b"\xff"]),
        ([b"nul\0", b""], None, [b"nul\0", b""]),
        ([], "float32", []),
        (3, "int8", 3),
        ([1, 2], "float16", [1.0, 2.0]),
        (1e60, "float32", math.inf),
    ],
)
def test_lists_become_the_wanted_dtype(values, wanted, back):
    assert tensors.from_proto(tensors.to_proto(values, wanted)).tolist() == back


@given(st.integers(0, 200), st.sampled_from(["float32", "float64", "complex64", "complex128"]))
def test_short_and_long_fields_are_read_alike(count, name):
    array = np.arange(count, dtype=name)
    assert_same(tensors.from_proto(tensors.to_proto(array, packed=False)), array)
