from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.latency.figures import Line, svg, text
from pytest_tfsig.latency.units import milliseconds

BUDGET = Line("p99 <= 25ms", 0.025, 0.99)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0123, "12.3 ms"),
        (0.00085, "850 µs"),
        (1.2, "1.2 s"),
        (0.9994, "999 ms"),
        (0.99951, "1 s"),
        (1.0, "1 s"),
        (0.00099951, "1 ms"),
        (0.0000005, "0.5 µs"),
        (0, "0 µs"),
        (999.4, "999 s"),
        (999.5, "1000 s"),
        (1000.0, "1000 s"),
        (4321.0, "4321 s"),
        (math.inf, "an error"),
        (None, "unbounded"),
    ],
)
def test_latencies_are_written_for_people(seconds, written):
    assert milliseconds(seconds) == written


@given(st.floats(1e-7, 1e5))
def test_a_latency_is_read_to_three_digits_and_without_an_exponent(seconds):
    number, unit = milliseconds(seconds).split()
    assert set(number) <= set("0123456789.")
    assert float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit] == pytest.approx(seconds, rel=0.0051)
    assert unit == "µs" or float(number) >= 1
    assert unit == "s" or float(number) < 1000


def test_a_histogram_has_the_budget_between_what_keeps_it_and_what_does_not():
    drawn = text([0.01] * 60 + [0.025] * 30 + [0.0251] * 9 + [math.inf], BUDGET).splitlines()
    rule = next(i for i, row in enumerate(drawn) if "p99 <= 25ms" in row)
    counts = [int(row.split()[-1]) for row in drawn if "p99" not in row]
    assert sum(counts) == 100
    assert sum(counts[:rule]) == 90
    assert drawn[-1].split()[0] == "failed"


@given(
    st.lists(st.floats(1e-7, 100) | st.just(math.inf), max_size=200),
    st.floats(1e-6, 50),
)
def test_every_request_is_in_the_histogram_and_on_its_side(latencies, limit):
    drawn = text(latencies, Line("budget", limit, None)).splitlines()
    assert sum("budget" in row for row in drawn) == 1
    rule = next(i for i, row in enumerate(drawn) if "budget" in row)
    counts = [0 if "budget" in row else int(row.split()[-1]) for row in drawn]
    assert sum(counts) == len(latencies)
    within = sum(1 for latency in latencies if latency <= limit)
    near = sum(1 for latency in latencies if abs(latency / limit - 1) < 1e-6)
    assert abs(sum(counts[:rule]) - within) <= near
    assert len(drawn) <= 20


@given(
    st.lists(st.tuples(st.floats(1e-7, 100), st.floats(0, 1)), max_size=50),
    st.floats(1e-6, 50),
    st.none() | st.just(0.999),
)
def test_a_drawing_is_well_formed_and_within_its_frame(points, limit, share):
    curve = sorted(points)
    root = ET.fromstring(svg(curve, Line("p99.9 <= 3ms & <more>", limit, share)))  # noqa: S314 - our own output
    frame = [float(number) for number in root.attrib["viewBox"].split()]
    numbers = [
        float(value) for element in root.iter() for name, value in element.attrib.items() if name in {"x", "x1", "x2"}
    ]
    assert all(frame[0] <= number <= frame[2] for number in numbers)
    assert "p99.9 <= 3ms & <more>" in "".join(root.itertext())


def test_a_curve_that_keeps_its_budget_passes_left_of_the_cross():
    root = ET.fromstring(svg([(0.001, 0.5), (0.002, 0.99), (0.003, 1.0)], BUDGET))  # noqa: S314 - our own output
    polyline = next(element for element in root.iter() if element.tag.endswith("polyline"))
    points = [tuple(map(float, pair.split(","))) for pair in polyline.attrib["points"].split()]
    dashed = [element.attrib for element in root.iter() if "stroke-dasharray" in element.attrib]
    limit, level = float(dashed[0]["x1"]), float(dashed[1]["y1"])
    assert points[1][0] < limit
    assert points[1][1] == pytest.approx(level)
