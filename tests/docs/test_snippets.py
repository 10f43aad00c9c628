"""Shell lines and workflows of the documentation: their commands and options exist, their YAML is whole."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from pytest_tfsig import cli
from pytest_tfsig.declared import OPTIONS

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
FENCE = re.compile(r'^```(\w+)(?: title="[^"]+")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PYTESTS = {
    "-n",
    "-k",
    "-v",
    "-q",
    "-m",
    "-p",
    "-x",
    "--dist",
    "--junit-xml",
    "--hypothesis-seed",
    "--color",
    "--cov",
    "--html",
}
"""Options of pytest and of plugins that the documentation names."""


def blocks(*languages):
    return [
        pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")), 1)
        if kind in languages
    ]


def commands(text):
    """The words of each command of a script, up to a pipe or the next command."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.split(" # ")[0], comments=True, posix=True)
        starts = [place for place, word in enumerate(words) if word in {"pytest", "tfsig"}]
        for place in starts[:1]:
            rest = words[place:]
            ends = [end for end, word in enumerate(rest) if word in {"|", "||", "&&", "&", ">"} or word.endswith(";")]
            yield rest[: ends[0]] if ends else rest


def options_of(words):
    return {word.split("=")[0] for word in words[1:] if re.match(r"--?[a-zA-Z]", word)}


def check(words):
    if words[0] == "pytest":
        ours = {f"--tfsig-{option.name}" for option in OPTIONS}
        assert options_of(words) <= ours | PYTESTS, words
    else:
        subcommands = {
            name: parser
            for action in cli._parser()._actions
            for name, parser in (getattr(action, "choices", None) or {}).items()
        }
        assert words[1] in subcommands, words
        assert options_of(words) <= set(subcommands[words[1]]._option_string_actions), words


@pytest.mark.parametrize("script", blocks("sh", "bash", "shell"))
def test_every_option_of_a_shell_line_exists(script):
    for words in commands(script):
        check(words)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_workflows_are_whole(text):
    document = yaml.safe_load(text)
    if isinstance(document, list):  # steps of a job
        jobs = [document]
    elif "jobs" in document:
        assert True in document  # YAML 1.1's word for `on`
        jobs = [job["steps"] for job in document["jobs"].values() if job["runs-on"]]
    else:
        jobs = [[{"run": line} for line in job["script"]] for job in document.values() if job["image"]]
    assert jobs
    for step in (step for steps in jobs for step in steps):
        assert ("run" in step) != ("uses" in step), step
        assert "uses" not in step or re.fullmatch(r"[\w.-]+/[\w./-]+@v?\d+(\.\d+)*", step["uses"]), step
        for words in commands(step.get("run", "")):
            check(words)
