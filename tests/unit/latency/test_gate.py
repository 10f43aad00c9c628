from __future__ import annotations

import gc
import itertools
import json
import math
import random

import numpy as np
import pytest

from pytest_tfsig.contract import LatencyBudget
from pytest_tfsig.errors import UsageError
from pytest_tfsig.latency import Verdict, gate, worst
from pytest_tfsig.latency.exact import requests_to_pass
from pytest_tfsig.latency.sequential import RateTest
from tests.unit.latency.clocks import Clock, Server


def measure(budgets, latencies, *, draws=None, **options):
    clock = Clock()
    server = Server(clock, latencies)
    found = gate(
        budgets if isinstance(budgets, list) else [budgets],
        server,
        itertools.count() if draws is None else draws,
        clock=clock,
        sleep=clock.sleep,
        **options,
    )
    return found, server


def slow_every(period: int, slow: float, fast: float = 0.001):
    """One slow request in `period`, at random places: regular ones would be dependent."""
    source = random.Random(5)  # noqa: S311 - a made-up server
    return (slow if source.random() < 1 / period else fast for _ in itertools.count())


def test_a_model_within_its_budget_passes_after_the_fewest_requests():
    [found], server = measure(LatencyBudget("p99", 0.025), itertools.repeat(0.012))
    assert found.verdict is Verdict.PASS
    assert (found.requests, found.bad, found.needed) == (397, 0, 0)
    assert len(server.received) == 10 + 397
    assert found.sentence == (
        "0 of 397 requests took longer than 25ms and one in 100 may; p99 is 12 ms (95%: 12 ms to 12 ms)."
    )


def test_a_model_beyond_its_budget_fails_with_what_was_measured():
    [found], _ = measure(LatencyBudget("p99", 0.025), slow_every(10, 0.031))
    assert found.verdict is Verdict.FAIL
    assert found.requests < 100
    assert found.measured == pytest.approx(0.031)
    assert "took longer than 25ms and one in 100 may; p99 is 31 ms" in found.sentence


def test_what_is_neither_says_what_would_settle_it():
    latencies = itertools.chain([0.001] * 300, [0.03], [0.001] * 10**6)
    [found], _ = measure(LatencyBudget("p99", 0.025, requests=500, warmup=0), latencies)
    assert found.verdict is Verdict.INCONCLUSIVE
    needed = RateTest(0.01, 1 - 0.95, 1 - 0.95).good_needed(500, 1)
    assert found.needed == needed
    assert found.sentence.startswith(f"needs {needed} more requests under 25ms: 1 of 500 requests took longer")


def test_errors_count_as_over_the_limit():
    failing = (RuntimeError("UNAVAILABLE: connection refused") for _ in itertools.count())
    [found], _ = measure(LatencyBudget("p99", 0.025), failing)
    assert found.verdict is Verdict.FAIL
    assert found.bad == found.requests == 20
    assert "20 of 20 requests took longer than 25ms (20 of them failed)" in found.sentence
    assert found.sample.errors == {"UNAVAILABLE: connection refused": 20}
    assert "20 requests failed: UNAVAILABLE: connection refused" in found.sample.notes()


def test_an_error_rate_heeds_errors_alone():
    [found], _ = measure(LatencyBudget("error_rate", 0.01), itertools.repeat(60.0))
    assert (found.verdict, found.requests, found.measured) == (Verdict.PASS, 397, 0)
    source = random.Random(2)  # noqa: S311 - a made-up server
    often = (RuntimeError("no") if source.random() < 0.2 else 0.001 for _ in itertools.count())
    [found], _ = measure(LatencyBudget("error_rate", 0.01), often)
    assert found.verdict is Verdict.FAIL
    assert "requests failed" in found.sentence
    assert "against 1%" in found.sentence


def test_several_budgets_are_decided_from_one_sample_each_at_its_own_time():
    budgets = [LatencyBudget("p50", 0.005), LatencyBudget("p99", 0.025), LatencyBudget("p90", 0.0001)]
    found, server = measure(budgets, itertools.repeat(0.001))
    assert [each.verdict for each in found] == [Verdict.PASS, Verdict.PASS, Verdict.FAIL]
    assert [each.requests for each in found] == [20, 397, 20]
    assert len(server.received) == 10 + 397
    assert found[0].sample is found[1].sample
    assert worst(found) is Verdict.FAIL
    assert worst(found[:2]) is Verdict.PASS


def test_verdicts_come_in_the_order_of_the_budgets_whatever_their_loads():
    budgets = [LatencyBudget("p99", 0.025, batch=8), LatencyBudget("p50", 0.025), LatencyBudget("first_request", 1.0)]
    found, _ = measure(budgets, itertools.repeat(0.001))
    assert [each.budget for each in found] == budgets
    assert [each.sample.shape.batch for each in found] == [8, 1, 1]


def test_the_first_request_is_a_kind_of_its_own():
    budgets = [LatencyBudget("first_request", 0.2), LatencyBudget("p50", 0.025)]
    found, _ = measure(budgets, itertools.chain([0.35], itertools.repeat(0.001)))
    assert [each.verdict for each in found] == [Verdict.FAIL, Verdict.PASS]
    assert found[0].sentence == "The first request took 350 ms against 200ms (one observation)."
    assert found[1].sample.first_request == pytest.approx(0.35)
    [alone], server = measure(LatencyBudget("first_request", 0.2), [0.1] * 10)
    assert alone.verdict is Verdict.PASS
    assert len(server.received) == 10
    [unwarmed], server = measure(LatencyBudget("first_request", 0.2, warmup=0), [0.3, 0.1])
    assert unwarmed.verdict is Verdict.FAIL
    assert len(server.received) == 1


def test_a_mean_is_decided_and_says_how_requests_were_counted():
    [found], _ = measure(LatencyBudget("mean", 0.010), slow_every(10, 0.02, fast=0.004))
    assert found.verdict is Verdict.PASS
    assert found.measured == pytest.approx(0.0056, rel=0.2)
    assert "a request counting as 10 times the limit at most" in found.sentence
    [found], _ = measure(LatencyBudget("mean", 0.010), slow_every(2, 0.04, fast=0.004))
    assert found.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("over", "verdict"), [(0, Verdict.PASS), (5, Verdict.PASS), (6, Verdict.INCONCLUSIVE), (40, Verdict.FAIL)]
)
def test_a_sample_of_fixed_size_is_judged_by_the_exact_test(over, verdict):
    latencies = [0.03] * over + [0.001] * (1049 - over)
    random.Random(0).shuffle(latencies)  # noqa: S311 - a made-up server
    [found], server = measure(LatencyBudget("p99", 0.025, test="fixed", requests=1049, warmup=0), latencies)
    assert found.verdict is verdict
    assert len(server.received) == 1049
    if verdict is Verdict.INCONCLUSIVE:
        assert found.sentence.startswith("needs ")
        assert found.needed == requests_to_pass(0.01, 0.95, over) - 1049


def test_a_fixed_sample_cut_short_counts_what_was_not_sent_against_it():
    budget = LatencyBudget("p99", 0.025, test="fixed", requests=473, warmup=0)
    [found], _ = measure(budget, itertools.repeat(0.001), draws=iter(range(472)))
    assert found.verdict is Verdict.PASS
    [found], _ = measure(budget, itertools.repeat(0.001), draws=iter(range(471)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.sentence.startswith("needs 2 more requests under 25ms: 0 of 471 requests took longer")


def test_seconds_end_a_sample_and_a_verdict_says_what_is_missing():
    [found], server = measure(LatencyBudget("p99", 0.025, seconds=1.0, warmup=0), itertools.repeat(0.01))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.sentence.startswith(f"needs {397 - len(server.received)} more requests under 25ms: ")


def test_no_request_in_time_is_said():
    [found], _ = measure(LatencyBudget("p99", 0.025, warmup=0), [], draws=iter(()))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.sentence == ("needs 397 more requests under 25ms: no request was sent within the time allowed.")
    assert found.measured is None
    json.dumps(found.as_dict(), allow_nan=False)


def test_clustered_requests_need_more_evidence():
    rng = np.random.default_rng(4)
    state, latencies = 0.0, []
    for noise in rng.standard_normal(8000):
        state = 0.8 * state + 0.6 * noise
        latencies.append(0.001 * math.exp(0.5 * state))
    [found], _ = measure(LatencyBudget("p99", 0.005), latencies)
    assert found.verdict is Verdict.PASS
    assert found.sample.block > 1
    assert found.requests > 397 * (found.sample.block - 1)
    assert "Requests resemble their neighbours" in " ".join(found.sample.notes())


def test_an_undecidable_budget_is_an_error_before_any_request():
    server = Server(Clock(), [])
    with pytest.raises(UsageError, match="needs at least 3993 requests"):
        gate([LatencyBudget("p99.9", 0.025, requests=500)], server, itertools.count())
    assert server.received == []


def test_the_floor_is_the_median_of_the_ping():
    clock = Clock()

    def ping():
        clock.now += 0.0005

    [found] = gate(
        [LatencyBudget("p50", 0.01)], Server(clock, itertools.repeat(0.001)), itertools.count(), ping=ping, clock=clock
    )
    assert found.sample.floor.value == pytest.approx(0.0005)

    def broken():
        raise OSError("gone")

    [found] = gate(
        [LatencyBudget("p50", 0.01)],
        Server(clock, itertools.repeat(0.001)),
        itertools.count(),
        ping=broken,
        clock=clock,
    )
    assert found.sample.floor is None


def test_garbage_is_not_collected_while_sampling_and_is_again_afterwards():
    states = []
    gate([LatencyBudget("p50", 10.0, warmup=0)], lambda _: states.append(gc.isenabled()), itertools.count())
    assert set(states) == {False}
    assert gc.isenabled()


def test_an_open_loop_is_decided_like_a_closed_one():
    [found] = gate([LatencyBudget("p50", 0.5, rate=4000.0, warmup=0)], lambda _: None, itertools.count(), seed=1)
    assert found.verdict is Verdict.PASS
    assert (found.sample.seed, found.sample.shape.rate) == (1, 4000)


def test_a_verdict_is_plain_data():
    source = random.Random(2)  # noqa: S311 - a made-up server
    latencies = (
        RuntimeError("no") if source.random() < 0.05 else 0.001 + source.random() / 100 for _ in itertools.count()
    )
    for found in measure([LatencyBudget("p90", 0.025), LatencyBudget("error_rate", 0.2)], latencies)[0]:
        data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert data["verdict"] == "pass"
        assert data["sample"]["errors"]["no"] > 0
        assert len(data["sample"]["curve"]) <= 200
        assert data["sample"]["percentiles"]["p99"]["value"] is None  # an error
        assert [share for _, share in data["sample"]["curve"]] == sorted(share for _, share in data["sample"]["curve"])
