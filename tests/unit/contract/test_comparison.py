"""Contracts beside what is served, and contracts that the SavedModel rules out."""

import pytest

from pytest_tfsig.contract import (
    Argmax,
    Feature,
    Monotone,
    PermutationInvariant,
    Signature,
    Tensor,
    compare,
    contradictions,
    side_by_side,
)
from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec


def served(x=(None, 8), y=(None, 3), *, method="predict", x_dtype="float32", defaults=(), **more):
    inputs = {"x": TensorSpec("x", x_dtype, x), **{name: TensorSpec(name, "int32", ()) for name in more}}
    return SignatureSpec("s", method, inputs, {"y": TensorSpec("y", "float32", y)}, frozenset(defaults))


def stated(x=("batch", 8), y=("batch", 3), **more):
    return Signature("s", {"x": Tensor("float32", x)}, {"y": Tensor("float32", y)}, **more)


@pytest.mark.parametrize(
    ("contract", "actual"),
    [
        (stated(), served()),
        (stated(None, None), served()),
        (stated(), served(None, None)),
        (stated(("batch", "?")), served((None, None))),
        (stated(y=("batch", "?")), served()),
        (stated(), served(y=(None, None))),
        (stated(("batch", 8)), served((None, None))),
        (stated(dims={"batch": (4, 4)}), served((4, 8), (4, 3))),
        (stated(), served(k=(), defaults=("k",))),
    ],
)
def test_kept(contract, actual):
    assert compare(contract, actual) == []
    assert "!" not in side_by_side(contract, actual)
    assert contradictions(contract, actual) == []


@pytest.mark.parametrize(
    ("contract", "actual", "part", "kind", "message"),
    [
        (
            stated(),
            served(method="regress"),
            "method",
            "method",
            "the method is regress, but the contract states predict.",
        ),
        (
            stated(),
            served(x_dtype="int32"),
            "input",
            "dtype",
            'the input "x" is int32, but the contract states float32.',
        ),
        (
            stated(),
            served((None, 9)),
            "input",
            "shape",
            'the input "x" has the shape [?, 9], but the contract states [batch, 8]: dimension 1 is 9, not 8.',
        ),
        (
            stated(),
            served((4, 8)),
            "input",
            "shape",
            (
                'the input "x" has the shape [4, 8], but the contract states [batch, 8]: '
                'dimension 0 is always 4, but "batch" may vary.'
            ),
        ),
        (
            stated(("batch", "?")),
            served(),
            "input",
            "shape",
            'the input "x" has the shape [?, 8], but the contract states [batch, ?]: dimension 1 takes 8 only.',
        ),
        (
            stated(),
            served(y=(None, 3, 1)),
            "output",
            "shape",
            'the output "y" has the shape [?, 3, 1], but the contract states [batch, 3]: 3 dimensions, not 2.',
        ),
        (stated(), served(k=()), "input", "unexpected", 'the input "k" is served, but the contract does not state it.'),
    ],
)
def test_broken(contract, actual, part, kind, message):
    (mismatch,) = compare(contract, actual)
    assert (mismatch.part, mismatch.kind, mismatch.message) == (part, kind, message)
    assert "\n! " in side_by_side(contract, actual)
    assert contradictions(contract, actual)


def test_a_renamed_output_is_missing_and_unexpected():
    contract = Signature("s", {"x": Tensor("float32", ["batch", 8])}, {"yy": Tensor("float32", ["batch", 3])})
    found = compare(contract, served())
    assert [(mismatch.kind, mismatch.name) for mismatch in found] == [("missing", "yy"), ("unexpected", "y")]
    assert found[0].message == 'there is no output "yy"; did you mean "y"?'
    assert side_by_side(contract, served()) == (
        "             contract            served\n"
        "  method     predict             predict\n"
        "  input x    float32 [batch, 8]  float32 [?, 8]\n"
        "! output yy  float32 [batch, 3]  -\n"
        "! output y   -                   float32 [?, 3]"
    )


def features(**specs):
    inputs = {"e": TensorSpec("e", "string", (None,), features=specs)}
    return SignatureSpec("s", "predict", inputs, {"y": TensorSpec("y", "float32", (None,))})


def examples(**named):
    tensor = Tensor("string", ["batch"], features=named)
    return Signature("s", {"e": tensor}, {"y": Tensor("float32", ["batch"])})


@pytest.mark.parametrize(
    ("contract", "own", "message"),
    [
        (
            stated(("n", 8), ("n", 3)),
            served((4, 8), (5, 3)),
            '"n" is one size wherever it appears, but the SavedModel has 4 in inputs.x and 5 in outputs.y.',
        ),
        (
            examples(z=Feature("float32")),
            features(x=FeatureSpec("x", "float32")),
            "inputs.e.features.z: the model does not parse this feature; known: x.",
        ),
        (
            examples(x=Feature("int64")),
            features(x=FeatureSpec("x", "float32")),
            "inputs.e.features.x: the model parses float32, but the contract states int64.",
        ),
        (
            examples(x=Feature("float32", [3])),
            features(x=FeatureSpec("x", "float32", (4,))),
            "inputs.e.features.x: the model parses the shape [4], but the contract states [3].",
        ),
        (
            examples(x=Feature("float32", default=[0])),
            features(x=FeatureSpec("x", "float32")),
            "inputs.e.features.x: the model has no default for it",
        ),
        (
            stated(relations=[Argmax("y", "y", axis=2)]),
            served(),
            "relations[0]: axis 2 is not an axis of a tensor with 2",
        ),
        (
            stated(relations=[PermutationInvariant("x", axis=2)]),
            served(),
            "relations[0]: axis 2 is not an axis of a tensor with 2 dimensions.",
        ),
        (
            Signature("s", {"e": Tensor("string")}, {"y": Tensor("float32")}, relations=(Monotone("e", "y"),)),
            features(),
            'relations[0]: the input "e" is string, which has no order to grow in.',
        ),
    ],
)
def test_contradictions(contract, own, message):
    assert any(sentence.startswith(message) for sentence in contradictions(contract, own))


def test_a_scalar_feature_is_a_list_of_one():
    own = features(x=FeatureSpec("x", "float32", (1,)))
    assert contradictions(examples(x=Feature("float32")), own) == []
