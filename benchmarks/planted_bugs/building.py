"""Builds specimens in one process that has TensorFlow, and keeps them for the next run."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from benchmarks.planted_bugs.inferred import INFERRED
from benchmarks.planted_bugs.rounding import ROUNDING
from benchmarks.planted_bugs.shapes import SHAPES
from benchmarks.planted_bugs.sound import SOUND
from benchmarks.planted_bugs.specimens import save
from benchmarks.planted_bugs.states import STATES
from benchmarks.planted_bugs.values import VALUES

if TYPE_CHECKING:
    from benchmarks.planted_bugs.specimens import Specimen

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_CACHE = _ROOT / ".cache" / "planted_bugs"

SPECIMENS: dict[str, Specimen] = {
    specimen.name: specimen
    for collection in (SHAPES, VALUES, STATES, SOUND, ROUNDING, INFERRED)
    for specimen in collection.specimens
}


def built(names: list[str]) -> dict[str, Path]:
    """Returns the base directories of specimens; what is missing is built."""
    paths = {name: _CACHE / _digest(SPECIMENS[name]) / name for name in names}
    _CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(_CACHE.with_suffix(".lock")):
        missing = [name for name, path in paths.items() if not path.is_dir()]
        if missing:
            subprocess.run(
                [sys.executable, "-m", "benchmarks.planted_bugs.building", *missing],
                cwd=_ROOT,
                env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"},
                check=True,
            )
    return paths


def _digest(specimen: Specimen) -> str:
    """Returns a digest of the modules that a specimen's builder is written in."""
    files = [Path(inspect.getfile(specimen.build)), _HERE / "specimens.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def main(names: list[str]) -> None:
    import tensorflow as tf

    for name in names:
        folder = _CACHE / _digest(SPECIMENS[name])
        unfinished = folder / f"unfinished-{name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        save(tf, SPECIMENS[name], unfinished)
        unfinished.rename(folder / name)


if __name__ == "__main__":
    main(sys.argv[1:])
