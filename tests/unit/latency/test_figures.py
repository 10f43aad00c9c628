from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.latency.figures import Line, _apart, _bar, _histogram, _Scale, _ticks, svg, text
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


def test_a_histogram_in_full():
    assert text([0.01] * 60 + [0.02] * 20 + [0.025] * 10 + [0.04] * 9 + [math.inf], BUDGET).splitlines() == [
        " 11.1 ms ████████████████████████████████████████ 60",
        " 12.5 ms                                          0",
        "   14 ms                                          0",
        " 15.7 ms                                          0",
        " 17.7 ms                                          0",
        " 19.8 ms                                          0",
        " 22.3 ms █████████████▍                           20",
        "   25 ms ██████▋                                  10",
        "         ──── p99 <= 25ms ───────────────────────",
        " 28.1 ms                                          0",
        " 31.5 ms                                          0",
        " 35.4 ms                                          0",
        " 39.7 ms                                          0",
        " 44.5 ms ██████                                   9",
        "  failed ▋                                        1",
    ]


@pytest.mark.parametrize(
    ("latencies", "drawn"),
    [
        ([], ["         ──── p99 <= 25ms ───────────────────────"]),
        (
            [0.001] * 3,
            [
                " 1.05 ms ████████████████████████████████████████ 3",
                "         ──── p99 <= 25ms ───────────────────────",
            ],
        ),
        (
            [1.0],
            [
                "         ──── p99 <= 25ms ───────────────────────",
                "  1.02 s ████████████████████████████████████████ 1",
            ],
        ),
        (
            [math.inf, math.inf],
            [
                "         ──── p99 <= 25ms ───────────────────────",
                "  failed ████████████████████████████████████████ 2",
            ],
        ),
        (
            [math.inf],
            [
                "         ──── p99 <= 25ms ───────────────────────",
                "  failed ████████████████████████████████████████ 1",
            ],
        ),
        (
            [0.025] + [math.inf] * 4,
            [
                "   25 ms ████████████████████████████████████████ 1",
                "         ──── p99 <= 25ms ───────────────────────",
                "  failed ████████████████████████████████████████ 4",
            ],
        ),
    ],
    ids=["nothing", "all within", "all over", "all failed", "the only one failed", "most failed"],
)
def test_a_histogram_of_few(latencies, drawn):
    assert text(latencies, BUDGET).splitlines() == drawn


def test_a_long_name_of_a_budget_keeps_its_rule():
    [rule] = text([], Line("p99 <= 25ms, batch 128, concurrency 16, REST", 0.025, 0.99)).splitlines()
    assert rule == "         ──── p99 <= 25ms, batch 128, concurrency 16, REST ────"


@given(st.lists(st.floats(1e-5, 10), min_size=1, max_size=100), st.floats(1e-5, 10))
def test_bands_grow_by_one_factor_and_one_of_them_ends_at_the_limit(latencies, limit):
    latencies.sort()
    bands = _histogram(latencies, limit)
    assert len(bands) <= 14
    ends = [end for end, _ in bands]
    factors = {round(upper / lower, 6) for lower, upper in itertools.pairwise(ends)}
    assert len(factors) <= 1
    assert all(factor >= 1.05 for factor in factors)
    assert latencies[-1] <= ends[-1] * (1 + 1e-6)
    if latencies[0] < limit * 0.95 and limit <= latencies[-1]:
        assert any(end == pytest.approx(limit) for end in ends)
    for (end, count), below in zip(bands, [0.0, *ends], strict=False):
        sure = sum(below * (1 + 1e-6) < latency < end * (1 - 1e-6) for latency in latencies)
        possible = sum(below * (1 - 1e-6) <= latency <= end * (1 + 1e-6) for latency in latencies)
        assert sure <= count <= possible


@pytest.mark.parametrize(
    ("share", "drawn"),
    [
        (0, ""),
        (1e-9, "▏"),
        (1 / 320, "▏"),
        (3 / 320, "▍"),
        (1 / 40, "█"),
        (0.0625, "██▌"),
        (0.5, "█" * 20),
        (1, "█" * 40),
    ],
)
def test_a_bar_is_as_long_as_its_share_and_never_nothing_for_something(share, drawn):
    assert _bar(share) == drawn + " " * (40 - len(drawn))


def test_a_drawing_in_full():
    drawn = svg([(0.001, 0.5), (0.01, 0.9), (0.1, 0.99), (0.2, 1.0)], BUDGET)
    root, *parts = drawn.replace("><", ">\n<").splitlines()
    assert root == (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 200" role="img" width="480" height="200" '
        'font-family="system-ui, sans-serif" font-size="10" fill="currentColor">'
    )
    points = "59.6,160.1 231.2,127.9 402.8,81.9 454.4,22.0"
    assert parts == [
        "<title>Latency distribution against p99 &lt;= 25ms</title>",
        '<line x1="46" y1="174.0" x2="468" y2="174.0" stroke="currentColor" opacity=".15"/>',
        '<text x="41" y="177.0" text-anchor="end">0%</text>',
        '<line x1="46" y1="160.1" x2="468" y2="160.1" stroke="currentColor" opacity=".15"/>',
        '<text x="41" y="163.1" text-anchor="end">50%</text>',
        '<line x1="46" y1="127.9" x2="468" y2="127.9" stroke="currentColor" opacity=".15"/>',
        '<text x="41" y="130.9" text-anchor="end">90%</text>',
        '<line x1="46" y1="81.9" x2="468" y2="81.9" stroke="currentColor" opacity=".15"/>',
        '<text x="41" y="84.9" text-anchor="end">99%</text>',
        '<line x1="46" y1="35.8" x2="468" y2="35.8" stroke="currentColor" opacity=".15"/>',
        '<text x="41" y="38.8" text-anchor="end">99.9%</text>',
        '<line x1="59.6" y1="174" x2="59.6" y2="178" stroke="currentColor"/>',
        '<text x="59.6" y="190" text-anchor="middle">1 ms</text>',
        '<line x1="231.2" y1="174" x2="231.2" y2="178" stroke="currentColor"/>',
        '<text x="231.2" y="190" text-anchor="middle">10 ms</text>',
        '<line x1="402.8" y1="174" x2="402.8" y2="178" stroke="currentColor"/>',
        '<text x="402.8" y="190" text-anchor="middle">100 ms</text>',
        f'<polyline points="{points}" fill="none" stroke="#2563eb" stroke-width="1.5"/>',
        '<line x1="299.5" y1="22.0" x2="299.5" y2="174.0" stroke="#dc2626" stroke-dasharray="4 3"/>',
        '<line x1="46.0" y1="81.9" x2="299.5" y2="81.9" stroke="#dc2626" stroke-dasharray="4 3"/>',
        '<text x="299.5" y="14" text-anchor="end" fill="#dc2626">p99 &lt;= 25ms</text>',
        "</svg>",
    ]


def test_a_budget_that_is_no_percentile_has_no_level_and_a_low_one_its_name_to_the_right():
    drawn = svg([(0.1, 0.5), (0.2, 1.0)], Line("mean <= 25ms", 0.025, None))
    assert drawn.count("stroke-dasharray") == 1
    assert 'text-anchor="start" fill="#dc2626">mean &lt;= 25ms' in drawn
    assert "polyline" not in svg([], BUDGET)
    # At two fifths of the width the name still has more room to the right of its line.
    drawn = svg([(0.001, 0.5), (1.0, 1.0)], Line("mean <= 15ms", 0.015, None))
    assert 'text-anchor="start" fill="#dc2626">mean &lt;= 15ms' in drawn


def test_each_nine_is_as_high_as_the_one_before_and_each_decade_as_wide():
    scale = _Scale(0.001, 1.0)
    ups = [scale.y(share) for share in (0.0, 0.9, 0.99, 0.999)]
    assert [lower - upper for lower, upper in itertools.pairwise(ups)] == pytest.approx([152 / 3.3] * 3)
    assert scale.y(1.0) == scale.y(0.99999) == 22
    assert [scale.x(seconds) for seconds in (0.001, 0.01, 0.1, 1.0)] == pytest.approx(
        [46, 46 + 422 / 3, 46 + 844 / 3, 468]
    )


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=60).map(sorted))
def test_points_are_left_out_only_where_the_eye_cannot_tell_them_apart(points):
    kept = _apart(points)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    distance = [abs(x - a) + abs(y - b) for (a, b), (x, y) in itertools.pairwise(kept[:-1])]
    assert all(each >= 4 for each in distance)
    for x, y in points[:-1]:
        assert min(abs(x - a) + abs(y - b) for a, b in kept) < 4


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.001, 0.1, [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]),
        (0.0011, 0.2, [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2]),
        (0.001, 0.2, [0.001, 0.01, 0.1]),
        (1e-6, 10.0, [1e-6, 1e-4, 1e-2, 1.0]),
        (0.0021, 0.0031, []),
    ],
)
def test_ticks_are_round_and_not_too_many(low, high, ticks):
    assert _ticks(low, high) == pytest.approx(ticks)
