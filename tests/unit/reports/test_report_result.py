"""Results, and what a run's verdict is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.reports import Result, overall
from pytest_tfsig.reports.result import VERDICTS
from tests.unit.reports import samples


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([], "error"),
        (["skip"], "error"),
        (["pass"], "pass"),
        (["pass", "skip"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "error"], "error"),
        (["error", "fail", "pass"], "fail"),
    ],
)
def test_a_run_is_as_good_as_its_worst_check(verdicts, verdict):
    assert overall(samples.result(verdict=each) for each in verdicts) == verdict


@given(st.lists(st.sampled_from(VERDICTS)), st.sampled_from(VERDICTS))
def test_no_result_makes_a_judged_run_better(verdicts, another):
    judged = ["pass", *verdicts]
    before = overall(samples.result(verdict=each) for each in judged)
    after = overall(samples.result(verdict=each) for each in [*judged, another])
    assert VERDICTS.index(after) <= VERDICTS.index(before)


@pytest.mark.parametrize("result", [*samples.run(), *samples.hostile()], ids=lambda result: result.check)
def test_a_result_travels_as_plain_data(result):
    assert Result.from_dict(result.as_dict()) == result


@pytest.mark.parametrize(
    ("verdict", "breaks"), [("pass", 0), ("skip", 0), ("fail", 1), ("error", 1), ("inconclusive", 1)]
)
def test_what_breaks_a_run(verdict, breaks):
    assert samples.result(verdict=verdict).breaks_the_run == breaks
