"""The release gate, as the workflow runs it: one candidate may ship, and three are stopped, each for its reason.

Each candidate would be version 2 of the digits model; each is held against its consumers' contracts and against the
released version, and ``tfsig verify-blessing`` has the last word before it is deployed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).parents[1]


class Gate(NamedTuple):
    """What came of a candidate at the gate."""

    exit_code: int
    broken: dict[str, str]
    blessing: subprocess.CompletedProcess[str]
    shown: str


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture
def at_the_gate(tmp_path: Path, request: pytest.FixtureRequest):
    server = request.config.getoption("tfsig_server") or "auto"

    def at_the_gate(candidate: str, *contracts: str) -> Gate:
        model = f"models/candidates/{candidate}/digits"
        gate = run(
            *("pytest", *contracts, f"--tfsig-model={model}", "--tfsig-baseline=models/digits"),
            *(f"--tfsig-server={server}", "--tfsig-max-examples=30", f"--tfsig-report={tmp_path}"),
        )
        print(gate.stdout)
        report = json.loads((tmp_path / "report.json").read_text())
        broken = {
            entry["check"]: entry["message"]
            for entry in report["results"]
            if entry["verdict"] == "fail" and not entry["pending"]
        }
        verdict = str(tmp_path / "verdict.json")
        blessing = run("pytest_tfsig.cli", "verify-blessing", verdict, model, "--baseline=models/digits")
        return Gate(gate.returncode, broken, blessing, gate.stdout)

    return at_the_gate


def test_the_retrained_model_may_ship(at_the_gate):
    gate = at_the_gate("retrained", "tests/test_digits.py", "contracts")

    assert (gate.exit_code, gate.broken) == (pytest.ExitCode.OK, {})
    assert (gate.blessing.returncode, gate.blessing.stdout) == (0, "blessed: digits/2\n")
    # The archive wants what no release has yet: that is told, and stops nothing.
    assert "consumer archive: pending, broken, which does not gate" in gate.shown


@pytest.mark.parametrize(
    ("candidate", "check", "reason"),
    [
        # Callers of the released version break, though every answer is right.
        ("with_logits", "compatible", "REST answers are objects with 2 outputs now, not bare values"),
        # The shapes are right and the numbers look like probabilities; each column sums to 1, and no row does.
        ("wrong_axis", "values", "sum to"),
        # Nobody trains on a blank image, and somebody sends one.
        ("blank_is_nan", "finite", "NaN"),
    ],
)
def test_a_bad_candidate_is_stopped_for_its_reason(at_the_gate, candidate: str, check: str, reason: str):
    gate = at_the_gate(candidate, "contracts/post-office.tfsig.toml")

    assert gate.exit_code == pytest.ExitCode.TESTS_FAILED
    assert reason in gate.broken[check]
    assert gate.blessing.returncode == 1
    assert "refused: the verdict is fail, not pass." in gate.blessing.stdout
