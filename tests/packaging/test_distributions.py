"""What is published: the wheel's and the sdist's contents, the same bytes whenever they are built."""

from __future__ import annotations

import email
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("pytest_tfsig", "README.md", "LICENSE", "pyproject.toml", "CHANGELOG.md", "tox.ini", "mkdocs.yml")


def built(folder: Path) -> tuple[Path, Path]:
    """Builds a copy of the sources in a folder; returns the sdist and the wheel that is built from it."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(folder)]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    [sdist], [wheel] = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    return built(tmp_path_factory.mktemp("built"))


def test_the_wheel_is_the_package_and_nothing_else(distributions):
    with zipfile.ZipFile(distributions[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    here = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "pytest_tfsig").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == here
    assert {"pytest_tfsig/py.typed", "pytest_tfsig/protos/descriptors.binpb"} <= names


def test_the_wheel_says_what_it_is(distributions):
    with zipfile.ZipFile(distributions[1]) as wheel:
        [folder] = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
        metadata = email.message_from_bytes(wheel.read(f"{folder}/METADATA"))
        entries = wheel.read(f"{folder}/entry_points.txt").decode()
        assert f"{folder}/licenses/LICENSE" in wheel.namelist()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"Framework :: Pytest", "Typing :: Typed"} <= set(metadata.get_all("Classifier"))
    assert not [
        needed for needed in metadata.get_all("Requires-Dist") if "tensorflow" in needed and "extra" not in needed
    ]
    assert "tfsig = pytest_tfsig.plugin" in entries


def test_the_sdist_has_no_more_than_was_written_here(distributions):
    with tarfile.open(distributions[0]) as sdist:
        names = [member.name.split("/", 1)[1] for member in sdist.getmembers()]
        owners = {(member.uid, member.gid) for member in sdist.getmembers()}
    assert owners == {(0, 0)}
    assert not [
        name for name in names if "__pycache__" in name or (name.startswith(("dist/", ".")) and name != ".gitignore")
    ]


def test_the_same_sources_give_the_same_bytes(distributions, tmp_path):
    def digests(files):
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

    assert digests(built(tmp_path)) == digests(distributions)
