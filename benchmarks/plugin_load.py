"""What the plugin costs everyone who has it installed: pytest on an empty suite, with and without it.

Run::

    python benchmarks/plugin_load.py [REPETITIONS]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from measure import alternate, table, wall_seconds

TARGET_SECONDS = 0.015
HEAVY = ["tensorflow", "grpc", "numpy", "hypothesis", "docker"]
IMPORTS = f"""
import contextlib, io, json, sys, pytest
with contextlib.redirect_stdout(io.StringIO()):
    pytest.main(["-p", "no:cacheprovider"])
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder)
        (suite / "pytest.ini").write_text("[pytest]\n")

        def collect(*options: str) -> float:
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
            return wall_seconds(command, expect=pytest.ExitCode.NO_TESTS_COLLECTED, cwd=suite)

        seconds = alternate({"with": collect, "without": lambda: collect("-p", "no:tfsig")}, repetitions)
        imported = subprocess.run(
            [sys.executable, "-c", IMPORTS], cwd=suite, capture_output=True, text=True, check=True
        )

    table(seconds)
    cost = statistics.median(a - b for a, b in zip(seconds["with"], seconds["without"], strict=True))
    verdict = "met" if cost <= TARGET_SECONDS else "MISSED"
    print(f"\ncost {cost * 1e3:.1f} ms (median of the rounds); target <= {TARGET_SECONDS * 1e3:g} ms: {verdict}")
    heavy = json.loads(imported.stdout)
    print(f"heavy imports {len(heavy)} {' '.join(heavy)}; target 0: {'MISSED' if heavy else 'met'}")


if __name__ == "__main__":
    main()
