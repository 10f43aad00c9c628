from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_tfsig import protos, tensors
from pytest_tfsig.clients.rest_values import (
    array_to_json,
    columns_from_json,
    decode,
    encode,
    example_to_json,
    rows_from_json,
    rows_to_json,
)
from pytest_tfsig.errors import UsageError
from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec

NUMBERS = ["bool", "int8", "int32", "int64", "uint8", "uint64", "float16", "float32", "float64", "bfloat16", "int4"]


def signature(**outputs):
    specs = {name: TensorSpec(name, dtype, shape, f"{name}:0") for name, (dtype, shape) in outputs.items()}
    return SignatureSpec("serving_default", "predict", {}, specs, frozenset(), None)


def there_and_back(array, dtype):
    document = decode(encode(array_to_json("x", array)))
    return columns_from_json(document, signature(y=(dtype, (None,) * array.ndim)))["y"]


@given(st.data(), st.sampled_from(NUMBERS))
def test_numbers_survive_bit_by_bit(data, name):
    dtype = tensors.dtype(name).numpy
    bits = data.draw(hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))
    with np.errstate(all="ignore"):
        array = (
            np.nan_to_num(bits, posinf=1, neginf=-1).clip(-7, 7).astype(dtype) if "int" in name else bits.astype(dtype)
        )
    back = there_and_back(array, name)
    assert back.dtype == array.dtype
    if array.size:
        assert back.shape == array.shape
        assert np.array_equal(back.astype(np.float64), array.astype(np.float64), equal_nan=True)
    else:
        assert back.size == 0
        assert back.ndim == array.ndim


@given(hnp.arrays(np.int64, 3), hnp.arrays(np.uint64, 3))
def test_64_bits_are_exact(signed, unsigned):
    assert there_and_back(signed, "int64").tolist() == signed.tolist()
    assert there_and_back(unsigned, "uint64").tolist() == unsigned.tolist()


@given(st.lists(st.binary() | st.text(st.characters(codec="utf-8"))))
def test_strings_survive_as_bytes_or_text(values):
    array = np.array([*values, None], dtype=object)[:-1]
    expected = [value.encode() if isinstance(value, str) else value for value in values]
    assert there_and_back(array, "string").tolist() == expected


@given(st.binary())
def test_an_output_that_is_not_utf8_keeps_its_bytes(raw):
    escaped = raw.replace(b"\\", b"").replace(b'"', b"")
    document = decode(b'["' + escaped + b'"]')
    assert columns_from_json(document, signature(y=("string", (None,))))["y"].tolist() == [escaped]


def test_bytes_outputs_come_as_base64():
    document = decode(b'[{"b64": "/wA="}]')
    assert columns_from_json(document, signature(y_bytes=("string", (None,))))["y_bytes"].tolist() == [b"\xff\x00"]


def test_bare_words_are_not_finite_numbers():
    values = columns_from_json(decode(b"[NaN, Infinity, -Infinity]"), signature(y=("float32", (None,))))["y"]
    assert np.isnan(values[0])
    assert values[1:].tolist() == [np.inf, -np.inf]
    assert encode([float("nan"), float("inf")]) == b"[NaN,Infinity]"


@pytest.mark.parametrize(
    ("text", "shape", "expected"),
    [(b"[]", (None, 10), (0, 10)), (b"[[], []]", (None, None), (2, 0)), (b"[]", (None,), (0,)), (b"[]", None, (0,))],
)
def test_an_empty_output_has_its_declared_rank(text, shape, expected):
    assert columns_from_json(decode(text), signature(y=("float32", shape)))["y"].shape == expected


def test_several_outputs_come_by_name_in_both_forms():
    both = signature(a=("int32", (None,)), b=("float32", (None, None)))
    columns = columns_from_json({"a": [1, 2], "b": [[1.0], [2.0]]}, both)
    rows = rows_from_json([{"a": 1, "b": [1.0]}, {"a": 2, "b": [2.0]}], both)
    for answer in (columns, rows):
        assert answer["a"].dtype == np.int32
        assert answer["b"].tolist() == [[1.0], [2.0]]


def test_an_undeclared_output_is_what_json_says():
    answer = columns_from_json({"n": [1], "s": ["a"]}, None)
    assert answer["n"].dtype == np.int64
    assert answer["s"].tolist() == [b"a"]


def test_rows_are_cut_from_all_inputs():
    assert rows_to_json({"a": np.array([1, 2]), "b": np.array([[1.5], [2.5]])}) == [
        {"a": 1, "b": [1.5]},
        {"a": 2, "b": [2.5]},
    ]


@pytest.mark.parametrize("arrays", [{"a": np.array(1)}, {"a": np.zeros(2), "b": np.zeros(3)}])
def test_what_has_no_rows_is_refused(arrays):
    with pytest.raises(UsageError, match="leading dimension"):
        rows_to_json(arrays)


def test_complex_numbers_are_refused():
    with pytest.raises(UsageError, match="'x' is complex64"):
        array_to_json("x", np.zeros(1, np.complex64))


def test_examples_keep_kind_and_point():
    example = protos.Example()
    example.features.feature["f"].float_list.value.append(1)
    example.features.feature["i"].int64_list.value.append(2**62)
    example.features.feature["s"].bytes_list.value.append(b"\xff")
    example.features.feature["none"].SetInParent()
    document = example_to_json(example)
    assert document == {"f": [1.0], "i": [2**62], "s": [{"b64": "/w=="}], "none": []}
    assert encode(document["f"]) == b"[1.0]"
