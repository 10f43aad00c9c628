"""Which check finds which planted defect, after how many examples; and that sound models raise no alarm.

::

    python -m benchmarks.planted_bugs [--repeat N] [--sound] [--only NAME ...] [--examples N] [--jobs N]

With `--repeat N` all models are judged with N seeds. Each of the processes that share the work judges its models with
one server for each seed. With the first seed, a planted model meets every check, for the table; with further ones, only
those that may find its defect. A sound model meets every check with every seed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.planted_bugs.building import SPECIMENS, built
from benchmarks.planted_bugs.judging import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.planted_bugs.judging import Findings
    from benchmarks.planted_bugs.specimens import Specimen


def shared(names: list[str], options: argparse.Namespace) -> Iterator[tuple[int, dict[str, Findings]]]:
    """Yields the findings of every seed, from processes that share the models."""
    paths = built(names)
    shares = [part for first in range(options.jobs) if (part := names[first :: options.jobs])]
    seeds = range(options.first_seed, options.first_seed + options.repeat)
    # A forked process would share the threads' locks of gRPC.
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        waiting = {
            seed: [pool.submit(share, part, paths, seed, options.examples, fully=seed == seeds[0]) for part in shares]
            for seed in seeds
        }
        for seed, parts in waiting.items():
            found = {name: findings for part in parts for name, findings in part.result().items()}
            yield seed, {name: found[name] for name in names}


def main() -> None:
    options = _arguments()
    names = options.only or [name for name, specimen in SPECIMENS.items() if not (options.sound and specimen.found_by)]
    missed: list[str] = []
    alarms: list[str] = []
    began = time.perf_counter()
    print(f"{'model':34} {'found by':40} {'examples':>8} {'seconds':>8}")
    for seed, found in shared(names, options):
        for name, findings in found.items():
            if SPECIMENS[name].found_by and not findings.found(SPECIMENS[name]):
                missed.append(f"{name} (seed {seed})")
            alarms += [f"{name} (seed {seed}): {alarm}" for alarm in findings.alarms(SPECIMENS[name])]
            if seed == options.first_seed or options.verbose:
                _print(SPECIMENS[name], findings)
        seconds = time.perf_counter() - began
        print(f"seed {seed}: {seconds:.0f} s in all; so far missed {missed}, false alarms {alarms}", flush=True)
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
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that share the models")
    parser.add_argument("--examples", type=int, default=100, help="examples of each check")
    parser.add_argument("--only", nargs="+", choices=list(SPECIMENS), metavar="NAME", help="judge only these models")
    parser.add_argument("--sound", action="store_true", help="judge only sound models")
    parser.add_argument("--verbose", action="store_true", help="print every repetition")
    return parser.parse_args()


if __name__ == "__main__":
    main()
