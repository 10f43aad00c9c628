"""The tests time and again, each time in another order: a flake, or a test that needs another, shows sooner or later.

    tox run -e flakes -- --runs 20 -n 2 -m "not slow"

What does not belong to this script goes to pytest. Ends with 1 if a run failed; its output is kept and named.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path


def summary(lines: list[str]) -> str:
    """Return pytest's last line about how many passed and failed; "" where it did not come to that."""
    return next((line.strip("= ") for line in reversed(lines) if re.search(r"\d+ (passed|failed|error)", line)), "")


def main() -> int:
    """Run, and return 1 if a run failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each further run takes the next")
    parser.add_argument("--logs", type=Path, default=Path(".cache/flakes"))
    options, passed_on = parser.parse_known_args()

    options.logs.mkdir(parents=True, exist_ok=True)
    failed = 0
    for seed in range(options.seed, options.seed + options.runs):
        log = options.logs / f"{seed}.log"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "randomly", f"--randomly-seed={seed}", *passed_on]
        began = time.monotonic()
        with log.open("wb") as file:
            code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
        lines = log.read_text(errors="replace").splitlines()
        print(f"seed {seed}: {summary(lines) or f'exit code {code}'} ({time.monotonic() - began:.0f} s)", flush=True)
        if code:
            failed += 1
            print("\n".join(f"  {line}" for line in lines if line.startswith(("FAILED", "ERROR"))))
            print(f"  all of it: {log}", flush=True)
        else:
            log.unlink()
    print(f"{options.runs - failed} of {options.runs} runs passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
