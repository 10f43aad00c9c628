from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.latency.exact import (
    binomial_at_least,
    binomial_at_most,
    hypergeometric_at_least,
    requests_to_pass,
)

rates = st.fractions(Fraction(1, 1000), Fraction(999, 1000))


def binomial(over: int, requests: int, rate: Fraction) -> Fraction:
    return math.comb(requests, over) * rate**over * (1 - rate) ** (requests - over)


@given(requests=st.integers(0, 60), over=st.integers(-1, 61), rate=rates)
def test_binomial_tails_agree_with_exact_fractions(requests, over, rate):
    at_most = sum((binomial(k, requests, rate) for k in range(min(over, requests) + 1)), Fraction(0))
    assert binomial_at_most(over, requests, float(rate)) == pytest.approx(float(at_most), rel=1e-11)
    at_least = 1 - at_most if over < requests else Fraction(0)
    assert binomial_at_least(over + 1, requests, float(rate)) == pytest.approx(float(at_least), rel=1e-11)


@given(requests=st.integers(1, 5000), over=st.integers(0, 200), rate=st.floats(1e-4, 0.9))
def test_more_requests_or_a_higher_rate_make_few_events_less_likely(requests, over, rate):
    here = binomial_at_most(over, requests, rate)
    assert binomial_at_most(over, requests + 1, rate) <= here * (1 + 1e-9)
    assert binomial_at_most(over, requests, rate * 1.01) <= here * (1 + 1e-9)
    assert binomial_at_most(over + 1, requests, rate) >= here * (1 - 1e-9)


def test_a_far_tail_keeps_its_digits():
    assert binomial_at_most(0, 10_000, 0.05) == pytest.approx(0.95**10_000, rel=1e-10)
    assert binomial_at_least(300, 300, 0.1) == pytest.approx(1e-300, rel=1e-10)


@pytest.mark.parametrize(
    ("over", "requests", "rate", "expected"),
    [(-1, 10, 0.5, 0.0), (10, 10, 0.5, 1.0), (3, 10, 0.0, 1.0), (3, 10, 1.0, 0.0), (0, 0, 0.5, 1.0)],
)
def test_at_most_at_the_edges(over, requests, rate, expected):
    assert binomial_at_most(over, requests, rate) == expected


@pytest.mark.parametrize(
    ("over", "requests", "rate", "expected"),
    [
        (0, 10, 0.5, 1.0),
        (0, 10, 0.0, 1.0),
        (11, 10, 0.5, 0.0),
        (11, 10, 1.0, 0.0),
        (3, 10, 0.0, 0.0),
        (3, 10, 1.0, 1.0),
        (10, 10, 1.0, 1.0),
    ],
)
def test_at_least_at_the_edges(over, requests, rate, expected):
    assert binomial_at_least(over, requests, rate) == expected


@given(st.data())
def test_hypergeometric_tail_agrees_with_every_possible_draw(data):
    population = data.draw(st.integers(1, 9))
    marked = data.draw(st.integers(0, population))
    drawn = data.draw(st.integers(0, population))
    least = data.draw(st.integers(-1, population + 1))
    draws = list(combinations(range(population), drawn))
    hits = sum(1 for draw in draws if sum(1 for member in draw if member < marked) >= least)
    assert hypergeometric_at_least(least, population, marked, drawn) == pytest.approx(hits / len(draws), abs=1e-13)


@given(st.data())
def test_hypergeometric_tails_agree_with_exact_fractions(data):
    population = data.draw(st.integers(1, 300))
    marked = data.draw(st.integers(0, population))
    drawn = data.draw(st.integers(0, population))
    least = data.draw(st.integers(0, min(marked, drawn) + 1))
    ways = sum(
        math.comb(marked, k) * math.comb(population - marked, drawn - k) for k in range(least, min(marked, drawn) + 1)
    )
    expected = float(Fraction(ways, math.comb(population, drawn)))
    assert hypergeometric_at_least(least, population, marked, drawn) == pytest.approx(expected, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize(
    ("rate", "confidence", "sizes"),
    [
        (0.01, 0.99, {0: 459, 1: 662, 2: 838, 5: 1307, 10: 2010}),
        (0.01, 0.95, {0: 299, 1: 473, 2: 628, 5: 1049, 10: 1693}),
        (0.001, 0.99, {0: 4603}),
    ],
)
def test_sample_sizes_are_the_published_ones(rate, confidence, sizes):
    assert {over: requests_to_pass(rate, confidence, over) for over in sizes} == sizes


@given(rate=st.floats(0.005, 0.6), confidence=st.floats(0.6, 0.999), over=st.integers(0, 12))
def test_a_sample_size_is_the_smallest_that_proves_it(rate, confidence, over):
    size = requests_to_pass(rate, confidence, over)
    assert binomial_at_most(over, size, rate) <= 1 - confidence < binomial_at_most(over, size - 1, rate)
