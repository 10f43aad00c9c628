"""A latency budget of a contract: a metric, its limit and the load under which it must hold."""

from __future__ import annotations

import sys
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_tfsig.contract.durations import format_duration, parse_duration
from pytest_tfsig.contract.keys import KeyedError, at
from pytest_tfsig.contract.naming import suggestion
from pytest_tfsig.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
"""The percentiles that a budget can bound, as probabilities."""

METRICS: Final = (*PERCENTILES, "mean", "error_rate", "first_request")
"""Everything that a budget can bound."""


@dataclass(frozen=True, slots=True)
class LatencyBudget:
    """One bound on how a served signature answers under one load.

    Attributes:
        metric: One of ``METRICS``.
        limit_seconds: The bound in seconds; for ``error_rate`` the largest share of failed requests, 0 to 1.
        batch: Rows in each request.
        concurrency: Requests in flight at once.
        rate: Requests a second of an open loop (Poisson arrivals); None: a closed loop.
        confidence: How sure a PASS or FAIL must be, between 0.5 and 1.
        transport: ``grpc`` or ``rest``.
        test: ``sequential`` stops as soon as the evidence suffices; ``fixed`` sends exactly ``requests``.
        requests: Requests to send (fixed), or at most (sequential); None: what the test needs.
        seconds: At most this long; None: no bound of its own.
        warmup: Requests sent beforehand and not counted.

    Raises:
        ContractError: A statement is malformed or out of range.
    """

    metric: str
    limit_seconds: float
    _: KW_ONLY
    batch: int = 1
    concurrency: int = 1
    rate: float | None = None
    confidence: float = 0.95
    transport: Literal["grpc", "rest"] = "grpc"
    test: Literal["sequential", "fixed"] = "sequential"
    requests: int | None = None
    seconds: float | None = None
    warmup: int = 10

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ContractError(f'"{self.metric}" is not a metric; {suggestion(self.metric, METRICS)}')
        self._check_limit()
        for key, least in (("batch", 1), ("concurrency", 1), ("requests", 1), ("warmup", 0)):
            _check_count(key, getattr(self, key), least)
        for key in ("rate", "seconds"):
            if getattr(self, key) is not None:
                _check_positive(key, getattr(self, key))
        _check_number("confidence", self.confidence)
        if not 0.5 < self.confidence < 1:  # noqa: PLR2004 - a coin is right half the time
            raise ContractError(f"confidence = {self.confidence} is not between 0.5 and 1; 0.95 is usual.")
        for key, known in (("transport", ("grpc", "rest")), ("test", ("sequential", "fixed"))):
            if getattr(self, key) not in known:
                raise ContractError(f"{key} = {getattr(self, key)!r} is none of {', '.join(known)}.")

    def _check_limit(self) -> None:
        if self.metric != "error_rate":
            _check_positive(self.metric, self.limit_seconds)
            return
        _check_number(self.metric, self.limit_seconds)
        if not 0 <= self.limit_seconds < 1:
            raise ContractError(f"error_rate = {self.limit_seconds} is not a share from 0 to below 1.")

    @property
    def percentile(self) -> float | None:
        """The metric as a probability, 0.99 for p99; None where it is no percentile."""
        return PERCENTILES.get(self.metric)

    @property
    def limit_text(self) -> str:
        """The limit as a contract writes it: ``25ms``, or ``0.1%`` for an error rate."""
        if self.metric == "error_rate":
            return f"{self.limit_seconds * 100:g}%"
        return format_duration(self.limit_seconds)

    @property
    def description(self) -> str:
        """The budget in one line, with what differs from the defaults."""
        load = [f"{self.metric} <= {self.limit_text}"]
        load += [f"{key} {getattr(self, key)}" for key in ("batch", "concurrency") if getattr(self, key) != 1]
        load += [f"{self.rate:g} requests/s"] if self.rate is not None else []
        load += ["REST"] if self.transport == "rest" else []
        return ", ".join(load)


def budgets(stated: Mapping[str, Any]) -> tuple[LatencyBudget, ...]:
    """Return the budgets of one table such as ``{"p50": "5ms", "p99": "25ms", "batch": 8}``: one a metric.

    Raises:
        ContractError: There is no metric, a key is unknown, or a value is malformed.
    """
    options = {key: value for key, value in stated.items() if key in _OPTIONS}
    metrics = {key: value for key, value in stated.items() if key in METRICS}
    for key in stated:
        if key not in options and key not in metrics:
            raise KeyedError((str(key),), f"unknown key; {suggestion(str(key), (*METRICS, *_OPTIONS))}")
    if not metrics:
        raise ContractError('no metric is bounded; write for example p99 = "25ms".')
    if "seconds" in options and isinstance(options["seconds"], str):
        options["seconds"] = at(("seconds",), lambda: parse_duration(stated["seconds"]))
    return tuple(LatencyBudget(metric, _limit(metric, value), **options) for metric, value in metrics.items())


_OPTIONS: Final = ("batch", "concurrency", "rate", "confidence", "transport", "test", "requests", "seconds", "warmup")


def _limit(metric: str, value: object) -> float:
    if metric != "error_rate":
        return at((metric,), lambda: parse_duration(value))
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip()[:-1]) / 100
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ContractError(f'error_rate = {value!r} is not a share; write 0.001 or "0.1%".')
    return float(value)


def _check_number(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise ContractError(f"{key} = {value!r} is not a finite number.")


def _check_positive(key: str, value: object) -> None:
    _check_number(key, value)
    if not value > 0:  # type: ignore[operator] # a number, as was just checked
        raise ContractError(f"{key} = {value} must be above 0.")


def _check_count(key: str, value: object, least: int) -> None:
    if value is None and key == "requests":
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ContractError(f"{key} = {value!r} is not a whole number of at least {least}.")
