from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig import checks
from pytest_tfsig.checks import registry
from pytest_tfsig.contract import Argmax, Signature, Tensor
from pytest_tfsig.errors import ContractError, UsageError
from tests.unit.checks.fakes import subject

INPUTS = {"x": Tensor("float32", ["batch", 3], min=-1, max=1)}
OUTPUTS = {"y": Tensor("float32", ["batch"])}
PLAIN = Signature(inputs=INPUTS, outputs=OUTPUTS)


@pytest.fixture
def own_checks(monkeypatch):
    checks.checks()
    monkeypatch.setattr(registry, "_CHECKS", dict(registry._CHECKS))


def names(signature, **selection):
    return [entry.name for entry in checks.applicable(signature, **selection)]


def test_checks_run_in_the_order_that_explains_most_first():
    found = names(PLAIN)
    assert found[:3] == ["loads", "signature", "outputs"]
    assert found.index("deterministic") < found.index("batch_invariant") < found.index("concurrent")


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"relations": (Argmax("y", "y"),)}, "relations"),
        ({"latency": {"p99": "25ms"}}, "latency"),
        ({"outputs": {"y": Tensor("float32", ["batch"], min=0)}}, "values"),
    ],
)
def test_some_checks_are_asked_only_where_the_contract_states_something(more, name):
    assert name not in names(PLAIN)
    assert name in names(Signature(**({"inputs": INPUTS, "outputs": OUTPUTS} | more)))


def test_checks_are_selected_and_switched_off():
    off = Signature(inputs=INPUTS, outputs=OUTPUTS, checks={"finite": False, "outputs": True})
    assert "finite" not in names(off)
    assert names(off, only=("finite", "outputs")) == ["outputs"]
    assert "loads" not in names(off, skip=("loads",))


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"finte": False}, "did you mean 'finite'"),
        ({"finite": {"rtol": 1}}, "has no options"),
        ({"deterministic": {"rtoll": 1}}, "did you mean 'rtol'"),
        ({"deterministic": {"rtol": "much"}}, "not of the type"),
        ({"rejects_invalid": {"strict": 1}}, "not of the type"),
        ({"concurrent": {"threads": True}}, "not of the type"),
    ],
)
def test_what_is_stated_of_checks_must_make_sense(stated, says):
    with pytest.raises(ContractError, match=says):
        checks.applicable(Signature(inputs=INPUTS, outputs=OUTPUTS, checks=stated))


@pytest.mark.usefixtures("own_checks")
def test_a_check_of_the_users_own_is_run_and_shrunk():
    @checks.check("never_above")
    def never_above(subject, observation, *, limit: float = 2.0):
        """No answer is above the limit."""
        del subject
        assert observation.outputs["y"].max() <= limit, "an answer is too high"

    judged = subject(lambda inputs: {"y": inputs["x"].sum(axis=1)}, PLAIN)
    result = checks.run(checks.checks()["never_above"], judged)
    assert result.message.startswith("an answer is too high")
    assert result.violation.inputs["x"].tolist() == [[1, 1, 1]]
    assert result.violation.expected == "No answer is above the limit."
    lenient = Signature(inputs=INPUTS, outputs=OUTPUTS, checks={"never_above": {"limit": 3.5}})
    judged = subject(lambda inputs: {"y": inputs["x"].sum(axis=1)}, lenient)
    assert checks.run(checks.checks()["never_above"], judged).verdict == "pass"


@pytest.mark.usefixtures("own_checks")
def test_a_check_that_raises_by_mistake_is_an_error_of_its_own():
    @checks.check("mistaken")
    def mistaken(subject, observation):
        del subject
        return observation.outputs["nothing"]

    judged = subject(lambda inputs: {"y": np.zeros(len(inputs["x"]), np.float32)}, PLAIN)
    result = checks.run(checks.checks()["mistaken"], judged)
    assert result.verdict == "error"
    assert "KeyError" in result.message
    assert checks.run(checks.checks()["finite"], judged).verdict == "pass"


@pytest.mark.parametrize("name", ["finite", "no spaces", ""])
def test_names_of_checks_are_new_identifiers(name):
    with pytest.raises(UsageError):
        checks.check(name)


def test_a_check_without_a_name_says_how_to_give_one():
    with pytest.raises(UsageError, match=r'write @check\("price_is_rounded"\)'):

        @registry.check
        def price_is_rounded(subject, observation):
            assert subject is not observation
