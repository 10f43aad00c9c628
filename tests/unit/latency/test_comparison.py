from __future__ import annotations

import gc
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.errors import UsageError
from pytest_tfsig.latency import Verdict, compare
from pytest_tfsig.latency.comparison import least_requests, slower_p_value
from pytest_tfsig.latency.exact import hypergeometric_at_least
from pytest_tfsig.latency.machine import Load
from tests.unit.latency.clocks import Clock, Server, told_left


def run(a, b, *, draws=None, **options):
    clock = Clock()
    one, two = Server(clock, a), Server(clock, b)
    return compare(one, two, draws or itertools.count(), clock=clock, **options), one, two


def log_normal(seed: int, scale: float = 1.0):
    rng = np.random.default_rng(seed)
    return (scale * value for value in itertools.chain.from_iterable(rng.lognormal(-5, 0.5, 500) for _ in range(20)))


def test_a_version_as_fast_passes_and_says_what_was_compared():
    found, one, two = run(log_normal(1), log_normal(2))
    assert found.verdict is Verdict.PASS
    assert found.sentence.startswith(
        "1000 requests to each version do not show it slower than the baseline by more than 10%"
    )
    assert one.received == two.received


def test_a_shift_of_a_quarter_is_found():
    found, _, _ = run(log_normal(1), log_normal(2, scale=1.25))
    assert found.verdict is Verdict.FAIL
    assert found.sentence.startswith("slower than the baseline by more than 10%: p90 ")
    tolerated, _, _ = run(log_normal(1), log_normal(2, scale=1.25), tolerance=0.5)
    assert tolerated.verdict is Verdict.PASS


def test_a_candidate_that_fails_requests_is_slower():
    latencies = (RuntimeError("no") if i % 20 == 0 else 0.001 for i in itertools.count())
    found, _, _ = run(itertools.repeat(0.001), latencies)
    assert found.verdict is Verdict.FAIL
    assert found.errors == {"candidate": "no"}
    assert "p99 an error against 1 ms" in found.sentence
    json.dumps(found.as_dict(), allow_nan=False)


def test_blocks_are_balanced_and_their_order_random():
    clock, sequence = Clock(), []

    def sender(arm):
        def send(inputs):
            sequence.append((arm, inputs))
            clock.now += 0.001

        return send

    compare(sender("A"), sender("B"), itertools.count(), requests=300, warmup=0, clock=clock)
    blocks = [sequence[i : i + 4] for i in range(0, len(sequence), 4)]
    orders = {"".join(arm for arm, _ in block) for block in blocks}
    assert orders == {"ABBA", "BAAB"}
    for block in blocks:
        assert block[0][1] == block[1][1] != block[2][1] == block[3][1]


def test_too_little_time_is_inconclusive_with_the_requests_it_lacks():
    found, one, _ = run(itertools.repeat(0.01), itertools.repeat(0.01), seconds=1.0, warmup=0)
    assert found.verdict is Verdict.INCONCLUSIVE
    lacking = least_requests(0.95) - len(one.received)
    assert found.sentence.startswith(f"needs {lacking} more requests to each version")
    none, _, _ = run([], [], draws=iter(()))
    assert none.verdict is Verdict.INCONCLUSIVE
    json.dumps(none.as_dict(), allow_nan=False)


def test_too_few_requests_are_an_error_that_has_the_number():
    with pytest.raises(UsageError) as raised:
        run([], [], requests=299)
    assert str(raised.value) == (
        "no_slower cannot be decided with requests = 299: at confidence 0.95 even a candidate that is always slower "
        "needs 300 requests to each version; raise requests to 300 or more."
    )


@pytest.mark.parametrize(("confidence", "least"), [(0.9, 250), (0.95, 300), (0.99, 400), (0.999, 550)])
def test_the_least_requests_are_enough_for_a_candidate_that_is_always_slower_and_no_fewer_are(confidence, least):
    assert least_requests(confidence) == least
    level = (1 - confidence) / 2
    assert slower_p_value([1.0] * least, [9.0] * least, 0.1, 0.99) <= level
    assert slower_p_value([1.0] * (least - 1), [9.0] * (least - 1), 0.1, 0.99) > level
    found, _, _ = run(itertools.repeat(1.0), itertools.repeat(9.0), requests=least, confidence=confidence)
    assert found.verdict is Verdict.FAIL
    assert found.needed == 0


def test_what_nobody_stated_is_a_tenth_a_thousand_requests_and_ten_to_warm_up():
    found, one, two = run(itertools.repeat(0.5), itertools.repeat(0.5))
    assert (found.tolerance, found.confidence, found.seed) == (0.1, 0.95, 0)
    assert len(found.baseline) == len(found.candidate) == 1000
    assert len(one.received) == len(two.received) == 1010


def test_a_comparison_is_plain_data():
    latencies = itertools.chain([RuntimeError("no"), RuntimeError("later")], itertools.repeat(0.25))
    found, _, _ = run(latencies, itertools.repeat(0.25), requests=300, warmup=0, seed=7, tolerance=0.2)
    latency = {"value": 0.25, "low": 0.25, "high": 0.25, "confidence": 0.95}
    open_ended = {**latency, "high": None}
    candidate = {"p50": latency, "p90": latency, "p95": latency, "p99": open_ended, "p99.9": open_ended}
    assert isinstance(found.machine, Load)
    assert found.as_dict() == {
        "verdict": "pass",
        "sentence": (
            "300 requests to each version do not show it slower than the baseline by more than 20%: "
            "p90 250 ms against 250 ms; p99 250 ms against 250 ms."
        ),
        "tolerance": 0.2,
        "confidence": 0.95,
        "p_values": {"p90": 1.0, "p99": 1.0},
        "requests": 300,
        "needed": 0,
        "baseline": {**candidate, "p99.9": {**open_ended, "value": None}},
        "candidate": candidate,
        "errors": {"baseline": "no"},
        "machine": found.machine.as_dict(),
        "self_check": found.self_check,
        "seed": 7,
    }
    assert found.self_check == pytest.approx(0.5, abs=0.01)  # both errors came in the first half


def test_an_error_without_words_is_told_by_its_kind():
    found, _, _ = run(itertools.repeat(0.25), itertools.repeat(TimeoutError()), requests=300)
    assert found.errors == {"candidate": "TimeoutError"}


def test_what_goes_wrong_while_warming_up_is_forgotten():
    latencies = itertools.chain([RuntimeError("cold")] * 3 + [60.0] * 2, itertools.repeat(0.25))
    found, one, two = run(latencies, itertools.repeat(0.25), requests=300, warmup=5)
    assert found.errors == {}
    assert set(found.baseline) == set(found.candidate) == {0.25}
    assert one.received == two.received
    assert one.received[:5] == [0, 1, 2, 3, 4]


def test_the_order_of_the_versions_comes_from_the_seed():
    def order(seed: int) -> str:
        clock, sequence = Clock(), []

        def sender(arm):
            return lambda _: sequence.append(arm)

        compare(sender("A"), sender("B"), itertools.count(), requests=300, warmup=0, clock=clock, seed=seed)
        return "".join(sequence)

    assert order(1) == order(1) != order(2)


def test_time_ends_a_comparison_between_two_blocks():
    # A block of two requests to each version takes a second; the one that is due in the last moment is still sent.
    found, one, two = run(itertools.repeat(0.25), itertools.repeat(0.25), seconds=5.0, warmup=0)
    assert len(one.received) == len(two.received) == 12
    assert found.sentence == "needs 288 more requests to each version: 12 were sent within the time allowed."
    assert found.needed == 288


@pytest.mark.parametrize(("requests", "sent"), [(300, 300), (301, 302)])
def test_inputs_come_in_pairs(requests, sent):
    found, _, _ = run(itertools.repeat(0.25), itertools.repeat(0.25), requests=requests)
    assert len(found.candidate) == sent


@pytest.mark.parametrize(
    ("seconds", "left"), [(None, [149.0, 148.0, 147.0]), (500.0, [149.0, 148.0, 147.0]), (2.5, [1.5, 0.5, 0.0])]
)
def test_the_time_that_is_left_is_told_from_the_pace_so_far_and_from_what_is_allowed(seconds, left):
    clock = Clock()
    with told_left(clock) as told:
        compare(
            Server(clock, itertools.repeat(0.25)),
            Server(clock, itertools.repeat(0.25)),
            itertools.count(),
            requests=300,
            seconds=seconds,
            warmup=0,
            clock=clock,
        )
    assert [each for _, each in told[:3]] == left


def test_garbage_is_not_collected_while_versions_are_compared():
    states = []
    compare(lambda _: states.append(gc.isenabled()), lambda _: None, itertools.count(), requests=300, warmup=0)
    assert set(states) == {False}
    assert gc.isenabled()


@given(
    baseline=st.lists(st.integers(1, 1000), min_size=1, max_size=6, unique=True),
    candidate=st.lists(st.integers(1, 1000), min_size=1, max_size=6, unique=True),
    tolerance=st.sampled_from([0.0, 0.25, 1.0]),
    tenths=st.integers(1, 9),
)
def test_a_p_value_is_the_share_of_all_draws_that_have_as_many_of_the_candidate_among_the_slowest(
    baseline, candidate, tolerance, tenths
):
    pooled = [(value * (1 + tolerance), False) for value in baseline] + [(float(value), True) for value in candidate]
    # Ties count for the candidate: of two alike, the baseline's is the slower one.
    pooled.sort(key=lambda each: (-each[0], each[1]))
    slowest = len(pooled) * (10 - tenths) // 10
    of_candidate = sum(is_candidate for _, is_candidate in pooled[:slowest])
    draws = list(itertools.combinations(range(len(pooled)), len(candidate)))
    as_many = sum(1 for draw in draws if sum(place < slowest for place in draw) >= of_candidate)
    assert slower_p_value(baseline, candidate, tolerance, tenths / 10) == pytest.approx(as_many / len(draws))


@given(
    a=st.lists(st.floats(0.001, 1), min_size=5, max_size=40),
    b=st.lists(st.floats(0.001, 1), min_size=5, max_size=40),
    tolerance=st.floats(0, 1),
)
def test_a_slower_candidate_or_a_smaller_tolerance_never_looks_faster(a, b, tolerance):
    here = slower_p_value(a, b, tolerance, 0.9)
    assert slower_p_value(a, [2 * value for value in b], tolerance, 0.9) <= here + 1e-12
    assert slower_p_value(a, b, tolerance / 2, 0.9) <= here + 1e-12
    assert 0 <= here <= 1


@given(st.integers(10, 40), st.integers(10, 40))
def test_a_candidate_that_has_all_the_slowest_is_as_unlikely_as_such_a_draw(a, b):
    slowest = math.floor((a + b) * 0.1 + 1e-9)
    expected = hypergeometric_at_least(min(slowest, b), a + b, slowest, b)
    assert slower_p_value([1.0] * a, [9.0] * b, 0.1, 0.9) == pytest.approx(expected)


def test_ties_count_for_the_candidate():
    assert slower_p_value([1.0] * 50, [1.0] * 50, 0.0, 0.9) == 1


def test_false_alarms_are_as_rare_as_stated():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        a, b = rng.lognormal(0, 1, 300), rng.lognormal(0, 1, 300) * 1.1
        alarms += any(slower_p_value(a.tolist(), b.tolist(), 0.1, share) <= 0.025 for share in (0.9, 0.99))
    assert alarms <= 33  # three standard errors above 5 % of 400
