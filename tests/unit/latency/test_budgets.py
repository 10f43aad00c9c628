from __future__ import annotations

import pytest

from pytest_tfsig.contract import LatencyBudget
from pytest_tfsig.latency import by_load, undecidable
from pytest_tfsig.latency.budgets import allowed_rate, cap, least_requests


@pytest.mark.parametrize(
    ("metric", "test", "confidence", "least"),
    [
        ("p99", "sequential", 0.95, 397),
        ("p99", "sequential", 0.99, 611),
        ("p99", "fixed", 0.95, 299),
        ("p99", "fixed", 0.99, 459),
        ("p99.9", "fixed", 0.99, 4603),
        ("p50", "sequential", 0.95, 20),
        ("mean", "sequential", 0.95, 38),
        ("mean", "sequential", 0.99, 58),
        ("first_request", "sequential", 0.95, 1),
    ],
)
def test_the_least_requests_are_the_published_ones(metric, test, confidence, least):
    budget = LatencyBudget(metric, 0.025, test=test, confidence=confidence)
    assert least_requests(budget) == least
    assert cap(budget) >= least
    assert undecidable(budget) is None


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        (
            LatencyBudget("p99.9", 0.025, requests=500),
            "p99.9 <= 25ms cannot be decided with requests = 500: at confidence 0.95 it needs at least 3993 requests",
        ),
        (LatencyBudget("p99", 0.025, requests=298, test="fixed"), "raise requests to 299 or more"),
        (LatencyBudget("error_rate", 0.001, requests=1000), "needs at least 3993 requests"),
        (LatencyBudget("p99", 0.025, rate=10, seconds=30), "raise seconds to 40 or more"),
        (LatencyBudget("p99", 0.025, rate=1, seconds=396), "cannot be decided in 396 s: at confidence 0.95 it needs"),
        (LatencyBudget("error_rate", 0.0), "error_rate = 0 cannot be proved by any number of requests"),
        (LatencyBudget("error_rate", 0.0), "such as 0.001 (2995 requests without an error prove it)."),
        (LatencyBudget("mean", 0.025, test="fixed"), "A mean has no exact test of fixed size"),
        (LatencyBudget("mean", 0.025, requests=10), "it needs at least"),
    ],
    ids=lambda value: value.description if isinstance(value, LatencyBudget) else "",
)
def test_a_budget_beyond_its_cap_says_what_it_needs(budget, says):
    assert says in (undecidable(budget) or "")


@pytest.mark.parametrize("metric", ["p50", "p90", "p95", "p99", "p99.9", "mean", "first_request"])
@pytest.mark.parametrize("test", ["sequential", "fixed"])
def test_a_budget_without_a_cap_of_its_own_is_always_decidable(metric, test):
    if (metric, test) != ("mean", "fixed"):
        assert undecidable(LatencyBudget(metric, 0.01, test=test)) is None


@pytest.mark.parametrize(("rate", "seconds"), [(1, 397), (10, 40), (397, 1)])
def test_an_open_loop_that_is_due_to_send_just_enough_is_decidable(rate, seconds):
    assert undecidable(LatencyBudget("p99", 0.025, rate=rate, seconds=seconds)) is None


@pytest.mark.parametrize(
    ("budget", "requests"),
    [
        (LatencyBudget("p99", 0.025), 5 * 397),
        (LatencyBudget("p50", 0.025), 1000),
        (LatencyBudget("p99", 0.025, test="fixed"), 1049),
        (LatencyBudget("p99", 0.025, test="fixed", requests=500), 500),
        (LatencyBudget("p99", 0.025, requests=700), 700),
        (LatencyBudget("first_request", 0.5, requests=700), 1),
        (LatencyBudget("first_request", 2.0, test="fixed"), 1),
    ],
    ids=lambda value: value.description if isinstance(value, LatencyBudget) else "",
)
def test_what_a_budget_may_cost_is_what_it_says_or_what_its_test_usually_needs(budget, requests):
    assert cap(budget) == requests


def test_rates_allowed_are_exact():
    assert [allowed_rate(LatencyBudget(metric, 1.0)) for metric in ("p50", "p90", "p95", "p99", "p99.9")] == [
        0.5,
        0.1,
        0.05,
        0.01,
        0.001,
    ]
    assert allowed_rate(LatencyBudget("error_rate", 0.02)) == 0.02


def test_dependence_raises_a_cap_that_nobody_set_and_no_other():
    assert cap(LatencyBudget("p99", 1.0), block=3) == 3 * cap(LatencyBudget("p99", 1.0))
    assert cap(LatencyBudget("p99", 1.0), block=9) == 4 * cap(LatencyBudget("p99", 1.0))
    assert cap(LatencyBudget("p99", 1.0, requests=700), block=3) == 700


def test_budgets_of_one_load_are_one_group_and_the_cold_start_comes_first():
    slow, median, rest, cold = (
        LatencyBudget("p99", 0.025),
        LatencyBudget("p50", 0.005, warmup=50),
        LatencyBudget("p99", 0.025, transport="rest", rate=20),
        LatencyBudget("first_request", 0.5, transport="rest", rate=20),
    )
    groups = by_load([slow, rest, median, cold])
    assert list(groups.values()) == [[cold, rest], [slow, median]]
    assert [str(shape) for shape in groups] == [
        "REST, batch 1, 20 requests/s",
        "gRPC, batch 1, concurrency 1",
    ]
