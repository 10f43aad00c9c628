"""The latency gate against a real gRPC server whose delays are known.

No limit is near a delay: what the machine adds does not change a verdict.
"""

from __future__ import annotations

import itertools
import random

import pytest

from pytest_tfsig.contract import LatencyBudget
from pytest_tfsig.latency import Verdict, compare, gate
from tests.integration.latency_server import Delays, serving, steady


@pytest.mark.parametrize("load", [{}, {"concurrency": 4}, {"rate": 400.0}], ids=["closed", "concurrent", "open"])
def test_a_fast_server_passes_under_every_load(load):
    with serving(Delays(steady(0))) as send:
        [found] = gate([LatencyBudget("p90", 5.0, **load)], send, itertools.count())
    assert found.verdict is Verdict.PASS
    assert found.requests == 38
    assert found.sample.errors == {}


@pytest.mark.parametrize("load", [{}, {"concurrency": 4}, {"rate": 200.0}], ids=["closed", "concurrent", "open"])
def test_a_server_with_too_many_slow_answers_fails_under_every_load(load):
    source = random.Random(3)  # noqa: S311 - delays
    delays = (0.05 if source.random() < 0.5 else 0.0 for _ in itertools.count())
    with serving(Delays(delays)) as send:
        [found] = gate([LatencyBudget("p99", 0.04, **load)], send, itertools.count())
    assert found.verdict is Verdict.FAIL
    assert found.measured >= 0.05


def test_injected_errors_are_counted_and_quoted():
    source = random.Random(3)  # noqa: S311 - delays
    delays = (None if source.random() < 0.5 else 0.0 for _ in itertools.count())
    with serving(Delays(delays)) as send:
        found = gate([LatencyBudget("error_rate", 0.05), LatencyBudget("p90", 5.0)], send, itertools.count())
    assert [each.verdict for each in found] == [Verdict.FAIL, Verdict.FAIL]
    assert found[0].sample.errors  # several: an older grpcio puts the time into each
    for text in found[0].sample.errors:
        assert "UNAVAILABLE" in text
        assert "injected" in text


def test_a_slow_first_request_fails_its_own_budget_alone():
    with serving(Delays(itertools.chain([0.2], steady(0)))) as send:
        found = gate([LatencyBudget("first_request", 0.1), LatencyBudget("p50", 5.0)], send, itertools.count())
    assert [each.verdict for each in found] == [Verdict.FAIL, Verdict.PASS]


def test_a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one():
    """Coordinated omission, on a server that answers one request at a time and stalls once for 300 ms."""
    stalled = {}
    for name, load in (("closed", {}), ("open", {"rate": 200.0})):
        delays = itertools.chain([0.0] * 100, [0.3], steady(0))
        with serving(Delays(delays), workers=1) as send:
            budget = LatencyBudget("p90", 0.1, test="fixed", requests=200, **load)
            [found] = gate([budget], send, itertools.count())
        stalled[name] = found.bad
    # While it stalls, 200 requests a second keep arriving: some 40 wait for over 100 ms.
    assert stalled["open"] >= 20
    assert 1 <= stalled["closed"] <= 10


def test_a_slower_candidate_is_found_on_the_same_inputs():
    with serving(Delays(steady(0))) as fast, serving(Delays(steady(0.005))) as slow:
        found = compare(fast, slow, itertools.count(), requests=300)
    assert found.verdict is Verdict.FAIL
