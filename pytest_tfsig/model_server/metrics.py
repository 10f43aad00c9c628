"""Metrics: what the server counts and times, as Prometheus reads it."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from pytest_tfsig.model_server.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REGISTRY", "REQUEST_COUNT", "REQUEST_LATENCY", "RUNTIME_LATENCY", "Counter", "Histogram", "Registry"]

Labels: TypeAlias = tuple[str, ...]
_PREFIX: Final = ":tensorflow:serving:"


def _labelled(names: Labels, values: Labels) -> str:
    pairs = zip(names, values, strict=True)
    return ",".join('{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in pairs)


class Counter:
    """A number per combination of labels.

    Args:
        name: Without the prefix that all of TensorFlow Serving's metrics share.
        labels: Names of the labels.
        kind: "counter" or "gauge".
    """

    def __init__(self, name: str, labels: Labels = (), kind: str = "counter") -> None:
        self.name = _PREFIX + name
        self._labels = labels
        self._kind = kind
        self._values: dict[Labels, int] = {}
        self._lock = threading.Lock()

    def add(self, labels: Labels, amount: int = 1) -> None:
        """Add to one combination's number."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + amount

    def lines(self) -> list[str]:
        """The metric in Prometheus' text format."""
        with self._lock:
            values = sorted(self._values.items())
        return [
            f"# TYPE {self.name} {self._kind}",
            *(f"{self.name}{{{_labelled(self._labels, labels)}}} {value}" for labels, value in values),
        ]


class Histogram:
    """A distribution per combination of labels, in buckets whose limits grow exponentially.

    Args:
        name: Without the prefix that all of TensorFlow Serving's metrics share.
        labels: Names of the labels.
        scale: The first bucket's limit.
        growth: Each further limit's ratio to the one before.
        buckets: How many there are, the one without a limit aside.
    """

    def __init__(
        self, name: str, labels: Labels = (), scale: float = 10, growth: float = 1.8, buckets: int = 33
    ) -> None:
        self.name = _PREFIX + name
        self._labels = labels
        self._limits = [scale * growth**power for power in range(buckets)]
        self._values: dict[Labels, list[float]] = {}
        self._lock = threading.Lock()

    def observe(self, labels: Labels, value: float) -> None:
        """Add one value to one combination's distribution."""
        with self._lock:
            cells = self._values.get(labels)
            if cells is None:
                cells = self._values[labels] = [0] * (len(self._limits) + 1) + [0.0]
            cells[bisect_left(self._limits, value)] += 1
            cells[-1] += value

    def lines(self) -> list[str]:
        """The metric in Prometheus' text format."""
        with self._lock:
            values = [(labels, list(cells)) for labels, cells in sorted(self._values.items())]
        lines = [f"# TYPE {self.name} histogram"]
        for labels, (*cells, total) in values:
            shown = _labelled(self._labels, labels)
            count = 0
            for limit, cell in zip([*map("{:.6g}".format, self._limits), "+Inf"], cells, strict=True):
                count += int(cell)
                lines.append(f'{self.name}_bucket{{{shown}{"," if shown else ""}le="{limit}"}} {count}')
            lines.append(f"{self.name}_sum{{{shown}}} {total:.6g}")
            lines.append(f"{self.name}_count{{{shown}}} {count}")
        return lines


class Registry:
    """All metrics of a process, and where REST serves them."""

    def __init__(self, metrics: list[Counter | Histogram]) -> None:
        self._metrics = sorted(metrics, key=lambda metric: metric.name)
        self.path = "/monitoring/prometheus/metrics"

    def request(self, model: str, api: str, entrypoint: str, code: Code, seconds: float) -> None:
        """Count a request and, if it was answered, its time.

        Args:
            model: The model's name.
            api: "Predict", "predict", … as the transport calls it; empty for a request that only counts.
            entrypoint: "GRPC" or "REST".
            code: OK or why it was refused.
            seconds: From the request to the answer.
        """
        REQUEST_COUNT.add((model, code.name))
        if code is Code.OK:
            REQUEST_LATENCY.observe((model, api, entrypoint), seconds * 1e6)

    def render(self) -> str:
        """Every metric in Prometheus' text format."""
        return "\n".join(line for metric in self._metrics for line in metric.lines()) + "\n"


REQUEST_COUNT: Final = Counter("request_count", ("model_name", "status"))
REQUEST_LATENCY: Final = Histogram("request_latency", ("model_name", "API", "entrypoint"))
RUNTIME_LATENCY: Final = Histogram("runtime_latency", ("model_name", "API", "runtime"))
REQUEST_EXAMPLES: Final = Histogram("request_example_counts", ("model",), 1, 2, 15)
REQUEST_EXAMPLES_TOTAL: Final = Counter("request_example_count_total", ("model",))
WARMUP_LATENCY: Final = Histogram("model_warmup_latency", ("model_path", "status"))
WARMUP_RECORDS: Final = Counter("model_warmup_records_read", ("model_path", "status"))
QUEUING_LATENCY: Final = Histogram("batching_session:queuing_latency", ("thread_pool_name",), 100, 1.2, 52)
BATCHED_RUNS: Final = Counter("batching_session:wrapped_run_count")


def examples(model: str, count: int) -> None:
    """Count the tf.Examples of one request."""
    REQUEST_EXAMPLES.observe((model,), count)
    REQUEST_EXAMPLES_TOTAL.add((model,), count)


@contextmanager
def runtime(model: str, api: str) -> Iterator[None]:
    """Time a run of TensorFlow; one that fails does not count."""
    started = time.perf_counter()
    yield
    RUNTIME_LATENCY.observe((model, api, "TF1"), (time.perf_counter() - started) * 1e6)


REGISTRY: Final = Registry(
    [
        REQUEST_COUNT,
        REQUEST_LATENCY,
        RUNTIME_LATENCY,
        REQUEST_EXAMPLES,
        REQUEST_EXAMPLES_TOTAL,
        WARMUP_LATENCY,
        WARMUP_RECORDS,
        QUEUING_LATENCY,
        BATCHED_RUNS,
        # TensorFlow's own batching ops have these; a server without such ops shows them empty
        Histogram("batching:padding_size_v2"),
        Counter("batching:processed_batch_size_v2"),
        Counter("batching:mixed_priority_batching_policy", kind="gauge"),
        Counter("mlmd_map", kind="gauge"),
        Counter("request_log_count", ("model_name", "status")),
    ]
)
