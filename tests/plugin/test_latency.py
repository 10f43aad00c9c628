"""Latency budgets in a suite: decided, undecided, undecidable."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

BUDGET = """
@pytest.mark.tfsig_contract(latency={latency!r}, dims={{"batch": (1, 8)}})
def test_contract(tfsig_check):
    tfsig_check()
"""


def write(suite, models, latency):
    suite.write(BUDGET.format(latency=latency), models("classifier"), contract=False)


def test_a_generous_budget_holds_with_the_fewest_requests(suite, models):
    write(suite, models, {"p99": "5s"})
    result = suite.run("-k", "latency", "--tfsig-report=report")
    assert result.ret == 0
    [entry] = suite.report()["results"]
    assert entry["verdict"] == "pass"
    assert entry["examples"] == 397  # clean requests that decide p99 at 95 %
    assert entry["details"]["budgets"][0]["metric"] == "p99"


def test_a_budget_that_cannot_hold_fails_and_shows_the_distribution(suite, models):
    write(suite, models, {"p50": "1us"})
    result = suite.run("-k", "latency")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*requests took longer than 1us*", "*expected:*", "*p50 <= 1us*"])


def test_the_first_request_is_sent_to_a_model_loaded_anew(suite, models):
    write(suite, models, {"first_request": "30s"})
    result = suite.run("-k", "latency or outputs", "--tfsig-report=report")
    assert result.ret == 0
    [_, latency] = suite.report()["results"]
    assert latency["details"]["budgets"][0]["measured"] > 0


@pytest.mark.parametrize(
    ("latency", "line"),
    [
        ({"p99.9": "20ms", "requests": 500}, "*latency?0?.p99.9:*500*"),
        ({"p99": "20ms", "batch": 16}, "*batch = 16 is more than dims.batch allows, 8; widen one of them*"),
        ({"p98": "20ms"}, "*latency?0?.p98: unknown key; *"),
        ({"p99": "-1ms"}, "*p99*-1ms*"),
    ],
)
def test_a_budget_that_cannot_be_decided_is_an_error_at_collection(suite, models, latency, line):
    write(suite, models, latency)
    result = suite.run("-k", "latency")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([line])


@pytest.mark.parametrize(("word", "outcome"), [("pass", "passed"), ("skip", "skipped"), ("fail", "failed")])
def test_what_an_undecided_budget_does_is_the_user_s_choice(suite, models, word, outcome):
    """A budget of time for too few requests to decide."""
    write(suite, models, {"p99": "5s", "seconds": "1ms"})
    result = suite.run("-k", "latency", f"--tfsig-inconclusive={word}")
    assert result.parseoutcomes().get(outcome) == 1
    result.stdout.fnmatch_lines(["*needs * more requests*"] if word == "fail" else ["verdict: *"])
