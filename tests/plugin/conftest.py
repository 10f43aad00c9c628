from __future__ import annotations

import json

import pytest

CONTRACT = """
@pytest.mark.tfsig_contract(
    inputs={"x": Tensor("float32", ["batch", 4], min=-2, max=2)},
    outputs={"probabilities": Probabilities("float32", ["batch", 3])},
)
def test_contract(tfsig_check):
    tfsig_check()
"""


class Suite:
    """A user's suite, run on the embedded server."""

    def __init__(self, pytester):
        self._pytester = pytester

    def write(self, body, marker="", contract=True):
        """Writes test_model.py: imports, a module's marker, the test of a contract, and further tests."""
        head = "import pytest\nfrom pytest_tfsig import *\n"
        if marker:
            head += f"pytestmark = pytest.mark.tfsig_model({str(marker)!r})\n"
        self._pytester.makepyfile(test_model=head + (CONTRACT if contract else "") + body)

    def run(self, *arguments, server="embedded", strict=True):
        """Runs pytest as careful users do, with strict markers, strict configuration and warnings as errors."""
        strictly = ["--strict-markers", "--strict-config", "-Werror"] if strict else []
        arguments = [*strictly, "-p", "no:randomly", f"--tfsig-server={server}", *arguments]
        return self._pytester.runpytest_subprocess(*arguments)

    def report(self, folder="report"):
        """Returns the report.json of the last run."""
        return json.loads((self._pytester.path / folder / "report.json").read_text())


@pytest.fixture
def suite(pytester):
    return Suite(pytester)
