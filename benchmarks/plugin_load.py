"""What the plugin costs everyone who has it installed: pytest on an empty suite, with and without it.

Processor time is compared, not the clock: loading a plugin only computes, and other programs on the machine do not
disturb the figure. Run::

    python benchmarks/plugin_load.py [REPETITIONS]
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from measure import alternate, table, wall_seconds

TARGET_SECONDS = 0.015
HEAVY = ["tensorflow", "grpc", "numpy", "hypothesis", "docker"]
WITHOUT = ["-p", "no:tfsig"]
# Hypothesis' own plugin imports Hypothesis, whatever ours does.
QUIET = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
IMPORTS = f"""
import contextlib, io, json, sys, pytest
with contextlib.redirect_stdout(io.StringIO()):
    pytest.main({QUIET})
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder)
        (suite / "pytest.ini").write_text("[pytest]\n")

        def collect(*options: str) -> float:
            before = processor_seconds()
            command = [sys.executable, "-m", "pytest", *QUIET, *options]
            wall_seconds(command, expect=pytest.ExitCode.NO_TESTS_COLLECTED, cwd=suite)
            return processor_seconds() - before

        seconds = alternate({"with": collect, "without": lambda: collect(*WITHOUT)}, repetitions)
        imported = subprocess.run(
            [sys.executable, "-c", IMPORTS], cwd=suite, capture_output=True, text=True, check=True
        )

    table(seconds)
    # Pair by pair: a machine whose speed drifts during the run changes both of a pair.
    cost = statistics.median(a - b for a, b in zip(seconds["with"], seconds["without"], strict=True))
    verdict = "met" if cost <= TARGET_SECONDS else "MISSED"
    print(f"\ncost {cost * 1e3:.1f} ms (median of the pairs); target <= {TARGET_SECONDS * 1e3:g} ms: {verdict}")
    heavy = json.loads(imported.stdout)
    print(f"heavy imports {len(heavy)} {' '.join(heavy)}; target 0: {'MISSED' if heavy else 'met'}")


def processor_seconds() -> float:
    """Return the processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
