"""Inputs as data, and as pictures where they are some."""

from __future__ import annotations

import base64
import struct

import ml_dtypes
import numpy as np
import pytest

from pytest_tfsig.reports.inputs import LARGEST_PICTURE, as_data
from pytest_tfsig.strategies.images import encode_png
from pytest_tfsig.strategies.jpeg import encode_jpeg

GREY = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8, 1)


def told(value):
    return as_data({"x": value})["x"]


def size_of(uri):
    """Width and height of a PNG."""
    kind, _, file = uri.partition(";base64,")
    assert kind == "data:image/png"
    return struct.unpack(">II", base64.b64decode(file)[16:24])


@pytest.mark.parametrize(
    ("value", "dtype", "shape", "values"),
    [
        (np.float32([[1, 2.5]]), "float32", [1, 2], [[1.0, 2.5]]),
        (np.float64([np.nan, np.inf, -np.inf]), "float64", [3], ["nan", "inf", "-inf"]),
        (np.array([1.5], ml_dtypes.bfloat16), "bfloat16", [1], [1.5]),
        (np.array([True]), "bool", [1], [True]),
        (np.complex64([1 + 2j]), "complex64", [1], ["(1+2j)"]),
        (np.array([b"a\x00"], object), "string", [1], ["b'a\\x00'"]),
        (np.int64(7).reshape(()), "int64", [], 7),
        (np.zeros(201), "float64", [201], None),
        ([{"age": [np.float32(3)], "name": [b"x"]}, {}], "tf.Example", [2], [{"age": [3.0], "name": ["b'x'"]}, {}]),
    ],
)
def test_values(value, dtype, shape, values):
    assert told(value) == {"dtype": dtype, "shape": shape, "values": values, "pictures": []}


def test_a_long_text_is_cut():
    [text] = told(np.array([b"a" * 10**6], object))["values"]
    assert len(text) < 200


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 28, 28, 1), np.float32),
        np.ones((2, 8, 9, 3), np.float16),
        np.full((1, 8, 8, 3), 0.5, ml_dtypes.bfloat16),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((16, 16, 3), np.uint8),
    ],
    ids=str,
)
def test_pixels_become_pictures(image):
    batch = 1 if image.ndim == 3 else image.shape[0]
    height, width = image.shape[-3:-1]
    assert [size_of(uri) for uri in told(image)["pictures"]] == [(width, height)] * batch


@pytest.mark.parametrize(
    "array",
    [
        np.full((1, 28, 28, 1), 1.5, np.float32),
        np.full((1, 28, 28, 1), np.nan, np.float32),
        np.zeros((1, 28, 28, 2), np.float32),
        np.zeros((1, 4, 28, 3), np.float32),
        np.zeros((0, 28, 28, 3), np.float32),
        np.zeros((1, 30, 3), np.float32),
        np.zeros((28, 28), np.float32),
        np.zeros((1, 28, 28, 1), np.int32),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}-{array.ravel()[:1]}",
)
def test_other_numbers_do_not(array):
    assert told(array)["pictures"] == []


def test_values_of_pixels_are_their_brightness():
    [uri] = told((GREY / 255).astype(np.float32)[np.newaxis])["pictures"]
    assert base64.b64decode(uri.partition(",")[2]) == encode_png(GREY)


def test_pictures_are_few_and_small():
    large = np.random.default_rng(0).random((9, 1000, 600, 3)).astype(np.float32)
    pictures = told(large)["pictures"]
    assert [size_of(uri) for uri in pictures] == [(38, 63)] * 4
    assert max(map(len, pictures)) < LARGEST_PICTURE * 1.4


def test_image_files_are_taken_as_they_are():
    png, jpeg = encode_png(GREY), encode_jpeg(GREY[..., 0])
    pictures = told(np.array([png, jpeg, b"GIF89a", png + b"\x00" * LARGEST_PICTURE], object))["pictures"]
    assert [uri.partition(",")[0] for uri in pictures] == ["data:image/png;base64", "data:image/jpeg;base64"]
    assert base64.b64decode(pictures[1].partition(",")[2]) == jpeg
