"""What tests need of a machine beyond Python."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip a test that cannot run on this machine; in CI, which must have all that tests need, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have what this test needs. {reason}")
    pytest.skip(reason)


def need_commands(*names: str) -> None:
    """Let a test run only where there are these commands."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        unavailable(f"There is no {' and no '.join(missing)} on PATH.")
