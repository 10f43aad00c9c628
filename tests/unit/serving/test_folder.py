from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_tfsig.errors import ModelLoadError
from pytest_tfsig.serving.folder import Folder, check_files
from pytest_tfsig.serving.protocol import Instance
from pytest_tfsig.serving.roster import Entry, Roster, Version


@pytest.fixture
def folder(tmp_path):
    return Folder.create(tmp_path)


@pytest.fixture
def version(tmp_path):
    directory = tmp_path / "m" / "7"
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables" / "variables.index").write_bytes(b"index")
    return directory


def test_a_new_folder_serves_nothing(folder):
    assert folder.config.read_text() == "model_config_list {}\n"
    assert folder.read() == (Roster(), None)


def test_state_is_what_was_written(folder):
    roster = Roster({"m": Entry({1: Version(Path("/m/1"), 9, frozenset({7}), 2.5)}, {"stable": 1})})
    instance = Instance("127.0.0.1:1", None, process=7)
    folder.write(roster, instance)
    assert Folder(folder.path).read() == (roster, instance)


@pytest.mark.parametrize("stage", ["link", "materialize"])
def test_staged_files_are_the_models_and_unstaging_spares_them(folder, version, stage):
    for _ in range(2):
        getattr(folder, stage)("m", 1, version)
        assert (folder.models / "m" / "1" / "variables" / "variables.index").read_bytes() == b"index"
    folder.unstage("m", 1)
    assert not (folder.models / "m" / "1").exists()
    getattr(folder, stage)("m", 1, version)
    folder.unstage("m", None)
    assert not (folder.models / "m").exists()
    assert (version / "saved_model.pb").exists()


def test_files_that_cannot_be_linked_are_copied(folder, version, monkeypatch):
    def refuse(*_):
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refuse)
    folder.materialize("m", 1, version)
    assert (folder.models / "m" / "1" / "saved_model.pb").read_bytes() == b"graph"


def test_a_link_within_the_model_is_followed(folder, version):
    (version / "again.pb").symlink_to("saved_model.pb")
    check_files(version)
    folder.materialize("m", 1, version)
    copy = folder.models / "m" / "1" / "again.pb"
    assert not copy.is_symlink()
    assert copy.read_bytes() == b"graph"


def test_a_model_that_is_itself_a_link_is_one(version, tmp_path):
    (tmp_path / "latest").symlink_to(version)
    check_files(tmp_path / "latest")


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "nowhere", "loop"])
def test_a_link_out_of_the_model_is_refused(version, target):
    (version.parent / "outside").touch()
    (version / "loop").symlink_to(target)
    with pytest.raises(ModelLoadError, match="loop is a symbolic link"):
        check_files(version)


def test_a_pipe_is_refused(version):
    os.mkfifo(version / "pipe")
    with pytest.raises(ModelLoadError, match="pipe is neither a file nor a directory"):
        check_files(version)


def test_the_log_is_read_from_its_end(folder):
    folder.log.write_bytes(b"x" * 1_000_000 + b"\xff the end")
    assert folder.log_tail().endswith("\N{REPLACEMENT CHARACTER} the end")
    assert len(folder.log_tail()) < 100_000
    folder.log.unlink()
    assert folder.log_tail() == ""
