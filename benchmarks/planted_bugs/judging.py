"""Judging specimens: which checks fail on each, after how many examples, and what could not be judged."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.planted_bugs.building import SPECIMENS
from pytest_tfsig import checks
from pytest_tfsig.contract import Contract
from pytest_tfsig.options import Options
from pytest_tfsig.session import Session, Target

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.planted_bugs.specimens import Specimen

UNDECIDED = ("error", "inconclusive")
BASELINE = {"compatible", "drift", "no_slower", "examples"}
"""Checks that compare with a released version or with recordings, which are not there."""


@dataclass
class Findings:
    """What judging one specimen with one seed came to.

    Attributes:
        failed: The checks that failed, and after how many examples each.
        sentences: What each of them said.
        undecided: The checks that could not judge, and why.
        seconds: How long all checks took.
        requests: Examples of all checks together.
    """

    failed: dict[str, int] = field(default_factory=dict)
    sentences: dict[str, str] = field(default_factory=dict)
    undecided: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    requests: int = 0

    def found(self, specimen: Specimen) -> bool:
        """Whether one of the checks that may name the defect failed."""
        return any(name in self.failed for name in specimen.found_by)

    def alarms(self, specimen: Specimen) -> list[str]:
        """Returns what failed, or could not judge, on a sound model."""
        return [] if specimen.found_by else [*self.failed, *self.undecided]


def judged(session: Session, specimen: Specimen, path: Path, only: tuple[str, ...] = ()) -> Findings:
    """Runs every check that applies to a specimen, or those of them that are named."""
    contract = Contract({specimen.contract.name: specimen.contract})
    target = Target(str(path), contract, specimen.name)
    findings = Findings()
    began = time.perf_counter()
    for check in checks.applicable(session.signatures(target)[specimen.contract.name], only):
        if check.name in BASELINE:
            continue
        result, outcome = session.judge(target, specimen.contract.name, check)
        findings.requests += outcome.examples
        if result.verdict == "fail":
            findings.failed[check.name] = outcome.examples
            findings.sentences[check.name] = outcome.message
        elif result.verdict in UNDECIDED:
            findings.undecided[check.name] = outcome.message
    findings.seconds = time.perf_counter() - began
    return findings


def share(names: list[str], paths: dict[str, Path], seed: int, examples: int, *, fully: bool) -> dict[str, Findings]:
    """Judges some specimens with one seed and one server.

    Args:
        names: The specimens.
        paths: Where each of them is.
        seed: Draws all inputs.
        examples: Examples of each check.
        fully: Whether planted models meet every check.
    """
    session = Session(Options(server="embedded", max_examples=examples), seed=seed)
    try:
        return {
            name: judged(session, SPECIMENS[name], paths[name], () if fully else SPECIMENS[name].found_by)
            for name in names
        }
    finally:
        session.close()
