from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig import checks, protos, records, tensors
from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.model_server.warmup import FILE, MOST_RECORDS
from tests.unit.checks.fakes import FakeModel, refusal, spec_of, subject

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


def typed(name, message):
    """A log of another kind, for a model and version that are gone."""
    request = getattr(message, name).request
    specs = [request.tasks.add().model_spec] if name == "multi_inference_log" else [request.model_spec]
    for spec in specs:
        spec.name, spec.signature_name, spec.version_label = "gone", "serving_default", "old"
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("kind", "method", "form"),
    [
        ("predict_log", "Predict", protos.PredictRequest),
        ("classify_log", "Classify", protos.ClassificationRequest),
        ("regress_log", "Regress", protos.RegressionRequest),
        ("multi_inference_log", "MultiInference", protos.MultiInferenceRequest),
    ],
)
def test_records_are_sent_to_the_model_under_test(judge, kind, method, form):
    record = GOOD if kind == "predict_log" else typed(kind, protos.PredictionLog())
    outcome, judged = judge([record])
    assert outcome.verdict == "pass", outcome.violation
    [(sent, data)] = judged.model.calls
    request = form.FromString(data)
    spec = request.tasks[0].model_spec if kind == "multi_inference_log" else request.model_spec
    assert sent == method
    assert (spec.name, spec.signature_name, spec.version_label) == ("fake", "serving_default", "")
    assert spec.version.value == 1


def test_records_are_sent_to_whatever_version_there_is_where_none_is_meant(judge, monkeypatch):
    monkeypatch.setattr(FakeModel, "version", None)
    _, judged = judge([GOOD])
    [(_, data)] = judged.model.calls
    assert not protos.PredictRequest.FromString(data).model_spec.HasField("version")


def raw(name="x", **more):
    message = protos.PredictionLog()
    tensor = message.predict_log.request.inputs[name]
    tensor.dtype = more.pop("dtype", 1)
    for size in more.pop("shape", (1, 3)):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = more.pop("content", b"\0" * 12)
    return message.SerializeToString()


ONE = np.ones((1, 3), np.float32)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([b"\xff\xff"], ("warmup record 0 is no PredictionLog", "a PredictionLog")),
        (
            [GOOD, b""],
            ("warmup record 1 cannot be replayed", "one of predict_log, classify_log, regress_log, multi_inference_log",
             "an empty PredictionLog"),
        ),
        (
            [GOOD, log("serving_v2", x=ONE)],
            ("warmup record 1 names signature 'serving_v2', which the model does not have", "serving_default",
             "serving_v2"),
        ),
        (
            [log(y=ONE, z=ONE)],
            ("the inputs of warmup record 0 are not those of signature 'serving_default'", "x", "y, z"),
        ),
        ([log()], ("the inputs of warmup record 0 are not those of signature 'serving_default'", "x", "none")),
        (
            [log(x=ONE.astype(np.float64))],
            ("input 'x' of warmup record 0 has another dtype than declared", "float32", "float64"),
        ),
        ([log(x=ONE[:, :2])], ("input 'x' of warmup record 0 has another shape than declared", "[?, 3]", "[1, 2]")),
        ([log(x=ONE[0])], ("input 'x' of warmup record 0 has another shape than declared", "[?, 3]", "[3]")),
        ([raw(content=b"\0")], ("input 'x' of warmup record 0 is no tensor", "a TensorProto")),
        ([GOOD] * (MOST_RECORDS + 1), ("the file has more than 1000 records", "at most 1000", "more")),
        (b"not a TFRecord", ("the warmup file is no intact TFRecord file", "records with their lengths and checksums")),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_record_is_told(judge, content, told):
    outcome, _ = judge(content)
    violation = outcome.violation
    assert (violation.sentence, violation.expected, violation.actual)[: len(told)] == told
    assert violation.actual
    assert violation.advice.startswith("Write the file again with `tfsig warmup`")


def test_so_many_records_are_not_too_many(judge):
    outcome, judged = judge([GOOD] * MOST_RECORDS)
    assert (outcome.verdict, outcome.examples) == ("pass", MOST_RECORDS)
    assert len(judged.model.calls) == MOST_RECORDS


def test_a_refused_record_is_told(judge):
    outcome, _ = judge([GOOD], refuses=refusal("INTERNAL", "no"))
    assert outcome.violation.sentence == "warmup record 0 is refused when it is replayed"
    assert (outcome.violation.expected, outcome.violation.actual) == ("an answer", "INTERNAL: no")


def test_a_file_that_cannot_be_read_is_told(judge, monkeypatch):
    def unreadable(_):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(records, "read", unreadable)
    outcome, _ = judge([GOOD])
    assert outcome.violation.sentence == "the warmup file cannot be read"
    assert outcome.violation.expected == "a readable file"
    assert "Permission denied" in outcome.violation.actual


def test_where_there_is_no_warmup_file_that_is_told(tmp_path):
    for saved_model, message in (
        (None, "the model's files are on the server, out of sight"),
        (SimpleNamespace(path=tmp_path), f"the SavedModel has no {FILE}"),
    ):
        judged = subject(lambda _: {}, CONTRACT, saved_model=saved_model)
        assert checks.run(checks.checks()["warmup"], judged).message == message


@pytest.fixture
def of_two(tmp_path):
    """Judges records of a model with another signature, of which the contract says nothing."""

    def judge(content, *, contract=CONTRACT, defaults=frozenset()):
        path = tmp_path / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        records.write(path, content)
        judged = subject(lambda _: {}, contract, saved_model=SimpleNamespace(path=tmp_path))
        other = Signature("other", inputs={"z": Tensor("int64", ["batch"])}, outputs={})
        judged.model.signatures = {
            "serving_default": spec_of(CONTRACT, defaults), "other": spec_of(other),
        }  # fmt: skip
        return checks.run(checks.checks()["warmup"], judged)

    return judge


def test_records_for_other_signatures_are_replayed_and_counted_apart(of_two):
    outcome = of_two([GOOD, log("other", z=np.ones(2, np.int64))])
    assert outcome.message == "2 records replay, 1 of them for serving_default"
    assert of_two([log("other", z=np.ones(2, np.int32))]).message == (
        "input 'z' of warmup record 0 has another dtype than declared"
    )
    names = of_two([log("third", z=ONE)]).violation
    assert names.expected == "serving_default, other"


def test_the_contract_may_say_more_of_a_shape_than_the_model(of_two):
    narrow = Signature(inputs={"x": Tensor("float32", [2, 3])}, outputs=CONTRACT.outputs)
    assert of_two([log(x=np.ones((2, 3), np.float32))], contract=narrow).verdict == "pass"
    outcome = of_two([GOOD, log(x=ONE)], contract=narrow)
    assert (outcome.violation.expected, outcome.violation.actual) == ("[2, 3]", "[1, 3]")


def test_inputs_with_defaults_may_be_left_out(of_two):
    assert of_two([log()], defaults=frozenset({"x"})).verdict == "pass"
