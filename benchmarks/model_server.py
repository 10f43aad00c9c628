"""The embedded model server: start, latency, throughput and memory, against `tf.saved_model.load` as a server.

The yardstick is ``saved_model_server.py``. Both serve the same three models over gRPC to the same client, which sends
bytes that it made before. The order alternates from round to round, because on a shared machine whoever comes first is
often slower; figures are medians over the rounds, and ratios are of one run::

    python benchmarks/model_server.py [--rounds N] [--against REVISION]

With `--against` an earlier revision of the server is measured, too, from a worktree of its own.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np

from pytest_tfsig import protos, tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
MODELS = ("small", "image", "strings")
INPUTS = {
    "small": np.ones((1, 3), np.float32),
    "image": np.random.default_rng(0).random((8, 224, 224, 3), np.float32),
    "strings": np.array([f"Some Words, And Number {index}".encode() for index in range(100)], object),
}
REQUESTS = {"small": 1500, "image": 60, "strings": 800}
CLIENTS = (1, 8, 64)
TARGETS = {"start": 0.35, "small p50": 0.8, "image p50": 0.8, "strings p50": 0.8, "memory": 0.8}


def embedded(folder: Path, port: int, models: list[Path], source: Path) -> subprocess.Popen[bytes]:
    entries = "".join(
        f'config {{ name: "{base.name}" base_path: "{base}" model_platform: "tensorflow" }} ' for base in models
    )
    config = folder / "models.config"
    config.write_text(f"model_config_list {{ {entries} }}")
    flags = [f"--port={port}", f"--model_config_file={config}", "--grpc_max_threads=80"]
    return start([sys.executable, "-m", "pytest_tfsig.model_server", *flags], source)


def start(command: list[str], source: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(source), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(command, cwd=source, env=environment, stderr=subprocess.DEVNULL)


def request(model: str) -> bytes:
    message = protos.PredictRequest()
    message.model_spec.name = model
    message.inputs["x"].CopyFrom(tensors.to_proto(INPUTS[model]))
    return message.SerializeToString()


@contextmanager
def client(port: int) -> Iterator[Callable[..., bytes]]:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 20)]
    options += [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.min_reconnect_backoff_ms", 20)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        yield channel.unary_unary("/tensorflow.serving.PredictionService/Predict")


def answers(call: Callable[..., bytes]) -> bool:
    try:
        call(request("small"), wait_for_ready=True, timeout=5)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return False
        raise
    return True


def latencies(call: Callable[..., bytes], model: str) -> list[float]:
    data = request(model)
    for _ in range(20):
        call(data)
    seconds = []
    for _ in range(REQUESTS[model]):
        begin = time.perf_counter()
        call(data)
        seconds.append(time.perf_counter() - begin)
    return sorted(seconds)


def throughput(call: Callable[..., bytes], clients: int) -> float:
    data = request("small")
    each = max(20, 1500 // clients)
    with ThreadPoolExecutor(clients) as pool:
        begin = time.perf_counter()
        list(pool.map(lambda _: [call(data) for _ in range(each)], range(clients)))
        return clients * each / (time.perf_counter() - begin)


def resident_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure(launch: Callable[[int], subprocess.Popen[bytes]]) -> dict[str, float]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    begin = time.perf_counter()
    process = launch(port)
    try:
        with client(port) as call:
            while not answers(call):
                if process.poll() is not None:
                    sys.exit(f"a server ended with {process.returncode}")
            found = {"start": time.perf_counter() - begin}
            for model in MODELS:
                seconds = latencies(call, model)
                found[f"{model} p50"] = seconds[len(seconds) // 2] * 1e3
                found[f"{model} p99"] = seconds[int(len(seconds) * 0.99)] * 1e3
            for clients in CLIENTS:
                found[f"seconds per 1000 requests, {clients} clients"] = 1000 / throughput(call, clients)
            found["memory"] = resident_megabytes(process.pid)
            return found
    finally:
        process.terminate()
        process.wait()


@contextmanager
def worktree(revision: str | None) -> Iterator[Path | None]:
    if revision is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", path, revision], cwd=HERE, check=True)
        try:
            yield path
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", path], cwd=HERE, check=True)


def report(results: dict[str, dict[str, list[float]]]) -> None:
    names = list(results)
    medians = {
        name: {what: statistics.median(values) for what, values in found.items()} for name, found in results.items()
    }
    print(f"{'':40}" + "".join(f"{name:>24}" for name in names) + f"{'ratio to the yardstick':>26}")
    for what, value in medians[names[0]].items():
        row = "".join(f"{medians[name][what]:24.3f}" for name in names)
        target = f"  (target {TARGETS[what]})" if what in TARGETS else ""
        print(f"{what:40}{row}{value / medians[names[-1]][what]:26.2f}{target}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--against", metavar="REVISION")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, worktree(options.against) as earlier:
        folder = Path(temporary)
        yardstick = [sys.executable, str(HERE / "saved_model_server.py")]
        subprocess.run(
            [*yardstick, "--build", folder], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        bases = [folder / name for name in MODELS]
        launches = {"embedded": lambda port: embedded(folder, port, bases, HERE.parent)}
        if earlier is not None:
            launches[f"at {options.against}"] = lambda port: embedded(folder, port, bases, earlier)
        launches["tf.saved_model.load"] = lambda port: start([*yardstick, str(port), *map(str, bases)], HERE.parent)
        results: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in launches}
        for number in range(options.rounds):
            order = list(launches) if number % 2 == 0 else list(launches)[::-1]
            for name in order:
                for what, value in measure(launches[name]).items():
                    results[name][what].append(value)
        print("start in s, latencies in ms, memory (peak) in MB\n")
        report(results)


if __name__ == "__main__":
    main()
