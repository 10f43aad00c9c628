from __future__ import annotations

import pytest

from pytest_tfsig.checks.causes import CAUSES, advice


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("Could not find variable sequential/dense/kernel. This could mean", "model.export"),
        ("Input to reshape is a tensor with 10 values, but the requested shape has 80", "Reshape with -1"),
        ("Op type not registered 'CaseFoldUTF8' in binary", "--tfsig-op-library"),
        ("Table not initialized.", "vocabulary table"),
        ("input size does not match signature: 1!=2 len({a}) != len({a,b})", "input names"),
        ('Serving signature name: "foo" not found in signature def', "serving_default"),
        ("Expects arg[0] to be float but double is provided", "numpy makes float64"),
        ("Task size 9 is larger than maximum input batch size 8", "max_batch_size"),
        ("Server Threadpool Exhausted", "grpc_max_threads"),
        ("Conversion of JSON Value: 1.0 to type: half", "#1639"),
        ("Data types don't match. Data type: int64 but expected type: float", "[1.0, 2.0]"),
        ("Feature: age (data type: float) is required but could not be found.", "default_value"),
        ("indices[0] = 50 is not in [0, 50)", "min = 0"),
        ("Unknown image file format. One of JPEG, PNG, GIF, BMP required.", 'image = "png"'),
        ("Invalid character found in base64.", "base64 of its own"),
        ("Missing closing quote in b64 string", "_bytes"),
        ("StringToNumberOp could not correctly convert string: x", "values = [...]"),
        ("Unrecognized servable version label: stable", "label"),
        ("Servable not found for request: Latest(m)", "numeric directories"),
        ("gRPC UNAUTHENTICATED: who are you?", "TFSIG_BEARER_TOKEN"),
        ("OOM when allocating tensor", "memory"),
        ("NodeDef mentions attr 'debug_name' not in Op<name=VarHandleOp>", "newer TensorFlow"),
    ],
)
def test_a_servers_words_are_explained(words, says):
    assert says in advice(words)


def test_what_is_not_known_is_not_explained():
    assert not advice("a row is wrong")


def test_causes_have_names_of_their_own():
    assert len({cause.name for cause in CAUSES}) == len(CAUSES)
