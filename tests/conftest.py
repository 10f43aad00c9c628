"""What all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docker_image import docker_image
from tests.models import catalogue

pytest_plugins = ["pytester"]

__all__ = ["docker_image", "models"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def models() -> Callable[[str], Path]:
    """Gives the base directory of a test model by its name; what is missing is built."""
    return catalogue.base
