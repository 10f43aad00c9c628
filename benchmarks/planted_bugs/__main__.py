"""Which check finds which planted defect, after how many examples; and that sound models raise no alarm.

::

    python -m benchmarks.planted_bugs [--repeat N] [--sound] [--only NAME ...] [--examples N]

One embedded server serves everything. With `--repeat N` all models are judged with N seeds, a server for each.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.planted_bugs.building import SPECIMENS, built
from pytest_tfsig import checks
from pytest_tfsig.contract import Contract
from pytest_tfsig.models import Target
from pytest_tfsig.options import Options
from pytest_tfsig.session import Session

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


def judged(session: Session, specimen: Specimen, path: Path) -> Findings:
    """Runs every check that applies to a specimen."""
    contract = Contract({specimen.contract.name: specimen.contract})
    target = Target(str(path), contract, specimen.name)
    findings = Findings()
    began = time.perf_counter()
    for check in checks.applicable(session.signatures(target)[specimen.contract.name]):
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


def main() -> None:
    options = _arguments()
    names = options.only or [name for name, specimen in SPECIMENS.items() if not (options.sound and specimen.found_by)]
    paths = built(names)
    missed: list[str] = []
    alarms: list[str] = []
    print(f"{'model':34} {'found by':40} {'examples':>8} {'seconds':>8}")
    for seed in range(options.first_seed, options.first_seed + options.repeat):
        session = Session(Options(server="embedded", max_examples=options.examples), seed=seed)
        began = time.perf_counter()
        try:
            for name in names:
                findings = judged(session, SPECIMENS[name], paths[name])
                if SPECIMENS[name].found_by and not findings.found(SPECIMENS[name]):
                    missed.append(f"{name} (seed {seed})")
                alarms += [f"{name} (seed {seed}): {alarm}" for alarm in findings.alarms(SPECIMENS[name])]
                if seed == options.first_seed or options.verbose:
                    _print(SPECIMENS[name], findings)
        finally:
            session.close()
        seconds = time.perf_counter() - began
        print(f"seed {seed}: {seconds:.0f} s; so far missed {missed}, false alarms {alarms}", flush=True)
    planted = sum(bool(SPECIMENS[name].found_by) for name in names)
    print(f"\n{options.repeat} seeds; {planted} planted models, {len(missed)} misses; ", end="")
    print(f"{len(names) - planted} sound models, {len(alarms)} false alarms")
    for line in (*missed, *alarms):
        print(line)
    sys.exit(bool(missed or alarms))


def _print(specimen: Specimen, findings: Findings) -> None:
    first = [name for name in specimen.found_by if name in findings.failed][:1]
    others = [name for name in findings.failed if name not in first]
    told = (first[0] if first else "NOT FOUND") if specimen.found_by else "sound"
    if others:
        told += f" (and {', '.join(others)})"
    examples = findings.failed[first[0]] if first else findings.requests
    print(f"{specimen.name:34} {told:40} {examples:8} {findings.seconds:8.2f}", flush=True)
    if not specimen.found_by:
        for name in findings.alarms(specimen):
            print(f"    {name}: {findings.sentences.get(name) or findings.undecided.get(name)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=1, help="seeds to judge every model with")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--examples", type=int, default=100, help="examples of each check")
    parser.add_argument("--only", nargs="+", choices=list(SPECIMENS), metavar="NAME", help="judge only these models")
    parser.add_argument("--sound", action="store_true", help="judge only sound models")
    parser.add_argument("--verbose", action="store_true", help="print every repetition")
    return parser.parse_args()


if __name__ == "__main__":
    main()
