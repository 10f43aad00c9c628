"""What a contract leaves open, taken from the SavedModel."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_tfsig import contract, savedmodel
from pytest_tfsig.contract import Contract, Feature, Probabilities, Signature, Tensor
from pytest_tfsig.contract.completion import inferred_signature, is_shared_axis, remarks
from pytest_tfsig.errors import ContractError
from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec
from pytest_tfsig.savedmodel.specs import Meaning


def spec(inputs, outputs, method="predict", dtype="float32"):
    sides = ({name: TensorSpec(name, dtype, shape) for name, shape in side.items()} for side in (inputs, outputs))
    return SignatureSpec("s", method, *sides)


def shapes(signature):
    return [{name: tensor.shape for name, tensor in side.items()} for side in (signature.inputs, signature.outputs)]


def completed(signature, signature_spec):
    return Contract({"s": signature}).completed({"s": signature_spec}).signatures["s"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        ({"x": (None, 8)}, {"y": (None, 3)}, [{"x": ("batch", 8)}, {"y": ("batch", 3)}]),
        ({"x": (None, None)}, {"y": (None, None)}, [{"x": ("batch", None)}, {"y": ("batch", None)}]),
        ({"x": (None, 8), "k": ()}, {"y": (None,)}, [{"x": ("batch", 8), "k": ()}, {"y": ("batch",)}]),
        ({"x": (2, 8)}, {"y": (None,)}, [{"x": (2, 8)}, {"y": (None,)}]),
        ({"x": (None, 8), "z": (2,)}, {"y": (None,)}, [{"x": (None, 8), "z": (2,)}, {"y": (None,)}]),
        ({"x": None}, {"y": None}, [{"x": None}, {"y": None}]),
        ({"x": ()}, {"y": ()}, [{"x": ()}, {"y": ()}]),
        (
            {"ids": (None, None), "mask": (None, None), "one": (None,)},
            {"y": (None, 2)},
            [{"ids": ("batch", "dim_1"), "mask": ("batch", "dim_1"), "one": ("batch",)}, {"y": ("batch", 2)}],
        ),
        (
            {"frames": (None, None, 10), "mask": (None, None), "grid": (None, 4, None)},
            {"y": (None, None)},
            [
                {"frames": ("batch", "dim_1", 10), "mask": ("batch", "dim_1"), "grid": ("batch", 4, None)},
                {"y": ("batch", None)},
            ],
        ),
        ({"x": (None, 3), "z": (None, 4), "k": (2,)}, {}, [{"x": ("dim_0", 3), "z": ("dim_0", 4), "k": (2,)}, {}]),
        ({}, {"y": (None,)}, [{}, {"y": (None,)}]),
    ],
)
def test_named_dimensions_are_inferred(inputs, outputs, expected):
    found = Contract().completed({"s": spec(inputs, outputs)}).signatures["s"]
    assert shapes(found) == expected


def test_infer_reads_a_model(models):
    found = contract.infer(savedmodel.read(models("keras_archive")))
    assert found.model == models("keras_archive") / "1"
    assert found.signatures == {
        "serving_default": Signature(
            "serving_default",
            {"x": Tensor("float32", ["batch", 4])},
            {"probabilities": Tensor("float32", ["batch", 2])},
        )
    }


def test_what_is_inferred_reads_back_and_contradicts_nothing(models):
    for name in ("parse_specs", "tensorflow_1", "vocabulary", "echo", "anyrank"):
        model = savedmodel.read(models(name))
        inferred = contract.infer(model)
        assert contract.loads(contract.dumps(inferred)).signatures == inferred.signatures
        for key, signature in inferred.signatures.items():
            assert contract.contradictions(signature, model.signatures[key]) == []


def test_infer_says_what_each_signature_says_and_where_it_is_from():
    model = SimpleNamespace(path=Path("/m/1"), signatures={"s": OWN})
    found = contract.infer(model)
    assert found == Contract(Contract().completed({"s": OWN}).signatures, Path("/m/1"), "/m/1")
    assert found.source == "/m/1"


def test_features_are_inferred(models):
    inferred = contract.infer(savedmodel.read(models("parse_specs"))).signatures["direct"]
    assert inferred.inputs["examples"].features == {
        "name": Feature("string", default=[b"none"]),
        "opt": Feature("int64", default=[7]),
        "ragged": Feature("int64", None, kind="ragged"),
        "same": Feature("float32", [2, 2], default=[0.5] * 4),
        "steps": Feature("float32", [2], kind="variable"),
        "tags": Feature("string", None, kind="variable"),
        "x": Feature("float32", [3]),
    }


OWN = spec({"x": (None, 8)}, {"y": (None, 3)})


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (Signature("s"), [{"x": ("batch", 8)}, {"y": ("batch", 3)}]),
        (Signature("s", {"x": Tensor("float32", ["n", 8])}), [{"x": ("n", 8)}, {"y": ("n", 3)}]),
        (Signature("s", {}, {"y": Tensor("float32", ["n", 3])}), [{"x": ("n", 8)}, {"y": ("n", 3)}]),
        (Signature("s", {"x": Tensor(min=0)}), [{"x": ("batch", 8)}, {"y": ("batch", 3)}]),
        (Signature("s", {"x": Tensor(shape=["batch", "?"])}), [{"x": ("batch", None)}, {"y": ("batch", 3)}]),
        (Signature("s", {"x": Tensor("float32")}), [{"x": ("batch", 8)}, {"y": ("batch", 3)}]),
        (Signature("s", {}, {"y": Tensor("float32")}), [{"x": ("batch", 8)}, {"y": None}]),
        (Signature("s", {}, {"y": Probabilities()}), [{"x": ("batch", 8)}, {"y": ("batch", 3)}]),
    ],
)
def test_partial_contracts_are_completed(stated, expected):
    found = completed(stated, OWN)
    assert shapes(found) == expected
    assert {tensor.dtype for tensor in (*found.inputs.values(), *found.outputs.values())} == {"float32"}


def test_a_completed_rule_has_the_tolerance_of_its_dtype():
    assert completed(Signature("s", {}, {"y": Probabilities()}), OWN).outputs["y"].probabilities.atol == 1e-5


def test_all_else_is_kept():
    stated = Signature("s", dims={"batch": (1, 4)}, latency={"p99": "1s"}, checks={"drift": False})
    found = completed(stated, OWN)
    assert (found.dims, found.latency, found.checks) == (stated.dims, stated.latency, stated.checks)


def test_the_method_is_the_models_where_nothing_is_stated():
    own = spec({"inputs": (None,)}, {"scores": (None, 3)}, "classify", "string")
    assert completed(Signature("s"), own).method == "classify"
    assert completed(Signature("s", {"inputs": Tensor("string", ["batch"])}), own).method == "predict"
    assert Contract().completed({"s": own}).signatures["s"].method == "classify"


def test_stated_features_are_merged_with_those_of_the_graph():
    own = SignatureSpec(
        "s",
        "predict",
        {
            "e": TensorSpec(
                "e", "string", (None,), features={"a": FeatureSpec("a", "float32"), "b": FeatureSpec("b", "int64")}
            )
        },
        {"y": TensorSpec("y", "float32", (None,))},
    )
    stated = Signature("s", {"e": Tensor("string", ["batch"], features={"a": Feature("float32", min=0)})})
    assert completed(stated, own).inputs["e"].features == {"a": Feature("float32", min=0), "b": Feature("int64")}
    text = Signature("s", {"e": Tensor("string", ["batch"], encoding="utf-8")})
    assert completed(text, own).inputs["e"].features is None


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (Signature("q"), 'f.toml: the model has no signature "q"; known: s.'),
        (Signature("s", {"z": Tensor(min=0)}), "f.toml: signatures.s.inputs.z: it states no dtype"),
        (
            Signature("s", {"x": Tensor(encoding="utf-8")}),
            'f.toml: signatures.s.inputs.x: encoding = "utf-8" describes',
        ),
        (
            Signature("s", dims={"bach": (1, 2)}),
            "f.toml: signatures.s.dims.bach: no shape has a dimension of that name",
        ),
    ],
)
def test_contracts_that_cannot_be_completed(stated, message):
    with pytest.raises(ContractError) as raised:
        Contract({stated.name: stated}, source="f.toml").completed({"s": OWN})
    assert str(raised.value).startswith(message)


def test_a_method_that_nothing_serves():
    with pytest.raises(ContractError, match='"s" has the method "mine", which nothing serves'):
        Contract().completed({"s": spec({}, {}, "mine")})


def told(dtype="int32", shape=(None,), **meaning):
    """One input of which the graph tells what its values are."""
    own = TensorSpec("x", dtype, shape, meaning=Meaning(**meaning))
    return SignatureSpec("s", "predict", {"x": own}, {"y": TensorSpec("y", "float32", (None,))})


@pytest.mark.parametrize(
    ("own", "tensor"),
    [
        (told(table_size=10), Tensor("int32", ["batch"], min=0, max=9)),
        (told("int8", table_size=1000), Tensor("int8", ["batch"], min=0, max=127)),
        (told("float32", table_size=1000), Tensor("float32", ["batch"], min=0, max=999)),
        (told(shape=None, table_size=1), Tensor("int32", None, min=0, max=0)),
        (told("string", image="png"), Tensor("string", ["batch"], image="png")),
        (told("string", shape=None, image="jpeg"), Tensor("string", None, image="jpeg")),
    ],
)
def test_what_the_graph_takes_values_for_bounds_them(own, tensor):
    assert Contract().completed({"s": own}).signatures["s"].inputs["x"] == tensor


@pytest.mark.parametrize(
    ("stated", "own", "expected"),
    [
        (Tensor("int32"), told(table_size=10), {"min": 0, "max": 9}),
        (Tensor("int32", min=3), told(table_size=10), {"min": 3, "max": 9}),
        (Tensor("int32", min=9), told(table_size=10), {"min": 9, "max": 9}),
        (Tensor("int32", min=10), told(table_size=10), {"min": 10, "max": None}),
        (Tensor("int32", max=20), told(table_size=10), {"min": None, "max": 20}),
        (Tensor("int64"), told(table_size=10), {"min": None, "max": None}),
        (Tensor("int32", values=[1, 2]), told(table_size=10), {"min": None, "max": None, "values": (1, 2)}),
        (Tensor("int32", strategy="my:draw"), told(table_size=10), {"min": None, "max": None}),
        (Tensor("string"), told("string", image="png"), {"image": "png"}),
        (Tensor("string", image="jpeg"), told("string", image="png"), {"image": "jpeg"}),
        (Tensor("string", encoding="utf-8"), told("string", image="png"), {"image": None, "encoding": "utf-8"}),
        (Tensor("string", strategy="my:draw"), told("string", image="png"), {"image": None}),
        (Tensor("string", values=["a"]), told("string", image="png"), {"image": None, "values": (b"a",)}),
        (Tensor("string", features={}), told("string", image="png"), {"image": None, "features": {}}),
    ],
)
def test_what_is_stated_goes_before_what_the_graph_tells(stated, own, expected):
    found = completed(Signature("s", {"x": stated}), own).inputs["x"]
    assert found.shape == ("batch",)
    assert {key: getattr(found, key) for key in expected} == expected


WORDS = told("string", vocabulary=(b"red", b"caf\xe9"))
IDS = told("int32", vocabulary=(-1, 7, 700))


@pytest.mark.parametrize(
    ("stated", "own", "vocabulary"),
    [
        (Tensor("string"), WORDS, (b"red", b"caf\xe9")),
        (Tensor("string", encoding="latin-1"), WORDS, (b"red", b"caf\xe9")),
        (Tensor("string", encoding="utf-8"), WORDS, (b"red",)),
        (Tensor("string", encoding="utf-8"), told("string", vocabulary=(b"\xff",)), None),
        (Tensor("string", vocabulary=["blue"]), WORDS, (b"blue",)),
        (Tensor("string", values=["blue"]), WORDS, None),
        (Tensor("string", image="png"), WORDS, None),
        (Tensor("string", strategy="my:draw"), WORDS, None),
        (Tensor("string", features={}), WORDS, None),
        (Tensor("string", ["batch"], strategy=str), WORDS, None),
        (Tensor("int32"), IDS, (-1, 7, 700)),
        (Tensor("int32", min=0), IDS, (7, 700)),
        (Tensor("int32", min=7, max=10), IDS, (7,)),
        (Tensor("int32", min=8, max=10), IDS, None),
        (Tensor("int32", values=[1]), IDS, None),
        (Tensor("int64"), IDS, None),
        (Tensor("int8"), told("int8", vocabulary=(7, 700)), (7,)),
        (Tensor("float16"), told("float16", vocabulary=(7, 70000)), (7,)),
        (Tensor("complex64"), told("complex64", vocabulary=(7,)), None),
    ],
)
def test_words_that_the_graph_knows_are_taken_where_there_is_room_for_them(stated, own, vocabulary):
    assert completed(Signature("s", {"x": stated}), own).inputs["x"].vocabulary == vocabulary


@pytest.mark.parametrize(
    ("stated", "vocabulary"),
    [
        (Feature("string"), (b"red",)),
        (Feature("string", vocabulary=["blue"]), (b"blue",)),
        (Feature("string", values=["blue"]), None),
        (Feature("string", image="png"), None),
        (Feature("int64"), None),
    ],
)
def test_a_stated_feature_takes_the_words_that_the_graph_knows(stated, vocabulary):
    feature = FeatureSpec("a", "string", vocabulary=(b"red",))
    own = SignatureSpec(
        "s",
        "predict",
        {"e": TensorSpec("e", "string", (None,), features={"a": feature})},
        {"y": TensorSpec("y", "float32", (None,))},
    )
    text = Signature("s", {"e": Tensor("string", ["batch"], features={"a": stated, "b": Feature("int64")})})
    features = completed(text, own).inputs["e"].features
    assert features == {"a": replace(stated, vocabulary=vocabulary), "b": Feature("int64")}
    assert Contract().completed({"s": own}).signatures["s"].inputs["e"].features["a"].vocabulary == (b"red",)


def test_a_contract_that_states_nothing_knows_the_words_and_the_inferred_one_does_not_list_them():
    assert Contract().completed({"s": WORDS}).signatures["s"].inputs["x"].vocabulary == (b"red", b"caf\xe9")
    assert inferred_signature(WORDS).inputs["x"].vocabulary is None
    found = remarks({"s": told("string", vocabulary=(b"a",), source="compares it with 1 string")})
    assert found["s", "inputs", "x"].startswith("The graph compares it with 1 string: they are sent, beside others.")


def test_an_input_that_the_model_has_not_stays_as_it_is_stated():
    found = completed(Signature("s", {"x": Tensor("float32"), "z": Tensor("int32")}), OWN)
    assert found.inputs["z"] == Tensor("int32")
    assert found.inputs["x"].shape == ("batch", 8)


def test_inputs_of_any_rank_and_scalars_have_no_batch_to_name():
    own = spec({"x": (None, 8), "k": ()}, {"y": None, "z": ()})
    found = completed(Signature("s", {"x": Tensor("float32", ["n", 8]), "k": Tensor("float32")}), own)
    assert shapes(found) == [{"x": ("n", 8), "k": ()}, {"y": None, "z": ()}]


def test_a_batch_has_the_name_that_all_stated_tensors_lead_with():
    both = Signature("s", {"x": Tensor("float32", ["n", 8])}, {"y": Tensor("float32", ["m", 3])})
    assert shapes(completed(both, OWN)) == [{"x": ("n", 8)}, {"y": ("m", 3)}]
    scalar = Signature("s", {"x": Tensor("float32", ["n", 8]), "k": Tensor("int32", [])})
    assert shapes(completed(scalar, OWN))[1] == {"y": ("n", 3)}
    fixed = Signature("s", {"x": Tensor("float32", [4, 8])})
    assert shapes(completed(fixed, OWN))[1] == {"y": ("batch", 3)}


@pytest.mark.parametrize(
    ("spec_of", "feature"),
    [
        (FeatureSpec("a", "int64", (2, 3)), Feature("int64", [2, 3])),
        (FeatureSpec("a", "int64", (None, 3)), Feature("int64", [0, 3])),
        (FeatureSpec("a", "int64", (2,), "fixed", (1, 2)), Feature("int64", [2], default=[1, 2])),
        (FeatureSpec("a", "string", (), image="png"), Feature("string", [], image="png")),
        (FeatureSpec("a", "int64", (None, 3), "variable"), Feature("int64", [3], kind="variable")),
        (FeatureSpec("a", "int64", (None,), "variable"), Feature("int64", None, kind="variable")),
        (FeatureSpec("a", "int64", None, "ragged"), Feature("int64", None, kind="ragged")),
    ],
)
def test_a_feature_is_stated_as_the_graph_parses_it(spec_of, feature):
    own = SignatureSpec(
        "s",
        "predict",
        {"e": TensorSpec("e", "string", None, features={"a": spec_of})},
        {"y": TensorSpec("y", "float32", ())},
    )
    inferred = Contract().completed({"s": own}).signatures["s"].inputs["e"]
    assert inferred == Tensor("string", None, features={"a": feature})


def test_remarks_say_why_an_inferred_contract_says_more_than_its_signatures():
    tensors = {
        "ids": TensorSpec("ids", "int32", (None, None), meaning=Meaning(table_size=9, source="looks it up in a table")),
        "mask": TensorSpec("mask", "int32", (None, None)),
        "scan": TensorSpec("scan", "string", (None,), meaning=Meaning(image="png", source="decodes it as PNG")),
    }
    own = SignatureSpec("s", "predict", tensors, {})
    assert contract.remarks({"s": own, "t": spec({"x": (None, None)}, {})}) == {
        ("s", "inputs", "ids"): "min and max: the graph looks it up in a table.",
        ("s", "inputs", "scan"): "image: the graph decodes it as PNG.",
        ("s", "dims", "dim_1"): (
            'dim_1: "ids" and "mask" are taken to be equally long, which the SavedModel does not say; write "?" or a '
            "name of its own where one may differ."
        ),
    }


@pytest.mark.parametrize(
    ("name", "shared"), [("dim_0", True), ("dim_12", True), ("dim_", False), ("dim_1x", False), ("xdim_1", False)]
)
def test_the_names_of_shared_axes_are_told_from_others(name, shared):
    assert is_shared_axis(name) is shared


def test_what_cannot_be_completed_says_so_in_full():
    with pytest.raises(ContractError) as raised:
        completed(Signature("s", {"z": Tensor(min=0)}), OWN)
    assert str(raised.value) == (
        "contract: signatures.s.inputs.z: it states no dtype and the SavedModel has no such tensor to take it from; "
        "state one."
    )
    with pytest.raises(ContractError) as raised:
        completed(Signature("s", {}, {"z": Tensor()}), OWN)
    assert str(raised.value).startswith("contract: signatures.s.outputs.z: it states no dtype")
