from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.latency.sequential import LEAST, RateTest

allowed_rates = st.sampled_from([0.5, 0.1, 0.05, 0.01, 0.001])
risks = st.sampled_from([0.01, 0.05, 0.1])


@pytest.mark.parametrize(("alpha", "requests"), [(0.05, 397), (0.01, 611)])
def test_p99_passes_after_the_published_number_of_requests_without_a_fault(alpha, requests):
    test = RateTest(0.01, alpha, alpha)
    assert test.good_needed() == requests
    assert test.decide(requests - 1, 0) is None
    assert test.decide(requests, 0) == "pass"


def test_evidence_is_the_likelihood_ratio_of_a_quarter_of_the_rate_but_for_its_insurance():
    test = RateTest(0.01, 0.05, 0.05)
    for requests, bad in [(100, 0), (400, 1), (700, 2)]:
        ratio = 0.25**bad * (0.9975 / 0.99) ** (requests - bad)
        assert math.exp(test.log_kept(requests, bad)) == pytest.approx(ratio, rel=2e-3)


@given(allowed=allowed_rates, size=st.integers(1, 10))
def test_both_wagers_are_fair_at_the_rate_allowed(allowed, size):
    """Under the rate allowed, the expectation over every possible sequence is exactly what was staked."""
    test = RateTest(allowed, 0.05, 0.05)
    for wealth in (test.log_kept, test.log_broken):
        expectation = sum(
            allowed ** sum(bad) * (1 - allowed) ** (size - sum(bad)) * math.exp(wealth(size, sum(bad)))
            for bad in product((0, 1), repeat=size)
        )
        assert expectation == pytest.approx(1)


@given(allowed=allowed_rates, rates=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_under_drift_a_wager_is_unfair_to_it_if_the_average_rate_is_on_the_wrong_side(allowed, rates):
    """Each request with a rate of its own: what counts is whether they average beyond, or within, what is allowed."""
    test = RateTest(allowed, 0.05, 0.05)
    chances = [1.0]  # of so many bad requests
    for rate in rates:
        chances = [
            stayed * (1 - rate) + came * rate for stayed, came in zip([*chances, 0.0], [0.0, *chances], strict=True)
        ]
    average = math.fsum(rates) / len(rates)
    for wealth, wrong in ((test.log_kept, average >= allowed), (test.log_broken, average <= allowed)):
        if wrong:
            expectation = math.fsum(
                chance * math.exp(wealth(len(rates), bad)) for bad, chance in enumerate(chances) if chance
            )
            assert expectation <= 1 + 1e-9


@given(allowed=allowed_rates, block=st.integers(1, 6), shared=st.floats(0, 1))
def test_a_block_of_requests_with_one_fate_is_no_better_than_a_fair_wager(allowed, block, shared):
    """Dependence within a block, here the whole of it alike with probability `shared`, wins nothing."""
    test = RateTest(allowed, 0.05, 0.05)
    alike = allowed * math.exp(test.log_kept(block, block, block)) + (1 - allowed) * math.exp(
        test.log_kept(block, 0, block)
    )
    apart = sum(
        math.comb(block, bad)
        * allowed**bad
        * (1 - allowed) ** (block - bad)
        * math.exp(test.log_kept(block, bad, block))
        for bad in range(block + 1)
    )
    assert shared * alike + (1 - shared) * apart <= 1 + 1e-12


@given(
    allowed=allowed_rates,
    requests=st.integers(LEAST, 3000),
    bad=st.integers(0, 100),
    block=st.integers(1, 8),
    alpha=risks,
)
def test_decisions_are_monotone(allowed, requests, bad, block, alpha):
    test = RateTest(allowed, alpha, alpha)
    bad = min(bad, requests)
    decision = test.decide(requests, bad, block)
    if decision == "pass":
        assert test.decide(requests + 1, bad, block) == "pass"
        assert not bad or test.decide(requests, bad - 1, block) == "pass"
    if decision == "fail":
        assert test.decide(requests + 1, bad + 1, block) == "fail"
    if block == 1:
        assert decision != "pass" or bad / requests < allowed
        assert decision != "fail" or bad / requests > allowed


@given(
    allowed=st.sampled_from([0.5, 0.1, 0.01]),
    requests=st.integers(0, 1000),
    bad=st.integers(0, 30),
    block=st.integers(1, 5),
)
def test_the_requests_needed_are_the_fewest_that_pass(allowed, requests, bad, block):
    test = RateTest(allowed, 0.05, 0.05)
    bad = min(bad, requests)
    needed = test.good_needed(requests, bad, block)
    assert test.decide(requests + needed, bad, block) == "pass"
    assert needed == 0 or test.decide(requests + needed - 1, bad, block) != "pass"


@pytest.mark.parametrize("allowed", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("risk", [0.05, 0.01])
def test_wrong_verdicts_are_as_rare_as_stated_computed_exactly(allowed, risk):
    test = RateTest(allowed, risk, risk)
    for beyond in (1.0, 1.1, 1.5):
        assert test.expect(allowed * beyond, cap=2000).passed <= risk
    for within in (1.0, 0.9, 0.5):
        assert test.expect(allowed * within, cap=2000).failed <= risk


def test_expectations_agree_with_following_every_sequence():
    test = RateTest(0.5, 0.05, 0.05)
    boundaries = list(test.boundaries(40))
    rate, cap = 0.3, 40
    running, passed, mean = {0: 1.0}, 0.0, 0.0
    for requests in range(1, cap + 1):
        arrived: dict[int, float] = {}
        for bad, mass in running.items():
            for more, chance in ((0, 1 - rate), (1, rate)):
                arrived[bad + more] = arrived.get(bad + more, 0) + mass * chance
        running = {}
        for bad, mass in arrived.items():
            decision = test.decide(requests, bad)
            most, fewest = boundaries[requests - 1]
            assert (decision == "pass") == (bad <= most)
            assert (decision == "fail") == (bad >= fewest)
            passed += mass if decision == "pass" else 0
            mean += mass * requests if decision else 0
            if decision is None:
                running[bad] = mass
    mean += cap * sum(running.values())
    found = test.expect(rate, cap)
    assert found.passed == pytest.approx(passed)
    assert found.requests == pytest.approx(mean)
    assert found.passed + found.failed + found.undecided == pytest.approx(1)


def test_a_median_that_a_third_of_the_requests_exceed_passes():
    found = RateTest(0.5, 0.05, 0.05).expect(1 / 3, cap=1000)
    assert found.passed > 0.99
    assert found.requests < 300


def test_boundaries_begin_where_a_decision_may_fall():
    found = list(RateTest(0.01, 0.05, 0.05).boundaries(400))
    assert found[:19] == [(-1, requests + 1) for requests in range(1, 20)]
    assert found[19] == (-1, 3)
    assert (found[395][0], found[396][0]) == (-1, 0)
    assert len(found) == 400
    blocks = list(RateTest(0.5, 0.05, 0.05).boundaries(60, 2))
    test = RateTest(0.5, 0.05, 0.05)
    for requests, (most, fewest) in enumerate(blocks, start=1):
        for bad in range(requests + 1):
            decision = test.decide(requests, bad, 2)
            assert (decision == "pass", decision == "fail") == (bad <= most, bad >= fewest)


@pytest.mark.parametrize(
    ("bad", "alpha", "least"), [(0, 0.05, 397), (1, 0.05, 620), (2, 0.05, 805), (0, 0.1, 306), (1, 0.01, 834)]
)
def test_each_bad_request_costs_so_many_good_ones_at_p99(bad, alpha, least):
    """E = 4^-bad (0.9975/0.99)^good has to reach 1/alpha, a third more with bad ones among them."""
    wanted = math.log(1 / alpha) + (math.log(4 / 3) if bad else 0.0)
    plain = (wanted + bad * math.log(4)) / math.log(0.9975 / 0.99)
    found = RateTest(0.01, alpha, alpha).good_needed(0, bad)
    assert found == least
    assert found == pytest.approx(plain, rel=0.02)


@pytest.mark.parametrize(("allowed", "bad"), [(0.5, 17), (0.1, 7), (0.05, 5), (0.01, 3), (0.001, 2)])
def test_so_many_bad_requests_among_the_first_twenty_fail(allowed, bad):
    test = RateTest(allowed, 0.05, 0.05)
    assert test.decide(LEAST, bad) == "fail"
    assert test.decide(LEAST, bad - 1) is None
    assert test.decide(LEAST - 1, LEAST - 1) is None


@pytest.mark.parametrize("bad", [0, 3])
def test_requests_whose_dependence_is_not_over_count_as_lost(bad):
    test = RateTest(0.1, 0.05, 0.05)
    for block in (1, 2, 4):
        for requests in range(LEAST, 600, 7):
            kept = test.log_kept(requests + block - 1, bad + block - 1, block)
            broken = test.log_broken(requests + block - 1, bad, block)
            wanted = math.log(20) + (math.log(4 / 3) if bad else 0)
            expected = "pass" if kept >= wanted else "fail" if broken >= math.log(20) else None
            assert test.decide(requests, bad, block) == expected


def test_wealth_is_shared_by_the_requests_of_a_block():
    test = RateTest(0.1, 0.05, 0.05)
    for wealth in (test.log_kept, test.log_broken):
        assert wealth(0, 0) == pytest.approx(0)
        assert wealth(90, 9, 3) == pytest.approx(wealth(30, 3))
    assert test.log_kept(40, 0) > test.log_kept(20, 0) > test.log_kept(20, 1) > 0 > test.log_kept(20, 5)
    assert test.log_broken(20, 5) > test.log_broken(20, 1)


def test_the_excesses_are_four_and_weigh_the_same():
    """Against a p90: the model is imagined with 1.5, 3, 10 and 40 times the odds that are allowed."""
    test = RateTest(0.1, 0.05, 0.05)
    rates = [odds / (1 + odds) for odds in (1.5 / 9, 3 / 9, 10 / 9, 40 / 9)]
    for requests, bad in ((20, 0), (20, 5), (50, 9)):
        mixture = sum((rate / 0.1) ** bad * ((1 - rate) / 0.9) ** (requests - bad) for rate in rates) / 4
        assert math.exp(test.log_broken(requests, bad)) == pytest.approx(mixture)


def test_the_insurance_is_a_two_thousandth_on_three_smaller_margins():
    test = RateTest(0.1, 0.05, 0.05)
    smaller = [odds / (1 + odds) for odds in (1 / 9 / 1.25, 1 / 9 / 1.6, 1 / 9 / 2.5)]
    for requests, bad in ((20, 0), (300, 20), (2000, 150)):

        def evidence(rate, bad=bad, good=requests - bad):
            return bad * math.log(rate / 0.1) + good * math.log((1 - rate) / 0.9)

        mixture = 1999 / 2000 * math.exp(evidence(0.025)) + sum(math.exp(evidence(rate)) for rate in smaller) / 6000
        assert math.exp(test.log_kept(requests, bad)) == pytest.approx(mixture)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5, 1.0])
def test_expectations_end_undecided_at_their_cap(rate):
    found = RateTest(0.05, 0.05, 0.05).expect(rate, cap=19)
    assert (found.passed, found.failed, found.undecided, found.requests) == (0, 0, pytest.approx(1), pytest.approx(19))


def test_a_model_that_always_answers_or_never_is_decided_as_soon_as_may_be():
    test = RateTest(0.05, 0.05, 0.05)
    good, bad = test.expect(0.0, cap=1000), test.expect(1.0, cap=1000)
    assert (good.passed, good.failed, good.undecided, good.requests) == (1, 0, 0, test.good_needed())
    assert (bad.passed, bad.failed, bad.undecided, bad.requests) == (0, 1, 0, LEAST)
