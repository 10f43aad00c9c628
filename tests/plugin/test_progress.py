"""Progress of long checks: seen on a terminal, and nowhere else."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios

import pytest

pytestmark = pytest.mark.slow

SHOWN = re.compile(r"\x1b7 (.*?)\x1b\[K\x1b8")
SLOW = """
import time


@check("slow")
def slow(subject, observation):
    '''takes its time'''
    time.sleep(0.02)
"""
ARGUMENTS = ("--tfsig-server=embedded", "--tfsig-max-examples=100", "-k", "loads or slow", "-p", "no:cacheprovider")


@pytest.fixture
def slow(suite, models):
    """A suite whose one check takes two seconds."""
    suite.write(SLOW, models("classifier"))
    return suite


@pytest.fixture
def on_terminal(slow, pytester):  # noqa: ARG001 - what is run
    """Runs the slow suite on a terminal and returns everything that was written there."""

    def on_terminal(*arguments, columns=100, **environment):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        running = subprocess.Popen(
            [sys.executable, "-m", "pytest", *ARGUMENTS, *arguments],
            cwd=pytester.path,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={name: value for name, value in os.environ.items() if name != "COLUMNS"}
            | {"TERM": "xterm", **environment},
        )
        os.close(theirs)
        seen = b""
        try:
            while more := os.read(ours, 65536):
                seen += more
        except OSError:  # Linux's word for the end of a terminal
            pass
        finally:
            os.close(ours)
        assert running.wait(60) == 0, seen.decode()
        return seen.decode()

    return on_terminal


def test_a_long_check_tells_how_far_it_is_and_leaves_nothing_behind(on_terminal):
    seen = on_terminal(columns=140)
    words = r"test_contract\[serving_default-slow\]: \d+ of 100 inputs, \d+ requests, about \d+ s left"
    assert [each for each in SHOWN.findall(seen) if re.fullmatch(words, each)], seen
    assert_nothing_is_left(seen)


def test_it_fits_beside_the_name_of_an_item(on_terminal):
    seen = on_terminal("-v", "--color=no", columns=80)
    shown = SHOWN.findall(seen)
    assert shown
    assert max(map(len, shown)) + len("test_model.py::test_contract[serving_default-slow]") < 80
    assert_nothing_is_left(seen)


def assert_nothing_is_left(seen):
    # Whatever was shown was shown anew or cleared before pytest wrote on.
    assert not re.search(r"\x1b8(?!\x1b7|\x1b\[K)", seen)
    rest = SHOWN.sub("", seen)
    assert "\x1b7" not in rest
    assert "requests, " not in rest


@pytest.mark.parametrize(
    ("arguments", "environment"), [(["-q"], {}), (["-s"], {}), (["-n1"], {}), ([], {"TERM": "dumb"})], ids=str
)
def test_it_is_quiet_where_it_would_disturb(on_terminal, arguments, environment):
    assert "\x1b7" not in on_terminal(*arguments, **environment)


def test_a_log_has_nothing_of_checks_of_a_few_seconds(slow):
    result = slow.run(*ARGUMENTS, "-v", "--color=yes")
    assert "\x1b7" not in result.stdout.str()
    result.stdout.no_fnmatch_line("*requests, *")


def test_a_log_has_a_line_a_minute(slow, pytester):
    pytester.makeconftest("from pytest_tfsig import progress_line\nprogress_line.A_LINE_EACH = 0.5\n")
    result = slow.run(*ARGUMENTS)
    result.stdout.re_match_lines([r"\S+-slow\S*: \d+ of 100 inputs, \d+ requests, about \d+ s left"])
    assert result.ret == 0
