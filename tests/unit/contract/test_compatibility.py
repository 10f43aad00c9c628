"""The rules of compatibility: pairs of signatures, what each finds and for which callers."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.contract.compatibility import RULES, Level, compatibility
from tests.compatibility_pairs import BOTH, LETTERS, PAIRS, sig, x

DOCS = Path(__file__).parents[3] / "docs" / "compatibility.md"


def summary(findings):
    found = {}
    for finding in findings:
        found[finding.rule] = found.get(finding.rule, "") + "".join(LETTERS[wire] for wire in finding.wires)
    return found


def test_there_are_pairs_enough():
    assert len(PAIRS) >= 60
    assert len({name for name, *_ in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize(("old", "new", "expected"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_pairs(old, new, expected):
    findings = compatibility({"s": old}, {"s": new})
    assert summary(findings) == expected
    for finding in findings:
        assert finding.level is RULES[finding.rule].level
        assert finding.message.endswith(".")


def test_a_signature_removed_and_one_added():
    removed, added = compatibility({"a": sig()}, {"b": sig()})
    assert (removed.rule, removed.level, removed.signature) == ("signature-removed", Level.ERROR, "a")
    assert (added.rule, added.level, added.signature) == ("signature-added", Level.INFO, "b")


def test_a_removed_half_signature_breaks_nobody_over_rest():
    (finding,) = compatibility({"a": x("float16")}, {})
    assert finding.wires == ("grpc",)


def test_the_worst_comes_first():
    findings = compatibility({"s": sig(outputs=BOTH), "gone": sig()}, {"s": x(shape=(None, None)), "new": sig()})
    levels = [finding.level for finding in findings]
    assert levels == sorted(levels, key=list(Level).index)
    assert len(set(levels)) > 1


def test_every_rule_is_met_by_a_pair():
    met = {rule for *_, expected in PAIRS for rule in expected}
    assert met | {"signature-removed", "signature-added"} == set(RULES)


def test_every_rule_is_documented_with_its_level():
    documented = dict(re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert documented == {rule.id: rule.level for rule in RULES.values()}


specs = st.sampled_from([spec for _, old, new, _ in PAIRS for spec in (old, new)])


@given(spec=specs)
def test_no_change_is_no_finding(spec):
    assert compatibility({"s": spec}, {"s": spec}) == []


@given(old=specs, new=specs)
def test_what_breaks_one_way_is_never_silent_the_other(old, new):
    there, back = compatibility({"s": old}, {"s": new}), compatibility({"s": new}, {"s": old})
    hidden = {"features-unknown"}
    assert bool(there) == bool(back) or {finding.rule for finding in (*there, *back)} <= hidden
