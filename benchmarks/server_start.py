"""From nothing to the first answer of the embedded server, against ``import tensorflow`` alone.

Each is measured in a fresh interpreter, once that is running. The client is imported where the plugin does: behind the
start, which has loaded it while it waited::

    python benchmarks/server_start.py [REPETITIONS]
"""

from __future__ import annotations

import subprocess
import sys

from measure import alternate, model, ratio, table

SERVE = """
import sys, time
begin = time.perf_counter()
from pathlib import Path
from pytest_tfsig import serving
server = serving.start("embedded")
from pytest_tfsig.clients import GrpcClient
server.add("digits", 1, Path(sys.argv[1]))
image = [[[0.0] * 8] * 8]
answer = GrpcClient(server.grpc_address).predict("digits", {"input": image}, signature="serving_default")
seconds = time.perf_counter() - begin
assert answer["probabilities"].shape == (1, 10)
server.stop()
print(seconds)
"""
IMPORT = "import time; begin = time.perf_counter(); import tensorflow; print(time.perf_counter() - begin)"


def inside(program: str) -> float:
    """Return the seconds that a program, run in a fresh interpreter, prints last."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(model("digits"))], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = alternate(
        {"first answer": lambda: inside(SERVE), "import tensorflow": lambda: inside(IMPORT)}, repetitions
    )
    table(seconds)
    ratio(seconds, "first answer", "import tensorflow", target=0.35)


if __name__ == "__main__":
    main()
