"""What all tests share."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

from tests.docker_image import docker_image
from tests.models import catalogue

pytest_plugins = ["pytester"]

__all__ = ["docker_image", "models"]

for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
    os.environ.pop(name, None)  # what the runs that are tested find wrong is nothing to annotate

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C, and so would whatever tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test of ours asserts how fast anything is: a busy machine must not fail one.
settings.register_profile("untimed", deadline=None)
# A mutant is killed by any failure, and killed again by the same: nothing is shrunk, nothing remembered.
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("untimed")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def models() -> Callable[[str], Path]:
    """Gives the base directory of a test model by its name; what is missing is built."""
    return catalogue.base
