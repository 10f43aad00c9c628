"""Contracts beside what is served, and contracts that the SavedModel rules out."""

import pytest

from pytest_tfsig.contract import (
    Argmax,
    Feature,
    Monotone,
    PaddingInvariant,
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


@pytest.mark.parametrize(
    ("contract", "actual", "mismatch"),
    [
        (stated(), served(method="regress"), ("method", "", "method", "predict", "regress")),
        (stated(), served(x_dtype="int32"), ("input", "x", "dtype", "float32", "int32")),
        (stated(), served((None, 9)), ("input", "x", "shape", "[batch, 8]", "[?, 9]")),
        (stated(), served(y=(None, 4)), ("output", "y", "shape", "[batch, 3]", "[?, 4]")),
        (stated(), served(k=()), ("input", "k", "unexpected", "nothing", "int32 []")),
        (
            Signature("s", {**stated().inputs, "z": Tensor(shape=[2])}, stated().outputs),
            served(),
            ("input", "z", "missing", "any dtype [2]", "nothing"),
        ),
    ],
)
def test_a_mismatch_says_what_was_expected_and_what_is_there(contract, actual, mismatch):
    (found,) = compare(contract, actual)
    assert (found.part, found.name, found.kind, found.expected, found.actual) == mismatch
    (sentence,) = contradictions(contract, actual)
    place = "method" if found.part == "method" else f"{found.part}s.{found.name}"
    assert sentence == f"{place}: {found.message}"


def test_a_dtype_that_the_contract_leaves_open_and_one_shape_beside_another():
    contract = Signature("s", {"x": Tensor(None, ["batch", 7])}, {"y": Tensor("int32", ["batch", 4])})
    found = [(mismatch.part, mismatch.kind) for mismatch in compare(contract, served())]
    assert found == [("input", "shape"), ("output", "dtype"), ("output", "shape")]


@pytest.mark.parametrize(
    ("dims", "kept"), [({"batch": (4, 4)}, True), ({"batch": (4, 5)}, False), ({"batch": (3, 3)}, False), ({}, False)]
)
def test_a_named_dimension_may_be_served_fixed_only_where_it_is_that_size_alone(dims, kept):
    assert (compare(stated(dims=dims), served((4, 8), (4, 3))) == []) is kept


def test_an_output_may_be_of_a_size_that_the_contract_leaves_open():
    assert compare(stated(y=("batch", "?")), served(y=(None, 3))) == []
    assert [mismatch.name for mismatch in compare(stated(("batch", "?"), ("batch", "?")), served())] == ["x"]


def test_a_size_that_is_right_does_not_end_the_comparison():
    found = compare(stated((3, 8, "?", 5)), served((3, None, None, 6)))
    assert found[0].message.endswith("dimension 3 is 6, not 5.")


def test_side_by_side_is_aligned_and_marks_the_method_too():
    assert side_by_side(stated(), served((None, 9), method="regress", k=(), defaults=("k",))) == (
        "            contract            served\n"
        "! method    predict             regress\n"
        "! input x   float32 [batch, 8]  float32 [?, 9]\n"
        "  input k   -                   int32 []\n"
        "  output y  float32 [batch, 3]  float32 [?, 3]"
    )


@pytest.mark.parametrize(
    ("contract", "own", "sentences"),
    [
        (
            Signature(
                "s", {"x": Tensor(None, ["batch", 8])}, {"y": Tensor("float32", ["batch", 3])}, dims={"n": (1, 2)}
            ),
            served(),
            ["dims.n: no shape has a dimension of that name; known: batch."],
        ),
        (
            stated(("n", "n"), ("m", "m"), dims={"m": (3, 3), "n": (2, 2)}),
            served((None, 2), (3, None)),
            [],
        ),
        (stated(relations=[Argmax("y", "y", axis=-2)]), served(), []),
        (stated(relations=[Argmax("y", "y", axis=1)]), served(), []),
        (
            stated(relations=[Argmax("y", "y", axis=-3)]),
            served(),
            ["relations[0]: axis -3 is not an axis of a tensor with 2 dimensions."],
        ),
        (stated(relations=[Monotone("x", "y"), PaddingInvariant("x", axis=1)]), served(), []),
        (
            stated(relations=[Monotone("x", "y"), PaddingInvariant("x", axis=2)]),
            served(),
            ["relations[1]: axis 2 is not an axis of a tensor with 2 dimensions."],
        ),
        (stated(None, None, relations=[PermutationInvariant("x", axis=7)]), served(), []),
        (
            Signature("s", relations=(Monotone("z", "q"),)),
            SignatureSpec("s", "predict", {}, {}),
            [
                'relations[0]: there is no input "z"; there is none.',
                'relations[0]: there is no output "q"; there is none.',
            ],
        ),
    ],
    ids=["dims", "sizes", "axis -2", "axis 1", "axis -3", "later axis", "beyond", "any rank", "names"],
)
def test_contradictions_in_full(contract, own, sentences):
    assert contradictions(contract, own) == sentences


@pytest.mark.parametrize(
    ("feature", "parsed", "why"),
    [
        (Feature("float32", [2, 3]), FeatureSpec("x", "float32", (6,)), None),
        (
            Feature("float32", [2, 3]),
            FeatureSpec("x", "float32", (5,)),
            "the model parses the shape [5], but the contract states [2, 3].",
        ),
        (Feature("float32", []), FeatureSpec("x", "float32", ()), None),
        (
            Feature("float32", [0]),
            FeatureSpec("x", "float32", (3,), default=(0.0,) * 3),
            "the model parses the shape [3], but the contract states [0].",
        ),
        (Feature("int64", None, kind="variable"), FeatureSpec("x", "int64", (3,), "variable"), None),
        (
            Feature("int64", [4], kind="variable"),
            FeatureSpec("x", "int64"),
            "the model has no default for it, so callers must send it; state it as fixed and without a default.",
        ),
        (Feature("int64", [1]), FeatureSpec("x", "int64", default=(1,)), None),
        (Feature("int64", [3], kind="variable"), FeatureSpec("x", "int64", (4,), default=(1,) * 4), None),
    ],
)
def test_a_feature_beside_what_the_graph_parses(feature, parsed, why):
    found = contradictions(examples(x=feature), features(x=parsed))
    assert found == ([] if why is None else [f"inputs.e.features.x: {why}"])


@pytest.mark.parametrize("dtype", ["string", "bool", "complex64", "complex128"])
def test_what_has_no_order_cannot_grow(dtype):
    contract = Signature("s", {"x": Tensor(dtype)}, {"y": Tensor("float32")}, relations=(Monotone("x", "y"),))
    own = SignatureSpec("s", "predict", {"x": TensorSpec("x", dtype, None)}, {"y": TensorSpec("y", "float32", None)})
    assert contradictions(contract, own) == [f'relations[0]: the input "x" is {dtype}, which has no order to grow in.']
