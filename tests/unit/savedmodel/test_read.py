"""Reading SavedModels that TensorFlow wrote."""

import subprocess
import sys

import pytest

from pytest_tfsig import protos, savedmodel
from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec

ALL_FEATURES = {
    "name": FeatureSpec("name", "string", (), "fixed", (b"none",)),
    "opt": FeatureSpec("opt", "int64", (), "fixed", (7,)),
    "ragged": FeatureSpec("ragged", "int64", None, "ragged"),
    "same": FeatureSpec("same", "float32", (2, 2), "fixed", (0.5, 0.5, 0.5, 0.5)),
    "steps": FeatureSpec("steps", "float32", (None, 2), "variable", (0.0,)),
    "tags": FeatureSpec("tags", "string", None, "variable"),
    "x": FeatureSpec("x", "float32", (3,)),
}


def test_signature_of_a_keras_export(models):
    found = savedmodel.read(models("keras_archive") / "1")
    assert found.tags == ("serve",)
    assert found.tensorflow_version.startswith("2.")
    assert found.signatures == {
        "serving_default": SignatureSpec(
            "serving_default",
            "predict",
            {"x": TensorSpec("x", "float32", (None, 4), "serving_default_x:0")},
            {"probabilities": TensorSpec("probabilities", "float32", (None, 2), "StatefulPartitionedCall:0")},
        )
    }
    assert (found.assets, found.warmup, found.warnings) == ((), None, ())


def test_assets_and_warmup_file(models):
    found = savedmodel.read(models("vocabulary"))
    assert found.assets == ("words.txt",)
    assert found.warmup == models("vocabulary") / "1" / "assets.extra" / "tf_serving_warmup_requests"


@pytest.mark.parametrize("name", ["direct", "nested"])
def test_features_of_a_parse_op_behind_calls_and_identities(models, name):
    signature = savedmodel.read(models("parse_specs")).signatures[name]
    assert signature.features == ALL_FEATURES
    assert signature.inputs["examples"].features == ALL_FEATURES


@pytest.mark.parametrize(("name", "features"), [("single", ("opt", "tags", "x")), ("mapped", ("x",))])
def test_features_of_single_examples(models, name, features):
    assert savedmodel.read(models("parse_specs")).signatures[name].features == {
        feature: ALL_FEATURES[feature] for feature in features
    }


def test_a_string_that_nothing_parses_has_no_features(models):
    assert savedmodel.read(models("parse_specs")).signatures["unparsed"].features is None


def test_tensorflow_1_binary_and_text_say_the_same(models):
    binary, text = (savedmodel.read(models("tensorflow_1") / version) for version in ("1", "2"))
    assert (text.path / "saved_model.pbtxt").is_file()
    assert text.signatures == binary.signatures
    signature = binary.signatures["serving_default"]
    assert signature.method == "regress"
    assert signature.features == {
        "bias": FeatureSpec("bias", "float32", (1,), "fixed", (2.5,)),
        "ids": FeatureSpec("ids", "int64", None, "variable"),
        "x": FeatureSpec("x", "float32", (3,)),
    }
    assert binary.warnings == ()


@pytest.mark.parametrize(
    ("name", "fails"),
    [
        ("keras_archive", False),
        ("keras_exported", False),
        ("keras_in_a_module", True),
        ("keras_saved_wrongly", True),
        ("keras_tracked", False),
        ("tensorflow_1", False),
        ("vocabulary", False),
    ],
)
def test_variables_that_nothing_restores(models, name, fails):
    warnings = savedmodel.read(models(name)).warnings
    assert ("variables-not-restored" in {warning.id for warning in warnings}) is fails


def test_the_warning_says_what_happens_and_what_to_do(models):
    (warning,) = savedmodel.read(models("keras_saved_wrongly")).warnings
    assert warning.signature == "serving_default"
    assert "reads 8 variables that nothing restores (sequential" in str(warning)
    assert '"Could not find variable"' in str(warning)
    assert "model.export()" in str(warning)


def test_signatures_from_metadata_are_those_of_the_file(models):
    found = savedmodel.read(models("defaults"))
    content = protos.SavedModel.FromString((found.path / "saved_model.pb").read_bytes())
    definitions = protos.SignatureDefMap(signature_def=content.meta_graphs[0].signature_def)
    assert "__saved_model_init_op" in definitions.signature_def
    from_metadata = savedmodel.signatures_from_metadata(definitions)
    assert from_metadata == found.signatures
    assert any(signature.defaults for signature in from_metadata.values())


def test_reading_imports_nothing_heavy(models):
    code = (
        "import sys; from pytest_tfsig import savedmodel; savedmodel.read(sys.argv[1]);"
        "print(sorted({'tensorflow', 'numpy', 'grpc', 'keras', 'ml_dtypes'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(models("parse_specs"))], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
