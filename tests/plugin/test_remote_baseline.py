"""A candidate against the released version where both are servables of a server that runs already."""

from __future__ import annotations

import pytest

from pytest_tfsig.cli import main
from pytest_tfsig.serving import ManagedServer
from pytest_tfsig.serving.embedded import EmbeddedRunner

pytestmark = pytest.mark.slow

FILE = """
[signatures.serving_default.inputs.x]
dtype = "float32"
shape = ["batch", 4]
min = -2
max = 2
[signatures.serving_default.outputs.probabilities]
dtype = "float32"
shape = ["batch", 3]
[signatures.serving_default.checks]
no_slower = { requests = 300, tolerance = 100.0 }
"""
AGAINST = ("-k", "compatible or drift or no_slower or swap", "--tfsig-max-examples=20", "--tfsig-report=report", "-rs")


@pytest.fixture(scope="module")
def server(models):
    server = ManagedServer.launch(EmbeddedRunner(), timeout=60)
    server.add("released", 1, models("classifier") / "1")
    server.add("candidate", 2, models("classifier") / "2")
    server.add("renamed", 1, models("classifier_renamed") / "1")
    server.add("text", 1, models("text") / "1")
    yield server
    server.stop()


@pytest.fixture
def run(suite, pytester, server):
    def run(model, baseline, text=FILE):
        pytester.makefile(".tfsig.toml", classifier=text)
        names = (f"--tfsig-model={model}", f"--tfsig-baseline={baseline}")
        return suite.run(*names, *AGAINST, server=server.grpc_address)

    return run


def test_two_servables_are_compared_and_never_swapped(run, suite, server, capsys):
    result = run("candidate", "released")
    assert result.ret == 0
    found = {entry["check"]: (entry["verdict"], entry["message"]) for entry in suite.report()["results"]}
    assert found["compatible"] == ("pass", "nothing changed for callers")
    assert found["drift"][0] == "pass"
    assert found["drift"][1].startswith("probabilities differs by 0.")
    assert found["no_slower"][0] == "pass"
    assert found["swap"] == ("skip", "a remote server serves what it serves: versions of ours cannot be swapped there")
    assert server.alive()
    assert main(["verify-blessing", "report/verdict.json", str(server.folder / "models" / "candidate" / "2")]) == 1
    assert "was judged on a running server, which shows no files" in capsys.readouterr().out


def test_a_renamed_output_is_found_from_metadata(run):
    result = run("renamed", "released", FILE[: FILE.index("[signatures.serving_default.outputs")])
    assert result.ret == 1
    result.stdout.fnmatch_lines(['callers of the released version break: the output "probabilities" is called*'])


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("nowhere", "error: no released version at --tfsig-baseline nowhere: *NOT_FOUND*"),
        ("text", "*text has no signature, input or output in common with candidate: it is another model*"),
    ],
)
def test_what_is_no_baseline_is_a_clear_error(run, baseline, message):
    result = run("candidate", baseline)
    assert result.ret == 1
    result.stdout.fnmatch_lines([message])
    result.stdout.no_fnmatch_line("*Traceback*")
