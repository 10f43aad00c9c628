"""The README's tour, taken as a reader takes it: its files are written, its commands run, its output compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_tfsig.contract import loads

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# The tour's latency budget, and one that every machine keeps, however busy it is with other tests.
BUDGET, GENEROUS = '"p99": "100ms"', '"p99": "30s"'
FILE_NAME = re.compile(r"# (\S+\.py)\n")


def blocks():
    text = README.read_text()
    return [(kind, body) for kind, body in BLOCK.findall(text[text.index("## The tour") : text.index("## Checks")])]


def normalized(line, folder):
    """A line without what differs from run to run: numbers, the folder, runs of blanks, columns' widths."""
    line = line.replace(str(folder), "/tmp/tour")  # noqa: S108 - where the README's author stood
    line = re.sub(r"\d[\d.,]*", "#", line)
    return re.sub(r"[ =_]+", " ", line).strip()


def test_the_tour_is_as_told(tmp_path):
    assert BUDGET in README.read_text()
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    (tmp_path / "pytest.ini").write_text("[pytest]\ntfsig_server = embedded\n")
    output = ""
    commands = 0
    for kind, body in blocks():
        if kind == "python":
            (tmp_path / FILE_NAME.match(body).group(1)).write_text(body.replace(BUDGET, GENEROUS))
        elif kind == "sh":
            done = subprocess.run(
                ["bash", "-ec", body], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            output = done.stdout
            commands += 1
        elif kind == "text":
            seen = {normalized(line, tmp_path) for line in output.splitlines()}
            for line in body.splitlines():
                told = normalized(line, tmp_path)
                if "…" in line:
                    told = told.split("…")[0]
                    assert any(found.startswith(told) for found in seen), (line, output)
                else:
                    assert told in seen, (line, output)
    assert commands == 4


@pytest.mark.parametrize("body", [body for kind, body in BLOCK.findall(README.read_text()) if kind == "toml"])
def test_contract_files_are_contracts(body):
    assert loads(body).signatures
