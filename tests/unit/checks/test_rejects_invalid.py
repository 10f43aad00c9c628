from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig import checks, protos
from pytest_tfsig.clients.rest_values import array_to_json
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


def test_what_json_cannot_carry_is_not_sent_over_rest():
    waves = Signature(
        inputs={"wave": Tensor("complex64", ["batch"]), "gain": Tensor("float32", ["batch"])}, outputs=CONTRACT.outputs
    )
    judged = subject(lambda inputs: {"y": inputs["gain"]}, waves, over_rest=careless)
    predict = judged.model.predict

    def encoded(inputs, *, transport="grpc", **options):
        if transport == "rest":  # as the client does, before anybody is asked
            assert [array_to_json(name, np.asarray(value)) for name, value in inputs.items()]
        return predict(inputs, transport=transport, **options)

    judged.model.predict = encoded
    result = checks.run(checks.checks()["rejects_invalid"], judged)
    assert result.verdict == "pass", result.message


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


ONE = Signature(inputs={"a": Tensor("float32", ["batch", 3])}, outputs={"y": Tensor("float32", ["batch"])})


def answering(says, *, compares=True, **more):
    """Judges a server that raises what `says` returns for an input `a`, and answers where that is None."""

    def answer(inputs):
        error = says(inputs)
        if error is not None:
            raise error
        return {"y": np.zeros(2, np.float32)}

    judged = subject(answer, more.pop("signature", ONE), compares=compares, **more)
    return checks.run(checks.checks()["rejects_invalid"], judged)


def test_what_is_answered_over_grpc_is_told():
    result = answering(lambda _: None, compares=False)
    violation = result.violation
    assert violation.sentence == "a malformed request is answered over gRPC: input 'a' is missing"
    assert (violation.expected, violation.actual) == ("an error, INVALID_ARGUMENT", "an answer")
    assert violation.inputs == {}
    assert violation.advice == ""
    assert result.examples == 1


def test_a_wrong_shape_that_must_be_refused_is_told():
    strict = Signature(inputs=ONE.inputs, outputs=ONE.outputs, checks={"rejects_invalid": {"strict": True}})
    result = answering(lambda _: None, signature=strict)
    assert result.message == (
        "a malformed request is answered over gRPC: input 'a' has shape [3, 3, 1] instead of [batch, 3]"
    )
    assert result.violation.advice.startswith("TensorFlow Serving does not compare shapes with the signature")
    assert result.examples == 6


@pytest.mark.parametrize(
    ("code", "how"), [("INTERNAL", "is refused with the wrong code"), ("DEADLINE_EXCEEDED", "hangs")]
)
def test_a_refusal_that_sends_callers_astray_is_told(code, how):
    result = answering(lambda inputs: None if "a" in inputs else refusal(code, "oh no"), compares=False)
    violation = result.violation
    assert violation.sentence == f"a malformed request {how}: input 'a' is missing"
    assert violation.expected == "an error that tells callers to mend their request, such as INVALID_ARGUMENT"
    assert violation.actual == f"{code}: oh no"
    assert violation.inputs == {}
    assert result.examples == 1


@pytest.mark.parametrize(
    "code", ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND", "UNIMPLEMENTED"]
)
def test_codes_that_tell_callers_to_mend_their_request(code):
    well_formed = lambda inputs: set(inputs) == {"a"} and inputs["a"].dtype == np.float32  # noqa: E731
    result = answering(lambda inputs: None if well_formed(inputs) else refusal(code), compares=False)
    assert result.verdict == "pass"


SHAPES = [
    "input 'a' has shape [3, 3, 1] instead of [batch, 3]",
    "input 'a' has shape [3] instead of [batch, 3]",
    "input 'a' has shape [3, 4] instead of [batch, 3]",
]


def test_a_careful_graph_is_told_in_a_line():
    result = answering(lambda inputs: None if inputs["a"].shape[1:] == (3,) else refusal())
    assert (result.verdict, result.message, result.examples) == ("pass", "8 of 8 malformed requests are refused", 8)
    assert result.details == {"silently_accepted": [], "wrong_code": [], "server_died": []}


def test_what_only_a_graph_can_notice_is_noted():
    blaming = lambda inputs: refusal("INTERNAL", "x") if inputs["a"].ndim == 3 else None  # noqa: E731
    result = answering(blaming)
    notes = (
        f"silently accepted: {SHAPES[1]}, {SHAPES[2]}; "
        f"refused with a code that blames the server: {SHAPES[0]}: INTERNAL"
    )
    assert result.message == f"6 of 8 malformed requests are refused; {notes}"
    assert result.details == {
        "silently_accepted": SHAPES[1:],
        "wrong_code": [f"{SHAPES[0]}: INTERNAL"],
        "server_died": [],
        "note": notes,
    }


def test_a_wrong_shape_that_hangs_fails():
    result = answering(lambda inputs: refusal("DEADLINE_EXCEEDED") if inputs["a"].ndim == 1 else None)
    assert result.verdict == "fail"
    assert result.message == f"a malformed request hangs: {SHAPES[1]}"
    assert result.examples == 7


def test_after_two_deaths_no_more_wrong_shapes_are_tried_but_all_else_is():
    judged = None
    asked = []

    def deadly(inputs):
        asked.append(inputs["a"].shape)
        if inputs["a"].shape[1:] != (3,):
            judged.model.server.is_alive = False
            raise refusal("UNAVAILABLE", "Socket closed")
        return {"y": np.zeros(2, np.float32)}

    judged = subject(deadly, ONE)
    result = checks.run(checks.checks()["rejects_invalid"], judged)
    assert result.message == (
        f"6 of 8 malformed requests are refused; THE SERVER DIES, in TensorFlow's own op: {SHAPES[0]}, {SHAPES[1]}"
    )
    assert result.details["server_died"] == SHAPES[:2]
    assert asked == [(3, 3), (3, 3, 1), (3,)]


def test_a_server_that_dies_of_what_it_must_refuse_itself_is_told():
    judged = None

    def deadly(inputs):
        if "a" not in inputs:
            judged.model.server.is_alive = False
            raise refusal("UNAVAILABLE", "Socket closed")
        return {"y": np.zeros(2, np.float32)}

    judged = subject(deadly, ONE, compares=False)
    result = checks.run(checks.checks()["rejects_invalid"], judged)
    assert result.verdict == "fail"
    assert result.message == "the server died while it answered this request"
    assert judged.model.server.restarts == 0


def test_only_beside_an_answer_does_a_refusal_say_anything():
    asked = []

    def refusing(inputs):
        asked.append(inputs)
        raise refusal("INTERNAL", f"no {len(asked)}")

    result = outcome("rejects_invalid", refusing, ONE)
    assert result.verdict == "error"
    assert result.message == "not judged: no request was answered (INTERNAL); see the check outputs"
    assert len(asked) == 8


def test_malformed_are_the_neighbours_of_a_request_that_is_not_empty():
    empty = Signature(inputs={"a": Tensor("float32", ["n"])}, outputs=ONE.outputs, dims={"n": (0, 3)})
    asked = []

    def listening(inputs):
        asked.append(inputs["a"])
        return {"y": np.zeros(2, np.float32)}

    outcome("rejects_invalid", listening, empty)
    first = next(number for number, array in enumerate(asked) if array.size)
    assert all(array.ndim == 1 for array in asked[: first + 1])
    assert all(array.size for array in asked[first:])


@pytest.mark.parametrize(("shape", "rows"), [(["batch"], True), ([2], False)])
def test_rows_are_sent_over_rest_where_there_are_rows(shape, rows):
    signature = Signature(
        inputs={"a": Tensor("float32", shape), "b": Tensor("float32", shape)}, outputs={"y": Tensor("float32", shape)}
    )
    judged = subject(lambda _: {"y": np.zeros(2, np.float32)}, signature, over_rest=lambda _: {})
    forms = []

    def ask(_, *, transport="grpc", form="columns"):
        forms.append((transport, form))
        if len(forms) > 1:
            raise refusal()
        return {}

    judged.ask = ask
    checks.run(checks.checks()["rejects_invalid"], judged)
    assert (("rest", "rows") in forms) == rows
    assert ("rest", "columns") in forms


def test_after_two_deaths_other_inputs_are_still_sent_wrong():
    judged = None

    def deadly(inputs):
        if inputs["a"].shape[1:] != (3,):
            judged.model.server.is_alive = False
            raise refusal("UNAVAILABLE", "Socket closed")
        return {"y": np.zeros(2, np.float32)}

    judged = subject(deadly, CONTRACT)
    result = checks.run(checks.checks()["rejects_invalid"], judged)
    sound = outcome("rejects_invalid", careful, CONTRACT)
    assert result.examples == sound.examples == 14
    assert len(result.details["server_died"]) == 2
