"""The page on gating a release, followed from top to bottom: files are written, commands run, their output compared."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "release-gate.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"# (\S+\.toml)\b")


def normalized(line):
    """A line without what differs from run to run: numbers, digests and runs of blanks."""
    line = re.sub(r"\b[0-9a-f]{12}…", "…", line)
    return " ".join(re.sub(r"\d[\d.,]*", "#", line).split())


def test_the_page_is_as_told(models, tmp_path):
    for name, version, model in (
        ("released", 1, "classifier/1"), ("retrained", 2, "classifier/2"), ("candidate", 3, "classifier_renamed/1"),
        ("other", 1, "text/1"),
    ):  # fmt: skip
        base, number = model.split("/")
        shutil.copytree(models(base) / number, tmp_path / "models" / name / str(version))
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        # What a loaded machine leaves undecided is no matter of this page.
        "PYTEST_ADDOPTS": "--tfsig-server=embedded --tfsig-inconclusive=pass -p no:randomly -p no:cacheprovider",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }

    def run(command):
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    run("tfsig record models/released recorded.tfrecord --server=embedded")  # the page records it further down
    commands = 0
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind in {"toml", "text"}:
            named = NAMED.match(text)
            file = tmp_path / (named[1] if named else "classifier.tfsig.toml")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        elif kind == "console":
            for part in text.split("$ ")[1:]:
                command, *told = part.splitlines()
                output = run(command.replace("tfsig record", "tfsig record --server=embedded"))
                seen = {normalized(line) for line in output.splitlines()}
                assert [line for line in told if line != "..." and normalized(line) not in seen] == [], output
                commands += 1
    assert commands == 6
