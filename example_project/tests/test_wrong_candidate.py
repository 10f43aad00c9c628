"""The next version of the digits model was saved the wrong way: the contract of version 1 stops it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
CANDIDATE = "models/candidates/saved_wrongly/digits"


def test_candidate_is_rejected_and_the_reason_is_named(tmp_path: Path):
    """As a release pipeline would ask: the suite of version 1, another model under test."""
    gate = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "tests/test_digits.py"),
            *(f"--tfsig-model={CANDIDATE}", f"--tfsig-report={tmp_path}"),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    print(gate.stdout)
    assert gate.returncode == pytest.ExitCode.TESTS_FAILED
    # TensorFlow Serving's own words, and what to do about them.
    assert "Could not find variable" in gate.stdout
    assert "model.export" in gate.stdout
