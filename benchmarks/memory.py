"""The embedded server's memory over many requests: small and large ones, refused ones, gRPC and REST.

    python benchmarks/memory.py [REQUESTS]

Prints the resident memory after every tenth of the requests; the first tenth warms up, and the growth is counted from
there.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from measure import model

from pytest_tfsig.clients import ServingError
from pytest_tfsig.savedmodel import read, resolve
from pytest_tfsig.serving import ServedModel, start

CALLERS = 4


def resident_bytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def ask(served: ServedModel, number: int) -> None:
    width = 10 if number % 10 else 11  # one request in ten is refused by the graph
    rows = 256 if number % 100 == 1 else 1
    inputs = {"input": np.full((rows, width), number % 7, np.float32)}
    try:
        served.predict(inputs, transport="rest" if number % 20 == 3 else "grpc")
    except ServingError as error:
        if error.code not in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}:
            raise


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    found = resolve(model("tumour"))
    server = start("embedded")
    try:
        server.add("tumour", found.version, found.directory)
        served = ServedModel(server, "tumour", signatures=read(found.directory).signatures)
        process = json.loads((server.folder / "state.json").read_text())["instance"]["process"]
        sizes = []
        with ThreadPoolExecutor(CALLERS) as callers:
            for tenth in range(10):
                numbers = range(tenth * requests // 10, (tenth + 1) * requests // 10)
                list(callers.map(lambda number: ask(served, number), numbers))
                sizes.append(resident_bytes(process))
                print(f"{numbers.stop:>9,} requests  {sizes[-1] / 2**20:7.1f} MiB")
        growth = sizes[-1] - sizes[0]
        print(f"\ngrowth from {requests // 10:,} to {requests:,} requests: {growth / 2**20:+.1f} MiB")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
