from __future__ import annotations

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
from tests.unit.latency.clocks import Clock, Server


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
    least = least_requests(0.95)
    with pytest.raises(UsageError, match=f"raise requests to {least} or more"):
        run([], [], requests=least - 1)


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
