from __future__ import annotations

import gc
import itertools
import json
import math
import random
import threading

import numpy as np
import pytest

from pytest_tfsig.contract import LatencyBudget
from pytest_tfsig.errors import UsageError
from pytest_tfsig.latency import Verdict, gate, worst
from pytest_tfsig.latency.exact import requests_to_pass
from pytest_tfsig.latency.sequential import RateTest
from tests.unit.latency.clocks import Clock, Server, told_left


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


def clustered(size: int = 8000) -> list[float]:
    rng = np.random.default_rng(4)
    state, latencies = 0.0, []
    for noise in rng.standard_normal(size):
        state = 0.8 * state + 0.6 * noise
        latencies.append(0.001 * math.exp(0.5 * state))
    return latencies


def test_clustered_requests_need_more_evidence():
    [found], _ = measure(LatencyBudget("p99", 0.005), clustered())
    assert found.verdict is Verdict.PASS
    assert found.sample.block > 1
    assert found.requests > 397 * (found.sample.block - 1)
    assert "Requests resemble their neighbours" in " ".join(found.sample.notes())


def test_a_sample_that_several_budgets_share_has_the_longest_block_of_theirs():
    found, _ = measure([LatencyBudget("p99", 0.005), LatencyBudget("p99", 60.0)], clustered())
    assert [each.verdict for each in found] == [Verdict.PASS, Verdict.PASS]
    assert found[1].requests < found[0].requests
    assert found[0].sample.block > 1


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


def test_a_sample_knows_the_circumstances_under_which_it_was_taken():
    latencies = itertools.chain([0.5], itertools.repeat(0.25))
    [found], server = measure(LatencyBudget("p50", 1.0, warmup=3), latencies, seed=5)
    sample = found.sample
    assert len(server.received) == 3 + 20
    assert (sample.warmup, sample.first_request, sample.seconds, sample.seed) == (3, 0.5, 5.0, 5)
    assert sample.latencies == (0.25,) * 20
    assert (sample.block, sample.autocorrelation, sample.self_check) == (1, 0.0, 1.0)
    assert sample.floor is None
    assert sample.machine.processors >= 1
    [found], _ = measure(LatencyBudget("p50", 1.0, warmup=0), latencies)
    assert (found.sample.warmup, found.sample.first_request, found.sample.seed) == (0, None, 0)


def test_the_longest_warm_up_that_a_budget_asks_for_is_done():
    budgets = [
        LatencyBudget("p50", 1.0, warmup=3),
        LatencyBudget("p90", 1.0, warmup=7),
        LatencyBudget("p95", 1.0, warmup=5),
    ]
    _, server = measure(budgets[:2], itertools.repeat(0.25))
    alone, unwarmed = measure([LatencyBudget("p90", 1.0, warmup=0)], itertools.repeat(0.25))
    assert len(server.received) == 7 + len(unwarmed.received)
    assert alone[0].sample.warmup == 0


def test_the_first_request_warms_up_alone_and_the_others_as_many_at_once_as_will_be_sampled():
    pair, lock, counter = threading.Barrier(2), threading.Lock(), itertools.count()

    def send(_):
        with lock:
            number = next(counter)
        if number == 0:
            with pytest.raises(threading.BrokenBarrierError):
                pair.wait(0.2)
            pair.reset()
        elif number <= 4:
            pair.wait(30)

    [found] = gate([LatencyBudget("p50", 60.0, concurrency=2, warmup=5)], send, itertools.count())
    assert (found.verdict, found.sample.warmup, found.sample.errors) == (Verdict.PASS, 5, {})


@pytest.mark.parametrize(("concurrency", "callers"), [(1, 32), (40, 40)])
def test_an_open_loop_has_thirty_two_callers_or_as_many_as_are_asked_for(concurrency, callers):
    together, lock, counter = threading.Barrier(callers), threading.Lock(), itertools.count()

    def send(_):
        with lock:
            number = next(counter)
        if number < callers:
            together.wait(10)

    budget = LatencyBudget("p50", 60.0, rate=1e6, concurrency=concurrency, warmup=0)
    [found] = gate([budget], send, itertools.count())
    assert (found.verdict, found.sample.errors) == (Verdict.PASS, {})


def test_an_open_loop_sends_when_the_seed_says():
    def slept(seed: int) -> list[float]:
        clock = Clock()
        budget = LatencyBudget("p50", 1.0, rate=4.0, warmup=0, requests=20)
        gate([budget], lambda _: None, itertools.count(), seed=seed, clock=clock, sleep=clock.sleep)
        return clock.sleeps[:1]

    assert slept(1) == slept(1) != slept(2)
    assert slept(0) == [random.Random(0).expovariate(4.0)]  # noqa: S311 - arrivals, not secrets


def test_budgets_with_different_times_each_look_at_their_own():
    budgets = [
        LatencyBudget("p99", 1.0, seconds=1.0, warmup=0),
        LatencyBudget("p99", 1.0, seconds=2.0, warmup=0),
        LatencyBudget("p95", 1.0, warmup=0, requests=100),
    ]
    found, server = measure(budgets, itertools.repeat(0.0625))
    # Due at 0, 0.0625 … 1.0, and so on to 2.0; the third has no bound, and needs 78 good ones.
    assert [each.requests for each in found] == [17, 33, 78]
    assert [each.verdict for each in found] == [Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.PASS]
    assert len(server.received) == 78
    found, server = measure(budgets[:2], itertools.repeat(0.0625))
    assert len(server.received) == 33


def test_a_budget_costs_no_more_than_its_own_cap_beside_one_that_may_cost_more():
    budgets = [LatencyBudget("p99", 0.1, requests=450, warmup=0), LatencyBudget("p99", 0.1, requests=700, warmup=0)]
    source = random.Random(3)  # noqa: S311 - a made-up server
    latencies = (0.25 if source.random() < 0.008 else 0.0625 for _ in itertools.count())
    found, _ = measure(budgets, latencies)
    assert found[0].requests == 450
    assert found[1].requests > 450


@pytest.mark.parametrize(
    ("budgets", "left"),
    [
        ([LatencyBudget("p99", 1.0, warmup=0)], [396, 395, 394]),
        ([LatencyBudget("p50", 1.0, warmup=0), LatencyBudget("p99", 1.0, warmup=0)], [396, 395, 394]),
        ([LatencyBudget("p99", 0.1, warmup=0, requests=397)], [396, 395, 394]),
        ([LatencyBudget("p99", 1.0, warmup=0, seconds=5.0)], [19, 18, 17]),
        (
            [LatencyBudget("p99", 1.0, warmup=0, seconds=5.0), LatencyBudget("p99", 1.0, warmup=0, seconds=6.0)],
            [23, 22, 21],
        ),
        ([LatencyBudget("p99", 1.0, warmup=0, seconds=5.0), LatencyBudget("p99", 1.0, warmup=0)], [396, 395, 394]),
        ([LatencyBudget("p99", 1.0, warmup=0, seconds=0.375)], [0.5, 0, 0]),
    ],
    ids=["needed", "the longest", "the cap", "the time", "the longest time", "one without a bound", "time is over"],
)
def test_what_is_left_is_told_from_the_pace_so_far_in_requests_of_a_quarter_of_a_second(budgets, left):
    clock = Clock()
    with told_left(clock) as told:
        gate(budgets, Server(clock, itertools.repeat(0.25)), itertools.count(), clock=clock)
    assert [each / 0.25 for _, each in told[:3]] == left[: len(told)]


def test_nothing_is_left_once_all_is_decided():
    clock = Clock()
    with told_left(clock) as told:
        gate(
            [LatencyBudget("p50", 1.0, warmup=0)], Server(clock, itertools.repeat(0.25)), itertools.count(), clock=clock
        )
    assert len(told) == 20
    assert told[-1][1] == 0.0


def test_the_floor_is_taken_from_fifty_pings_those_left_out_that_fail():
    clock, pings = Clock(), itertools.count(1)

    def ping():
        number = next(pings)
        if number > 40:
            raise OSError("gone")
        clock.now += number / 1024

    [found] = gate(
        [LatencyBudget("p50", 1.0)], Server(clock, itertools.repeat(0.001)), itertools.count(), ping=ping, clock=clock
    )
    assert next(pings) == 51
    assert found.sample.floor.value == 20 / 1024


@pytest.mark.parametrize("metric", ["first_request", "mean", "error_rate", "p50"])
def test_where_nothing_was_sent_nothing_was_measured(metric):
    [found], _ = measure(LatencyBudget(metric, 0.5), [], draws=iter(()))
    assert (found.verdict, found.measured, found.requests) == (Verdict.INCONCLUSIVE, None, 0)
    assert found.needed > 0
    assert "o request was sent" in found.sentence


def test_an_error_of_the_first_request_is_beyond_every_limit():
    [found], _ = measure(
        LatencyBudget("first_request", 50.0), itertools.chain([OSError("down")], itertools.repeat(0.1))
    )
    assert (found.verdict, found.measured, found.bad) == (Verdict.FAIL, math.inf, 1)
    assert found.sentence == "The first request took an error against 50s (one observation)."
