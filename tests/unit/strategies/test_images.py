"""Images are files that decoders read, with the pixels that were meant."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.strategies import draws
from pytest_tfsig.strategies.images import encode_png, images
from pytest_tfsig.strategies.jpeg import encode_jpeg
from pytest_tfsig.strategies.source import SeededSource, generator

DECODE = """
import sys, numpy as np, tensorflow as tf
with np.load(sys.argv[1]) as pairs:
    count = len(pairs.files) // 2
    for number in range(count):
        pixels, data = pairs[f"pixels{number}"], pairs[f"data{number}"].tobytes()
        decoded = tf.io.decode_image(data, dtype=tf.uint16 if pixels.dtype == np.uint16 else tf.uint8).numpy()
        assert decoded.shape == pixels.shape, (decoded.shape, pixels.shape)
        worst = int(np.abs(decoded.astype(int) - pixels.astype(int)).max())
        print(data[:4] == b"\\x89PNG", worst)
"""


def test_a_png_holds_its_pixels():
    pixels = generator(0).integers(256, size=(5, 7, 3), dtype=np.uint8)
    data = encode_png(pixels)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (7, 5)
    start = data.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", data[start - 8 : start - 4])
    rows = np.frombuffer(zlib.decompress(data[start : start + length]), np.uint8).reshape(5, 1 + 7 * 3)
    assert not rows[:, 0].any()
    np.testing.assert_array_equal(rows[:, 1:].reshape(5, 7, 3), pixels)


def test_tensorflow_reads_the_pixels_that_were_written(tmp_path):
    pytest.importorskip("tensorflow_serving", reason="TensorFlow is not installed")
    blocks = np.kron(generator(1).integers(256, size=(5, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    smooth = np.linspace(0, 255, 33 * 17).reshape(33, 17).astype(np.uint8)
    written = [
        *((array, encode_png(array)) for array in (blocks, blocks[:3, :5, :1], blocks[..., [0, 1]])),
        (np.dstack([blocks, blocks[..., :1]]), encode_png(np.dstack([blocks, blocks[..., :1]]))),
        (blocks.astype(np.uint16) * 257, encode_png(blocks.astype(np.uint16) * 257)),
        (blocks, encode_jpeg(blocks)),
        (blocks[:37, :45], encode_jpeg(blocks[:37, :45])),
        (smooth[..., None], encode_jpeg(smooth)),
        (blocks[:1, :1], encode_jpeg(blocks[:1, :1])),
    ]
    arrays = {}
    for number, (pixels, data) in enumerate(written):
        arrays |= {f"pixels{number}": pixels, f"data{number}": np.frombuffer(data, np.uint8)}
    np.savez(tmp_path / "pairs.npz", **arrays)
    command = [sys.executable, "-c", DECODE, str(tmp_path / "pairs.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    results = [line.split() for line in done.stdout.splitlines()]
    assert len(results) == len(written)
    for is_png, worst in results:
        # JPEG rounds; what it keeps of smooth images and of even blocks is close.
        assert int(worst) <= (0 if is_png == "True" else 8)


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8\xff")])
def test_an_input_of_images_holds_many_files_of_its_kind(kind, start):
    signature = Signature("s", {"image": Tensor("string", ["batch"], image=kind)}, {})
    seen = {data for inputs in draws(signature, 50, 0) for data in inputs["image"]}
    assert len(seen) > 30
    assert all(data.startswith(start) for data in seen)


def test_drawn_images_repeat_for_a_seed():
    kind = images("jpeg")
    first, second = (kind.make(SeededSource(generator(5))) for _ in range(2))
    assert first == second
