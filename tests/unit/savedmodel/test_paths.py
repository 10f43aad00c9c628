"""Base paths, versions and digests."""

import os

import pytest

from pytest_tfsig import savedmodel
from pytest_tfsig.errors import SavedModelError
from pytest_tfsig.savedmodel import ModelPath
from tests.unit.savedmodel.assemble import saved_model, write


def test_versions_are_the_numeric_directories(tmp_path):
    for name in ("10", "9", "05", "notanumber", "1.5", "-1", "²", "99999999999999999999"):
        (tmp_path / name).mkdir()
    (tmp_path / "11").write_text("no directory")
    assert savedmodel.versions(tmp_path) == [5, 9, 10]


def test_a_base_path_means_its_newest_version(tmp_path):
    base = tmp_path / "digits"
    write(base, saved_model(), "9")
    newest = write(base, saved_model(), "010")
    assert savedmodel.resolve(base) == ModelPath(base, newest, "digits", 10)


def test_a_version_directory_means_itself(tmp_path):
    base = tmp_path / "digits"
    directory = write(base, saved_model(), "9")
    write(base, saved_model(), "10")
    assert savedmodel.resolve(directory) == ModelPath(base, directory, "digits", 9)


def test_a_directory_without_a_number_is_version_1(tmp_path):
    directory = write(tmp_path, saved_model(), "export")
    assert savedmodel.resolve(directory) == ModelPath(None, directory, "export", 1)


def test_a_relative_path_is_made_absolute(tmp_path, monkeypatch):
    directory = write(tmp_path / "digits", saved_model(), "3")
    monkeypatch.chdir(directory)
    assert savedmodel.resolve(".") == ModelPath(directory.parent, directory, "digits", 3)


def test_links_keep_the_name_that_was_given(tmp_path):
    write(tmp_path / "digits", saved_model(), "3")
    (tmp_path / "candidate").symlink_to("digits")
    assert savedmodel.resolve(tmp_path / "candidate").name == "candidate"


@pytest.mark.parametrize(
    ("folder", "name"),
    [("mein modèle", "mein_mod_le"), ("v1.2-rc", "v1.2-rc"), ("..hidden", "hidden"), ("-.", "model")],
)
def test_a_folder_s_name_becomes_one_that_can_be_served(tmp_path, folder, name):
    directory = write(tmp_path / folder, saved_model(), "3")
    assert savedmodel.resolve(tmp_path / folder).name == name
    assert savedmodel.resolve(directory).name == name


def test_versions_of_a_missing_path():
    with pytest.raises(SavedModelError, match="no such directory"):
        savedmodel.versions("/nowhere/at/all")


@pytest.fixture
def model(tmp_path):
    directory = write(tmp_path / "m", saved_model())
    (directory / "variables").mkdir()
    (directory / "variables" / "variables.index").write_bytes(b"index")
    return directory


def test_digest_is_of_names_and_contents_only(model, tmp_path):
    before = savedmodel.digest(model)
    assert len(before) == 64
    moved = tmp_path / "elsewhere"
    model.rename(moved)
    os.utime(moved / "saved_model.pb", (0, 0))
    assert savedmodel.digest(moved) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda model: (model / "variables" / "variables.index").write_bytes(b"indey"),
        lambda model: (model / "variables" / "variables.index").rename(model / "variables.index"),
        lambda model: (model / "empty").write_bytes(b""),
        lambda model: (model / "link").symlink_to("/etc/hostname"),
    ],
)
def test_digest_changes_with_any_file(model, change):
    before = savedmodel.digest(model)
    change(model)
    assert savedmodel.digest(model) != before


def test_digest_never_follows_a_link_out(model, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "data").write_bytes(b"1")
    (model / "file").symlink_to(outside / "data")
    (model / "folder").symlink_to(outside)
    before = savedmodel.digest(model)
    (outside / "data").write_bytes(b"2")
    (outside / "more").write_bytes(b"3")
    assert savedmodel.digest(model) == before


def test_digest_of_a_link_inside_is_that_of_a_copy(model):
    (model / "link").symlink_to("saved_model.pb")
    linked = savedmodel.digest(model)
    (model / "link").unlink()
    (model / "link").write_bytes((model / "saved_model.pb").read_bytes())
    assert savedmodel.digest(model) == linked


def test_digest_survives_circles_and_fifos(model):
    (model / "circle").symlink_to(".")
    (model / "self").symlink_to("self")
    os.mkfifo(model / "fifo")
    assert len(savedmodel.digest(model)) == 64
