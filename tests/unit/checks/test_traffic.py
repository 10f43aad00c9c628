"""Traffic without a server: how answers are judged by what may answer meanwhile, and what is told of the others."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig import protos, tensors
from pytest_tfsig.checks.questions import Question, Questionnaire, _Grpc, _read_alike, _Rest, values
from pytest_tfsig.checks.traffic import EACH, Stage, Traffic
from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec
from tests.unit.checks.fakes import refusal, spec_of, subject

OLD, NEW = frozenset({1}), frozenset({2})
CALLED = {1: "the released version", 2: "the candidate"}
BEFORE = Stage("before", {"": OLD, "stable": OLD})
WHILE = Stage("while it is loaded", {"": OLD | NEW, "stable": OLD}, changes=True)
AFTER = Stage("after", {"": NEW, "stable": OLD, "canary": NEW})
STAGES = [BEFORE, WHILE, AFTER]
X = {"x": np.array([1.0], np.float32)}


def answer(value):
    return {"y": np.array([value], np.float32)}


class Channel:
    def __init__(self, *answers, transport="gRPC"):
        self.transport = transport
        self.asked = []
        self._answers = itertools.chain(answers, itertools.repeat(answers[-1])) if answers else iter(())

    def ask(self, inputs, name, label=""):
        self.asked.append((inputs, name, label))
        found = next(self._answers)
        if isinstance(found, Exception):
            raise found
        return found


def question(channel=None, answers=None):
    return Question(channel or Channel(), X, {1: answer(1), 2: answer(2)} if answers is None else answers)


@pytest.fixture
def traffic():
    made = []

    def make(senders=(), precision=0.0, stages=STAGES):
        made.append(Traffic("m-swap", senders or [[question()]], stages, CALLED, precision))
        return made[-1]

    yield make
    for one in made:
        one._pool.shutdown()


def judged(traffic, label, time_of, version, outputs, **more):
    """Judges an answer to a request that began in the one stage and ended in the other."""
    begun, now = time_of
    made = traffic()
    made.begin(now)
    found = made._judged(question(**more), label, begun, version, outputs)
    return found and (found.sentence, found.expected, found.actual)


@pytest.mark.parametrize(
    ("label", "time_of", "version", "value"),
    [
        ("", (0, 0), 1, 1),
        ("stable", (0, 0), 1, 1),
        ("", (1, 1), 2, 2),
        ("", (0, 1), 2, 2),
        ("", (0, 2), 2, 2),
        ("", (0, 2), 1, 1),
        ("canary", (2, 2), 2, 2),
        ("canary", (0, 2), 2, 2),
        ("", (0, 0), None, 1),
        ("", (1, 1), None, 2),
        ("", (2, 2), None, 2),
    ],
)
def test_an_answer_of_a_version_that_may_answer(traffic, label, time_of, version, value):
    assert judged(traffic, label, time_of, version, answer(value)) is None


OF_THE_OTHER = (
    "a request that names no version gets the answer of the released version, which says that it is of the candidate, "
    "after"
)


@pytest.mark.parametrize(
    ("label", "time_of", "version_and_value", "told"),
    [
        (
            "", (0, 0), (2, 2),
            ("the candidate answers a request that names no version, before", "an answer of the released version",
             "the answer says that it is of version 2"),
        ),
        (
            "stable", (1, 2), (2, 2),
            ("the candidate answers a request for the label 'stable', while it is loaded",
             "an answer of the released version", "the answer says that it is of version 2"),
        ),
        (
            "", (1, 1), (3, 3),
            ("version 3, which nobody asked for, answers a request that names no version, while it is loaded",
             "an answer of the released version or the candidate", "the answer says that it is of version 3"),
        ),
        (
            "", (2, 2), (2, 1),
            (OF_THE_OTHER, "the candidate, asked alone: y = float32 [1] [2.]",
             "now: y = float32 [1] [1.]\nfirst at [0], 1 apart (allowed: rtol 0.00012, atol 1.6e-05)"),
        ),
        (
            "", (2, 2), (2, 5),
            ("a request that names no version gets an answer that neither version gives alone, after",
             "the candidate, asked alone: y = float32 [1] [2.]",
             "now: y = float32 [1] [5.]\nfirst at [0], 3 apart (allowed: rtol 0.00012, atol 1.6e-05)"),
        ),
        (
            "stable", (2, 2), (None, 2),
            ("a request for the label 'stable' gets the answer of the candidate, after",
             "the released version, asked alone: y = float32 [1] [1.]",
             "now: y = float32 [1] [2.]\nfirst at [0], 1 apart (allowed: rtol 0.00012, atol 8.6e-06)"),
        ),
        (
            "", (1, 1), (None, 5),
            ("a request that names no version gets an answer that neither version gives alone, while it is loaded",
             "the candidate, asked alone: y = float32 [1] [2.]",
             "now: y = float32 [1] [5.]\nfirst at [0], 3 apart (allowed: rtol 0.00012, atol 1.6e-05)"),
        ),
    ],
)  # fmt: skip
def test_an_answer_of_another_version_is_told(traffic, label, time_of, version_and_value, told):
    version, value = version_and_value
    assert judged(traffic, label, time_of, version, answer(value)) == told


def test_a_wrong_answer_is_told_with_its_request(traffic):
    made = traffic()
    assert made._judged(question(), "", 0, 1, answer(7)).inputs is X
    assert made._judged(question(), "", 0, 2, answer(2)).inputs is X


def test_answers_that_do_not_repeat_are_not_compared(traffic):
    assert judged(traffic, "", (0, 0), 1, answer(99), answers={}) is None
    assert judged(traffic, "", (0, 0), 2, answer(99), answers={})[0].startswith("the candidate answers")


def test_what_rounding_explains_is_the_same_answer(traffic):
    near = {"y": np.array([1.00001], np.float32)}
    assert judged(traffic, "", (0, 0), 1, near) is None
    coarse = {"y": np.array([1.01], np.float32)}
    assert judged(traffic, "", (0, 0), 1, coarse) is not None
    made = traffic(precision=2.0**-7)
    assert made._judged(question(), "", 0, 1, coarse) is None


def test_an_answer_with_other_outputs_is_another(traffic):
    assert judged(traffic, "", (0, 0), 1, {"z": answer(1)["y"]})[0].startswith("a request that names no version gets")
    assert judged(traffic, "", (0, 0), 1, {**answer(1), "z": answer(1)["y"]}) is not None


@pytest.mark.parametrize(
    ("label", "begun", "now", "told"),
    [
        ("", 0, 0, "a request that names no version is refused before"),
        ("stable", 0, 1, "a request for the label 'stable' is refused while it is loaded"),
        ("", 1, 2, "a request that names no version is refused while it is loaded"),
        ("canary", 2, 2, "a request for the label 'canary' is refused after"),
    ],
)
def test_a_refusal_is_told_with_what_went_on(traffic, label, begun, now, told):
    made = traffic()
    made.begin(now)
    found = made._asked(question(Channel(refusal("NOT_FOUND", "gone"), transport="REST")), label, begun)
    assert found.sentence == told
    assert found.inputs is X
    assert found.actual == "REST NOT_FOUND: gone"
    assert found.expected.startswith("an answer of the ")


def test_what_a_busy_server_turns_away_is_repeated(traffic, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    busy = refusal("RESOURCE_EXHAUSTED")
    channel = Channel(*[busy] * 9, (1, answer(1)))
    assert traffic()._asked(question(channel), "stable", 0) is None
    assert slept == pytest.approx([0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.2, 0.2])
    assert set(channel.asked[0][1:]) == {"m-swap", "stable"}
    assert len(channel.asked) == 10


def test_a_server_that_stays_busy_refuses(traffic, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    channel = Channel(refusal("RESOURCE_EXHAUSTED", "too many"))
    found = traffic()._asked(question(channel), "", 0)
    assert found.actual == "gRPC RESOURCE_EXHAUSTED: too many"
    assert len(channel.asked) == 60


def test_every_sender_asks_every_label_of_every_question(traffic):
    channels = [Channel((1, answer(1))) for _ in range(3)]
    senders = [[question(channels[0]), question(channels[1])], [question(channels[2])]]
    with traffic(senders, stages=[Stage("always", {"": OLD, "stable": OLD})]) as made:
        assert made.settle()
    assert made.faults == []
    for channel in channels:
        assert {label for *_, label in channel.asked} == {"", "stable"}
    assert made.tallies[0].requests == sum(len(channel.asked) for channel in channels)
    assert all(done[0] >= EACH for done in made._finished)
    assert made.tallies[0].slowest > 0
    assert made.tallies[0].inputs is X


def test_a_fault_ends_the_traffic(traffic):
    with traffic([[question(Channel(refusal("INTERNAL", "no")))]]) as made:
        assert not made.settle()
    assert [fault.actual for fault in made.faults] == ["gRPC INTERNAL: no"]
    assert made.tallies[0].requests == 1


def test_a_mistake_of_ours_ends_the_traffic_and_is_raised(traffic):
    made = traffic([[question(Channel(ZeroDivisionError()))]])
    made.__enter__()
    assert not made.settle()
    with pytest.raises(ZeroDivisionError):
        made.__exit__()


def test_requests_count_for_the_stage_in_which_they_began(traffic):
    with traffic([[question(Channel((1, answer(1))))]], stages=[BEFORE, BEFORE]) as made:
        made.settle()
        made.begin(1)
        made.settle()
    assert made.tallies[0].requests >= EACH
    assert made.tallies[1].requests >= EACH
    assert sum(tally.requests for tally in made.tallies) == len(made._senders[0][0].channel.asked)


def test_the_slowest_request_of_a_stage_is_kept(traffic, monkeypatch):
    ticks = iter([0, 1, 10, 13, 20, 22])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    first, second, third = ({"x": np.full(1, number, np.float32)} for number in range(3))
    channel = Channel((1, answer(1)))
    questions = [Question(channel, one, {}) for one in (first, second, third)]
    made = traffic([questions], stages=[Stage("once", {"": OLD})])
    for turn in range(3):
        made._send_one(0, questions, turn)
    assert (made.tallies[0].requests, made.tallies[0].slowest) == (3, 3)
    assert made.tallies[0].inputs is second
    assert made._finished == [[3]]


SIGNATURE = Signature(
    inputs={"x": Tensor("float32", ["batch", 2], min=-1, max=1)}, outputs={"y": Tensor("float32", ["batch", 2])}
)


def specs(dtype="float32", inputs=("x",)):
    return SignatureSpec(
        "serving_default",
        "predict",
        {name: TensorSpec(name, "float32", (None, 2), f"{name}:0") for name in inputs},
        {"y": TensorSpec("y", dtype, (None, 2), "y:0")},
    )


def test_how_large_a_request_is():
    assert values({"x": np.zeros((2, 3)), "n": np.zeros(2)}) == 8
    assert values({"examples": [{}, {}]}) == 2


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [(specs(), specs(inputs=("x", "z")), True), (specs(), specs("float64"), False)],
)
def test_answers_over_rest_are_read_alike_where_their_dtypes_are(one, other, alike):
    assert _read_alike(one, other) == alike


def questions(monkeypatch, function, *, rest=None, released=None, repeats=True, signature=SIGNATURE):
    """Draws the questions of two servables, `old` and `new`, that answer as a function says."""

    class Asked:
        def __init__(self, transport):
            self.transport = transport

        def ask(self, inputs, name, label=""):
            assert label == ""
            return None, function(name, inputs)

    monkeypatch.setattr("pytest_tfsig.checks.questions._Grpc", lambda _: Asked("gRPC"))
    monkeypatch.setattr("pytest_tfsig.checks.questions._Rest", lambda _: Asked("REST"))
    judged = subject(None, signature, over_rest=rest)
    judged.repeats = repeats
    return Questionnaire.of(judged, released or spec_of(signature), {1: "old", 2: "new"})


def plus(name, inputs):
    return {"y": inputs["x"] + (name == "new")}


def test_what_both_versions_answer_is_asked(monkeypatch):
    found = questions(monkeypatch, plus)
    assert len(found.over_grpc) == 8
    assert found.over_rest == []
    assert found.repeats
    for one in found.over_grpc:
        assert one.channel.transport == "gRPC"
        assert np.array_equal(one.answers[1]["y"], one.inputs["x"])
        assert np.array_equal(one.answers[2]["y"], one.inputs["x"] + 1)


def test_over_rest_what_is_small_and_read_alike_is_asked_too(monkeypatch):
    found = questions(monkeypatch, plus, rest=plus)
    assert len(found.over_rest) == 8
    assert {one.channel.transport for one in found.over_rest} == {"REST"}
    assert questions(monkeypatch, plus, rest=plus, released=specs("float64")).over_rest == []
    wide = Signature(
        inputs={"x": Tensor("float32", ["batch", 1024])}, outputs=SIGNATURE.outputs, dims={"batch": (3, 5)}
    )
    found = questions(monkeypatch, plus, rest=plus, signature=wide)
    assert {len(one.inputs["x"]) for one in found.over_grpc} == {3, 4, 5}
    assert {len(one.inputs["x"]) for one in found.over_rest} == {3, 4}


def test_inputs_that_the_released_version_does_not_know_are_not_sent(monkeypatch):
    more = Signature(inputs={**SIGNATURE.inputs, "z": Tensor("float32", ["batch"])}, outputs=SIGNATURE.outputs)
    found = questions(monkeypatch, plus, released=spec_of(SIGNATURE), signature=more)
    assert {frozenset(one.inputs) for one in found.over_grpc} == {frozenset({"x"})}


def test_what_one_version_refuses_is_left_out(monkeypatch):
    def refusing(name, inputs):
        if name == "new" and len(inputs["x"]) > 4:
            raise refusal("INTERNAL", "too many")
        return plus(name, inputs)

    found = questions(monkeypatch, refusing)
    assert 0 < len(found.over_grpc) < 8
    assert found.refusal == "gRPC INTERNAL: too many"
    assert questions(monkeypatch, plus).refusal == "no request was drawn"


def test_answers_that_differ_each_time_are_not_kept(monkeypatch):
    count = itertools.count()
    found = questions(monkeypatch, lambda _, inputs: {"y": inputs["x"] + next(count)}, rest=plus)
    assert not found.repeats
    assert [one.answers for one in (*found.over_grpc, *found.over_rest)] == [{}] * 16
    assert [one.answers for one in questions(monkeypatch, plus, repeats=False).over_grpc] == [{}] * 8


def test_the_slowest_answer_is_timed(monkeypatch):
    # Asked twice for each of two versions and eight requests; the first of the two is timed.
    times = itertools.chain([0, 1, 10, 14, 20, 22], itertools.repeat(30))
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    assert questions(monkeypatch, plus).slowest == 4


@pytest.mark.parametrize(("method", "sent"), [("predict", X), ("regress", {"examples": [{"a": [1.0]}]})])
def test_over_rest_a_request_names_signature_and_label(method, sent):
    inputs = SIGNATURE.inputs if method == "predict" else {"inputs": Tensor("string", ["batch"])}
    judged = subject(None, Signature("sig", method=method, inputs=inputs, outputs={}))
    asked = []
    judged.model.rest = SimpleNamespace(
        **{method: lambda *given, **options: asked.append((given, options)) or "answer"}
    )
    channel = _Rest(judged)
    assert channel.transport == "REST"
    assert channel.ask(sent, "m-swap", "stable") == (None, "answer")
    assert channel.ask(sent, "m-swap") == (None, "answer")
    given = ("m-swap", sent if method == "predict" else sent["examples"])
    options = {"signature": "sig", "timeout": 5.0, "specs": judged.spec}
    assert asked == [(given, {**options, "label": "stable"}), (given, {**options, "label": None})]


@pytest.mark.parametrize("label", ["", "canary"])
def test_over_grpc_an_answer_says_of_which_version_it_is(label):
    judged = subject(None, SIGNATURE)
    asked = []

    def call(method, data, *, timeout):
        asked.append((method, protos.PredictRequest.FromString(data), timeout))
        response = protos.PredictResponse()
        response.model_spec.version.value = 7
        response.outputs["y"].CopyFrom(tensors.to_proto(np.array([3], np.float32)))
        return response.SerializeToString()

    judged.model.grpc = SimpleNamespace(call=call)
    channel = _Grpc(judged)
    version, outputs = channel.ask({"x": np.ones((1, 2), np.float32)}, "m-swap", label)
    assert (channel.transport, version, outputs["y"].tolist()) == ("gRPC", 7, [3])
    [(method, request, timeout)] = asked
    assert (method, timeout) == ("Predict", 5.0)
    assert (request.model_spec.name, request.model_spec.version_label) == ("m-swap", label)
    assert request.model_spec.HasField("version_label") == bool(label)
