"""Runs the latency gate many times against a real gRPC server whose delays have a known distribution.

Answers are quick but for stalls of some 80 ms, so that the share of the requests over a budget of 40 ms is that of the
stalls; `seen` is the share that was, for a busy machine adds stalls of its own. One server keeps the budget (a quarter
of the stalls that p99 allows), the other is beyond it (four times as many).

    python -m benchmarks.latency_gate_end_to_end [--runs 200] [--seed 1]
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections import Counter
from typing import TYPE_CHECKING

from pytest_tfsig.contract import LatencyBudget
from pytest_tfsig.latency import Verdict, gate
from pytest_tfsig.latency.budgets import cap, rate_test
from tests.integration.latency_server import Delays, serving, steady

if TYPE_CHECKING:
    from collections.abc import Iterator

BUDGET = LatencyBudget("p99", 0.040)
SIDES = {"within": 0.0025, "beyond": 0.04}
STALL = 0.080
SIGMA = 0.1  # of the stalls' logarithm: not one in a million is shorter than the budget


def delays(rate: float, seed: int) -> Iterator[float]:
    """Yield the delays of a server that stalls on this share of its requests."""
    source = random.Random(seed)  # noqa: S311 - delays
    while True:
        yield STALL * source.lognormvariate(0, SIGMA) if source.random() < rate else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{'p99':8s}{'over':>7s}{'seen':>8s}{'pass':>7s}{'fail':>7s}{'undecided':>10s}{'requests':>10s}{'expected':>10s}{'seconds':>9s}"
    )
    source = Delays(steady(0.0))
    with serving(source) as send:
        for side, rate in SIDES.items():
            began = time.perf_counter()
            verdicts: Counter[Verdict] = Counter()
            requests = bad = 0
            for run in range(options.runs):
                source.change(delays(rate, seed=hash((options.seed, run))))
                [found] = gate([BUDGET], send, itertools.count())
                verdicts[found.verdict] += 1
                requests += found.requests
                bad += found.bad
            expected = rate_test(BUDGET).expect(rate, cap(BUDGET))
            print(
                f"{side:8s}{rate:7.2%}{bad / requests:8.2%}{verdicts[Verdict.PASS]:7d}{verdicts[Verdict.FAIL]:7d}"
                f"{verdicts[Verdict.INCONCLUSIVE]:10d}{requests / options.runs:10.0f}{expected.requests:10.0f}"
                f"{time.perf_counter() - began:9.0f}",
                flush=True,
            )
            print(
                f"{'expected':23s}{options.runs * expected.passed:7.1f}{options.runs * expected.failed:7.1f}"
                f"{options.runs * expected.undecided:10.1f}"
            )


if __name__ == "__main__":
    main()
