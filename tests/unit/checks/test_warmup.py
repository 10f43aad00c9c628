from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig import checks, protos, records, tensors
from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.model_server.warmup import FILE, MOST_RECORDS
from tests.unit.checks.fakes import refusal, subject

CONTRACT = Signature(inputs={"x": Tensor("float32", ["batch", 3])}, outputs={"y": Tensor("float32", ["batch"])})


def log(signature="serving_default", **inputs):
    message = protos.PredictionLog()
    request = message.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = "recorded", signature
    request.model_spec.version.value = 41
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tensors.to_proto(array))
    return message.SerializeToString()


GOOD = log(x=np.ones((2, 3), np.float32))


@pytest.fixture
def judge(tmp_path):
    def judge(content, *, refuses=None):
        path = tmp_path / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            records.write(path, content)
        judged = subject(lambda _: {}, CONTRACT, saved_model=SimpleNamespace(path=tmp_path))
        if refuses is not None:

            def call(*_, **__):
                raise refuses

            judged.model.grpc.call = call
        return checks.run(checks.checks()["warmup"], judged), judged

    return judge


def test_records_are_replayed_on_the_model_under_test(judge):
    outcome, judged = judge([GOOD, log("", x=np.ones((1, 3), np.float32))])
    assert outcome.verdict == "pass"
    assert outcome.message == "2 records replay, 2 of them for serving_default"
    (method, data), _ = judged.model.calls
    spec = protos.PredictRequest.FromString(data).model_spec
    assert (method, spec.name, spec.version.value, spec.signature_name) == ("Predict", "fake", 1, "serving_default")


def test_no_file_is_no_failure(tmp_path):
    for saved_model in (None, SimpleNamespace(path=tmp_path)):
        judged = subject(lambda _: {}, CONTRACT, saved_model=saved_model)
        assert checks.run(checks.checks()["warmup"], judged).verdict == "skip"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not a TFRecord file at all", "no intact TFRecord file"),
        ([b"\xff\xff"], "no PredictionLog"),
        ([b""], "cannot be replayed"),
        ([GOOD, log("serving_v2", x=np.ones((1, 3), np.float32))], "record 1 names signature 'serving_v2'"),
        ([log(y=np.ones((1, 3), np.float32))], "not those of signature"),
        ([log(x=np.ones((1, 3), np.float64))], "another dtype"),
        ([log(x=np.ones((1, 4), np.float32))], "another shape"),
        ([log(x=np.ones(3, np.float32))], "another shape"),
        ([GOOD] * (MOST_RECORDS + 1), "more than 1000"),
    ],
)
def test_what_is_wrong_with_a_record_is_named(judge, content, says):
    outcome, _ = judge(content)
    assert outcome.verdict == "fail"
    assert says in outcome.message
    assert "tfsig warmup" in outcome.violation.advice


def test_a_file_cut_short_is_found(judge, tmp_path):
    judge([GOOD, GOOD])
    data = (tmp_path / FILE).read_bytes()
    outcome, _ = judge(data[:-3])
    assert outcome.verdict == "fail"


def test_a_refused_record_is_named(judge):
    outcome, _ = judge([GOOD], refuses=refusal("INVALID_ARGUMENT", "Matrix size-incompatible"))
    assert outcome.verdict == "fail"
    assert "Matrix size-incompatible" in outcome.violation.actual


def test_other_kinds_of_log_are_replayed(judge):
    message = protos.PredictionLog()
    message.classify_log.request.model_spec.name = "m"
    several = protos.PredictionLog()
    several.multi_inference_log.request.tasks.add().model_spec.signature_name = "serving_default"
    outcome, judged = judge([message.SerializeToString(), several.SerializeToString()])
    assert outcome.verdict == "pass"
    assert [method for method, _ in judged.model.calls] == ["Classify", "MultiInference"]
