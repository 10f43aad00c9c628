"""Recorded exchanges: from inputs to PredictionLogs and back, and files that are none."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig import protos, recordings, records
from pytest_tfsig.errors import RecordError
from pytest_tfsig.recordings import Exchange
from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec

PREDICT = SignatureSpec("double", "predict", {"x": TensorSpec("x", "float32", (None,))}, {})
CLASSIFY = SignatureSpec("labels", "classify", {"inputs": TensorSpec("inputs", "string", (None,))}, {})
REGRESS = SignatureSpec("price", "regress", {"inputs": TensorSpec("inputs", "string", (None,))}, {})
EXAMPLES = {"examples": [{"a": [1.5], "b": [b"text"]}, {"a": [2.0], "b": [b""]}]}


def predict():
    return Exchange.of_inputs({"x": np.array([1, 2], np.float32)}, PREDICT)


def multi_inference():
    request, response = protos.MultiInferenceRequest(), protos.MultiInferenceResponse()
    for name in ("labels", "price"):
        request.tasks.add().model_spec.signature_name = name
    row = response.results.add(model_spec=protos.ModelSpec(signature_name="labels")).classification_result
    row.classifications.add().classes.add(label="red", score=0.5)
    price = response.results.add(model_spec=protos.ModelSpec(signature_name="price")).regression_result
    price.regressions.add(value=3)
    return Exchange("MultiInference", request, response)


def test_predict():
    exchange = predict()
    assert (exchange.method, exchange.signatures) == ("Predict", ("double",))
    assert exchange.inputs()["x"].tolist() == [1, 2]
    assert exchange.outputs() == {}


@pytest.mark.parametrize(("spec", "method"), [(CLASSIFY, "Classify"), (REGRESS, "Regress")])
def test_examples(spec, method):
    exchange = Exchange.of_inputs(EXAMPLES, spec)
    assert (exchange.method, exchange.signatures) == (method, (spec.name,))
    assert exchange.inputs() == EXAMPLES


def test_examples_with_a_context():
    request = protos.RegressionRequest()
    request.input.example_list_with_context.examples.add().features.feature["a"].int64_list.value.append(3)
    assert Exchange("Regress", request).inputs() == {"examples": [{"a": [3]}]}


def test_multi_inference_has_the_outputs_of_each_signature():
    exchange = multi_inference()
    assert exchange.signatures == ("labels", "price")
    outputs = exchange.outputs()
    assert sorted(outputs) == ["labels/classes", "labels/scores", "price/outputs"]
    assert outputs["price/outputs"].tolist() == [3.0]
    addressed = exchange.addressed("other", 7)
    assert [task.model_spec.name for task in addressed.request.tasks] == ["other", "other"]
    assert addressed.signatures == exchange.signatures


def test_an_exchange_without_a_signature_is_for_the_default_one():
    assert Exchange("Predict", protos.PredictRequest()).signatures == ("serving_default",)


def test_addressing_leaves_the_recording_as_it_is():
    exchange = predict()
    exchange.request.model_spec.version_label = "canary"
    addressed = exchange.addressed("other", 3)
    assert addressed.request.model_spec.name == "other"
    assert addressed.request.model_spec.version.value == 3
    assert exchange.request.model_spec.version_label == "canary"
    assert not exchange.addressed("other", None).request.model_spec.HasField("version")


def test_files_keep_exchanges(tmp_path):
    answered = Exchange("Predict", predict().request, protos.PredictResponse())
    written = [predict(), answered, Exchange.of_inputs(EXAMPLES, CLASSIFY), multi_inference()]
    recordings.write(tmp_path / "deep" / "file", written)
    read = recordings.read(tmp_path / "deep" / "file")
    assert [(entry.method, entry.signatures) for entry in read] == [(one.method, one.signatures) for one in written]
    assert [entry.response is None for entry in read] == [True, False, True, False]


def test_the_same_exchanges_are_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        recordings.write(tmp_path / name, [predict(), Exchange.of_inputs(EXAMPLES, CLASSIFY)])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_file_that_was_cut_says_how_much_of_it_is_good(tmp_path):
    file = tmp_path / "file"
    recordings.write(file, [predict(), predict()])
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(RecordError, match=r"truncated record at .*: 1 intact records come before it"):
        recordings.read(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([b"\xff\xff"], "record 0 is no PredictionLog"),
        ([b""], "record 0 cannot be replayed"),
        ([protos.PredictionLog().SerializeToString()] * 2, "record 0 cannot be replayed: it holds none of predict_log"),
    ],
)
def test_records_that_are_no_requests(tmp_path, content, message):
    records.write(tmp_path / "file", content)
    with pytest.raises(RecordError, match=message):
        recordings.read(tmp_path / "file")


def test_a_missing_file(tmp_path):
    with pytest.raises(RecordError, match="none: cannot be read: No such file"):
        recordings.read(tmp_path / "none")


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written"):
        recordings.write(tmp_path / "file" / "below", [predict()])


def test_saved_arrays_are_inputs(tmp_path):
    np.savez(tmp_path / "one.npz", x=np.array([1.0], np.float32))
    assert recordings.read_arrays(tmp_path / "one.npz")["x"].dtype == np.float32


def test_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "one.npz", allow_pickle=True, x=np.array([b"a"], object))
    with pytest.raises(RecordError, match="no arrays can be read from it"):
        recordings.read_arrays(tmp_path / "one.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04cut", b"not a zip file"])
def test_files_that_hold_no_arrays(tmp_path, content):
    (tmp_path / "one.npz").write_bytes(content)
    with pytest.raises(RecordError, match="no arrays can be read from it"):
        recordings.read_arrays(tmp_path / "one.npz")


def test_one_array_alone_is_no_file_of_arrays(tmp_path):
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(RecordError, match="no arrays can be read from it"):
        recordings.read_arrays(tmp_path / "one.npz")


def test_arrays_that_were_damaged_since(tmp_path):
    np.savez_compressed(tmp_path / "one.npz", x=np.arange(10000))
    content = bytearray((tmp_path / "one.npz").read_bytes())
    content[60:90] = b"\xff" * 30
    (tmp_path / "one.npz").write_bytes(content)
    with pytest.raises(RecordError, match="no arrays can be read from it"):
        recordings.read_arrays(tmp_path / "one.npz")
