"""Suites of many models: the server keeps as many loaded as its memory allows."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.slow

# A machine with no memory to spare: whatever is not needed has to go.
CROWDED = """
from pytest_tfsig.serving import memory
memory.available = lambda: 0
"""

TEST = """
@pytest.mark.tfsig_model({path!r})
@pytest.mark.parametrize("number", range(2))
def test_{name}(tfsig, champion, served_model, number):
    first = served_model.predict(X)["probabilities"]
    champion.predict(X)
    served_model.check("deterministic")
    np.testing.assert_array_equal(served_model.predict(X)["probabilities"], first)
    with open("loaded", "a") as file:
        file.write(" ".join(loaded(tfsig)) + "\\n")
"""

HEAD = """
import json
import numpy as np
import pytest
from pytest_tfsig import *

X = {{"x": np.ones((1, 4), np.float32)}}

@pytest.fixture(scope="session")
def champion(tfsig):
    return tfsig.serve({champion!r})

def loaded(tfsig):
    return json.loads((tfsig.server.folder / "state.json").read_text())["models"]
"""


@pytest.fixture
def many(pytester, models):
    """Five models, two tests each, in an order that comes back to each; returns their names."""
    names = [f"model_{letter}" for letter in "abcde"]
    for name in (*names, "champion"):
        shutil.copytree(models("classifier"), pytester.path / name)
    tests = "".join(TEST.format(path=str(pytester.path / name), name=name) for name in names)
    head = HEAD.format(champion=str(pytester.path / "champion"))
    pytester.makepyfile(test_first=head + tests, test_second=head + tests)
    return names


def loaded(pytester):
    return [sorted(line.split()) for line in (pytester.path / "loaded").read_text().splitlines()]


def test_a_model_makes_room_for_the_next_and_one_that_a_test_serves_itself_stays(suite, pytester, many):
    pytester.makeconftest(CROWDED)
    suite.run("-p", "no:xdist").assert_outcomes(passed=20)
    assert loaded(pytester) == [["champion", name] for name in many for _ in range(2)] * 2


def test_where_there_is_memory_all_stay(suite, pytester, many):
    suite.run("-p", "no:xdist").assert_outcomes(passed=20)
    assert loaded(pytester)[-1] == ["champion", *many]


@pytest.mark.parametrize("distribution", ["load", "loadfile"])
def test_what_another_worker_needs_stays(suite, pytester, many, distribution):
    pytester.makeconftest(CROWDED)
    suite.run("-n2", f"--dist={distribution}").assert_outcomes(passed=20)
    assert {len(names) for names in loaded(pytester)} <= {2, 3}
    assert {name for names in loaded(pytester) for name in names} == {"champion", *many}


def test_contracts_of_more_models_than_fit_are_judged_as_ever(suite, pytester, many):
    for name in many:
        (pytester.path / f"{name}.tfsig.toml").write_text(
            f'model = "{name}"\n[signatures.serving_default.inputs.x]\ndtype = "float32"\nshape = ["batch", 4]\n'
            "min = -2\nmax = 2\n[signatures.serving_default.outputs.probabilities]\nprobabilities = true\n"
        )
    chosen = ("-p", "no:xdist", "-k", "toml and (outputs or finite)")
    suite.run(*chosen, "--tfsig-report=all")
    pytester.makeconftest(CROWDED)
    suite.run(*chosen, "--tfsig-report=few")
    few, all_loaded = (
        [(r["model"], r["check"], r["verdict"], r["examples"]) for r in suite.report(folder)["results"]]
        for folder in ("few", "all")
    )
    assert few == all_loaded
    assert len(few) == 10
    assert {verdict for _, _, verdict, _ in few} == {"pass"}
