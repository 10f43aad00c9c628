from __future__ import annotations

import pytest
from google.protobuf import text_format

from pytest_tfsig import protos
from pytest_tfsig.model_server import versions
from pytest_tfsig.model_server.status import Code, StatusError


def policy(text: str):
    message = protos.FileSystemStoragePathSourceConfig.ServableVersionPolicy()
    return text_format.Parse(text, message, descriptor_pool=protos.pool())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {12: "12"}),
        ("latest {}", {12: "12"}),
        ("latest { num_versions: 2 }", {5: "005", 12: "12"}),
        ("latest { num_versions: 9 }", {-1: "-1", 1: "1", 5: "005", 12: "12"}),
        ("all {}", {-1: "-1", 1: "1", 5: "005", 12: "12"}),
        ("specific { versions: 5 versions: 7 }", {5: "005"}),
        ("specific {}", {}),
    ],
)
def test_policies_choose_among_numbered_children(tmp_path, text, expected):
    for name in ("1", "12", "005", "-1", "v3", "1.5", "99999999999999999999", "٣"):
        (tmp_path / name).mkdir()
    found = versions.aspired("m", tmp_path, policy(text))
    assert {number: path.name for number, path in found.items()} == expected


def test_a_base_path_that_is_not_there(tmp_path):
    with pytest.raises(StatusError) as missing:
        versions.aspired("m", tmp_path / "x", policy(""))
    assert missing.value.code is Code.INVALID_ARGUMENT
    assert missing.value.message == (
        f"Could not find base path {tmp_path / 'x'} for servable m with error NOT_FOUND: {tmp_path / 'x'} not found"
    )


def test_two_names_of_one_version_are_told(tmp_path, caplog):
    for name in ("1", "01"):
        (tmp_path / name).mkdir()
    assert versions.aspired("m", tmp_path, policy(""))[1].name == "1"
    assert "Version 1 will be loaded from 1, 01 will be ignored" in caplog.text
