"""Damaged models, contracts and recordings: an error in bounded time and memory, whatever was done to them."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest

from pytest_tfsig import savedmodel
from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import SavedModelError, TfsigError
from pytest_tfsig.serving import ManagedServer, ServedModel
from pytest_tfsig.serving.embedded import EmbeddedRunner
from tests.hostile import damaged_model

pytestmark = pytest.mark.slow

CONTRACT = """
model = "m"
[signatures.serving_default]
method = "predict"
[signatures.serving_default.inputs.x]
dtype = "float32"
shape = ["batch", "?", 3]
min = -1.0
values = [0.5, 1e3]
[signatures.serving_default.outputs.y]
probabilities = { axis = -1, atol = 1e-5 }
[signatures.serving_default.dims]
batch = [1, 64]
[[signatures.serving_default.latency]]
p99 = "25ms"
[signatures.serving_default.checks]
batch_invariant = { rtol = 1e-4 }
"""
WARMUP = "assets.extra/tf_serving_warmup_requests"


@pytest.mark.parametrize(
    ("kind", "name", "count"),
    [
        ("model", "vocabulary", 500),
        ("model", "parse_specs", 500),
        ("model", "keras_exported", 500),
        ("contract", None, 2000),
        ("recording", "vocabulary", 2000),
    ],
)
def test_what_is_damaged_is_read_or_refused(models, tmp_path, kind, name, count):
    """In a process of its own, which 20 seconds for one file or 3 GiB would end."""
    source = tmp_path / "sound"
    if kind == "contract":
        source.write_text(CONTRACT)
    else:
        version = models(name) / "1"
        source = version / WARMUP if kind == "recording" else version
    folder = tmp_path / "damaged"
    folder.mkdir()
    words = [sys.executable, "-m", "tests.hostile_reader", kind, str(source), str(folder), "0", str(count)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout == f"read {count}, 0 bad\n", done.stdout + done.stderr
    assert done.returncode == 0


def test_what_is_damaged_is_served_or_refused(models, tmp_path):
    """TensorFlow may die of a damaged graph: then its server does, and the next model finds another."""
    source = models("vocabulary") / "1"
    request = {
        name: np.full((1,), b"a", object) for name in savedmodel.read(source).signatures["serving_default"].inputs
    }
    server = ManagedServer.launch(EmbeddedRunner(), timeout=30)
    judged = {"served": 0, "refused": 0}
    try:
        for seed in range(150):
            damaged_model(source, tmp_path / str(seed), seed)
            model = ServedModel(server, "m", version=seed + 1, timeout=10)
            try:
                server.add("m", seed + 1, tmp_path / str(seed))
                model.predict(request)
                judged["served"] += 1
            except (TfsigError, ServingError):
                judged["refused"] += 1
            finally:
                model.close()
                server.revive()
                server.remove("m")
    finally:
        server.stop()
    assert sum(judged.values()) == 150
    assert min(judged.values()) > 20


@pytest.mark.parametrize("linked", ["saved_model.pb", WARMUP])
def test_nothing_outside_the_model_s_directory_is_read(models, tmp_path, linked):
    shutil.copytree(models("vocabulary") / "1", tmp_path / "1")
    outside = tmp_path / "outside"
    (tmp_path / "1" / linked).replace(outside)
    (tmp_path / "1" / linked).symlink_to(outside)
    with pytest.raises(SavedModelError, match="a link out of the model's directory"):
        savedmodel.read(tmp_path / "1")
    before = savedmodel.digest(tmp_path / "1")
    outside.write_bytes(b"something else")
    assert savedmodel.digest(tmp_path / "1") == before
