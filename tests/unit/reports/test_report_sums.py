"""How far the sums of probabilities are from 1."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.reports import json, sums
from tests.unit.reports import samples


def tally(errors, allowed=1e-5):
    found = sums.SumErrors(allowed)
    found.add(errors)
    return found.as_dict()


def test_sums_are_counted_by_powers_of_ten():
    assert tally([0.0, 1e-12, 1e-7, 1.1e-7, 0.5, 2.0, 1e9, math.nan]) == {
        "rows": 8,
        "largest": math.inf,
        "allowed": 1e-5,
        "decades": {"-9": 2, "-7": 1, "-6": 1, "0": 1, "1": 3},
    }


def test_they_are_told_in_a_sentence():
    assert sums.sentence("p", tally([1e-7, 3e-7])) == "p: 2 sums, 3e-07 at most from 1; 1e-05 is allowed"


def test_no_number_survives_json():
    report = json.document([samples.failure(details={sums.KEY: {"p": tally([math.nan])}})], {})
    [result] = report["results"]
    assert sums.sentence("p", result["details"][sums.KEY]["p"]) == ("p: 1 sums, not a number from 1; 1e-05 is allowed")


@given(st.lists(st.floats(min_value=0), min_size=1), st.floats(0, 1))
def test_each_sum_is_in_one_bar(errors, allowed):
    found = tally(errors, allowed)
    assert sum(found["decades"].values()) == found["rows"] == len(errors)
    assert sums.svg(found).count("<rect") == len(found["decades"])
