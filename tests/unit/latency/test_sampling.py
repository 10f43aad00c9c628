from __future__ import annotations

import itertools
import math
import threading
import time

import pytest

from pytest_tfsig.latency.percentiles import PERCENTILES, estimate
from pytest_tfsig.latency.sampling import Limits, Observation, closed_loop, open_loop, poisson_gaps, warm_up
from tests.unit.latency.clocks import Clock, Server

NO_END = math.inf


def keep(seen: list[Observation], last: int = 10**9):
    def judge(observation: Observation) -> bool:
        seen.append(observation)
        return observation.index == last

    return judge


def p99(seen: list[Observation]) -> float:
    return estimate(sorted(each.charged for each in seen), PERCENTILES["p99"]).value


def test_a_closed_loop_times_each_request_and_not_the_drawing_of_its_inputs():
    clock = Clock()

    def slow_draws():
        for i in range(3):
            clock.now += 5
            yield i

    seen: list[Observation] = []
    server = Server(clock, [0.25, 0.5, 0.125])
    closed_loop(server, slow_draws(), keep(seen), Limits(10, NO_END), clock=clock)
    assert [each.latency for each in seen] == [0.25, 0.5, 0.125]
    assert [each.due for each in seen] == [5, 10.25, 15.75]
    assert server.received == [0, 1, 2]


def test_an_error_is_kept_with_its_words_and_charged_as_over_every_limit():
    clock = Clock()
    seen: list[Observation] = []
    server = Server(clock, [0.1, TimeoutError("no answer in 5 s"), ValueError()])
    closed_loop(server, iter("abc"), keep(seen), Limits(10, NO_END), clock=clock)
    assert [each.error for each in seen] == [None, "no answer in 5 s", "ValueError"]
    assert [each.charged for each in seen] == [pytest.approx(0.1), math.inf, math.inf]


def test_the_judge_the_cap_and_the_clock_each_end_a_run():
    def run(limits: Limits, last: int = 10**9) -> int:
        clock, seen = Clock(), []
        server = Server(clock, itertools.repeat(0.25))
        closed_loop(server, itertools.count(), keep(seen, last), limits, clock=clock)
        assert len(server.received) == len(seen)
        return len(seen)

    assert run(Limits(7, NO_END)) == 7
    assert run(Limits(1000, NO_END), last=4) == 5
    assert run(Limits(1000, 1.0)) == 5  # due at 0, 0.25, 0.5, 0.75 and 1.0


def test_an_open_loop_waits_for_the_schedule_and_never_for_an_answer():
    clock = Clock()
    seen: list[Observation] = []
    open_loop(
        Server(clock, [0.5, 0.5, 0.5]),
        iter("abc"),
        keep(seen),
        Limits(10, NO_END),
        gaps=iter([1.0, 0.25, 2.0, 1.0]),
        callers=1,
        clock=clock,
        sleep=clock.sleep,
    )
    assert clock.sleeps == [1.0, 1.25]
    # The second was due at 1.25, was sent at 1.5 and answered at 2.0: its user waited 0.75 s.
    assert [(each.due, each.latency) for each in seen] == [(1.0, 0.5), (1.25, 0.75), (3.25, 0.5)]


def test_an_error_in_an_open_loop_is_one():
    clock, seen = Clock(), []
    open_loop(
        Server(clock, [0.25, OSError("gone"), ValueError()]),
        iter("abc"),
        keep(seen),
        Limits(3, NO_END),
        gaps=itertools.repeat(1.0),
        callers=1,
        clock=clock,
        sleep=clock.sleep,
    )
    assert [each.error for each in seen] == [None, "gone", "ValueError"]
    assert [each.charged for each in seen] == [0.25, math.inf, math.inf]
    assert [each.index for each in seen] == [0, 1, 2]


def test_a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one():
    """Coordinated omission: the same server, one stall of 300 ms among 1,000 answers of 1 ms."""

    def latencies():
        return itertools.chain(itertools.repeat(0.001, 500), [0.3], itertools.repeat(0.001))

    clock, closed = Clock(), []
    closed_loop(Server(clock, latencies()), itertools.count(), keep(closed), Limits(1000, NO_END), clock=clock)
    assert p99(closed) == pytest.approx(0.001)

    clock, opened = Clock(), []
    open_loop(
        Server(clock, latencies()),
        itertools.count(),
        keep(opened),
        Limits(1000, NO_END),
        gaps=itertools.repeat(0.01),
        callers=1,
        clock=clock,
        sleep=clock.sleep,
    )
    # 100 requests a second kept coming while it stalled; some 33 waited, the first ones for nearly all of it.
    assert p99(opened) == pytest.approx(0.21, abs=0.001)
    assert max(each.latency for each in opened) == pytest.approx(0.3)
    assert sum(1 for each in opened if each.latency > 0.0011) == pytest.approx(33, abs=1)


def test_concurrent_callers_run_at_once_and_are_judged_in_the_order_of_their_start():
    """The first request answers last, and only after all others: judged as answered, a fast one would come first."""
    others = threading.Barrier(4)
    release = threading.Event()

    def send(inputs: int) -> None:
        if inputs == 0:
            assert release.wait(30)
        elif inputs < 4:
            others.wait(30)
        else:
            release.set()

    threading.Thread(target=others.wait, args=(30,), daemon=True).start()
    seen: list[Observation] = []
    closed_loop(send, iter(range(8)), keep(seen), Limits(8, NO_END), concurrency=4)
    assert [each.index for each in seen] == list(range(8))
    assert all(each.error is None for each in seen)


def test_what_is_under_way_at_the_end_is_still_judged():
    clock = time.perf_counter
    seen: list[Observation] = []
    closed_loop(lambda _: time.sleep(0.01), iter(range(6)), keep(seen), Limits(6, NO_END), concurrency=3, clock=clock)
    assert len(seen) == 6


def test_nothing_is_judged_after_the_decision():
    seen: list[Observation] = []
    closed_loop(lambda _: None, itertools.count(), keep(seen, last=9), Limits(10**6, NO_END), concurrency=4)
    assert [each.index for each in seen] == list(range(10))


def test_an_open_loop_with_many_callers_has_them_ready_before_it_begins():
    seen: list[Observation] = []
    open_loop(
        lambda _: None,
        iter(range(50)),
        keep(seen),
        Limits(50, NO_END),
        gaps=itertools.repeat(0.0005),
        callers=8,
    )
    assert [each.index for each in seen] == list(range(50))
    assert [each.due for each in seen] == pytest.approx([0.0005 * (i + 1) for i in range(50)])


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_error_of_the_draws_is_raised_not_counted(concurrency):
    def draws():
        yield 1
        raise ZeroDivisionError("in the strategy")

    with pytest.raises(ZeroDivisionError, match="in the strategy"):
        closed_loop(lambda _: None, draws(), lambda _: False, Limits(10, NO_END), concurrency=concurrency)


def test_warming_up_returns_what_it_took():
    clock = Clock()
    seen = warm_up(Server(clock, [0.5, 0.25]), iter("ab"), 2, clock=clock)
    assert [each.latency for each in seen] == [0.5, 0.25]
    assert warm_up(Server(clock, []), iter(""), 0, clock=clock) == []


def test_arrivals_are_poisson_and_come_from_the_seed():
    gaps = list(itertools.islice(poisson_gaps(200.0, seed=1), 4000))
    assert gaps == list(itertools.islice(poisson_gaps(200.0, seed=1), 4000))
    assert gaps != list(itertools.islice(poisson_gaps(200.0, seed=2), 4000))
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.005, rel=0.05)
    # An exponential's standard deviation is its mean.
    assert math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) == pytest.approx(mean, rel=0.1)


def test_what_is_due_at_once_is_sent_without_waiting():
    clock = Clock()
    open_loop(
        Server(clock, [0.5, 0.5]),
        iter("ab"),
        lambda _: False,
        Limits(2, NO_END),
        gaps=iter([0.0, 0.0]),
        callers=1,
        clock=clock,
        sleep=clock.sleep,
    )
    assert clock.sleeps == []


def test_callers_have_names_and_keep_no_interpreter_alive():
    pair, callers = threading.Barrier(2), []

    def send(_):
        pair.wait(30)
        callers.append((threading.current_thread().name, threading.current_thread().daemon))

    closed_loop(send, iter(range(2)), lambda _: False, Limits(2, NO_END), concurrency=2)
    assert sorted(callers) == [("tfsig-caller-0", True), ("tfsig-caller-1", True)]


def test_warming_up_sends_as_many_at_once_as_it_is_told():
    pair = threading.Barrier(2)
    seen = warm_up(lambda _: pair.wait(10), itertools.count(), 4, concurrency=2)
    assert [each.error for each in seen] == [None] * 4


def test_one_caller_runs_in_the_thread_that_asked():
    threads = []
    closed_loop(lambda _: threads.append(threading.current_thread()), iter("a"), lambda _: False, Limits(1, NO_END))
    assert threads == [threading.current_thread()]


def test_a_run_of_no_requests_draws_nothing_more_than_it_sends():
    draws = itertools.count()
    clock = Clock()
    closed_loop(Server(clock, itertools.repeat(0.5)), draws, lambda _: False, Limits(3, NO_END), clock=clock)
    assert next(draws) == 3


def test_the_first_request_that_is_due_too_late_ends_the_run_for_good():
    clock, seen = Clock(), []
    open_loop(
        Server(clock, itertools.repeat(0.25)),
        itertools.count(),
        keep(seen),
        Limits(100, 1.0),
        gaps=iter([0.5, 0.5, 0.25, -1.0, 0.0]),
        callers=1,
        clock=clock,
        sleep=clock.sleep,
    )
    assert [each.due for each in seen] == [0.5, 1.0]


def test_an_interrupt_in_a_caller_is_raised_where_the_run_began():
    def send(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        closed_loop(send, itertools.count(), lambda _: False, Limits(100, NO_END), concurrency=3)
