"""Suites of ever more models: what each model costs, and what the server holds while they are judged.

    python benchmarks/many_models.py [--models 25,50,100,200] [--megabytes 20] [--workers 0]

Every model has weights of that size and a contract file of its own; four checks judge it. Prints the seconds per model
and the most memory that the server, and pytest, held: both are to be the same from row to row.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CONTRACT = """\
model = "models/{name}"

[signatures.serving_default.inputs.input]
dtype = "float32"
shape = ["batch", 10]

[signatures.serving_default.outputs.output]
dtype = "float32"
shape = ["batch", 1]
"""
CHECKS = "loads or signature or outputs or finite"


def build(folder: Path, models: int, megabytes: float) -> None:
    """Write the models, all of different weights, and their contracts."""
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    for number in range(models):
        module = tf.Module()
        module.weights = tf.Variable(random.standard_normal((10, 1)), dtype=tf.float32)
        module.table = tf.Variable(random.random(int(megabytes * 2**18), np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None, 10], tf.float32, name="input")])
        def call(rows: tf.Tensor, module: tf.Module = module) -> dict[str, tf.Tensor]:
            return {"output": tf.sigmoid(rows @ module.weights + 0 * module.table[0])}

        name = f"model_{number:03}"
        tf.saved_model.save(module, folder / "models" / name / "1", signatures={"serving_default": call})
        (folder / f"{name}.tfsig.toml").write_text(CONTRACT.format(name=name))


def resident(process: Path) -> float:
    """Return a process's resident memory in MiB; 0 where it has ended."""
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0)


def watch(pytest: subprocess.Popen[bytes], most: dict[str, float]) -> None:
    while pytest.poll() is None:
        held = {"pytest": 0.0, "server": 0.0}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(process.name) != pytest.pid and pytest.pid not in ancestors(process):
                continue
            who = "server" if any(b"model_server" in word for word in command) else "pytest"
            held[who] = max(held[who], resident(process))
        for who, now in held.items():
            most[who] = max(most[who], now)
        time.sleep(0.5)


def ancestors(process: Path) -> set[int]:
    found: set[int] = set()
    try:
        parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        while parent > 1:
            found.add(parent)
            parent = int(Path(f"/proc/{parent}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        pass
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="25,50,100,200")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    sizes = sorted(map(int, options.models.split(",")))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, sizes[-1], options.megabytes)
        files = sorted(folder.glob("*.tfsig.toml"))
        print(f"{'models':>7} {'seconds':>8} {'a model':>8} {'server':>10} {'pytest':>10}")
        for models in sizes:
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tfsig-server=embedded"]
            command += ["-k", CHECKS, f"-n{options.workers}" if options.workers else "-pno:xdist"]
            began, most = time.monotonic(), {"server": 0.0, "pytest": 0.0}
            with (folder / "log").open("wb") as log:
                pytest = subprocess.Popen([*command, *files[:models]], cwd=folder, stdout=log, stderr=log)
                watcher = threading.Thread(target=watch, args=(pytest, most))
                watcher.start()
                pytest.wait()
                watcher.join()
            seconds = time.monotonic() - began
            if pytest.returncode:
                sys.exit((folder / "log").read_text()[-4000:])
            print(
                f"{models:>7} {seconds:>8.1f} {seconds / models:>8.2f} "
                f"{most['server']:>6.0f} MiB {most['pytest']:>6.0f} MiB",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
