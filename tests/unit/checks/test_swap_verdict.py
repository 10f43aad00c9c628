"""The steps of a swap, what may answer in each, and what becomes of the traffic that went on meanwhile."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig.checks import Baseline, Violation, checks, run, swap
from pytest_tfsig.checks.questions import Questionnaire
from pytest_tfsig.checks.swap import _Rehearsal, _unserved
from pytest_tfsig.checks.traffic import Stage, Tally
from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.errors import ServerError
from tests.unit.checks.fakes import spec_of, subject

SIGNATURE = Signature(inputs={"x": Tensor("float32", ["batch"])}, outputs={"y": Tensor("float32", ["batch"])})


class Server:
    def __init__(self):
        self.calls = []
        self.dead = False

    def add(self, *arguments, **options):
        self.calls.append(("add", *arguments, options))

    def label(self, *arguments):
        self.calls.append(("label", *arguments))

    def remove(self, *arguments):
        self.calls.append(("remove", *arguments))

    def alive(self):
        return not self.dead

    def logs(self):
        return "Check failed"


@pytest.fixture
def rehearsal(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    judged = subject(None, SIGNATURE)
    judged.model.server = Server()
    baseline = Baseline(str(tmp_path / "1"), 1, {"serving_default": spec_of(SIGNATURE)}, lambda: None)
    return _Rehearsal(judged, baseline, tmp_path / "2")


OLD, NEW, EITHER = frozenset({1}), frozenset({2}), frozenset({1, 2})


def test_what_may_answer_in_each_step(rehearsal):
    steps = [(stage.when, stage.answers, stage.changes) for stage, _ in rehearsal._steps()]
    both = {"canary": NEW}
    assert steps == [
        ("before the candidate is loaded", {"": OLD, "stable": OLD}, False),
        ("while the candidate is loaded", {"": EITHER, "stable": OLD}, True),
        ("with both versions served", {"": NEW, "stable": OLD, **both}, False),
        ("while the label 'stable' moves to the candidate", {"": NEW, "stable": EITHER, **both}, True),
        ("after the label 'stable' moved to the candidate", {"": NEW, "stable": NEW, **both}, False),
        ("while the released version is unloaded", {"": NEW, "stable": NEW, **both}, True),
        ("with the candidate alone", {"": NEW, "stable": NEW, **both}, False),
        ("while the released version is loaded again", {"": NEW, "stable": NEW, **both}, True),
        ("while the label 'stable' moves back", {"": NEW, "stable": EITHER, **both}, True),
        ("after the label 'stable' moved back", {"": NEW, "stable": OLD}, False),
        ("while the candidate is unloaded", {"": EITHER, "stable": OLD}, True),
        ("after the rollback", {"": OLD, "stable": OLD}, False),
    ]


def test_what_is_done_in_each_step(rehearsal, tmp_path):
    for _, change in rehearsal._steps():
        change()
    name = f"fake-swap-{os.getpid()}"
    assert rehearsal._server.calls == [
        ("add", name, 2, tmp_path / "2", {"labels": {"canary": 2}}),
        ("label", name, {"stable": 2}),
        ("remove", name, 1),
        ("add", name, 1, tmp_path / "1", {}),
        ("label", name, {"stable": 1}),
        ("remove", name, 2),
    ]


QUIET, BUSY = Stage("before", {}), Stage("while it is loaded", {}, changes=True)
X = {"x": np.zeros(1)}


def verdict(rehearsal, *tallies, faults=(), bound=None, slowest=0.5, repeats=True, over_rest=()):
    traffic = SimpleNamespace(faults=list(faults), tallies=list(tallies))
    asked = Questionnaire(over_rest=list(over_rest), repeats=repeats, slowest=slowest)
    return rehearsal._verdict(traffic, [QUIET, BUSY], asked, bound)


def test_a_swap_that_nobody_notices_passes(rehearsal):
    found = verdict(rehearsal, Tally(10, 0.25, X), Tally(30, 0.0125, X))
    assert (found.verdict, found.examples) == ("pass", 40)
    assert found.message == (
        "40 requests over gRPC, 30 of them while versions were swapped: all answered, the slowest in 250 ms"
    )
    assert found.details == {
        "stages": {
            "before": {"requests": 10, "slowest": "250 ms"},
            "while it is loaded": {"requests": 30, "slowest": "12.5 ms"},
        }
    }
    more = verdict(rehearsal, Tally(1, 0.1, X), Tally(1, 0.1, X), over_rest=[None], repeats=False)
    assert more.message.startswith("2 requests over gRPC and REST, 1 of them")
    assert more.message.endswith("; answers were not compared, for the same request is answered differently each time")


@pytest.mark.parametrize(
    ("slow", "bound", "alone", "limit"),
    [
        (1.0, 0.5, 0.25, "500 ms"),
        (0.5, 0.5, 0.25, None),
        (10.5, None, 0.25, "10,000 ms"),
        (10.0, None, 0.25, None),
        (20.5, None, 2.0, "20,000 ms"),
        (20.0, None, 2.0, None),
    ],
)
def test_the_slowest_request_has_a_bound(rehearsal, slow, bound, alone, limit):
    found = verdict(rehearsal, Tally(3, 0.1, {}), Tally(4, slow, X), bound=bound, slowest=alone)
    assert rehearsal.was_slow == (limit is not None)
    assert found.verdict == ("pass" if limit is None else "fail")
    if limit is not None:
        violation = found.violation
        assert violation.sentence == found.message
        assert violation.sentence.startswith("a request took ")
        assert violation.sentence.endswith(", while it is loaded")
        assert violation.inputs is X
        assert violation.expected.replace(",", "").startswith("at most ")
        assert violation.expected.endswith(" (checks.swap.slowest)")
        assert violation.actual.endswith(" at most when nothing else was asked")
        assert violation.advice.startswith("If the first requests after a load are the slow ones")
        assert found.examples == 7
        assert set(found.details) == {"stages"}


def fault(size, actual="gRPC INTERNAL: no"):
    return Violation(f"fault {size}", {"x": np.zeros(size)}, actual=actual)


def test_the_fault_with_the_smallest_request_is_told(rehearsal):
    rehearsal.was_slow = True
    found = verdict(rehearsal, Tally(3, 99.0, X), Tally(4, 0.1, X), faults=[fault(5), fault(2), fault(3)])
    assert (found.verdict, found.message, found.examples) == ("fail", "fault 2", 7)
    assert found.violation.sentence == "fault 2"
    assert set(found.details) == {"stages"}
    assert not rehearsal.was_slow


GONE = "gRPC UNAVAILABLE: gone"


@pytest.mark.parametrize(
    ("dead", "actual", "died"),
    [
        (True, "gRPC UNAVAILABLE: gone", True),
        (False, "gRPC UNAVAILABLE: gone", False),
        (True, "gRPC INTERNAL: no", False),
    ],
)
def test_a_server_that_died_is_told_with_its_log(rehearsal, monkeypatch, dead, actual, died):
    monkeypatch.setattr(swap, "_DYING_SECONDS", 0.01)
    rehearsal._server.dead = dead
    violation = verdict(rehearsal, Tally(), Tally(), faults=[fault(1, actual)]).violation
    assert violation.sentence == ("the server died: fault 1" if died else "fault 1")
    assert violation.actual == (f"{actual}. The end of its log:\nCheck failed" if died else actual)


def test_a_change_that_the_server_does_not_make_is_told():
    violation = _unserved(BUSY, ServerError("out of memory"))
    assert violation.sentence == "the server does not do what it is asked to while it is loaded"
    assert violation.expected == "both versions served by one server, and labels where they are wanted"
    assert violation.actual == "out of memory"


@pytest.mark.parametrize(
    ("baseline", "on_disk", "message"),
    [
        (None, True, "no released version is given with --tfsig-baseline"),
        ("serving_default", False, "a remote server serves what it serves: versions of ours cannot be swapped there"),
        ("other", True, "the signature is new: nobody asks it while versions are swapped"),
    ],
)
def test_where_there_is_nothing_to_swap(baseline, on_disk, message):
    released = baseline and Baseline("/r", 1, {baseline: spec_of(SIGNATURE)}, lambda: None)
    files = SimpleNamespace(path="/m") if on_disk else None
    found = run(checks()["swap"], subject(None, SIGNATURE, baseline=released, saved_model=files))
    assert (found.verdict, found.message) == ("skip", message)
