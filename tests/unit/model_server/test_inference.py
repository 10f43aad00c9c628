"""Inference on numpy functions: facts of TensorFlow Serving's handlers, each named."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from pytest_tfsig import protos, tensors
from pytest_tfsig.model_server import predict
from pytest_tfsig.model_server.classify import Classification, classify, serialized
from pytest_tfsig.model_server.classify import read as read_classification
from pytest_tfsig.model_server.multi_inference import multi_inference
from pytest_tfsig.model_server.regress import read as read_regression
from pytest_tfsig.model_server.regress import regress
from pytest_tfsig.model_server.status import Code, StatusError
from tests.unit.model_server.fakes import FakeManager, signature

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
LABELS = np.array([[b"red", b"green"]], object)


def lengths(inputs):
    """Each serialised example's length, which tells the examples apart."""
    return np.array([len(example) for example in inputs], np.float32)


def on_examples(inputs):
    return {
        "scores": np.stack([lengths(inputs), -lengths(inputs)], axis=1),
        "classes": np.repeat(LABELS, len(inputs), axis=0),
        "outputs": lengths(inputs),
        "outputs2d": lengths(inputs)[:, None],
        "wide": np.stack([lengths(inputs)] * 3, axis=1),
        "double": lengths(inputs).astype(np.float64),
        "longer": np.append(lengths(inputs), np.float32(0)),
        "three": np.repeat(np.array([[b"a", b"b", b"c"]], object), len(inputs), axis=0),
    }


def renamed(message, **names):
    """Let an output of the signature be another of the graph's tensors."""
    for output, tensor in names.items():
        message.outputs[output].name = f"{tensor}:0"
    return message


STRING = {"inputs": "string"}
FLOAT = {"outputs": "float32"}
SCORES, CLASSES = {"scores": "float32"}, {"classes": "string"}
MANAGER = FakeManager(
    "m",
    {
        "classify": signature(STRING, SCORES | CLASSES),
        "scores": signature(STRING, SCORES),
        "classes": signature(STRING, CLASSES),
        "flat": renamed(signature(STRING, SCORES), scores="outputs"),
        "double": renamed(signature(STRING, SCORES), scores="double"),
        "words": renamed(signature(STRING, SCORES), scores="classes"),
        "numbers": renamed(signature(STRING, CLASSES), classes="scores"),
        "uneven": renamed(signature(STRING, SCORES | CLASSES), classes="three"),
        "other": signature(STRING, {"other": "float32"}),
        "three": signature(STRING, SCORES | CLASSES | FLOAT),
        "plain": signature({"x": "string"}, FLOAT),
        "pair": signature({"a": "string", "b": "string"}, FLOAT),
        "regress": signature(STRING, FLOAT),
        "regress2d": renamed(signature(STRING, FLOAT), outputs="outputs2d"),
        "wide": renamed(signature(STRING, FLOAT), outputs="wide"),
        "long": renamed(signature(STRING, FLOAT), outputs="longer"),
        "float64": renamed(signature(STRING, FLOAT), outputs="double"),
    },
    on_examples,
)


def example(**features):
    message = protos.Example()
    for name, value in features.items():
        message.features.feature[name].float_list.value.append(value)
    return message


def examples(*given, context=None):
    message = protos.Input()
    target = message.example_list
    if context is not None:
        target = message.example_list_with_context
        target.context.CopyFrom(context)
    target.SetInParent()
    target.examples.extend(given)
    return message


ONE = examples(example(x=1.0))


def refusal(call, manager, request):
    with pytest.raises(StatusError) as caught:
        call(manager, request)
    return caught.value.code.name, caught.value.message


def answer(call, request):
    """The response as a client reads it."""
    kind = type(request).__name__.replace("Request", "Response")
    return getattr(protos, kind).FromString(call(MANAGER, request))


def request(kind, signature_name, given=ONE):
    return kind(model_spec=protos.ModelSpec(name="m", signature_name=signature_name), input=given)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (classify, protos.ClassificationRequest),
        (regress, protos.RegressionRequest),
    ],
)
class TestBoth:
    def test_a_request_without_a_model_spec_is_refused(self, call, kind):
        assert refusal(call, MANAGER, kind(input=ONE)) == ("INVALID_ARGUMENT", "Missing ModelSpec")

    def test_an_unknown_model_is_not_found(self, call, kind):
        spec = protos.ModelSpec(name="nobody")
        code, _ = refusal(call, MANAGER, kind(model_spec=spec, input=ONE))
        assert code == "NOT_FOUND"

    def test_an_unknown_signature_is_refused(self, call, kind):
        assert refusal(call, MANAGER, request(kind, "nope")) == (
            "INVALID_ARGUMENT",
            "No signature was found with the name: nope",
        )

    def test_the_default_signature_is_named_in_the_refusal(self, call, kind):
        assert refusal(call, MANAGER, request(kind, "")) == (
            "INVALID_ARGUMENT",
            "No signature was found with the name: serving_default",
        )

    @pytest.mark.parametrize("given", [protos.Input(), examples(), examples(context=example(x=1.0))])
    def test_no_examples_are_refused(self, call, kind, given):
        name = "classify" if call is classify else "regress"
        assert refusal(call, MANAGER, request(kind, name, given)) == ("INVALID_ARGUMENT", "Input is empty.")

    def test_one_input_is_expected(self, call, kind):
        assert refusal(call, MANAGER, request(kind, "pair")) == ("INVALID_ARGUMENT", "Expected one input Tensor.")

    def test_a_signature_is_shown_when_its_input_has_another_name(self, call, kind):
        code, message = refusal(call, MANAGER, request(kind, "plain"))
        what = "classification" if call is classify else "regression"
        assert code == "INVALID_ARGUMENT"
        assert message.startswith(f"No {what} inputs found in SignatureDef: goo.gle/debug")
        assert 'inputs {\n  key: "x"\n  value {\n    name: "x:0"\n    dtype: DT_STRING\n' in message
        assert message.endswith('method_name: "tensorflow/serving/predict"\n')


def test_classify_pairs_labels_with_scores():
    given = examples(example(x=1.0), example())
    response = answer(classify, request(protos.ClassificationRequest, "classify", given))
    assert (response.model_spec.name, response.model_spec.version.value) == ("m", 7)
    assert response.model_spec.signature_name == "classify"
    found = [[(one.label, one.score) for one in result.classes] for result in response.result.classifications]
    sizes = [len(one.SerializeToString()) for one in given.example_list.examples]
    assert found == [[("red", size), ("green", -size)] for size in sizes]


def test_labels_are_empty_where_a_model_gives_only_scores():
    response = answer(classify, request(protos.ClassificationRequest, "scores"))
    assert [one.label for one in response.result.classifications[0].classes] == ["", ""]


def test_scores_are_zero_where_a_model_gives_only_labels():
    response = answer(classify, request(protos.ClassificationRequest, "classes"))
    assert [(one.label, one.score) for one in response.result.classifications[0].classes] == [("red", 0), ("green", 0)]


def test_a_score_of_minus_zero_keeps_its_sign():
    given = Classification(np.array([[b"a", b"b"]], object), np.array([[-0.0, 0.0]], np.float32))
    scores = [one.score for one in protos.Classifications.FromString(serialized(given)[2:]).classes]
    assert np.signbit(scores).tolist() == [True, False]


def test_a_label_that_is_not_utf8_is_sent_as_it_is():
    given = Classification(np.array([[b"gr\xfcn"]], object), np.ones((1, 1), np.float32))
    data = serialized(given)
    assert b"\x0a\x04gr\xfcn" in data
    with pytest.raises(DecodeError):
        protos.ClassificationResult.FromString(data)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("three", "Expected one or two output Tensors, found 3"),
        ("flat", "Expected Tensor shape: [batch_size num_classes] but got [1]"),
        ("words", "Expected scores Tensor of DT_FLOAT. Got: DT_STRING"),
        ("numbers", "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"),
        ("uneven", "Tensors class and score should match in dim_size(1). Got 3 vs. 2"),
    ],
)
def test_what_is_no_classification(name, message):
    refused = refusal(classify, MANAGER, request(protos.ClassificationRequest, name))
    assert refused == ("INVALID_ARGUMENT", message)


def test_a_signature_without_classes_and_scores_does_not_classify():
    code, message = refusal(classify, MANAGER, request(protos.ClassificationRequest, "other"))
    assert code == "INVALID_ARGUMENT"
    assert message.startswith(
        'Expected classification signature outputs to contain at least one of "classes" or "scores". Signature was: '
    )


def test_a_batch_of_another_size_is_no_classification():
    message = signature(STRING, SCORES)
    outputs = {"scores:0": np.zeros((3, 2), np.float32)}
    with pytest.raises(StatusError, match=r"Expected scores output batch size of 2\. Got: 3"):
        read_classification(message, 2, outputs)


@pytest.mark.parametrize("name", ["regress", "regress2d"])
def test_regress_gives_a_number_an_example(name):
    given = examples(example(x=1.0), example())
    response = answer(regress, request(protos.RegressionRequest, name, given))
    assert response.model_spec.signature_name == name
    sizes = [len(one.SerializeToString()) for one in given.example_list.examples]
    assert [one.value for one in response.result.regressions] == sizes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("classify", "Expected one output Tensor."),
        ("wide", "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1,3]"),
        ("long", "Input batch size did not match output batch size: 1 vs. 2"),
        ("float64", "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
    ],
)
def test_what_is_no_regression(name, message):
    refused = refusal(regress, MANAGER, request(protos.RegressionRequest, name))
    assert refused == ("INVALID_ARGUMENT", message)


def test_a_signature_without_outputs_does_not_regress():
    code, message = refusal(regress, MANAGER, request(protos.RegressionRequest, "scores"))
    assert code == "INVALID_ARGUMENT"
    assert message.startswith("No regression outputs found in SignatureDef: goo.gle/debug")


def test_a_scalar_is_no_regression():
    outputs = {"outputs:0": np.array(1, np.float32)}
    with pytest.raises(StatusError, match=r"but got \[\]$"):
        read_regression(signature(STRING, FLOAT), 1, outputs)


def test_a_context_goes_before_each_example():
    context, first, second = example(c=1.0), example(x=1.0), example()
    given = examples(first, second, context=context)
    response = answer(regress, request(protos.RegressionRequest, "regress", given))
    size = len(context.SerializeToString())
    expected = [size + len(one.SerializeToString()) for one in (first, second)]
    assert [one.value for one in response.result.regressions] == expected


def task(name, method, model="m"):
    return protos.InferenceTask(model_spec=protos.ModelSpec(name=model, signature_name=name), method_name=method)


def test_multi_inference_runs_each_task_on_the_same_examples():
    asked = protos.MultiInferenceRequest(tasks=[task("classify", CLASSIFY), task("regress", REGRESS)], input=ONE)
    response = answer(multi_inference, asked)
    assert [result.WhichOneof("result") for result in response.results] == [
        "classification_result",
        "regression_result",
    ]
    assert [result.model_spec.signature_name for result in response.results] == ["classify", "regress"]
    assert {result.model_spec.version.value for result in response.results} == {7}


@pytest.mark.parametrize(
    ("tasks", "code", "message"),
    [
        ([task("regress", REGRESS), task("regress", CLASSIFY)], "INVALID_ARGUMENT",
         "Duplicate evaluation of signature: regress"),
        ([task("regress", REGRESS), task("classify", CLASSIFY, "other")], "INVALID_ARGUMENT",
         "All ModelSpecs in a MultiInferenceRequest must access the same model name."),
        ([task("regress", REGRESS), task("classify", CLASSIFY, "")], "INVALID_ARGUMENT",
         "Found ModelSpec with an empty model name."),
        ([task("nope", CLASSIFY)], "INVALID_ARGUMENT", "Requested signature not found in model graph: nope"),
        ([task("regress", "tensorflow/serving/predict")], "UNIMPLEMENTED",
         "Unsupported signature method_name: tensorflow/serving/predict"),
        ([task("classify", REGRESS)], "INVALID_ARGUMENT", "Expected one output Tensor."),
        ([task("nope", "")], "INVALID_ARGUMENT", "Requested signature not found in model graph: nope"),
    ],
)  # fmt: skip
def test_multi_inference_refuses(tasks, code, message):
    asked = protos.MultiInferenceRequest(tasks=tasks, input=ONE)
    assert refusal(multi_inference, MANAGER, asked) == (code, message)


def test_multi_inference_without_examples_is_refused():
    asked = protos.MultiInferenceRequest(tasks=[task("regress", REGRESS)])
    assert refusal(multi_inference, MANAGER, asked) == ("INVALID_ARGUMENT", "Input is empty.")


STRICT = FakeManager(
    "m",
    {
        "classify": signature(STRING, SCORES, "classify"),
        "regress": signature(STRING, FLOAT, "regress"),
        "other": signature({"x": "float32"}, {"outputs": "float32"}, "other"),
    },
    on_examples,
)
STRICT.servable.checks_methods = True
AS_CLASSIFICATION = "Expected classification signature method_name to be tensorflow/serving/classify. Was: "
AS_REGRESSION = "Expected regression signature method_name to be tensorflow/serving/regress. Was: "


@pytest.mark.parametrize(
    ("call", "asked", "code", "message"),
    [
        (classify, request(protos.ClassificationRequest, "regress"), "INVALID_ARGUMENT", AS_CLASSIFICATION + REGRESS),
        (regress, request(protos.RegressionRequest, "classify"), "INVALID_ARGUMENT", AS_REGRESSION + CLASSIFY),
        (multi_inference, protos.MultiInferenceRequest(tasks=[task("classify", REGRESS)], input=ONE),
         "INVALID_ARGUMENT", AS_REGRESSION + CLASSIFY),
        (predict.answer, protos.PredictRequest(model_spec=protos.ModelSpec(name="m", signature_name="other")),
         "INTERNAL", ("Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
         "tensorflow/serving/classify, tensorflow/serving/regress}. Was: tensorflow/serving/other")),
    ],
)  # fmt: skip
def test_a_method_name_may_be_held_to(call, asked, code, message):
    assert refusal(call, STRICT, asked) == (code, message)


def test_the_right_method_name_is_answered():
    assert classify(STRICT, request(protos.ClassificationRequest, "classify"))
    assert regress(STRICT, request(protos.RegressionRequest, "regress"))
    assert predict.run(STRICT.servable, "regress", {"inputs": np.array([b""], object)}) == {"outputs": [0]}


ADDS = FakeManager(
    "adds",
    {
        "serving_default": signature({"a": "float32", "b": "float32"}, {"sum": "float32", "first": "float32"}),
        "half": signature({"a": "float32", "b": "float32"}, {"sum": "float32"}),
    },
    lambda a, b: {"sum": a + b, "first": a},
)
ADDS.servable.signatures["half"].defaults["b"].CopyFrom(tensors.to_proto(np.array([5], np.float32)))


def test_predict_on_arrays_gives_every_output_by_name():
    inputs = {"a": np.array([1], np.float32), "b": np.array([2], np.float32)}
    assert predict.run(ADDS.servable, "", inputs) == {"first": [1], "sum": [3]}


def test_an_input_with_a_default_may_be_missing():
    assert predict.run(ADDS.servable, "half", {"a": np.array([1], np.float32)}) == {"sum": [6]}


BROKEN = protos.TensorProto(dtype=1, tensor_content=b"123")


@pytest.mark.parametrize(
    ("name", "inputs", "code", "message"),
    [
        ("nope", {}, "FAILED_PRECONDITION", 'Serving signature key "nope" not found.'),
        ("", {"a": 1}, "INVALID_ARGUMENT",
         ("input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. "
         "Missing but required: {b}.")),
        ("", {"a": 1, "b": 2, "c": 3}, "INVALID_ARGUMENT", ("input size does not match signature: 3!=2 len({a,b,c}) != "
         "len({a,b}). Sent extra: {c}. Missing but required: {}.")),
        ("", {"a": 1, "c": 3}, "INVALID_ARGUMENT", ("Signature input alias: b(feed name: b:0) not found in request and "
         "no default value provided. Inputs expected to be in the request {a,c}, or default input alias set: ")),
        ("half", {"b": 1}, "INVALID_ARGUMENT", ("Signature input alias: a(feed name: a:0) not found in request and no "
         "default value provided. Inputs expected to be in the request {b}, or default input alias set: b")),
        ("half", {"a": 1, "c": 1}, "INVALID_ARGUMENT",
         "Inputs contains invalid name. Used request inputs: a, request input: a,c"),
        ("", {"a": 1, "b": BROKEN}, "INVALID_ARGUMENT", "tensor parsing error: b"),
    ],
)  # fmt: skip
def test_predict_refuses(name, inputs, code, message):
    given = {key: np.array([value], np.float32) if isinstance(value, int) else value for key, value in inputs.items()}
    with pytest.raises(StatusError) as caught:
        predict.run(ADDS.servable, name, given)
    assert (caught.value.code.name, caught.value.message) == (code, message)
    assert caught.value.code is Code[code]
