"""Writes docs/gallery.md: real failures in full, of the models that tests and benchmarks plant.

Run it from the root of the repository: `python -m scripts.gallery`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planted_bugs.building import SPECIMENS, built
from pytest_tfsig import Contract, Probabilities, Signature, Tensor
from pytest_tfsig.contract.writing import dumps
from tests.models import catalogue

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
HEAD = """\
# Failure gallery

What pytest shows when a model breaks its contract: real models with one defect each, served, judged and written down
by `python -m scripts.gallery`. Each failure says what is wrong, the smallest input that shows it, what was expected
and what came, how to see it again, and, where the cause is known, what to do.
"""
CLASSIFIER = Signature(
    inputs={"x": Tensor("float32", ["batch", 4], min=-2, max=2)},
    outputs={"probabilities": Probabilities("float32", ["batch", 3])},
)


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A model with a defect, and the check that says so."""

    model: str
    check: str
    title: str
    story: str
    contract: Signature | None = None


EXHIBITS = (
    Exhibit(
        "keras_without_export",
        "outputs",
        "Saved with the wrong function",
        "`tf.saved_model.save(keras_model)` with Keras 3. It loads, it is AVAILABLE, it answers in Python.",
    ),
    Exhibit(
        "renamed_output",
        "signature",
        "An output has another name",
        "Retrained with a layer renamed. Every caller that reads `probabilities` breaks.",
    ),
    Exhibit(
        "softmax_over_the_batch",
        "values",
        "Softmax over the wrong axis",
        "`tf.nn.softmax(logits, axis=0)`: right shape, right range, wrong sums.",
    ),
    Exhibit("division_by_norm", "finite", "NaN for a blank row", "`x / tf.norm(x)`, and a row of zeros."),
    Exhibit(
        "last_token_id",
        "outputs",
        "A vocabulary one too short",
        "Ids go up to 999, the table has 999 rows. No test sentence has had the last word in it.",
    ),
    Exhibit(
        "last_word_without_a_vector",
        "outputs",
        "A word without a vector",
        "500 words in the graph's table, 499 vectors. Made-up strings are all one unknown word to it; the contract "
        "states nothing, the words are read from the graph.",
    ),
    Exhibit("squeezed_batch_of_one", "outputs", "A batch of one loses its dimension", "`tf.squeeze` without an axis."),
    Exhibit(
        "batch_statistics",
        "batch_invariant",
        "Answers depend on who else asks",
        "Normalised with the statistics of the batch, as in training. Server-side batching mixes callers.",
    ),
    Exhibit("dropout_on", "deterministic", "Dropout is still on", "Exported with `training=True`."),
    Exhibit(
        "shared_scratch",
        "concurrent",
        "Two requests at a time disturb each other",
        "A `tf.Variable` used as scratch space: right for one request at a time.",
    ),
    Exhibit(
        "any_width",
        "rejects_invalid",
        "A request of the wrong shape is answered",
        "TensorFlow Serving does not compare shapes with the signature, and `tf.reduce_sum` takes any. "
        "This contract asks for a refusal (`strict = true`).",
    ),
    Exhibit(
        "warmup_of_another_width",
        "warmup",
        "Warmup requests of an older model",
        "The file was copied from a version whose input was one wider.",
    ),
    Exhibit(
        "classifier_aborts",
        "outputs",
        "A request brings the server down",
        "One input in a thousand reaches an op that aborts the process.",
        CLASSIFIER,
    ),
    Exhibit(
        "classifier",
        "latency",
        "Too slow",
        "A budget of a fiftieth of a millisecond for half of the requests, which no network stack keeps.",
        Signature(CLASSIFIER.name, CLASSIFIER.inputs, CLASSIFIER.outputs, latency=[{"p50": "20us"}]),
    ),
)


def exhibit(piece: Exhibit, folder: Path) -> str:
    """Judges one model and returns its part of the page."""
    planted = piece.contract is None
    base = built([piece.model])[piece.model] if planted else catalogue.base(piece.model)
    contract = SPECIMENS[piece.model].contract if piece.contract is None else piece.contract
    shutil.copytree(base, folder / "models" / piece.model)
    file = folder / f"{piece.model}.tfsig.toml"
    file.write_text(dumps(Contract({contract.name: contract}, Path("models", piece.model))))
    only = ["-k", piece.check, "--tfsig-server=embedded", "-p", "no:cacheprovider", "--color=no"]
    command = [sys.executable, "-m", "pytest", file.name, *only]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    shown = re.sub(r"/\S+/tfsig-\w+/models/", "/models/", _failure(output).replace(str(folder), "/home/you"))
    return f"## {piece.title}\n\n{piece.story} Found by `{piece.check}`.\n\n```text\n{shown}\n```\n"


def _failure(output: str) -> str:
    """Returns the failure itself: what stands between its title and pytest's summary."""
    lines = output.splitlines()
    try:
        first = next(i for i, line in enumerate(lines) if line.startswith("____"))
        last = next(i for i, line in enumerate(lines) if " served model contracts " in line)
    except StopIteration:
        raise SystemExit(f"nothing failed:\n{output}") from None
    return "\n".join(line.rstrip() for line in lines[first + 1 : last])


def main() -> None:
    """Writes the page."""
    with tempfile.TemporaryDirectory(prefix="tfsig-gallery-") as folder:
        parts = [exhibit(piece, Path(folder)) for piece in EXHIBITS]
    PAGE.write_text("\n".join([HEAD, *parts]), encoding="utf-8")
    print(f"{len(parts)} failures written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
