"""The documentation: its code runs, its contracts load, and its reference names everything."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pytest_tfsig
from pytest_tfsig.checks import checks
from pytest_tfsig.contract.toml import loads
from pytest_tfsig.declared import OPTIONS

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page, language):
    """Returns (title, text) of a page's blocks of a language, in order."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [(title, text) for kind, title, text in found if kind == language]


def every(language):
    return [
        pytest.param(text, id=f"{page.relative_to(ROOT / 'docs')}-{number}")
        for page in PAGES
        for number, (_, text) in enumerate(blocks(page, language), 1)
    ]


@pytest.fixture
def run(tmp_path):
    """Runs a shell command as a reader would, in a folder of its own, with the embedded server."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    options = "--tfsig-server=embedded -p no:randomly -p no:cacheprovider --strict-markers"
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "", "KERAS_HOME": str(tmp_path / "keras")}
    env = os.environ | quiet | {"PATH": path, "PYTEST_ADDOPTS": options}

    def run(command):
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        expected = re.search(r"# exit code (\d+)", command)
        assert done.returncode == (int(expected[1]) if expected else 0), f"{command}\n{done.stdout}"
        return done.stdout

    return run


@pytest.mark.slow
def test_the_tutorial_works(run, tmp_path):
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    outputs = {}
    for kind, title, text in FENCE.findall(page):
        if title:
            (tmp_path / title).write_text(text)
        elif kind == "sh" and "pip install" not in text:
            outputs[text.strip()] = run(text)
    assert re.findall(r"^FAILED \S*serving_default-(\w+)", outputs.popitem()[1], re.MULTILINE) == [
        "values",
        "batch_invariant",
    ]
    assert (tmp_path / "report" / "report.html").is_file()


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "tutorial.md" and blocks(page, "python")],
    ids=lambda page: page.stem,
)
def test_python_of_a_page_runs(page, run, tmp_path):
    parts = [text for _, text in blocks(page, "python")]
    (tmp_path / "page.py").write_text("\n".join(parts))
    run("python page.py")


@pytest.mark.parametrize("text", every("toml"))
def test_toml_is_a_contract_or_names_options(text):
    options = tomllib.loads(text).get("tool", {}).get("pytest", {}).get("ini_options")
    if options is None:
        loads(text)
    else:
        assert options.keys() <= {option.ini for option in OPTIONS}


def test_the_strategy_of_the_page_draws_what_its_contract_says(run, tmp_path):
    page = ROOT / "docs" / "how-to" / "strategies.md"
    [(title, strategy)] = [block for block in blocks(page, "python") if block[0]]
    [(_, contract)] = blocks(page, "toml")
    (tmp_path / title).write_text(strategy)
    (tmp_path / "contract.toml").write_text(contract)
    (tmp_path / "draw.py").write_text(
        "import numpy as np\n"
        "from pytest_tfsig.contract import load\n"
        "from pytest_tfsig.strategies import draws\n"
        "for inputs in draws(load('contract.toml').signatures['serving_default'], 20, 7):\n"
        "    assert (np.diff(inputs['times'], axis=-1) >= 0).all()\n"
        "    print(inputs['times'].dtype)\n"
    )
    assert run("PYTHONPATH=. python draw.py").split() == ["int64"] * 20


def test_the_champion_of_the_page_answers_in_every_test(run, tmp_path, models):
    [(_, fixture)] = blocks(ROOT / "docs" / "how-to" / "many-models.md", "python")
    shutil.copytree(models("classifier") / "2", tmp_path / "models" / "champion" / "7")
    (tmp_path / "conftest.py").write_text(fixture)
    (tmp_path / "test_champion.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('number', range(2))\n"
        "def test_answers(champion, number):\n"
        "    assert champion.version == 7\n"
        "    assert champion.predict({'x': [[0.5, 0.5, 0.5, 0.5]]})['probabilities'].shape == (1, 3)\n"
    )
    assert "2 passed" in run("pytest")


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_names_every_option_and_check(reference):
    assert all(f"`--tfsig-{option.name}" in reference.options() for option in OPTIONS)
    assert all(f"## `{name}`" in reference.checks() for name in checks())
    assert "`min`" in reference.contract()
    assert "tfsig explain" in reference.commands()
    assert "`tfsig_contract(" in reference.markers()


def test_every_reference_that_a_page_wants_exists(reference):
    wanted = {name for page in PAGES for name in re.findall(r"<!-- reference: (\w+) -->", page.read_text())}
    assert wanted == reference.REFERENCES.keys()
    for name in wanted:
        assert "<!--" not in reference.on_page_markdown(f"<!-- reference: {name} -->")


def test_it_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="the dependency group docs is not installed")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in PAGES]
    assert [page for page in pages if not (tmp_path / "site" / page).is_file()] == []
    assert "<!-- reference:" not in (tmp_path / "site" / "reference" / "options.html").read_text()


def test_the_reference_of_python_names_everything_that_is_public():
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^::: pytest_tfsig\.(\w+)$", page, re.MULTILINE)) == set(pytest_tfsig.__all__)
