"""How far a check has come: when it is told, and what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_tfsig.progress import INTERVAL, Meter, Progress
from pytest_tfsig.progress_line import Line, Log, duration, sentence


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def heard():
    return []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def meter(heard, clock):
    return Meter(heard.append, clock)


def test_it_is_told_a_few_times_a_second(meter, heard, clock):
    for _ in range(100):
        clock.now += INTERVAL / 10
        meter.tick()
    assert 9 <= len(heard) <= 10


def test_a_request_tells_nobody_for_it_may_be_timed(meter, heard, clock):
    clock.now = 60
    meter.request()
    assert heard == []
    meter.tick()
    assert heard == [Progress(60.0, 1)]


def test_the_time_left_is_estimated_from_the_examples(meter, heard, clock):
    clock.now = 10
    meter.example(20, 100)
    assert heard == [Progress(10.0, 0, 20, 100, 40.0)]


@pytest.mark.parametrize("examples", [0, 4])
def test_few_examples_say_nothing_of_the_time_left(meter, heard, clock, examples):
    clock.now = 10
    meter.example(examples, 100)
    assert heard[0].left is None


def test_nobody_knows_how_long_shrinking_takes(meter, heard, clock):
    meter.example(50, 100)
    clock.now = 10
    meter.phase("making the input smaller")
    assert (heard[0].left, heard[0].phase) == (None, "making the input smaller")


def test_an_estimate_is_asked_only_where_it_is_told(meter, heard, clock):
    asked = []
    for clock.now in (0.1, 0.2, 0.3, 0.4):
        meter.tick(lambda: asked.append(1) or 7.0)
    assert len(asked) == 1
    assert heard[0].left == 7.0


def test_requests_of_many_threads_are_all_counted(meter, heard, clock):
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [meter.request() for _ in range(500)])
    clock.now = 1
    meter.request()
    meter.tick()
    assert heard[0].requests == 4001


def test_where_nobody_listens_nothing_is_asked(clock):
    clock.now = 60
    Meter(None, clock).tick(lambda: pytest.fail("asked"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (125.2, "2 min 05 s"), (3600, "1 h 00 min"), (-1, "0 s")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (Progress(2, 40, 20, 100, 8), "20 of 100 inputs, 40 requests, about 8 s left"),
        (Progress(70, 1234), "1,234 requests, 1 min 10 s so far"),
        (Progress(70, 1234, left=0.01), "1,234 requests, about 1 s left"),
        (Progress(3, 9, 5, 100, None, "making the input smaller"), "making the input smaller, 9 requests, 3 s so far"),
    ],
)
def test_progress_in_words(told, text):
    assert sentence(told) == text


TOLD = Progress(2, 40, 20, 100, 8)


@pytest.mark.parametrize(
    ("columns", "verbose", "text"),
    [
        (80, False, "outputs: 20 of 100 inputs, 40 requests, about 8 s left"),
        (80, True, "20 of 100 inputs, 40 requests, about 8 s left"),
        (50, False, "20 of 100 inputs, 40 requests, about 8 s left"),
        (40, False, "20/100, about 8 s left"),
        (10, False, "20/100"),
        (6, False, None),
    ],
)
def test_a_line_takes_the_words_that_fit(columns, verbose, text):
    written = []
    line = Line(written.append, lambda: columns, verbose=verbose)
    line.show("outputs", TOLD)
    line.clear()
    assert written == ([] if text is None else [f"\x1b7 {text}\x1b[K\x1b8", "\x1b[K"])


def test_a_line_is_not_shown_for_short_checks():
    written = []
    line = Line(written.append, lambda: 80, verbose=False)
    line.show("outputs", Progress(0.9, 1))
    line.clear()
    assert written == []


def test_a_log_has_a_line_a_minute():
    written = []
    log = Log(written.append)
    for second in range(150):
        log.show("latency", Progress(second, second))
    log.clear()
    log.show("next", Progress(59, 1))
    assert written == ["latency: 60 requests, 1 min 00 s so far", "latency: 120 requests, 2 min 00 s so far"]
