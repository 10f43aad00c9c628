from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig import checks, protos
from pytest_tfsig.contract import Feature, Signature, Tensor
from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec
from tests.unit.checks.fakes import outcome, refusal, spec_of, subject

TWO = {"a": Tensor("float32", ["batch", 3]), "b": Tensor("int64", ["batch"])}
CONTRACT = Signature(inputs=TWO, outputs={"y": Tensor("float32", ["batch"])})
STRICT = Signature(inputs=TWO, outputs=CONTRACT.outputs, checks={"rejects_invalid": {"strict": True}})


def careful(inputs):
    if inputs["a"].ndim != 2 or inputs["a"].shape[1] != 3 or inputs["b"].ndim != 1:
        raise refusal(message="shapes must be equal")
    return {"y": inputs["a"].sum(axis=1)}


def careless(_):
    return {"y": np.zeros(3, np.float32)}


def test_a_server_that_compares_and_a_graph_that_does_too():
    result = outcome("rejects_invalid", careful, STRICT, over_rest=careful)
    assert result.verdict == "pass", result.violation
    assert result.details["silently_accepted"] == []
    assert result.examples > 15


def test_wrong_shapes_that_are_answered_are_a_finding_of_their_own():
    result = outcome("rejects_invalid", careless, CONTRACT)
    assert result.verdict == "pass"
    assert "input 'a' has shape [3, 4] instead of [batch, 3]" in result.details["silently_accepted"]
    assert "silently accepted" in result.message
    strict = outcome("rejects_invalid", careless, STRICT)
    assert strict.verdict == "fail"
    assert "tf.ensure_shape" in strict.violation.advice


@pytest.mark.parametrize("over_rest", [None, careful])
def test_names_and_dtypes_that_are_answered_are_a_failure(over_rest):
    result = outcome("rejects_invalid", careless, CONTRACT, compares=False, over_rest=over_rest)
    assert result.verdict == "fail"
    assert result.message == "a malformed request is answered over gRPC: input 'a' is missing"
    assert set(result.violation.inputs) == {"b"}


def test_an_answer_over_rest_alone_is_a_failure():
    judged = subject(careful, CONTRACT, over_rest=careless)
    compare = judged.model._compare
    judged.model._compare = lambda inputs: compare(inputs) if set(inputs) == set(TWO) else None
    judged.model._answers["grpc"] = lambda inputs: compare(inputs) or careful(inputs)
    result = checks.run(checks.checks()["rejects_invalid"], judged)
    assert "over REST" in result.message


def test_inputs_with_defaults_may_be_missing():
    def defaulted(inputs):
        return careful({"b": np.zeros(3, np.int64), **inputs})

    spec = spec_of(CONTRACT, frozenset({"b"}))
    assert outcome("rejects_invalid", defaulted, CONTRACT, spec=spec).verdict == "pass"


@pytest.mark.parametrize(("code", "says"), [("INTERNAL", "wrong code"), ("DEADLINE_EXCEEDED", "hangs")])
def test_a_refusal_must_tell_callers_to_mend_their_request(code, says):
    judged = subject(careful, CONTRACT)

    def compare(inputs):
        if set(inputs) != set(TWO):
            raise refusal(code)

    judged.model._compare = compare
    result = checks.run(checks.checks()["rejects_invalid"], judged)
    assert result.verdict == "fail"
    assert says in result.message


def test_a_graph_that_blames_the_server_is_reported():
    def blames(inputs):
        if inputs["a"].shape[1:] != (3,):
            raise refusal("INTERNAL", "Blas GEMM launch failed")
        return careful(inputs)

    result = outcome("rejects_invalid", blames, CONTRACT)
    assert result.verdict == "pass"
    assert any("INTERNAL" in line for line in result.details["wrong_code"])


@pytest.mark.parametrize(("contract", "verdict", "restarts"), [(CONTRACT, "pass", 2), (STRICT, "fail", 0)])
def test_a_wrong_shape_that_kills_the_server(contract, verdict, restarts):
    judged = None

    def deadly(inputs):
        if inputs["a"].shape[1:] != (3,):
            judged.model.server.is_alive = False
            raise refusal("UNAVAILABLE", "Socket closed")
        return careful(inputs)

    judged = subject(deadly, contract)
    result = checks.run(checks.checks()["rejects_invalid"], judged)
    assert result.verdict == verdict
    assert judged.model.server.restarts == restarts


FEATURES = {"age": Feature("float32", []), "name": Feature("string", [], default=[""])}
PARSED = {
    "age": FeatureSpec("age", "float32", ()),
    "name": FeatureSpec("name", "string", (), default=(b"",)),
}


def parse(data):
    try:
        features = protos.Example.FromString(bytes(data)).features.feature
    except Exception as error:
        raise refusal(message="Could not parse example input") from error
    if features["age"].WhichOneof("kind") != "float_list" or features["name"].WhichOneof("kind") not in {
        None,
        "bytes_list",
    }:
        raise refusal(message="Key: age. Data types don't match")
    return features["age"].float_list.value[0]


def test_tf_examples_are_malformed_feature_by_feature():
    contract = Signature(
        inputs={"examples": Tensor("string", ["batch"], features=FEATURES)},
        outputs={"y": Tensor("float32", ["batch"])},
    )
    tensor = TensorSpec("examples", "string", (None,), "x:0", PARSED)
    spec = SignatureSpec("serving_default", "predict", {"examples": tensor}, spec_of(contract).outputs)
    strict = {"spec": spec}

    def parsing(inputs):
        return {"y": np.array([parse(data) for data in np.atleast_1d(inputs["examples"]).ravel()], np.float32)}

    result = outcome("rejects_invalid", parsing, contract, **strict)
    assert result.verdict == "pass", result.violation
    assert result.examples >= 9

    def lenient(inputs):
        return {"y": np.zeros(np.size(inputs["examples"]), np.float32)}

    assert "no tf.Example" in outcome("rejects_invalid", lenient, contract, **strict).message


def test_examples_of_classify_are_malformed_too():
    contract = Signature(
        method="regress",
        inputs={"inputs": Tensor("string", ["batch"], features=FEATURES)},
        outputs={"outputs": Tensor("float32", ["batch"])},
    )
    spec = spec_of(contract)
    spec = SignatureSpec(spec.name, "regress", spec.inputs, spec.outputs, features=PARSED)

    def regress(examples):
        return {"outputs": np.zeros(len(examples), np.float32)}

    result = outcome("rejects_invalid", regress, contract, spec=spec)
    assert result.verdict == "fail"
    assert "no examples" in result.message

    def careful_regress(examples):
        if not examples:
            raise refusal(message="Input is empty")
        for example in examples:
            data = example.SerializeToString() if hasattr(example, "SerializeToString") else None
            if (data is not None and parse(data) is None) or (data is None and "age" not in example):
                raise refusal()
        return {"outputs": np.zeros(len(examples), np.float32)}

    assert outcome("rejects_invalid", careful_regress, contract, spec=spec).verdict == "pass"
