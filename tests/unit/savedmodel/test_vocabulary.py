"""The words that graphs know, read from real SavedModels."""

import os
import shutil

import pytest

from pytest_tfsig import savedmodel
from pytest_tfsig.savedmodel.vocabulary import spread
from tests.models.vocabularies import WORDS

KNOWN = tuple(word.encode() for word in WORDS)


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("constants", KNOWN),
        ("function", KNOWN),
        ("lines", KNOWN),
        ("column", (*KNOWN, b"grey")),
        ("split", KNOWN),
        ("equal", (b"stop", b"go")),
        ("several", (*KNOWN, b"stop", b"go")),
        ("ids", (7, 70, 700)),
        ("codes", (0, 100, 200, 300, -7)),
        # What is in this table comes from the checkpoint.
        ("filled_later", ()),
        ("hashed", ()),
        ("part", ()),
        # What is looked up is not what was sent, or is used otherwise, too.
        ("shifted", ()),
        ("and_more", ()),
    ],
)
def test_words_that_the_graph_tells_apart(models, signature, words):
    meaning = savedmodel.read(models("known_words")).signatures[signature].inputs["x"].meaning
    assert (meaning.vocabulary if meaning else ()) == words


def test_a_vocabulary_says_where_it_was_read(models):
    signatures = savedmodel.read(models("known_words")).signatures
    assert signatures["lines"].inputs["x"].meaning.source == 'looks it up in "hash_table_3", of 4 keys'
    assert signatures["equal"].inputs["x"].meaning.source == "compares it with 1 string"
    assert signatures["several"].inputs["x"].meaning.source == (
        'looks it up in "hash_table_4", of 4 keys, and compares it with 1 string'
    )


@pytest.mark.parametrize(("version", "ragged"), [("1", {"more": KNOWN}), ("2", {})])
def test_words_in_features_of_examples(models, version, ragged):
    (signature,) = savedmodel.read(models("known_features") / version).signatures.values()
    assert {name: feature.vocabulary for name, feature in signature.features.items()} == {
        "age": (),
        "colour": KNOWN,
        "id": (7, 700),
        **ragged,
        "tags": KNOWN,
    }


def test_words_of_keras_s_layers(models):
    inputs = savedmodel.read(models("keras_words")).signatures["serving_default"].inputs
    assert {name: tensor.meaning.vocabulary for name, tensor in inputs.items()} == {
        "code": (10, 2000, 30000),
        "colour": KNOWN,
        # What its layer compares it with is the empty string.
        "text": (b"fine", b"poor", b"so so", b""),
    }


def test_of_many_words_the_first_and_the_last_are_known(models):
    words = savedmodel.read(models("many_words")).signatures["serving_default"].inputs["word"].meaning.vocabulary
    assert len(words) == 1000
    assert (words[0], words[-1]) == (b"word 0", b"word 4999")


@pytest.mark.parametrize(
    ("items", "most", "expected"),
    [
        ([], 2, ()),
        ([1, 2], 2, (1, 2)),
        ([1, 2, 3], 2, (1, 3)),
        (range(10), 4, (0, 3, 6, 9)),
        (range(11), 4, (0, 3, 6, 10)),
        (range(10), 10, tuple(range(10))),
    ],
)
def test_items_are_chosen_evenly(items, most, expected):
    assert spread(items, most) == expected


def _link_out(file, secret):
    file.symlink_to(secret)


def _link_of_the_folder(file, secret):
    shutil.copy(secret, secret.with_name(file.name))
    file.parent.rename(file.parent.with_name("moved"))
    file.parent.symlink_to(secret.parent)


def _fifo(file, _):
    os.mkfifo(file)


def _directory(file, _):
    file.mkdir()


def _missing(_file, _):
    pass


@pytest.mark.parametrize("replace", [_link_out, _link_of_the_folder, _fifo, _directory, _missing])
def test_a_file_of_words_that_is_none_of_the_model_s_is_not_read(models, tmp_path, replace):
    model = tmp_path / "model" / "1"
    shutil.copytree(models("known_words") / "1", model)
    secret = tmp_path / "outside" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text("secret\n")
    file = model / "assets" / "words.txt"
    file.unlink()
    replace(file, secret)
    assert savedmodel.read(model).signatures["lines"].inputs["x"].meaning is None


@pytest.mark.parametrize("name", ["../../../secret.txt", "{outside}", "no\x00name", ""])
def test_a_name_that_leads_out_of_the_model_is_not_read(tmp_path, name):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret\n")
    (tmp_path / "model" / "1" / "assets").mkdir(parents=True)
    assert savedmodel.files.read_asset_file(tmp_path / "model" / "1", name.format(outside=secret)) is None


@pytest.mark.parametrize(
    ("lines", "numbers"),
    [
        (b"1\ta\r\n-2\tb\r\n", (1, -2)),
        (b"1\n\n--2\nx\n3", (1, 3)),
        (b"9" * 5000 + b"\n4\n", (4,)),
        (b"", ()),
    ],
)
def test_lines_that_are_no_keys_are_left_out(models, tmp_path, lines, numbers):
    model = tmp_path / "1"
    shutil.copytree(models("known_words") / "1", model)
    (model / "assets" / "columns.tsv").write_bytes(lines)
    signatures = savedmodel.read(model).signatures
    meaning = signatures["codes"].inputs["x"].meaning
    assert (meaning.vocabulary if meaning else ()) == numbers
