"""Time and variety of generated tensors, against hypothesis.extra.numpy, side by side in one run.

    python benchmarks/generation.py [--examples N] [--rounds N]

Both sides draw float32 tensors of values in [0, 1] inside the same kind of Hypothesis test: as many examples (30 unless
`--examples` says so), generation only, no database, deadline or health checks, nothing in the test's
body but counting, which is not timed. The baseline is
`hypothesis.extra.numpy.arrays(np.float32, shape, elements=hypothesis.extra.numpy.from_dtype(np.dtype("float32"),
min_value=0, max_value=1))`, the way its documentation shows, with its own choice of `fill`. Rounds alternate which side
goes first, because on a shared machine the first is often slower; ratios are of medians over the rounds. "Checks" are
the same tensors as checks draw them, from a seed, without Hypothesis in between.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase
from hypothesis.extra import numpy as baseline

from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.strategies import arrays, draws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHAPES = ((1, 30), (32, 30), (32, 128, 64), (8, 64, 64, 3), (8, 224, 224, 3))


class Measured:
    """Seconds and distinct values of the examples of one run."""

    def __init__(self) -> None:
        self.distinct: list[int] = []
        self.seconds = 0.0

    def see(self, array: np.ndarray[Any, Any]) -> None:
        """Count the array's distinct values."""
        started = time.perf_counter()
        self.distinct.append(len(np.unique(array)))
        # Counting is not generating.
        self.seconds -= time.perf_counter() - started

    def run(self, work: Callable[[], None]) -> Measured:
        """Time `work`, which calls `see` for each example."""
        started = time.perf_counter()
        work()
        self.seconds += time.perf_counter() - started
        return self


def under_hypothesis(strategy: hypothesis.strategies.SearchStrategy[Any], examples: int, seed: int) -> Measured:
    measured = Measured()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def test(array: np.ndarray[Any, Any]) -> None:
        measured.see(array)

    return measured.run(test)


def as_checks_draw(shape: tuple[int, ...], examples: int, seed: int) -> Measured:
    measured = Measured()
    signature = Signature("benchmark", {"x": Tensor("float32", shape, min=0, max=1)})

    def work() -> None:
        for inputs in draws(signature, examples, seed):
            measured.see(inputs["x"])

    return measured.run(work)


def per_example(runs: Iterable[Measured]) -> tuple[float, float]:
    """Median milliseconds and mean distinct values of one example."""
    listed = list(runs)
    milliseconds = statistics.median(run.seconds / len(run.distinct) * 1000 for run in listed)
    return milliseconds, statistics.mean(count for run in listed for count in run.distinct)


def compare(shape: tuple[int, ...], examples: int, rounds: int) -> None:
    elements = baseline.from_dtype(np.dtype("float32"), min_value=0, max_value=1)
    theirs = baseline.arrays(np.float32, shape, elements=elements)
    ours = arrays(Tensor("float32", shape, min=0, max=1), shape)
    sides: dict[str, Callable[[int], Measured]] = {
        "baseline": lambda seed: under_hypothesis(theirs, examples, seed),
        "ours": lambda seed: under_hypothesis(ours, examples, seed),
        "checks": lambda seed: as_checks_draw(shape, examples, seed),
    }
    runs: dict[str, list[Measured]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides) if number % 2 else list(reversed(sides))
        for name in names:
            runs[name].append(sides[name](number))
    (slow, few), (fast, many), (seeded, most) = (per_example(runs[name]) for name in sides)
    print(
        f"{shape!s:>20} {math.prod(shape):>9,} | {slow:9.2f} {few:9.0f} | {fast:8.2f} {many:9.0f} {slow / fast:7.1f}x "
        f"{many / few:9.1f}x | {seeded:8.2f} {most:9.0f} {slow / seeded:7.1f}x"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=30, help="examples of one run")
    parser.add_argument("--rounds", type=int, default=4, help="runs of each side")
    options = parser.parse_args()
    print(f"{'':>30} | hypothesis.extra.numpy | pytest-tfsig, as a Hypothesis strategy | pytest-tfsig, in checks")
    print(
        f"{'shape':>20} {'elements':>9} | {'ms':>9} {'distinct':>9} | {'ms':>8} {'distinct':>9} {'faster':>8} "
        f"{'distinct':>10} | {'ms':>8} {'distinct':>9} {'faster':>8}"
    )
    for shape in SHAPES:
        compare(shape, options.examples, options.rounds)


if __name__ == "__main__":
    main()
