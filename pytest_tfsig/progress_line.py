"""The progress of a long check in pytest's terminal: a line that is rewritten, or one a minute where it cannot be."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from _pytest.config import create_terminal_writer

from pytest_tfsig import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_tfsig.progress import Progress

PATIENCE = 1.0
"""Seconds of a check before its progress is worth showing."""
A_LINE_EACH = 60.0
"""Seconds between two lines of a log: enough to see that a run is not stuck, too few to bury what it found."""
_KEEP, _RETURN, _CLEAR = "\x1b7", "\x1b8", "\x1b[K"


class Display(Protocol):
    """Shows progress."""

    def show(self, name: str, told: Progress) -> None:
        """Shows how far an item has come."""

    def clear(self) -> None:
        """Leaves nothing behind of the item that ended."""


class Line:
    """Progress behind the cursor, which stays where pytest put it.

    Args:
        write: Writes text, and makes it seen.
        columns: Returns how many are free behind the cursor.
        verbose: Whether the item's name stands before the cursor.
    """

    def __init__(self, write: Callable[[str], object], columns: Callable[[], int], *, verbose: bool) -> None:
        self._write = write
        self._columns = columns
        self._verbose = verbose
        self._is_shown = False

    def show(self, name: str, told: Progress) -> None:
        """Shows the longest form that fits; none where nothing does."""
        if told.seconds < PATIENCE:
            return
        free = self._columns() - 2
        forms = [text for text in _forms("" if self._verbose else f"{name}: ", told) if len(text) <= free]
        if forms:
            self._write(f"{_KEEP} {forms[0]}{_CLEAR}{_RETURN}")
            self._is_shown = True

    def clear(self) -> None:
        """Clears what is behind the cursor."""
        if self._is_shown:
            self._write(_CLEAR)
            self._is_shown = False


class Log:
    """Progress in a log that nobody can rewrite: one line a minute, none for what takes less.

    Args:
        write_line: Writes a line.
    """

    def __init__(self, write_line: Callable[[str], object]) -> None:
        self._write_line = write_line
        self._next = A_LINE_EACH

    def show(self, name: str, told: Progress) -> None:
        """Writes a line, if a minute has passed."""
        if told.seconds >= self._next:
            self._next = told.seconds + A_LINE_EACH
            self._write_line(f"{name}: {sentence(told)}")

    def clear(self) -> None:
        """Begins anew: a log keeps its lines."""
        self._next = A_LINE_EACH


def sentence(told: Progress) -> str:
    """Returns how far a check has come, in words."""
    parts = [told.phase or (f"{told.examples:,} of {told.of:,} inputs" if told.of else "")]
    parts.append(f"{told.requests:,} requests" if told.requests else "")
    parts.append(_time(told))
    return ", ".join(filter(None, parts))


def _forms(name: str, told: Progress) -> list[str]:
    """Returns the same in ever fewer words."""
    done = f"{told.examples}/{told.of}" if told.of and not told.phase else f"{told.requests:,} requests"
    return [f"{name}{sentence(told)}", sentence(told), f"{done}, {_time(told)}", done]


def _time(told: Progress) -> str:
    if told.left is None:
        return f"{duration(told.seconds)} so far"
    return f"about {duration(max(1.0, told.left))} left"


def duration(seconds: float) -> str:
    """Returns seconds as people say them: "4 s", "2 min 05 s", "1 h 20 min"."""
    whole = round(max(0.0, seconds))
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


class Watcher:
    """Hears of the running item's check, and shows it.

    Args:
        display: Where.
    """

    def __init__(self, display: Display) -> None:
        self._display = display

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Listens while the item runs."""
        token = progress.listener.set(lambda told: self._display.show(item.name, told))
        try:
            return (yield)
        finally:
            progress.listener.reset(token)
            self._display.clear()


def watch(config: pytest.Config) -> None:
    """Shows the progress of a run, where it can be seen: not with -q, nor from pytest-xdist's workers."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    elsewhere = hasattr(config, "workerinput") or config.getoption("numprocesses", None)
    if reporter is None or elsewhere or config.get_verbosity() < 0:
        return
    if not _can_rewrite(config, reporter):
        capture = config.pluginmanager.get_plugin("capturemanager")

        def write_line(line: str) -> None:
            with nullcontext() if capture is None else capture.global_and_fixture_disabled():
                reporter.ensure_newline()
                reporter.write_line(line)

        config.pluginmanager.register(Watcher(Log(write_line)), "tfsig-progress")
        return
    # Output is captured while an item runs; what is written here has to pass by, and must not count as pytest's line.
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    config.add_cleanup(terminal.close)
    writer = create_terminal_writer(config, terminal)
    theirs = config.get_terminal_writer()
    line = Line(
        lambda text: writer.write(text, flush=True),
        lambda: os.get_terminal_size(terminal.fileno()).columns - theirs.width_of_current_line,
        verbose=config.get_verbosity() > 0,
    )
    config.pluginmanager.register(Watcher(line), "tfsig-progress")


def _can_rewrite(config: pytest.Config, reporter: pytest.TerminalReporter) -> bool:
    """Whether there is a terminal whose line is ours: with -s, tests write there themselves."""
    return bool(reporter.isatty) and os.environ.get("TERM", "dumb") != "dumb" and config.getoption("capture") != "no"
