"""What loads, signature, deterministic, concurrent and transports_agree ask, and say word for word."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig import checks
from pytest_tfsig.checks.concurrent import _Crowd, _threads
from pytest_tfsig.checks.loads import refused
from pytest_tfsig.checks.transports_agree import _Budget
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients.error import UNREADABLE
from pytest_tfsig.contract import Feature, PermutationInvariant, Signature, Tensor
from pytest_tfsig.errors import ModelLoadError
from tests.unit.checks.fakes import outcome, refusal, spec_of, subject

ROWS = Signature(
    inputs={"x": Tensor("float32", ["batch", 3], min=-2, max=2)},
    outputs={"y": Tensor("float32", ["batch"])},
    dims={"batch": (1, 8)},
)


def sums(inputs):
    return {"y": inputs["x"].sum(axis=1)}


def run(name, judged):
    return checks.run(checks.checks()[name], judged)


def state(version, word, message=""):
    return SimpleNamespace(version=version, state=word, message=message)


@pytest.mark.parametrize(
    ("wanted", "states", "message"),
    [
        (1, [state(1, "AVAILABLE")], "version 1 is AVAILABLE"),
        (2, [state(1, "AVAILABLE"), state(2, "AVAILABLE")], "version 2 is AVAILABLE"),
        (None, [state(3, "END"), state(4, "AVAILABLE")], "version 4 is AVAILABLE"),
    ],
)
def test_a_version_that_is_available_is_loaded(wanted, states, message):
    judged = subject(sums, ROWS)
    judged.model.version, judged.model.states = wanted, states
    found = run("loads", judged)
    assert (found.verdict, found.message) == ("pass", message)


@pytest.mark.parametrize(
    ("states", "actual"),
    [
        ([], "no version at all"),
        ([state(1, "AVAILABLE")], "version 1: AVAILABLE"),
        ([state(2, "END", "out of memory"), state(1, "START")], "version 2: END out of memory\nversion 1: START"),
    ],
)
def test_a_version_that_is_not_available_is_told_with_those_that_are(states, actual):
    judged = subject(sums, ROWS)
    judged.model.version, judged.model.states = 2, states
    violation = run("loads", judged).violation
    assert violation.sentence == "the server does not serve version 2 of fake"
    assert (violation.expected, violation.actual) == ("version 2: AVAILABLE", actual)


def test_a_model_that_the_server_refuses_is_told():
    found = refused(ModelLoadError("no such op"))
    violation = found.violation
    assert found.verdict == "fail"
    assert (violation.sentence, violation.expected) == ("the server cannot load the model", "AVAILABLE")
    assert violation.actual == str(ModelLoadError("no such op"))


def served(other):
    judged = subject(sums, ROWS)
    judged.model.signatures = {} if other is None else {"serving_default": spec_of(other)}
    return run("signature", judged)


def test_the_served_signature_is_compared_with_the_contract():
    found = served(ROWS)
    assert (found.verdict, found.message) == ("pass", "1 input and 1 output as stated")
    found = served(None)
    assert found.message == "the server does not serve a signature 'serving_default'"
    assert (found.violation.expected, found.violation.actual) == ("serving_default", "no such name")
    renamed = served(replace(ROWS, inputs={"z": ROWS.inputs["x"]}, outputs={"w": ROWS.outputs["y"]}))
    assert renamed.verdict == "fail"
    assert renamed.message.endswith(" more)")
    assert ". (and" not in renamed.message
    assert "x" in renamed.violation.actual
    assert "w" in renamed.violation.actual
    assert renamed.violation.advice.startswith("A changed signature breaks its callers: give the export its old names")
    one = served(replace(ROWS, outputs={"y": Tensor("float64", ["batch"])}))
    assert "more)" not in one.message
    assert one.message
    assert not one.message.endswith(".")


def drifting(by=1.0):
    count = itertools.count()
    return lambda inputs: {"y": (2 + 0 * sums(inputs)["y"] + by * (next(count) % 2)).astype(np.float32)}


def test_an_answer_that_does_not_repeat_is_told():
    judged = subject(drifting(0.5), ROWS)
    found = run("deterministic", judged)
    violation = found.violation
    assert violation.sentence == "the same request gives different answers in output 'y'"
    assert violation.expected.startswith("first: y = float32 [1] [2")
    assert violation.actual.startswith("second: y = float32 [1] [2")
    assert violation.inputs["x"].tolist() == [[0, 0, 0]]
    assert violation.advice.startswith("Something random or stateful is still on when served")
    assert judged.repeats is False


@pytest.mark.parametrize(
    ("allowed", "verdict"),
    [({"atol": 0.5}, "pass"), ({"atol": 0.4}, "fail"), ({"rtol": 0.25}, "pass"), ({"rtol": 0.1}, "fail")],
)
def test_the_contract_says_how_far_answers_may_differ(allowed, verdict):
    judged = subject(drifting(0.5), replace(ROWS, checks={"deterministic": allowed}))
    found = run("deterministic", judged)
    assert found.verdict == verdict
    assert judged.repeats == (verdict == "pass")
    if verdict == "pass":
        assert found.message == "the same answer twice for 100 requests"
        assert judged.model.requests == 200


def about_two(by):
    return lambda inputs: {"y": (2 + by * np.arange(len(inputs["x"]))).astype(np.float32)}


@pytest.mark.parametrize(
    ("name", "answer", "over_rest"),
    [
        ("deterministic", drifting(0.01), None),
        ("concurrent", drifting(0.01), None),
        ("relations", drifting(0.01), None),
        ("batch_invariant", about_two(0.001), None),
        ("transports_agree", about_two(0), about_two(0.001)),
    ],
)
def test_what_the_narrow_floats_of_a_graph_explain_is_no_fault(name, answer, over_rest, monkeypatch):
    signature = replace(ROWS, relations=(PermutationInvariant("x"),))
    assert outcome(name, answer, signature, over_rest=over_rest).verdict != "pass"
    monkeypatch.setattr(f"pytest_tfsig.checks.{name}.precision", lambda _: 2.0**-7)
    assert outcome(name, answer, signature, over_rest=over_rest).verdict == "pass"


def test_parallel_requests_are_counted_and_agree():
    judged = subject(sums, replace(ROWS, checks={"concurrent": {"threads": 3}}), settings={"max_examples": 30})
    found = run("concurrent", judged)
    # 4 rounds of 30 examples, spread evenly over 3 threads.
    assert (found.verdict, found.examples) == ("pass", 120)
    assert found.message == "120 requests from 3 threads agree"
    assert judged.model.requests == 16 + 16 + 120


def test_a_graph_that_writes_is_asked_more(monkeypatch):
    monkeypatch.setattr("pytest_tfsig.checks.concurrent.writes", lambda _: True)
    judged = subject(sums, replace(ROWS, checks={"concurrent": {"threads": 2}}), settings={"max_examples": 5})
    assert run("concurrent", judged).examples == 160


def test_there_are_more_threads_than_processors_within_what_a_server_admits(monkeypatch):
    counts = {1: 3, 2: 6, 4: 12, 5: 15, 6: 16, 64: 16, None: 3}
    for cpus, threads in counts.items():
        monkeypatch.setattr(os, "cpu_count", lambda cpus=cpus: cpus)
        assert _threads() == threads


def crowd(answer, **more):
    made = _Crowd(subject(answer, ROWS), 2, more.pop("rtol", None), more.pop("atol", None))
    made.ask_one_at_a_time()
    return made


def test_a_slow_model_gets_fewer_requests():
    made = crowd(sums)
    assert len(made.requests) == len(made.answers) == 16
    assert made.refusal is None
    assert made._requests_of_a_thread() == 200
    made._seconds = 16.0
    assert made._requests_of_a_thread() == 5
    made._seconds = 1600.0
    assert made._requests_of_a_thread() == 2


def test_the_time_that_answers_take_is_counted(monkeypatch):
    ticks = itertools.count(step=0.5)
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    assert crowd(sums)._seconds == 8.0


def test_the_first_refusal_is_kept_and_what_is_refused_is_not_asked_again():
    count = itertools.count(1)

    def every_other(inputs):
        number = next(count)
        if number % 2:
            raise refusal(message=f"number {number}")
        return sums(inputs)

    made = crowd(every_other)
    assert len(made.requests) == len(made.answers) == 8
    assert made.refusal.message == "number 1"


def test_a_request_that_is_refused_when_repeated_is_not_judged():
    count = itertools.count()

    def at_first(inputs):
        if next(count) >= 16:
            raise refusal()
        return sums(inputs)

    found = outcome("concurrent", at_first, ROWS)
    assert found.message == "not judged: the same request gives different answers; see the check deterministic"
    assert found.verdict == "error"


def test_nothing_answered_is_not_judged():
    def never(_):
        raise refusal("INTERNAL", "no")

    found = outcome("concurrent", never, ROWS)
    assert found.message == "not judged: no request was answered (INTERNAL); see the check outputs"


def in_parallel(answer, **more):
    """Asks one at a time as `sums` answers, and in parallel as `answer` does."""
    made = crowd(sums, **more)
    made.subject.model._answers["grpc"] = answer
    return made, made.ask_in_parallel()


def test_the_smallest_request_that_got_a_wrong_answer_is_told():
    both = threading.Barrier(2)

    def wrong(inputs):
        both.wait(5)
        return {"y": sums(inputs)["y"] + np.float32(1)}

    made, violation = in_parallel(wrong)
    assert violation.sentence == "a parallel request gives another answer in output 'y' than alone"
    assert violation.expected.startswith("one at a time: y = float32 [")
    assert violation.actual.startswith("in parallel: y = float32 [")
    assert violation.advice.startswith("Requests disturb each other: a tf.Variable is written")
    assert made.sent == 2
    sizes = {number: len(request["x"]) for number, request in enumerate(made.requests)}
    first = [random.Random(1 + thread).randrange(16) for thread in range(2)]  # noqa: S311 - as the threads order theirs
    assert len(violation.inputs["x"]) == min(sizes[number] for number in first)


def test_a_refusal_among_parallel_requests_is_told():
    def wrong(_):
        raise refusal("INTERNAL", "in use")

    made, violation = in_parallel(wrong)
    assert violation.sentence == "a request that is answered alone is refused among parallel ones"
    assert (violation.expected, violation.actual) == ("the answer that it gets alone", "INTERNAL: in use")
    assert violation.advice.startswith("Requests disturb each other")
    assert any(violation.inputs is request for request in made.requests)


@pytest.mark.parametrize(
    ("allowed", "holds"),
    [({}, False), ({"atol": 1.0}, True), ({"atol": 0.5}, False), ({"rtol": 2.0}, True), ({"rtol": 1e-3}, False)],
)
def test_the_contract_says_how_far_parallel_answers_may_differ(allowed, holds):
    _, violation = in_parallel(lambda inputs: {"y": sums(inputs)["y"] + np.float32(0.75)}, **allowed)
    assert (violation is None) == holds


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_what_a_busy_server_turns_away_is_repeated_for_a_while(code, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    made = crowd(sums)
    times = itertools.count()

    def busy(inputs):
        if next(times) < 9:
            raise refusal(code)
        return sums(inputs)

    made.subject.model._answers["grpc"] = busy
    made.subject._server_ended = lambda: False
    found = []
    assert made._ask(0, found) == 9
    assert found == []
    assert slept == pytest.approx([0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.2, 0.2])


def test_a_server_that_is_always_busy_is_no_fault(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    made = crowd(sums)

    def busy(_):
        raise refusal("RESOURCE_EXHAUSTED")

    made.subject.model._answers["grpc"] = busy
    found = []
    assert made._ask(0, found) == 60
    assert found == []


def test_what_was_turned_away_is_counted_and_told():
    lock, seen = threading.Lock(), set()
    made = crowd(sums)

    def once(inputs):
        with lock:
            first = inputs["x"].tobytes() not in seen
            seen.add(inputs["x"].tobytes())
        if first:
            raise refusal("RESOURCE_EXHAUSTED")
        return sums(inputs)

    made.subject.model._answers["grpc"] = once
    assert made.ask_in_parallel() is None
    assert made.turned_away == len(seen) > 8
    assert made.sent == 400


def test_the_size_of_a_request_is_that_of_its_values():
    made = crowd(sums)
    made.requests = [{"x": np.zeros((2, 3)), "y": np.zeros(2)}, {"examples": [{}, {}, {}]}]
    assert [made._size(0), made._size(1)] == [8, 3]


def agree(over_rest, *, signature=ROWS, answer=sums, **more):
    return outcome("transports_agree", answer, signature, over_rest=over_rest, **more)


def test_a_difference_between_transports_is_told():
    violation = agree(lambda inputs: {"y": 5 + sums(inputs)["y"]}).violation
    assert violation.sentence == "output 'y' differs between gRPC and REST"
    assert violation.expected.startswith("gRPC: y = float32 [1] [0")
    assert violation.actual.startswith("REST, columns: y = float32 [1] [5")
    assert violation.inputs["x"].tolist() == [[0, 0, 0]]
    assert violation.advice.startswith("REST carries numbers as text and bytes as")


@pytest.mark.parametrize(
    ("allowed", "verdict"),
    [({"atol": 0.5}, "pass"), ({"atol": 0.4}, "fail"), ({"rtol": 0.25}, "pass"), ({"rtol": 0.1}, "fail")],
)
def test_the_contract_says_how_far_transports_may_differ(allowed, verdict):
    two = lambda by: lambda inputs: {"y": (0 * sums(inputs)["y"] + 2 + by).astype(np.float32)}  # noqa: E731
    signature = replace(ROWS, checks={"transports_agree": allowed})
    assert agree(two(0.5), signature=signature, answer=two(0)).verdict == verdict


def forms(signature=ROWS, answer=sums):
    judged = subject(answer, signature, over_rest=answer)
    seen = set()
    ask = judged.ask

    def listening(inputs, *, transport="grpc", form="columns"):
        seen.add((transport, form))
        return ask(inputs, transport=transport, form=form)

    judged.ask = listening
    return run("transports_agree", judged), seen


def test_rows_are_sent_where_inputs_and_outputs_share_them():
    found, seen = forms()
    assert (found.verdict, found.message) == ("pass", "gRPC and REST agree on 100 requests")
    assert seen == {("grpc", "columns"), ("rest", "columns"), ("rest", "rows")}
    total = replace(ROWS, outputs={"y": Tensor("float32", [])})
    found, seen = forms(total, lambda inputs: {"y": inputs["x"].sum()})
    assert found.verdict == "pass"
    assert ("rest", "rows") not in seen
    empty = replace(ROWS, dims={"batch": (0, 0)})
    assert ("rest", "rows") not in forms(empty)[1]


def test_a_difference_in_rows_alone_is_told():
    judged = subject(sums, ROWS, over_rest=sums)
    judged.model.rest.predict = lambda _, inputs, **__: {"y": np.full(len(inputs["x"]), 7, np.float32)}
    violation = run("transports_agree", judged).violation
    assert violation.actual.startswith("REST, rows: y = float32 [1] [7.]")


def test_a_request_that_rest_refuses_is_told():
    def refuses(_):
        raise refusal("INTERNAL", "no JSON", "rest")

    violation = agree(refuses).violation
    assert violation.sentence == "REST refuses a request that gRPC answers"
    assert (violation.expected, violation.actual) == ("the answer that gRPC gives", "INTERNAL: no JSON")
    assert violation.inputs["x"].tolist() == [[0, 0, 0]]


def test_an_answer_over_rest_that_cannot_be_read_is_told():
    def garbled(_):
        raise refusal("INTERNAL", f"{UNREADABLE} half a number", "rest")

    violation = agree(garbled).violation
    assert violation.sentence == "REST answers what cannot be read where gRPC answers"
    assert violation.actual == f"INTERNAL: {UNREADABLE} half a number"


def test_a_request_that_rest_does_not_answer_in_time_ends_the_check():
    def silent(_):
        raise refusal("DEADLINE_EXCEEDED", "late", "rest")

    found = agree(silent)
    assert found.verdict == "error"
    assert "DEADLINE_EXCEEDED" in found.message


@pytest.mark.parametrize(
    ("inputs", "outputs", "why"),
    [
        (
            {"x": Tensor("float16", ["batch"])}, {"y": Tensor("float32", ["batch"])},
            "REST cannot carry float16, the dtype of input 'x' (tensorflow/serving #1639)",
        ),
        (
            {"x": Tensor("float32", ["batch"])}, {"y": Tensor("complex64", ["batch"])},
            "REST cannot carry complex64, the dtype of output 'y' (tensorflow/serving #1639)",
        ),
    ],
)  # fmt: skip
def test_dtypes_that_json_cannot_carry_are_told(inputs, outputs, why):
    found = agree(sums, signature=Signature(inputs=inputs, outputs=outputs))
    assert (found.verdict, found.message) == ("skip", why)


def test_a_server_without_rest_is_told():
    found = agree(None)
    assert found.message == "the server has no REST API (for a remote one, give --tfsig-rest HOST:PORT)"


def test_examples_that_json_cannot_carry_are_not_sent():
    classify = Signature(
        method="regress",
        inputs={"inputs": Tensor("string", ["batch"], features={"a": Feature("float32", None, kind="variable")})},
        outputs={"outputs": Tensor("float32", ["batch"])},
    )
    seen = []

    def over_rest(examples):
        seen.extend(cells for example in examples for cells in example.values())
        return {"outputs": np.zeros(len(examples), np.float32)}

    answer = lambda examples: {"outputs": np.zeros(len(examples), np.float32)}  # noqa: E731
    found = agree(over_rest, signature=classify, answer=answer)
    assert found.verdict == "pass", found.message
    assert all(seen)
    violation = agree(lambda examples: {"outputs": np.ones(len(examples), np.float32)}, signature=classify,
                      answer=answer).violation  # fmt: skip
    assert violation.actual.startswith("REST: outputs = float32 [1] [1.]")


def cut(columns, dims, **more):
    """Returns the sizes of the batches that are sent over REST."""
    signature = Signature(
        inputs={"x": Tensor("float32", ["batch", columns])}, outputs={"y": Tensor("float32", ["batch"])}, dims=dims
    )
    sizes = set()

    def over_rest(inputs):
        sizes.add(len(inputs["x"]))
        return {"y": inputs["x"][:, 0]}

    found = agree(over_rest, signature=signature, answer=lambda inputs: {"y": inputs["x"][:, 0]}, **more)
    return sizes, found


@pytest.mark.parametrize(
    ("columns", "dims", "sizes"),
    [
        # 4,096 values in all: of rows with their answers.
        (1023, {"batch": (1, 8)}, {1, 2, 3, 4}),
        (1024, {"batch": (1, 8)}, {1, 2, 3}),
        (4095, {"batch": (1, 8)}, {1}),
        (9000, {"batch": (1, 8)}, {1}),
        (2047, {"batch": (3, 8)}, {3}),
        (2047, {"batch": (0, 3)}, {0, 1, 2}),
    ],
)
def test_requests_are_cut_to_what_json_carries_in_time(columns, dims, sizes):
    found, result = cut(columns, dims)
    assert found == sizes
    assert result.verdict == "pass"


def test_all_requests_together_have_a_bound():
    _, result = cut(100_000, {"batch": (1, 1)})
    # 2**19 values, of 100,001 each.
    assert result.message == "gRPC and REST agree on 5 requests"


def test_bytes_that_are_no_text_are_told():
    signature = Signature(
        inputs={"x": Tensor("float32", ["batch"])}, outputs={"y": Tensor("string", ["batch"])}, dims={"batch": (1, 2)}
    )
    broken = lambda inputs: {"y": np.full(len(inputs["x"]), np.array([b"\x89PNG"], object))}  # noqa: E731
    violation = agree(broken, signature=signature, answer=broken).violation
    assert violation.sentence == "output 'y' is not UTF-8, so that the answer over REST is no JSON"
    assert violation.expected == "text in UTF-8, or a name that ends in _bytes"
    assert violation.actual == "y = string [1] [b'\\x89PNG']"
    assert violation.inputs["x"].shape == (1,)
    assert violation.advice.startswith("REST carries numbers as text")


def test_violations_are_hashable_errors():
    assert len({Violation("a"), Violation("a")}) == 2


def test_a_budget_is_spent_to_the_last_value():
    budget = _Budget(5)
    assert budget.allows(5)
    assert not budget.allows(1)


def test_requests_of_which_json_can_carry_none_are_told(monkeypatch):
    monkeypatch.setattr("pytest_tfsig.checks.transports_agree._ALL_VALUES", 0)
    found = agree(sums)
    assert (found.verdict, found.examples) == ("skip", 100)
    assert found.message == "JSON can carry none of the requests that were drawn"


def test_rows_are_not_sent_where_outputs_have_another_number_of_them():
    signature = replace(ROWS, outputs={"y": Tensor("float32", [3])}, dims={"batch": (4, 8)})
    found, seen = forms(signature, lambda _: {"y": np.zeros(3, np.float32)})
    assert found.verdict == "pass"
    assert ("rest", "rows") not in seen


@pytest.mark.parametrize(("allowed", "verdict"), [({"atol": 0.5}, "pass"), ({"rtol": 0.25}, "pass"), ({}, "fail")])
def test_a_contract_may_allow_answers_that_do_not_quite_repeat(allowed, verdict):
    assert outcome("concurrent", drifting(0.5), replace(ROWS, checks={"concurrent": allowed})).verdict == verdict


def test_a_failure_in_parallel_counts_the_requests_until_then():
    count = itertools.count()
    found = outcome("concurrent", lambda inputs: {"y": sums(inputs)["y"] + (next(count) >= 32)}, ROWS)
    assert found.verdict == "fail"
    assert 0 < found.examples < 400
