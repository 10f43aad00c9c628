"""ARCHITECTURE.md: its picture has the layers that import-linter holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page():
    return (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_picture_is_true(page):
    [contract] = [
        contract
        for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    picture = re.search(r"```text\n(.*?)```", page, re.DOTALL)[1]
    drawn = [re.split(r"\s{2,}", line)[0] for line in picture.splitlines()]
    assert drawn == [layer.replace("pytest_tfsig.", "") for layer in contract["layers"]]


def test_every_module_is_in_it(page):
    modules = {path.stem for path in (ROOT / "pytest_tfsig").iterdir() if not path.name.startswith(("_", "py."))}
    assert modules <= set(re.findall(r"\w+", page))


def test_its_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)", page):
        assert (ROOT / link).is_file()
