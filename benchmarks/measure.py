"""Measuring two things side by side: alternately, in one run, so that a busy machine is as unfair to both."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

EXAMPLE = Path(__file__).parents[1] / "example_project"


def model(name: str) -> Path:
    """Return version 1 of one of the example's models.

    Raises:
        SystemExit: The example's models are not built.
    """
    path = EXAMPLE / "models" / name / "1"
    if not (path / "saved_model.pb").is_file():
        sys.exit(f"{path} holds no SavedModel: run `make example` first.")
    return path


def wall_seconds(command: Sequence[str | Path], *, expect: int = 0, cwd: Path | None = None) -> float:
    """Return how long a command takes, from before its start to its end.

    Raises:
        SystemExit: The command ended with another code: its time would mean nothing.
    """
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode != expect:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return seconds


def alternate(subjects: Mapping[str, Callable[[], float]], repetitions: int) -> dict[str, list[float]]:
    """Measure every subject once a round, in the other order every other round, after one round unrecorded."""
    names = list(subjects)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        subjects[name]()
    for repetition in range(repetitions):
        for name in names if repetition % 2 else reversed(names):
            seconds[name].append(subjects[name]())
    return seconds


def table(seconds: Mapping[str, Sequence[float]]) -> None:
    """Print median and range of each subject in milliseconds."""
    width = max(map(len, seconds))
    print(f"{'':{width}}  {'median':>10}  {'least':>10}  {'most':>10}  n")
    for name, values in seconds.items():
        cells = "  ".join(f"{value * 1e3:7.1f} ms" for value in (statistics.median(values), min(values), max(values)))
        print(f"{name:{width}}  {cells}  {len(values)}")


def ratio(seconds: Mapping[str, Sequence[float]], ours: str, theirs: str, *, target: float) -> None:
    """Print the ratio of the medians, and of the rounds one by one, beside the target."""
    median = statistics.median(seconds[ours]) / statistics.median(seconds[theirs])
    rounds = [ours_s / theirs_s for ours_s, theirs_s in zip(seconds[ours], seconds[theirs], strict=True)]
    print(
        f"\nratio {median:.3f} (rounds {min(rounds):.3f} to {max(rounds):.3f}); target <= {target:g}: "
        f"{'met' if median <= target else 'MISSED'}"
    )
