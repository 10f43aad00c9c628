"""Time and variety of generated tensors, against hypothesis.extra.numpy, side by side in one run.

    python benchmarks/generation.py [--examples N] [--rounds N]

Both sides draw float32 tensors of values in [0, 1] inside the same kind of Hypothesis test: as many examples (30 unless
`--examples` says so), generation only, no database, deadline or health checks, an empty test body. The baseline is
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
from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase
from hypothesis.extra import numpy as baseline

from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.strategies import arrays, draws

SHAPES = ((1, 30), (32, 30), (32, 128, 64), (8, 64, 64, 3), (8, 224, 224, 3))


Run = Callable[[int, Callable[[Any], None]], None]
"""Draws the examples of a seed and passes each on."""


def under_hypothesis(strategy: hypothesis.strategies.SearchStrategy[Any], examples: int) -> Run:
    def run(seed: int, body: Callable[[Any], None]) -> None:
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
            body(array)

        test()

    return run


def as_checks_draw(shape: tuple[int, ...], examples: int) -> Run:
    signature = Signature("benchmark", {"x": Tensor("float32", shape, min=0, max=1)})

    def run(seed: int, body: Callable[[Any], None]) -> None:
        for inputs in draws(signature, examples, seed):
            body(inputs["x"])

    return run


def milliseconds(run: Run, seed: int, examples: int) -> float:
    """Time of one example, of a run that does nothing with it."""
    started = time.perf_counter()
    run(seed, lambda _: None)
    return (time.perf_counter() - started) / examples * 1000


def distinct(run: Run) -> float:
    """Distinct values of one example, on average. Counted apart: the copies it takes would slow down what is timed."""
    counts: list[int] = []
    run(0, lambda array: counts.append(len(np.unique(array))))
    return statistics.mean(counts)


def compare(shape: tuple[int, ...], examples: int, rounds: int) -> None:
    elements = baseline.from_dtype(np.dtype("float32"), min_value=0, max_value=1)
    sides = {
        "baseline": under_hypothesis(baseline.arrays(np.float32, shape, elements=elements), examples),
        "ours": under_hypothesis(arrays(Tensor("float32", shape, min=0, max=1), shape), examples),
        "checks": as_checks_draw(shape, examples),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides) if number % 2 else list(reversed(sides)):
            times[name].append(milliseconds(sides[name], number, examples))
    slow, fast, seeded = (statistics.median(times[name]) for name in sides)
    few, many, most = (distinct(run) for run in sides.values())
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
