"""Finds the builders of all test models, and builds what a cache lacks."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
CACHE = _ROOT / ".cache" / "models"
_NOT_AREAS = {"__init__", "__main__", "catalogue"}


def builders() -> dict[str, Callable[[Path], None]]:
    """Every model's builder by its name."""
    found: dict[str, Callable[[Path], None]] = {}
    for area in _areas():
        table: Mapping[str, Callable[[Path], None]] = _import(area).MODELS
        if clash := table.keys() & found.keys():
            raise ValueError(f"tests/models/{area}.py: these models are built elsewhere, too: {sorted(clash)}")
        found.update(table)
    return found


def base(name: str) -> Path:
    """A model's base directory, built now if nobody built it with this TensorFlow since its module was last changed.

    Raises:
        LookupError: No module of this package builds it.
        RuntimeError: The build failed; its output is in the message.
    """
    for area in _areas():
        if name in _import(area).MODELS:
            return _built(name, area)
    raise LookupError(f"no module in tests/models builds {name!r}; there are {', '.join(sorted(builders()))}")


def _areas() -> list[str]:
    return sorted(path.stem for path in _HERE.glob("*.py") if path.stem not in _NOT_AREAS)


def _import(area: str):
    return importlib.import_module(f"tests.models.{area}")


def _built(name: str, area: str) -> Path:
    cache = CACHE / f"{area}-{_digest(area)}"
    if (cache / name).is_dir():
        return cache / name
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache.with_suffix(".lock")):
        if not (cache / name).is_dir():
            # the whole area at once: nearly all of the time goes into importing TensorFlow
            missing = [model for model in _import(area).MODELS if not (cache / model).is_dir()]
            _build(cache, missing)
    return cache / name


def _digest(area: str) -> str:
    """Of all that makes the models: the area's module, and TensorFlow, of which another environment has another."""
    source = (_HERE / f"{area}.py").read_bytes() + version("tensorflow").encode()
    return hashlib.sha256(source).hexdigest()[:16]


def _build(cache: Path, names: list[str]) -> None:
    unfinished = cache / f"unfinished-{os.getpid()}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.models", unfinished, *names],
        cwd=_ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2", "COVERAGE_PROCESS_START": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise RuntimeError(f"building {', '.join(names)} failed:\n{done.stdout}")
    for name in names:
        (unfinished / name).rename(cache / name)
    unfinished.rmdir()
