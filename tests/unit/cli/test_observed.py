"""What is proposed of what was observed."""

from __future__ import annotations

import pytest

from pytest_tfsig.cli.observed import Observed, _budget


@pytest.mark.parametrize(("slowest", "limit"), [(0.0005, 0.1), (0.009, 0.1), (0.011, 0.2), (0.4, 5.0)])
def test_a_budget_is_generous_and_judges_no_busy_machine(slowest, limit):
    budget, (told,) = _budget(Observed(latencies=[0.0004, slowest, 0.0004], server="embedded"))
    assert (budget.metric, budget.limit_seconds) == ("p99", limit)
    assert f"this allows {limit / slowest:.0f} times that" in told
