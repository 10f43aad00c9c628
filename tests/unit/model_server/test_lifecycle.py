from __future__ import annotations

from dataclasses import dataclass

import pytest

from pytest_tfsig.model_server.lifecycle import (
    Action,
    Monitor,
    Phase,
    State,
    availability_preserving,
    resource_preserving,
    unavailable,
)
from pytest_tfsig.model_server.status import Code, StatusError


@dataclass
class Version:
    number: int
    phase: Phase
    aspired: bool


def version(text: str) -> Version:
    """Number, phase's letter, and "-" where it is not wanted: "2N", "1R-"."""
    letters = "NLRUDF"  # in the order of Phase: new, loading, ready, unloading, done, failed
    phases = dict(zip(letters, Phase, strict=True))
    return Version(int(text[0]), phases[text[1]], not text.endswith("-"))


@pytest.mark.parametrize(
    ("versions", "availability", "resources"),
    [
        ("1N", "load 1", "load 1"),
        ("1R", None, None),
        ("1N 2N", "load 2", "load 2"),
        ("1R- 2N", "load 2", "unload 1"),
        ("1R- 2L", None, "unload 1"),
        ("1R- 2R", "unload 1", "unload 1"),
        ("1R- 2F", None, "unload 1"),
        ("1R- 2F 3N", "load 3", "unload 1"),
        ("1U- 2N", "load 2", None),
        ("1D- 2N", "load 2", "load 2"),
        ("1R-", "unload 1", "unload 1"),
        ("1R- 2R- 3N", "unload 1", "unload 1"),
        ("1L- 2N", "load 2", None),
        ("1F", None, None),
        ("", None, None),
    ],
)
def test_policies(versions, availability, resources):
    managed = [version(text) for text in versions.split()]
    for policy, expected in ((availability_preserving, availability), (resource_preserving, resources)):
        step = policy(managed)
        said = None if step is None else f"{'load' if step[0] is Action.LOAD else 'unload'} {step[1].number}"
        assert said == expected, policy


def test_rows_are_kept_newest_first():
    monitor = Monitor()
    monitor.publish("m", 1, State.AVAILABLE)
    monitor.publish("m", 10, State.LOADING)
    monitor.publish("m", 2, State.START)
    monitor.publish("m", 1, State.END)
    assert [(row.version, row.state) for row in monitor.rows("m")] == [
        (10, State.LOADING),
        (2, State.START),
        (1, State.END),
    ]
    assert monitor.rows("other") == []


def test_waiting_looks_only_at_what_happens_from_now_on():
    monitor = Monitor()
    monitor.publish("m", 1, State.END)
    assert monitor.wait(["m"], keep_waiting=lambda: False)[0][1].version == 1
    assert monitor.wait(["m"], since=monitor.changes, keep_waiting=lambda: False) == []


def test_all_failures_are_named():
    monitor = Monitor()
    monitor.publish("a", 1, State.END, StatusError(Code.NOT_FOUND, "no file"))
    monitor.publish("b", 2, State.AVAILABLE)
    monitor.publish("c", 3, State.END)
    error = unavailable(monitor.wait(["a", "b", "c"]), "servable(s)")
    assert str(error) == (
        "UNKNOWN: 2 servable(s) did not become available: {{{name: a version: 1} due to error: NOT_FOUND: no file}, "
        "{{name: c version: 3}}, }"
    )
    assert unavailable(monitor.wait(["b"]), "servable(s)") is None
