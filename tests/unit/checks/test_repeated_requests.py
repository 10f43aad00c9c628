from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from pytest_tfsig import checks
from pytest_tfsig.checks import concurrent
from pytest_tfsig.checks import subject as subjects
from pytest_tfsig.contract import Feature, Signature, Tensor
from tests.unit.checks.fakes import outcome, refusal, subject

ROWS = Signature(
    inputs={"x": Tensor("float32", ["batch", 3], min=-2, max=2)},
    outputs={"y": Tensor("float32", ["batch"])},
    dims={"batch": (1, 40)},
)
WEIGHTS = np.array([0.3, -1.7, 0.9], np.float32)


def scores(inputs):
    return {"y": inputs["x"] @ WEIGHTS}


@pytest.mark.parametrize(
    "answer",
    [
        lambda inputs: {"y": scores(inputs)["y"] - scores(inputs)["y"].mean()},
        lambda inputs: {"y": scores(inputs)["y"][::-1]},
        lambda inputs: {"y": scores({"x": inputs["x"][np.minimum(np.arange(len(inputs["x"])), 15)]})["y"]},
        lambda inputs: {"y": scores(inputs)["y"] + np.float32(0.01) * np.roll(scores(inputs)["y"], 1)},
        lambda inputs: {"y": np.sort(scores(inputs)["y"])},
    ],
    ids=["batch mean", "reversed", "sixteen rows", "leak", "sorted"],
)
def test_batch_invariant_finds_rows_that_depend_on_others(answer):
    result = outcome("batch_invariant", answer, ROWS)
    assert result.verdict == "fail"
    assert result.examples <= 100


def test_a_row_refused_alone_is_found():
    def pairs_only(inputs):
        if len(inputs["x"]) == 1:
            raise refusal()
        return scores(inputs)

    result = outcome("batch_invariant", pairs_only, ROWS)
    assert "refused alone" in result.message


@pytest.mark.parametrize(
    "answer",
    [
        # What another order of additions does, and what a step or a steep function makes of that.
        lambda inputs: {"y": jitter(inputs, scores(inputs)["y"])},
        lambda inputs: {"y": np.float32(0.25) * np.round(4 * jitter(inputs, scores(inputs)["y"]))},
        lambda inputs: {"y": np.sin(np.float32(1e4) * jitter(inputs, scores(inputs)["y"]))},
    ],
    ids=["rounding", "steps", "amplification"],
)
def test_batch_invariant_forgives_rounding(answer):
    result = outcome("batch_invariant", answer, ROWS)
    assert result.verdict == "pass", result.violation


def jitter(inputs, values):
    """The values, rounded otherwise for every batch size."""
    rng = np.random.default_rng(len(inputs["x"]))
    return (values * (1 + rng.uniform(-2e-7, 2e-7, values.shape))).astype(np.float32)


def direction(values):
    """A row's sign, as a model that divides by a norm answers it: of a zero row, it is the sign of a rounding error."""
    return {"y": (values / (np.abs(values) + np.float32(1e-12))).astype(np.float32)}


def rounded(inputs):
    """Scores with the rounding errors of constants inside the model: others in every place and size of a batch."""
    errors = np.random.default_rng(len(inputs["x"])).uniform(-2e-7, 2e-7, len(inputs["x"]))
    return scores(inputs)["y"] + errors.astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_batch_invariant_forgives_what_a_model_makes_of_silence(dtype):
    signature = replace(ROWS, inputs={"x": Tensor(dtype, ["batch", 3])})
    result = outcome("batch_invariant", lambda inputs: direction(rounded(inputs)), signature)
    assert result.verdict == "pass", result.violation


@pytest.mark.parametrize(
    "answer",
    [
        # Only rows of zeros depend on others: what nudged zeros are answered excuses nothing.
        lambda inputs: {"y": np.where(inputs["x"].any(axis=1), 1, np.tanh(rounded(inputs).mean())).astype(np.float32)},
        # The size of the batch counts, by much more than rounding, for every row but those of zeros.
        lambda inputs: direction(rounded(inputs) + np.float32(0.1 / len(inputs["x"]))),
        lambda inputs: direction(np.sort(rounded(inputs))),
    ],
    ids=["mean for zeros", "size", "sorted"],
)
def test_batch_invariant_finds_dependence_in_a_model_that_amplifies_rounding(answer):
    assert outcome("batch_invariant", answer, ROWS).verdict == "fail"


def test_batch_invariant_needs_a_batch():
    fixed = Signature(inputs={"x": Tensor("float32", [2, 3])}, outputs={"y": Tensor("float32", [2])})
    assert outcome("batch_invariant", scores, fixed).verdict == "skip"


def test_tf_examples_are_batched_too():
    regress = Signature(
        method="regress",
        inputs={"inputs": Tensor("string", ["batch"], features={"a": Feature("float32", [])})},
        outputs={"outputs": Tensor("float32", ["batch"])},
    )

    def centred(examples):
        values = np.array([example["a"][0] for example in examples], np.float32)
        return {"outputs": values - values.mean()}

    assert outcome("batch_invariant", centred, regress).verdict == "fail"
    sound = lambda examples: {"outputs": np.array([example["a"][0] for example in examples], np.float32)}  # noqa: E731
    for check in ("batch_invariant", "deterministic", "concurrent", "transports_agree"):
        assert outcome(check, sound, regress, over_rest=sound).verdict == "pass"


def test_what_is_not_repeatable_is_told_once():
    count = itertools.count()
    judged = subject(lambda inputs: {"y": scores(inputs)["y"] + np.float32(next(count))}, ROWS, over_rest=scores)
    assert checks.run(checks.checks()["deterministic"], judged).verdict == "fail"
    for name in ("batch_invariant", "transports_agree", "concurrent"):
        result = checks.run(checks.checks()[name], judged)
        assert result.verdict == "error"
        assert "see the check deterministic" in result.message


def test_concurrent_finds_a_shared_scratch():
    scratch = {}

    def racing(inputs):
        scratch["x"] = inputs["x"]
        time.sleep(0.0005)
        return scores(scratch)

    result = outcome("concurrent", racing, ROWS)
    assert result.verdict == "fail"
    assert result.violation.inputs is not None


def test_concurrent_repeats_what_a_busy_server_turns_away():
    slots = threading.Semaphore(2)

    def crowded(inputs):
        if not slots.acquire(blocking=False):
            raise refusal("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted")
        try:
            time.sleep(0.0005)
            return scores(inputs)
        finally:
            slots.release()

    result = outcome("concurrent", crowded, ROWS, settings={"max_examples": 20})
    assert result.verdict == "pass"
    assert "turned away" in result.message


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_concurrent_does_not_pass_for_a_server_that_is_busy_for_ever(code, monkeypatch):
    monkeypatch.setattr(subjects, "_DYING_SECONDS", 0.0)
    monkeypatch.setattr(concurrent, "_PATIENCE", 3)

    def crowded(inputs):
        if threading.current_thread() is not threading.main_thread():
            raise refusal(code, "Server Threadpool Exhausted")
        return scores(inputs)

    result = outcome("concurrent", crowded, ROWS, settings={"max_examples": 20})
    assert result.verdict == "error"
    assert "not judged: a busy server turned all requests from" in result.message


def test_concurrent_needs_a_number_of_threads():
    signature = replace(ROWS, checks={"concurrent": {"threads": -1}})
    result = outcome("concurrent", scores, signature)
    assert result.verdict == "error"
    assert result.message == "checks.concurrent.threads = -1 is below 0; 0 chooses a number."


def test_concurrent_reports_a_refusal_among_parallel_requests():
    lock = threading.Lock()

    def alone_only(inputs):
        if not lock.acquire(blocking=False):
            raise refusal("FAILED_PRECONDITION", "the resource is in use")
        try:
            time.sleep(0.0005)
            return scores(inputs)
        finally:
            lock.release()

    result = outcome("concurrent", alone_only, ROWS)
    assert result.verdict == "fail"
    assert "refused among parallel ones" in result.message


@pytest.mark.parametrize(
    ("over_rest", "verdict"),
    [
        (scores, "pass"),
        (lambda inputs: {"y": np.array([float(f"{v:.9g}") for v in scores(inputs)["y"]], np.float32)}, "pass"),
        (lambda inputs: {"y": scores(inputs)["y"].round(2)}, "fail"),
        (lambda inputs: {"y": np.where(np.isnan(scores(inputs)["y"]), 0, scores(inputs)["y"])}, "pass"),
    ],
)
def test_transports_agree_up_to_the_text_of_numbers(over_rest, verdict):
    assert outcome("transports_agree", scores, ROWS, over_rest=over_rest).verdict == verdict


BROKEN = np.array([b"\x89PNG"], object)


@pytest.mark.parametrize(
    ("inputs", "outputs", "verdict"),
    [
        ({"x": Tensor("float32", ["batch"])}, lambda x: {"y": np.full(len(x), BROKEN)}, "fail"),
        ({"x": Tensor("float32", ["batch"])}, lambda x: {"y_bytes": np.full(len(x), BROKEN)}, "pass"),
        ({"x": Tensor("string", ["batch"], image="png")}, lambda x: {"y": x}, "fail"),
        ({"x": Tensor("string", ["batch"], encoding="utf-8")}, lambda x: {"y": x}, "pass"),
        # It cuts characters in two.
        ({"x": Tensor("string", ["batch"])}, lambda x: {"y": np.array([v[:1] for v in x], object)}, "fail"),
        # Only callers that send no text get none.
        ({"x": Tensor("string", ["batch"])}, lambda x: {"y": x}, "pass"),
    ],
)
def test_bytes_that_rest_writes_as_text_are_found(inputs, outputs, verdict):
    declared = {name: Tensor("string", ["batch"]) for name in outputs(np.array([b""], object))}
    answer = lambda drawn: outputs(drawn["x"])  # noqa: E731
    result = outcome("transports_agree", answer, Signature(inputs=inputs, outputs=declared), over_rest=answer)
    assert result.verdict == verdict
    assert verdict == "pass" or "not UTF-8" in result.message


def test_labels_that_are_no_text_are_found():
    classify = Signature(
        method="classify",
        inputs={"inputs": Tensor("string", ["batch"], features={"a": Feature("string", [], values=["ä", "b"])})},
        outputs={"classes": Tensor("string", ["batch", 1])},
    )
    first = lambda examples: {"classes": np.array([[example["a"][0][:1]] for example in examples], object)}  # noqa: E731
    result = outcome("transports_agree", first, classify, over_rest=first)
    assert result.message == "output 'classes' is not UTF-8, so that the answer over REST is no JSON"


def test_a_request_that_only_grpc_answers_is_found():
    def refuses(_):
        raise refusal("UNIMPLEMENTED", "Conversion of JSON Value: 1.0 to type: half", "rest")

    result = outcome("transports_agree", scores, ROWS, over_rest=refuses)
    assert result.message == "REST refuses a request that gRPC answers"


@pytest.mark.parametrize(
    ("dtype", "over_rest", "why"),
    [("float16", scores, "cannot carry float16"), ("complex64", scores, "complex64"), ("float32", None, "no REST API")],
)
def test_transports_that_cannot_be_compared_are_skipped(dtype, over_rest, why):
    signature = Signature(inputs={"x": Tensor(dtype, ["batch", 3])}, outputs={"y": Tensor("float32", ["batch"])})
    result = outcome("transports_agree", scores, signature, over_rest=over_rest)
    assert result.verdict == "skip"
    assert why in result.message


def test_large_requests_are_cut_for_json():
    wide = Signature(
        inputs={"x": Tensor("float32", ["batch", 4000])},
        outputs={"y": Tensor("float32", ["batch"])},
        dims={"batch": (1, 40)},
    )
    seen = []

    def over_rest(inputs):
        seen.append(inputs["x"].size)
        return {"y": inputs["x"][:, 0]}

    result = outcome("transports_agree", lambda inputs: {"y": inputs["x"][:, 0]}, wide, over_rest=over_rest)
    assert result.verdict == "pass"
    assert max(seen) <= 2**12


@pytest.mark.parametrize("check", ["deterministic", "batch_invariant", "concurrent", "transports_agree"])
def test_threads_that_flush_subnormal_numbers_are_no_fault(check):
    count = itertools.count()

    def signs(inputs):
        flushes = next(count) % 2
        return {"y": np.sign(flushed(inputs["x"][:, 0], flushes))}

    assert outcome(check, signs, ROWS, over_rest=signs).verdict == "pass"


@pytest.mark.parametrize("check", ["deterministic", "batch_invariant", "concurrent", "transports_agree"])
@pytest.mark.parametrize(
    "hidden", [lambda x: x * x, lambda x: x * np.float32(0.3)], ids=["their squares", "a share of the smallest"]
)
def test_threads_that_flush_what_becomes_subnormal_inside_a_model_are_no_fault(check, hidden):
    count = itertools.count()

    def shares(inputs):
        values = flushed(hidden(inputs["x"]), next(count) % 2)
        sums = np.abs(values).sum(axis=1)
        return {"y": np.divide(values[:, 0], sums, out=np.zeros_like(sums), where=sums > 0)}

    tiny = replace(ROWS, inputs={"x": Tensor("float32", ["batch", 3], min=-1e-18, max=1e-18)})
    assert outcome(check, shares, tiny, over_rest=shares).verdict == "pass"


def flushed(values, flushes):
    """The values as a thread computes them that flushes subnormal numbers, or as one that does not."""
    return np.where(np.abs(values) < np.finfo(np.float32).tiny, np.float32(0), values) if flushes else values
