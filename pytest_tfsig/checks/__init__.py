"""The checks: one module a check, and what they share."""

from __future__ import annotations

from pytest_tfsig.checks.outcome import Outcome, Verdict
from pytest_tfsig.checks.registry import Check, applicable, check, checks
from pytest_tfsig.checks.runner import run
from pytest_tfsig.checks.subject import Baseline, Observation, Settings, Subject
from pytest_tfsig.checks.violation import Reproduction, Violation

__all__ = [
    "Baseline",
    "Check",
    "Observation",
    "Outcome",
    "Reproduction",
    "Settings",
    "Subject",
    "Verdict",
    "Violation",
    "applicable",
    "check",
    "checks",
    "run",
]
