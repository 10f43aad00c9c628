"""An hour of traffic on the embedded server while its models change under it: errors, wrong answers, what grows.

    python benchmarks/soak.py [--minutes 60] [--requests 1000000] [--reloads 50] [--seed 1]

All of the example's models are asked at once, over gRPC and REST: small batches and large ones, sequences of other
lengths, classify and regress, metadata and status, and some requests that must be refused. Every answer is
compared with the first one to that question. Meanwhile versions come and go: at each reload one model gets a new
version and loses its old one, under traffic. Sixty times the server's memory, file descriptors and threads are read;
the slope is fitted from the second tenth on, because the first warms up. Ends with 1 where a request failed that must
not, or an answer differs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import model

from pytest_tfsig.clients import ServingError
from pytest_tfsig.savedmodel import read, resolve
from pytest_tfsig.serving import ServedModel, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_tfsig.serving.managed import ManagedServer

MODELS = ("tumour", "digits", "rows", "wine", "iris")
REFUSALS = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}
CALLERS = 4
SAMPLES = 60
WRONG = "an answer that differs from the first"


@dataclass(frozen=True, slots=True)
class Question:
    """One request, and what answers it: None where it must be refused."""

    kind: str
    ask: Callable[[], Any]
    answer: Any


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server held after so many requests; memory in MiB."""

    requests: int
    memory: float
    descriptors: int
    threads: int


def sample(process: int, requests: int) -> Sample:
    folder = Path(f"/proc/{process}")
    fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return Sample(
        requests,
        int(fields["VmRSS"].split()[0]) / 1024,
        len(list((folder / "fd").iterdir())),
        int(fields["Threads"]),
    )


def questions(served: dict[str, ServedModel], seed: int) -> list[Question]:
    """Return a few hundred requests, in an order of their own, each with its answer."""
    random = np.random.default_rng(seed)
    asked: list[tuple[str, Callable[[], Any]]] = []

    def predict(name: str, shape: tuple[int, ...], signature: str = "serving_default") -> None:
        inputs = {"input": random.random(shape, np.float32)}
        over_grpc = ("predict, grpc", lambda: served[name].predict(inputs, signature))
        over_rest = ("predict, rest", lambda: served[name].predict(inputs, signature, transport="rest"))
        asked.extend((over_grpc, over_grpc, over_rest))

    for _ in range(12):
        batch = int(random.choice([1, 1, 1, 2, 7, 64]))
        predict("tumour", (batch, 10))
        predict("digits", (batch, 8, 8))
        predict("rows", (min(batch, 7), int(random.integers(1, 30)), 8))
        predict("wine", (batch, 13), "embed")
        predict("wine", (batch, 13))
        flowers = [
            dict(zip(("petal_length", "sepal_length", "sepal_width"), map(float, row), strict=True))
            for row in random.random((batch, 3)) * 5
        ]
        asked.append(("classify, grpc", lambda flowers=flowers: served["iris"].classify(flowers)))
        asked.append(("classify, rest", lambda flowers=flowers: served["iris"].classify(flowers, transport="rest")))
        asked.append(("regress, grpc", lambda flowers=flowers: served["iris"].regress(flowers, "regress")))
    predict("tumour", (256, 10))
    asked += [("metadata", lambda name=name: sorted(served[name].metadata().signatures)) for name in MODELS]
    asked += [("status", lambda name=name: bool(served[name].status())) for name in MODELS]
    known = [Question(kind, ask, ask()) for kind, ask in asked]
    refused: list[Callable[[], Any]] = [
        lambda: served["tumour"].predict({"input": np.zeros((1, 11), np.float32)}),
        lambda: served["tumour"].predict({"wrong": np.zeros((1, 10), np.float32)}),
        lambda: served["rows"].predict({"input": np.zeros((1, 3, 9), np.float32)}, transport="rest"),
        lambda: served["wine"].predict({"input": np.zeros((1, 13), np.float32)}, "missing"),
        lambda: served["digits"].predict({"input": np.zeros((1, 8, 8), np.int32)}),
        lambda: served["iris"].classify([{"petal_length": 1.0}]),
        lambda: served["tumour"].predict({"input": np.zeros((1, 10), np.float32)}, version=10_000),
    ]
    every = max(1, len(known) // (19 * len(refused)))
    known += [Question("refused", ask, None) for ask in refused for _ in range(every)]
    return [known[index] for index in random.permutation(len(known))]


def same(answer: Any, expected: Any) -> bool:
    if not isinstance(expected, dict):
        return bool(answer == expected)
    return answer.keys() == expected.keys() and all(
        np.array_equal(answer[name], value)
        if value.dtype == object
        else np.allclose(answer[name], value, rtol=1e-4, atol=1e-6)
        for name, value in expected.items()
    )


class Traffic:
    """Requests at an even pace, from several callers at once.

    Args:
        asked: The questions, asked round and round.
        requests: How many, over all callers.
        seconds: How long they take together, if the machine is fast enough.
    """

    def __init__(self, asked: list[Question], requests: int, seconds: float) -> None:
        self._asked = asked
        self.requests = requests
        self._pace = seconds / requests
        self._began = time.monotonic()
        self._next = 0
        self._lock = threading.Lock()
        self.kinds: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()

    @property
    def done(self) -> int:
        """How many were answered."""
        return self.kinds.total()

    def call(self) -> None:
        """Ask until all is asked: one caller's thread."""
        while True:
            with self._lock:
                number, self._next = self._next, self._next + 1
            if number >= self.requests:
                return
            ahead = self._began + number * self._pace - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            question = self._asked[number % len(self._asked)]
            problem = self._problem(question)
            with self._lock:
                self.kinds[question.kind] += 1
                if problem:
                    self.problems[f"{question.kind}: {problem}"] += 1

    def _problem(self, question: Question) -> str:
        try:
            answer = question.ask()
        except ServingError as error:
            return "" if question.answer is None and error.code in REFUSALS else str(error)
        if question.answer is None:
            return "was not refused"
        return "" if same(answer, question.answer) else WRONG


def reload(server: ManagedServer, number: int) -> None:
    """Replace one model's version by the next."""
    name, version = MODELS[number % len(MODELS)], number // len(MODELS) + 1
    server.add(name, version + 1, model(name))
    server.remove(name, version)


def slope(samples: list[Sample], figure: str) -> str:
    """Return the growth per million requests, with its standard error, from the second tenth on."""
    kept = [one for one in samples if one.requests >= samples[-1].requests / 10]
    x = np.array([one.requests for one in kept]) / 1e6
    y = np.array([getattr(one, figure) for one in kept], float)
    if len(kept) < 4:
        return "too few samples"
    (gradient, _), covariance = np.polyfit(x, y, 1, cov=True)
    return f"{gradient:+.2f} (± {1.96 * covariance[0, 0] ** 0.5:.2f}) per million requests; last {y[-1]:,.1f}"


def soak(server: ManagedServer, process: int, traffic: Traffic, reloads: int) -> dict[str, list[Sample]]:
    """Let the callers ask, replace versions meanwhile, and return what was sampled, by process."""
    callers = [threading.Thread(target=traffic.call, daemon=True) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    watched = {"server": process, "this client": os.getpid()}
    samples: dict[str, list[Sample]] = {who: [] for who in watched}
    began, replaced = time.monotonic(), 0
    while any(caller.is_alive() for caller in callers):
        time.sleep(0.2)
        if replaced < reloads and traffic.done >= (replaced + 1) * traffic.requests / (reloads + 1):
            reload(server, replaced)
            replaced += 1
        if traffic.done >= (len(samples["server"]) + 1) * traffic.requests / SAMPLES:
            for who, one in watched.items():
                samples[who].append(sample(one, traffic.done))
            last = samples["server"][-1]
            print(
                f"{(time.monotonic() - began) / 60:5.1f} min  {last.requests:>9,} requests  {replaced:>3} reloads  "
                f"{last.memory:7.1f} MiB  {last.descriptors:>4} descriptors  {last.threads:>4} threads  "
                f"{traffic.problems.total()} problems",
                flush=True,
            )
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--reloads", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    found = {name: resolve(model(name)) for name in MODELS}
    server = start("embedded")
    try:
        for name, path in found.items():
            server.add(name, 1, path.directory)
        served = {
            name: ServedModel(server, name, signatures=read(path.directory).signatures) for name, path in found.items()
        }
        process = json.loads((server.folder / "state.json").read_text())["instance"]["process"]
        traffic = Traffic(questions(served, options.seed), options.requests, options.minutes * 60)
        samples = soak(server, process, traffic, options.reloads)
        print(f"\nseed {options.seed}: " + ", ".join(f"{n:,} {kind}" for kind, n in traffic.kinds.most_common()))
        for who, rows in samples.items():
            for figure in ("memory", "descriptors", "threads"):
                print(f"{who}'s {figure}{' in MiB' if figure == 'memory' else ''}: {slope(rows, figure)}")
        print(f"problems: {traffic.problems.total()}")
        for problem, count in traffic.problems.most_common(10):
            print(f"  {count:,} x {problem}")
        return 1 if traffic.problems else 0
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
