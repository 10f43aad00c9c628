"""The check examples: recorded requests are sent again, compared, and rewritten when asked to."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from subprocess import PIPE

import numpy as np
import pytest

from pytest_tfsig import protos, tensors
from pytest_tfsig.checks import checks, run
from pytest_tfsig.checks.examples import _alone, recorded_inputs
from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.errors import RecordError
from pytest_tfsig.recordings import Exchange, read, write
from tests.unit.checks.fakes import refusal, subject

X = {"x": Tensor("float32", ["batch"])}
Y = {"y": Tensor("float32", ["batch"])}


def exchange(values, answer=None, *, signature="serving_default", more=None):
    request = protos.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(tensors.to_proto(np.array(values, np.float32)))
    if answer is None:
        return Exchange("Predict", request)
    response = protos.PredictResponse()
    response.outputs["y"].CopyFrom(tensors.to_proto(np.array(answer, np.float32)))
    for name, array in (more or {}).items():
        response.outputs[name].CopyFrom(tensors.to_proto(np.array(array, np.float32)))
    return Exchange("Predict", request, response)


def regress(value, answer):
    request, response = protos.RegressionRequest(), protos.RegressionResponse()
    request.input.example_list.examples.add().features.feature["a"].float_list.value.append(value)
    response.result.regressions.add(value=answer)
    return Exchange("Regress", request, response)


class Model:
    """Answers y = x + `by`, or as `answers` says, and notes the order of what it was asked."""

    def __init__(self, by=0.0, refuses=None, outputs=("y",)):
        self.by, self.refuses, self.outputs = by, refuses, outputs
        self.asked = []

    def call(self, method, data, *, timeout):
        assert timeout == 5.0
        if method == "Regress":
            response = protos.RegressionResponse()
            response.result.regressions.add(value=self.by)
            return response.SerializeToString()
        request = protos.PredictRequest.FromString(data)
        assert (request.model_spec.name, request.model_spec.version.value) == ("fake", 1)
        x = tensors.from_proto(request.inputs["x"])
        self.asked.append(x.tolist())
        if self.refuses is not None:
            raise self.refuses
        response = protos.PredictResponse()
        for name in self.outputs:
            response.outputs[name].CopyFrom(tensors.to_proto((x + self.by).astype(np.float32)))
        return response.SerializeToString()


@pytest.fixture
def judge(tmp_path):
    def judge(exchanges, model=None, *, update=False, signature="serving_default", **options):
        if exchanges is not None:
            write(tmp_path / "seen.tfrecord", exchanges)
        contract = Signature(signature, inputs=X, outputs=Y, checks={"examples": {"file": "seen.tfrecord", **options}})
        judged = subject(None, contract, folder=tmp_path, settings={"update": update})
        model = model or Model()
        judged.model.grpc.call = model.call
        return run(checks()["examples"], judged), model

    return judge


def test_recorded_requests_that_are_answered_as_recorded_pass(judge):
    outcome, model = judge([exchange([1, 2, 3], [1, 2, 3]), exchange([4], [4]), exchange([5, 6])])
    assert (outcome.verdict, outcome.examples) == ("pass", 3)
    assert outcome.message == "3 recorded requests give the recorded answers"
    assert model.asked == [[4], [5, 6], [1, 2, 3]], "the smallest first"


def test_an_answer_that_is_not_the_recorded_one_is_told(judge):
    outcome, _ = judge([exchange([1, 2], [1, 2]), exchange([4], [5])])
    violation = outcome.violation
    assert violation.sentence == "record 1 is answered differently in output 'y'"
    assert violation.expected == "recorded: y = float32 [1] [5.]"
    assert violation.actual.startswith("now: y = float32 [1] [4.]\nfirst at [0], 1 apart (allowed: ")
    assert violation.inputs["x"].tolist() == [4]
    assert violation.advice.startswith("If the new answers are right, run pytest again with --tfsig-update")


@pytest.mark.parametrize(
    ("allowed", "verdict"),
    [({"atol": 1.0}, "pass"), ({"atol": 0.5}, "fail"), ({"rtol": 0.25}, "pass"), ({"rtol": 0.1}, "fail")],
)
def test_the_contract_says_how_far_from_the_recorded_an_answer_may_be(judge, allowed, verdict):
    assert judge([exchange([4], [5])], **allowed)[0].verdict == verdict


def test_new_outputs_are_not_compared_and_lost_ones_are(judge):
    assert judge([exchange([4], [4])], Model(outputs=("y", "new")))[0].verdict == "pass"
    outcome, _ = judge([exchange([4], [4], more={"lost": [1]})])
    assert outcome.message == "two answers have different outputs"
    assert (outcome.violation.expected, outcome.violation.actual) == ("recorded: lost, y", "now: y")
    assert outcome.violation.inputs["x"].tolist() == [4]


@pytest.mark.parametrize(("answer", "expected"), [([4], "the recorded answer"), (None, "an answer")])
def test_a_record_that_is_refused_is_told(judge, answer, expected):
    outcome, _ = judge([exchange([4], answer)], Model(refuses=refusal("INTERNAL", "no")))
    violation = outcome.violation
    assert violation.sentence == "record 0 of seen.tfrecord is refused"
    assert (violation.expected, violation.actual) == (expected, "INTERNAL: no")
    assert violation.inputs["x"].tolist() == [4]


def test_a_server_that_is_not_there_refuses_no_record(judge):
    outcome, _ = judge([exchange([4], [4])], Model(refuses=refusal("UNAVAILABLE", "gone")))
    assert outcome.verdict == "error"
    assert "UNAVAILABLE" in outcome.message


def test_records_of_other_signatures_are_left_alone(judge):
    both = [exchange([1], [9], signature="other"), exchange([2], [2])]
    outcome, model = judge(both)
    assert (outcome.verdict, outcome.examples) == ("pass", 1)
    assert model.asked == [[2]]
    outcome, _ = judge(both, signature="third")
    assert outcome.verdict == "error"
    assert outcome.message.endswith(
        "seen.tfrecord: no recorded request is for signature 'third'; record some with `tfsig record`"
    )


def test_records_of_another_method_show_no_inputs_of_this_one(judge, tmp_path):
    outcome, _ = judge([regress(2.5, 1.0)])
    assert outcome.verdict == "fail"
    assert outcome.violation.inputs is None
    assert "in output 'outputs'" in outcome.message
    contract = Signature(inputs=X, outputs=Y, checks={"examples": {"file": "seen.tfrecord"}})
    assert recorded_inputs(subject(None, contract, folder=tmp_path)) == []


def test_recorded_inputs_are_those_of_the_signature(judge, tmp_path):
    judge([exchange([1, 2], [1, 2]), exchange([3], signature="other")])
    contract = Signature(inputs=X, outputs=Y, checks={"examples": {"file": "seen.tfrecord"}})
    [found] = recorded_inputs(subject(None, contract, folder=tmp_path))
    assert found["x"].tolist() == [1, 2]


@pytest.mark.parametrize("stated", [{}, {"examples": True}, {"examples": {}}, {"examples": {"rtol": 1.0}}])
def test_without_a_file_there_are_no_examples(stated, tmp_path):
    contract = Signature(inputs=X, outputs=Y, checks=stated)
    assert not checks()["examples"].wanted(contract)
    assert recorded_inputs(subject(None, contract, folder=tmp_path)) == []
    named = Signature(inputs=X, outputs=Y, checks={"examples": {"file": "seen.tfrecord"}})
    assert checks()["examples"].wanted(named)


def test_answers_that_changed_are_rewritten_when_asked_to(judge, tmp_path):
    old = [exchange([1, 2], [1, 2]), exchange([4], [9], signature="other"), exchange([3], [4]), exchange([5])]
    outcome, _ = judge(old, update=True)
    file = tmp_path / "seen.tfrecord"
    assert (outcome.verdict, outcome.examples) == ("pass", 3)
    assert outcome.message == f"{file}: 2 of 3 answers rewritten: y differs by 1 at most, 0.5 typically"
    assert outcome.details["outputs"]["y"] == {"largest": 1.0, "typical": 0.5, "flips": 0, "rows": 0, "requests": 2}
    assert [one.outputs().get("y", np.array([])).tolist() for one in read(file)] == [[1, 2], [9], [3], [5]]
    assert [one.signatures for one in read(file)] == [one.signatures for one in old]
    again, _ = judge(None, update=True)
    assert again.message == f"{file}: nothing to rewrite, 3 answers are as recorded"
    assert (again.verdict, again.examples) == ("pass", 3)


def test_outputs_that_came_or_went_are_rewritten(judge, tmp_path):
    outcome, _ = judge([exchange([1], [1])], Model(outputs=("y", "new")), update=True)
    assert outcome.message.endswith("1 of 1 answers rewritten")
    assert sorted(read(tmp_path / "seen.tfrecord")[0].outputs()) == ["new", "y"]


def test_a_refusal_leaves_the_file_as_it_was(judge, tmp_path):
    judge([exchange([1], [5])])
    before = (tmp_path / "seen.tfrecord").read_bytes()
    outcome, _ = judge(None, Model(refuses=refusal()), update=True)
    assert outcome.verdict == "fail"
    assert (tmp_path / "seen.tfrecord").read_bytes() == before


WRITER = """
import sys
from pathlib import Path
from pytest_tfsig.checks.examples import _alone
with _alone(Path("seen.tfrecord")):
    print("alone", flush=True)
    sys.stdin.readline()
"""


def test_processes_that_rewrite_one_file_wait_for_each_other_and_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with subprocess.Popen([sys.executable, "-c", WRITER], stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout.readline() == "alone\n"
        folder = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(folder)
        other.stdin.write("\n")
        other.stdin.close()
        with _alone(tmp_path / "seen.tfrecord"):
            assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RecordError, match="cannot be read: No such file or directory"), _alone(tmp_path / "no" / "x"):
        pass
