"""The line that runs an item again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_tfsig.declared import OPTIONS
from pytest_tfsig.state import command


def line(name="test_contract[serving_default-outputs]", **given):
    """Returns the line for an item of a run that was given options on its command line."""
    config = SimpleNamespace(getoption=lambda option, default=None: given.get(option.removeprefix("tfsig_"), default))
    return command(SimpleNamespace(config=config, nodeid=f"test_digits.py::{name}", name=name, parent=None))


def test_an_item_is_named_as_a_shell_takes_it():
    assert line() == "pytest 'test_digits.py::test_contract[serving_default-outputs]'"


def test_options_that_bear_on_a_verdict_are_repeated():
    said = line(model="new models/2", op_library=["a.so", "tensorflow_text"], request_timeout="5", hypothesis_seed="7")
    assert said.split(" ", 2)[2] == (
        "'--tfsig-model=new models/2' --tfsig-op-library=a.so --tfsig-op-library=tensorflow_text "
        "--tfsig-request-timeout=5 --hypothesis-seed=7"
    )


@pytest.mark.parametrize(
    ("name", "kept"),
    [("test_contract[serving_default-strength]", True), ("test_contract[serving_default-drift]", False)],
)
def test_what_measures_strength_is_repeated_for_strength_alone(name, kept):
    assert ("--tfsig-mutate=90" in line(name, mutate="90")) is kept


def test_no_option_is_forgotten_but_those_of_the_whole_run():
    given = {option.key: ["1"] if option.repeatable else "1" for option in OPTIONS}
    forgotten = {option.name for option in OPTIONS if f"--tfsig-{option.name}=1" not in line(**given)}
    assert forgotten == {"audit", "report", "update", "mutate"}
