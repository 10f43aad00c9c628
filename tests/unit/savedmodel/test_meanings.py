"""What inputs are, read from the graphs of real SavedModels."""

import pytest

from pytest_tfsig import contract, savedmodel
from pytest_tfsig.contract import Contract, Feature, Signature, Tensor
from pytest_tfsig.savedmodel import Meaning


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("png", Meaning("png", source="decodes it with DecodePng")),
        ("jpeg", Meaning("jpeg", source="decodes it with DecodeJpeg")),
        ("any", Meaning("png", source="decodes it with DecodeImage")),
        ("gif", Meaning("png", source="decodes it with DecodeGif")),
        ("nested", Meaning("jpeg", source="decodes it with DecodeJpeg")),
        ("one", Meaning("png", source="decodes it with DecodePng")),
        # JPEG is what both branches decode.
        ("either", Meaning("jpeg", source="decodes it with DecodeAndCropJpeg")),
        # It refuses what we could draw.
        ("bmp", None),
        ("base64", None),
        ("length", None),
    ],
)
def test_images_that_the_graph_decodes(models, signature, expected):
    assert savedmodel.read(models("image_decoders")).signatures[signature].inputs["image"].meaning == expected


@pytest.mark.parametrize(("version", "signature"), [("1", "many"), ("1", "single"), ("2", "serving_default")])
def test_images_in_examples(models, version, signature):
    saved_model = savedmodel.read(models("examples_of_images") / version)
    features = saved_model.signatures[signature].features
    assert {name: feature.image for name, feature in features.items()} == {
        "age": None,
        "image": "jpeg",
        "tags": None,
        "text": None,
    }
    inferred = contract.infer(saved_model)
    assert next(iter(inferred.signatures[signature].inputs.values())).features["image"] == Feature(
        "string", image="jpeg"
    )
    assert contract.loads(contract.dumps(inferred)).signatures == inferred.signatures


@pytest.mark.parametrize(
    ("signature", "size"),
    [
        ("variable", 20),
        ("constant", 20),
        ("embedding", 20),
        ("function", 20),
        ("returned", 20),
        ("one_hot", 20),
        ("negative", 20),
        ("masked", 20),
        ("row_by_row", 20),
        ("smallest", 6),
        ("encoded_too_short", 20),
        ("modulo", None),
        ("next", None),
        ("clipped", None),
        ("growing", None),
        ("computed", None),
        # The table is computed, though its size could be guessed.
        ("along_the_second", None),
        ("no_look_up", None),
    ],
)
def test_tables_that_ids_are_looked_up_in(models, signature, size):
    meaning = savedmodel.read(models("looked_up_ids")).signatures[signature].inputs["ids"].meaning
    assert (meaning and meaning.table_size) == size


def test_a_meaning_says_where_it_was_read(models):
    signatures = savedmodel.read(models("looked_up_ids")).signatures
    assert signatures["variable"].inputs["ids"].meaning.source == 'looks it up in "words", of 20 rows'
    assert signatures["one_hot"].inputs["ids"].meaning.source == "encodes it with OneHot of depth 20"


def test_inferred_contracts_send_what_the_graph_is_made_for(models):
    inferred = contract.infer(savedmodel.read(models("keras_embeddings"))).signatures["serving_default"]
    assert inferred.inputs == {
        "ids": Tensor("float32", ["batch", "dim_1"], min=0, max=49),
        "kinds": Tensor("int32", ["batch", "dim_1"], min=0, max=2),
    }
    images = contract.infer(savedmodel.read(models("image_decoders"))).signatures
    assert images["jpeg"].inputs == {"image": Tensor("string", ["batch"], image="jpeg")}
    assert images["bmp"].inputs == {"image": Tensor("string", ["batch"])}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (Tensor(), (0, 19)),
        (Tensor("int64", ["batch", "time"]), (0, 19)),
        (Tensor("int64", ["batch", "time"], min=5), (5, 19)),
        (Tensor("int64", ["batch", "time"], min=30), (30, None)),
        (Tensor("int64", ["batch", "time"], max=7), (None, 7)),
        (Tensor("int64", ["batch", "time"], values=[1, 40]), (None, None)),
        (Tensor("int64", ["batch", "time"], strategy="mine:ids"), (None, None)),
        (Tensor("int32", ["batch", "time"]), (None, None)),
    ],
)
def test_a_stated_contract_is_completed_by_the_last_row_of_the_table(models, stated, expected):
    specs = savedmodel.read(models("looked_up_ids")).signatures
    completed = Contract({"variable": Signature("variable", {"ids": stated})}).completed(specs)
    ids = completed.signatures["variable"].inputs["ids"]
    assert (ids.min, ids.max) == expected


@pytest.mark.parametrize(
    ("stated", "image"),
    [
        (Tensor("string", ["batch"]), "png"),
        (Tensor("string", ["batch"], image="jpeg"), "jpeg"),
        (Tensor("string", ["batch"], encoding="utf-8"), None),
        (Tensor("string", ["batch"], values=["a"]), None),
        (Tensor("string", ["batch"], strategy="mine:images"), None),
    ],
)
def test_a_stated_contract_is_completed_by_the_format_that_is_decoded(models, stated, image):
    specs = savedmodel.read(models("image_decoders")).signatures
    completed = Contract({"png": Signature("png", {"image": stated})}).completed(specs)
    assert completed.signatures["png"].inputs["image"].image == image


def test_a_table_larger_than_the_dtype_bounds_nothing_further():
    spec = savedmodel.SignatureSpec(
        "s",
        "predict",
        {"ids": savedmodel.TensorSpec("ids", "uint8", (None,), meaning=Meaning(table_size=1000))},
        {"y": savedmodel.TensorSpec("y", "float32", (None,))},
    )
    assert Contract().completed({"s": spec}).signatures["s"].inputs["ids"] == Tensor("uint8", ["batch"], min=0, max=255)


def test_a_contract_file_says_where_its_values_and_sizes_come_from(models):
    saved_model = savedmodel.read(models("keras_embeddings"))
    inferred = contract.infer(saved_model)
    text = contract.dumps(inferred, contract.remarks(saved_model.signatures))
    assert '\nmax = 2\n# min and max: the graph looks it up in "' in text
    assert '", of 3 rows.\n' in text
    assert '# dim_1: "ids" and "kinds" are taken to be equally long, which the SavedModel does not say; write' in text
    assert contract.loads(text).signatures == inferred.signatures
