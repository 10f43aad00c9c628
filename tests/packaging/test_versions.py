"""What is supported is stated once for each reader (pip, CI, tox, the documentation), and alike."""

from __future__ import annotations

import configparser
import re
import tomllib
from itertools import product
from pathlib import Path

import pytest
import yaml

from pytest_tfsig import requirements

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/versions.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOW = ROOT / ".github/workflows/ci.yml"
MATRIX = re.compile(r"(py|pytest|tf|protobuf)\d+")


def expanded(text):
    """Returns what braces stand for: `py{311,312}` is py311 and py312."""
    parts = [part.split(",") for part in re.split(r"[{}]", text)]
    return ["".join(choice) for choice in product(*parts)]


@pytest.fixture(scope="module")
def cells():
    """The cells of the matrix, as tox.ini lists them."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    listed = [line for line in tox["tox"]["env_list"].splitlines() if line]
    return [cell for line in listed for cell in expanded(line)]


def versions(cells, package):
    """Returns the versions that the cells of a package stand for: tf216 is 2.16, protobuf5 is 5."""
    numbers = [cell.removeprefix(package) for cell in cells if re.fullmatch(rf"{package}\d+", cell)]
    return [number if len(number) == 1 else f"{number[0]}.{number[1:]}" for number in numbers]


def rows():
    """Returns the rows of the page's first table: its versions, its cells."""
    found = re.findall(r"^\| [^|]+ \| ([^|]+) \| ((?:`\w+`(?:, )?)+) \|$", PAGE, re.MULTILINE)
    return [(stated, re.findall(r"`(\w+)`", named)) for stated, named in found]


def test_the_page_has_every_cell_and_its_version(cells):
    assert [cell for _, named in rows() for cell in named] == [cell for cell in cells if MATRIX.fullmatch(cell)]
    for stated, named in rows():
        package = re.match(r"\D+", named[0])[0]
        assert set(versions(named, package)) <= set(re.findall(r"\d+(?:\.\d+)?", stated))


def test_the_page_has_the_oldest_of_every_package():
    stated = dict(re.findall(r"^\| ([\w-]+)[^|]* \| ([\d.]+) \|$", PAGE, re.MULTILINE))
    needs = [*PROJECT["dependencies"], PROJECT["optional-dependencies"]["embedded"][0]]
    assert stated == dict(re.match(r"([\w-]+)>=([\d.]+)", need).groups() for need in needs)


def test_the_page_has_the_sentences_that_users_read():
    pip = 'pip install "tensorflow>=2.16,<2.22"'
    assert f"it works with TensorFlow {' to '.join(requirements.TENSORFLOW)}, and 2.15.1 is installed ({pip})" in PAGE
    assert f"({pip})" in requirements.why_not_tensorflow("2.15.1")


def test_pip_takes_the_tensorflow_that_the_embedded_server_takes(cells):
    tried = versions(cells, "tf")
    assert (tried[0], tried[-1]) == requirements.TENSORFLOW
    oldest, newest = requirements.TENSORFLOW
    before = f"2.{requirements.release(newest)[1] + 1}"
    assert PROJECT["optional-dependencies"]["embedded"] == [
        f"{package}>={oldest},<{before}" for package in ("tensorflow", "tensorflow-serving-api")
    ]


def test_the_package_says_which_python_it_was_tried_with(cells):
    stated = re.findall(r":: Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert stated == versions(cells, "py")
    assert PROJECT["requires-python"] == f">={stated[0]}"


def test_ci_runs_every_cell(cells):
    if not WORKFLOW.exists():
        pytest.skip("a source distribution has no CI")
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    assert jobs["gate"]["strategy"]["matrix"]["python"] == versions(cells, "py")
    others = [cell for cell in cells if MATRIX.fullmatch(cell) and not re.fullmatch(r"py\d+", cell)]
    assert jobs["versions"]["strategy"]["matrix"]["cell"] == ["lowest", *others]
