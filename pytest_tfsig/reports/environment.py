"""The environment that a report was made in."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "pytest-tfsig",
    "pytest",
    "hypothesis",
    "numpy",
    "grpcio",
    "protobuf",
    "tensorflow",
    "tensorflow-serving-api",
    "testcontainers",
)
"""Those that bear on a verdict; the embedded server runs models with the installed `tensorflow`."""


def environment(seed: int | None) -> dict[str, Any]:
    """Returns the environment of this process as plain data.

    Args:
        seed: Of the draws, where the user gave one; None: derived from each model's digest.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "seed": seed,
        "packages": {package: found for package in PACKAGES if (found := _version(package)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
