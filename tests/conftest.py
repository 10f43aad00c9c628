"""What all tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.docker_image import docker_image
from tests.models import catalogue

pytest_plugins = ["pytester"]

__all__ = ["docker_image", "models"]

for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
    os.environ.pop(name, None)  # what the runs that are tested find wrong is nothing to annotate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def models() -> Callable[[str], Path]:
    """Gives the base directory of a test model by its name; what is missing is built."""
    return catalogue.base
