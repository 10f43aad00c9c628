"""Metrics: what the server counts and times, as Prometheus reads it."""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import Final, TypeAlias

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
    """A distribution per combination of labels, in buckets whose limits grow by a factor of 1.8.

    Args:
        name: Without the prefix that all of TensorFlow Serving's metrics share.
        labels: Names of the labels.
        scale: The first bucket's limit.
        buckets: How many there are, the one without a limit aside.
    """

    def __init__(self, name: str, labels: Labels = (), scale: float = 10, buckets: int = 33) -> None:
        self.name = _PREFIX + name
        self._labels = labels
        self._limits = [scale * 1.8**power for power in range(buckets)]
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

    def render(self) -> str:
        """Every metric in Prometheus' text format."""
        return "\n".join(line for metric in self._metrics for line in metric.lines()) + "\n"


REQUEST_COUNT: Final = Counter("request_count", ("model_name", "status"))
REQUEST_LATENCY: Final = Histogram("request_latency", ("model_name", "API", "entrypoint"))
RUNTIME_LATENCY: Final = Histogram("runtime_latency", ("model_name", "API", "runtime"))
REQUEST_EXAMPLES: Final = Histogram("request_example_counts", ("model",), scale=1)
REQUEST_EXAMPLES_TOTAL: Final = Counter("request_example_count_total", ("model",))
WARMUP_LATENCY: Final = Histogram("model_warmup_latency", ("model_path", "status"))
WARMUP_RECORDS: Final = Counter("model_warmup_records_read", ("model_path", "status"))
QUEUING_LATENCY: Final = Histogram("batching_session:queuing_latency")
BATCHED_RUNS: Final = Counter("batching_session:wrapped_run_count")
PADDING: Final = Histogram("batching:padding_size_v2", ("model_name", "execution_batch_size"))
PROCESSED_BATCHES: Final = Counter("batching:processed_batch_size_v2", ("model_name", "batch_size"))

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
        PADDING,
        PROCESSED_BATCHES,
        Counter("batching:mixed_priority_batching_policy", kind="gauge"),
        Counter("mlmd_map", kind="gauge"),
        Counter("request_log_count", ("model_name", "status")),
    ]
)
