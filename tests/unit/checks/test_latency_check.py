"""The check latency: what it samples, on whose clock, and what becomes of the verdicts on its budgets."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig.checks import checks, run
from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.strategies import draws
from tests.unit.checks.fakes import FakeModel, spec_of, subject

X = {"x": Tensor("float32", ["batch", 2], min=-2, max=2)}
Y = {"y": Tensor("float32", ["batch"])}


class Timed(FakeModel):
    """A model that takes as many seconds as it is told, on a clock of its own."""

    def __init__(self, seconds, spec):
        super().__init__(None, None, spec)
        self.now = 0.0
        self.asked = []
        self.pinged = []
        self.loaded = []
        self._seconds = iter(seconds)
        self.rest_url = "http://fake"
        self.server = SimpleNamespace(
            alive=lambda: True,
            remove=lambda name, version: self.loaded.append(("remove", name, version)),
            add=lambda name, version, path: self.loaded.append(("add", name, version, path)),
        )

    def predict(self, inputs, *, signature, transport="grpc", timeout=None):
        del signature, timeout
        self.asked.append((transport, inputs["x"]))
        self.now += next(self._seconds, 0.001)
        return {"y": np.zeros(len(inputs["x"]), np.float32)}

    def status(self, transport="grpc"):
        self.pinged.append(transport)
        return []


def judge(latency, seconds=(), *, inputs=X, dims=None, saved_model=None, version=1, options=None, **settings):
    signature = Signature(
        inputs=inputs, outputs=Y, dims=dims or {}, latency=latency, checks={"latency": options} if options else {}
    )
    spec = spec_of(signature)
    model = Timed(seconds, spec)
    model.version = version
    judged = subject(None, signature, settings={"clock": lambda: model.now, **settings}, saved_model=saved_model)
    judged.model = model
    return run(checks()["latency"], judged), model


def test_budgets_that_hold_pass_with_what_was_measured():
    outcome, model = judge({"p99": "25ms"}, [0.012] * 1000)
    assert outcome.verdict == "pass"
    assert outcome.examples == 397
    assert outcome.message == (
        "0 of 397 requests took longer than 25ms and one in 100 may; p99 is 12 ms (95%: 12 ms to 12 ms)."
    )
    assert len(model.asked) == 407
    [budget] = outcome.details["budgets"]
    assert (budget["metric"], budget["verdict"], budget["limit"]) == ("p99", "pass", 0.025)


def test_budgets_of_one_load_share_their_requests_and_others_do_not():
    both, one = judge({"p99": "25ms", "p50": "25ms"}, [0.012] * 1000)
    assert both.verdict == "pass"
    assert both.examples == 397
    assert both.message.count(" requests took longer than 25ms") == 2
    assert "; " in both.message
    assert len(one.asked) == 407


def test_a_budget_that_does_not_hold_fails_with_every_budget():
    outcome, _ = judge({"p99": "25ms", "p50": "5s"}, [0.03] * 5000)
    violation = outcome.violation
    assert outcome.verdict == "fail"
    assert outcome.message == violation.sentence
    assert "took longer than 25ms" in violation.sentence
    assert sorted(violation.expected.split("; ")) == ["p50 <= 5s", "p99 <= 25ms"]
    lines = violation.actual.splitlines()
    assert [line.partition(":")[0] for line in lines[:2]].count("fail") == 1
    assert lines[2].strip(" ─") == "p99 <= 25ms", "the distribution is drawn"
    assert len(lines) == 4
    assert violation.actual == violation.actual.rstrip()
    assert outcome.examples > 0
    assert [budget["verdict"] for budget in outcome.details["budgets"]].count("fail") == 1


def test_what_cannot_be_decided_is_inconclusive():
    seconds = [0.001] * 300 + [0.03] + [0.001] * 10**4
    outcome, _ = judge({"p99": "25ms", "requests": 500, "warmup": 0}, seconds)
    assert outcome.verdict == "inconclusive"
    assert outcome.examples == 500
    assert outcome.details["budgets"][0]["verdict"] == "inconclusive"
    assert "25ms" in outcome.message
    assert outcome.violation is None


def test_a_failure_counts_for_more_than_what_is_undecided():
    seconds = [0.001] * 300 + [0.03] + [0.001] * 10**4
    outcome, _ = judge({"p99": "25ms", "p50": "1us", "requests": 500, "warmup": 0}, seconds)
    assert outcome.verdict == "fail"


def test_other_test_processes_make_it_a_report():
    outcome, _ = judge({"p99": "25ms"}, [0.03] * 5000, under_xdist=True)
    assert outcome.verdict == "skip"
    assert outcome.message.startswith("reported, not gated, under pytest-xdist: fail: ")
    assert outcome.examples > 0
    assert outcome.details["budgets"][0]["verdict"] == "fail"
    outcome, _ = judge({"p99": "25ms"}, [0.03] * 5000, under_xdist=True, options={"gate_under_xdist": True})
    assert outcome.verdict == "fail"


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_requests_and_pings_go_over_the_budgets_transport(transport):
    outcome, model = judge({"p99": "25ms", "transport": transport}, [0.012] * 1000)
    assert outcome.verdict == "pass", outcome.message
    assert {over for over, _ in model.asked} == {transport}
    assert set(model.pinged) == {transport}


@pytest.mark.parametrize(
    ("latency", "dims", "rows"),
    [
        ({"p99": "25ms"}, {}, 1),
        ({"p99": "25ms", "batch": 7}, {}, 7),
        ({"p99": "25ms"}, {"batch": (4, 9)}, 4),
        ({"p99": "25ms", "batch": 6}, {"batch": (4, 9)}, 6),
    ],
)
def test_requests_have_as_many_rows_as_the_budget_says(latency, dims, rows):
    _, model = judge(latency, [0.012] * 1000, dims=dims)
    assert {len(x) for _, x in model.asked} == {rows}
    assert len({x.tobytes() for _, x in model.asked}) > 100


def test_without_a_batch_requests_are_of_the_stated_size():
    _, model = judge({"p99": "25ms"}, [0.012] * 1000, inputs={"x": Tensor("float32", [3, 2])})
    assert {len(x) for _, x in model.asked} == {3}


FILES = SimpleNamespace(path="/models/m/1")


def test_the_first_request_is_that_of_a_model_loaded_anew():
    outcome, model = judge({"first_request": "2s"}, [1.5] + [0.001] * 1000, saved_model=FILES)
    assert outcome.verdict == "pass"
    assert outcome.details["budgets"][0]["measured"] == 1.5
    assert model.loaded == [("remove", "fake", 1), ("add", "fake", 1, "/models/m/1")]
    assert judge({"first_request": "1s"}, [1.5], saved_model=FILES)[0].verdict == "fail"


def test_a_model_is_loaded_anew_for_a_first_request_alone():
    assert judge({"p99": "25ms"}, [0.012] * 1000, saved_model=FILES)[1].loaded == []
    assert judge({"first_request": "2s"}, [0.1] * 9, saved_model=FILES, version=None)[1].loaded == []


def test_a_running_server_has_answered_its_first_request_already():
    outcome, model = judge({"first_request": "2s", "p99": "1s"}, [0.1] * 9)
    assert outcome.verdict == "error"
    assert outcome.message == "first_request cannot be judged on a running server: its models are warm already"
    assert model.asked == []


def test_the_requests_of_several_loads_are_counted_together():
    outcome, model = judge([{"p99": "25ms"}, {"p99": "25ms", "batch": 4}], [0.012] * 2000)
    assert outcome.verdict == "pass", outcome.message
    assert outcome.examples == 2 * 397
    assert {len(x) for _, x in model.asked} == {1, 4}
    sentence = "0 of 397 requests took longer than 25ms and one in 100 may; p99 is 12 ms (95%: 12 ms to 12 ms)."
    assert outcome.message == f"{sentence}; {sentence}"


def test_requests_are_drawn_from_the_runs_seed():
    _, model = judge({"p99": "25ms"}, [0.012] * 1000, seed=5)
    signature = Signature(inputs=X, outputs=Y)
    drawn = draws(signature, len(model.asked), 5, sizes={"batch": 1})
    assert all(np.array_equal(sent, one["x"]) for (_, sent), one in zip(model.asked, drawn, strict=True))
