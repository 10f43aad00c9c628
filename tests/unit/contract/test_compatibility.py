"""The rules of compatibility: pairs of signatures, what each finds and for which callers."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.contract.compatibility import RULES, Finding, Level, are_related, compatibility
from pytest_tfsig.contract.compatibility.wording import concerns, where
from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec
from tests.compatibility_pairs import BOTH, F32, LETTERS, PAIRS, sig, x

DOCS = Path(__file__).parents[3] / "docs" / "compatibility.md"


def summary(findings):
    found = {}
    for finding in findings:
        found[finding.rule] = found.get(finding.rule, "") + "".join(LETTERS[wire] for wire in finding.wires)
    return found


NAMELESS = {"method-changed", "method-repurposed", "outputs-nested", "outputs-bared", "output-breaks-rows"}


@pytest.mark.parametrize(("old", "new"), [pair[1:3] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_a_finding_names_what_it_is_about(old, new):
    for finding in compatibility({"s": old}, {"s": new}):
        about = finding.rule.split("-")[0].removesuffix("s")
        assert (finding.signature, finding.part) == ("s", about)
        if finding.rule in NAMELESS or finding.rule == "features-unknown":
            assert finding.name == ""
            continue
        known = {
            "input": {*old.inputs, *new.inputs},
            "output": {*old.outputs, *new.outputs},
            "feature": {name for side in (old, new) for x in side.inputs.values() for name in x.features or ()},
        }
        assert finding.name in known[about]
        assert f'{about} "{finding.name}" ' in finding.message


def features(old, new):
    sides = ({"e": TensorSpec("e", "string", (None,), features=own)} for own in (old, new))
    answers = {"y": TensorSpec("y", "float32", (None,))}
    return compatibility(*({"s": SignatureSpec("s", "predict", side, answers)} for side in sides))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({}, None, "the new graph's features cannot be read from its parse ops, so tf.Examples are not judged."),
        (None, {}, "the old graph's features cannot be read from its parse ops, so tf.Examples are not judged."),
        ({"a": ((1,), "fixed")}, {"a": ((2, 2), "fixed")}, 'the feature "a" took 1 value and takes 4 values.'),
        ({"a": ((), "fixed")}, {"a": ((0,), "fixed")}, 'the feature "a" took 1 value and takes 0 values.'),
        ({"a": (None, "variable")}, {"a": ((2,), "variable")}, None),
        ({"a": ((3,), "ragged")}, {"a": (None, "variable")}, None),
        ({}, {"a": ((), "fixed")}, 'the feature "a" (int64) is new and must be there.'),
        ({}, {"a": (None, "ragged")}, 'the feature "a" (int64) is new and may be left out.'),
        ({"a": ((3,), "fixed")}, {"a": ((3, 1), "fixed")}, None),
        ({"a": ((None,), "fixed")}, {"a": ((0,), "fixed")}, None),
    ],
)
def test_features_are_judged_by_how_many_values_they_take(old, new, message):
    def specs(side):
        return side and {name: FeatureSpec(name, "int64", *of) for name, of in side.items()}

    assert [finding.message for finding in features(specs(old), specs(new))] == ([message] if message else [])


def test_values_that_were_any_number_are_told():
    any_number, two = FeatureSpec("a", "int64", None, "variable"), FeatureSpec("a", "int64", (2,), "fixed", (0, 0))
    messages = ['the feature "a" took any number of values and takes 2 values.']
    assert [finding.message for finding in features({"a": any_number}, {"a": two})] == messages


def test_a_default_is_another_only_of_the_same_kind_of_feature():
    one, two = FeatureSpec("a", "int64", (1,), "fixed", (1,)), FeatureSpec("a", "int64", (1,), "fixed", (2,))
    assert [finding.rule for finding in features({"a": one}, {"a": two})] == ["feature-default-changed"]
    padded = FeatureSpec("a", "int64", (1,), "variable", (2,))
    assert [finding.rule for finding in features({"a": one}, {"a": padded})] == ["feature-relaxed"]
    assert features(None, None) == []


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("uint8", "uint16", "input-dtype-widened"),
        ("int8", "int64", "input-dtype-widened"),
        ("uint16", "int16", "input-dtype-changed"),
        ("int8", "uint8", "input-dtype-changed"),
        ("int16", "float32", "input-dtype-widened"),
        ("uint32", "float32", "input-dtype-lossy"),
        ("uint32", "float64", "input-dtype-widened"),
        ("uint64", "float64", "input-dtype-lossy"),
        ("float32", "float64", "input-dtype-widened"),
        ("float64", "float32", "input-dtype-lossy"),
        ("float32", "int64", "input-dtype-changed"),
        ("bool", "int32", "input-dtype-changed"),
        ("int32", "bfloat16", "input-dtype-changed"),
        ("string", "bool", "input-dtype-changed"),
    ],
)
def test_json_numbers_are_read_into_another_dtype(old, new, rule):
    found = compatibility({"s": x(old)}, {"s": x(new)})
    assert {finding.rule for finding in found if "rest_row" in finding.wires} == {rule}


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ((None, 8), (None, 8), None),
        (None, (None,), "narrowed"),
        ((None,), None, "widened"),
        ((None, 8), (8,), "rank-changed"),
        ((None, 8), (None, None), "widened"),
        ((None, None), (2, 8), "narrowed"),
        ((2, 8), (None, None), "widened"),
        ((2, None), (None, 8), "size-changed"),
        ((2, None), (3, None), "size-changed"),
        ((2, 3), (3, None), "size-changed"),
    ],
)
@pytest.mark.parametrize("side", ["input", "output"])
def test_shapes_change_for_the_better_or_the_worse(old, new, change, side):
    before, after = (
        sig(**{f"{side}s": {"t": ("float32", shape)}} | {"outputs" if side == "input" else "inputs": {}})
        for shape in (old, new)
    )
    rules = [finding.rule for finding in compatibility({"s": before}, {"s": after}) if finding.name]
    assert rules == ([] if change is None else [f"{side}-{change}"])


def test_what_is_found_is_in_the_same_order_however_signatures_are_filed():
    old = {name: sig(outputs=BOTH) for name in "cab"}
    found = compatibility(old, {"b": sig(), "d": sig(), "e": sig()})
    assert [(finding.signature, finding.rule) for finding in found] == [
        ("a", "signature-removed"),
        ("b", "output-removed"),
        ("b", "outputs-bared"),
        ("c", "signature-removed"),
        ("d", "signature-added"),
        ("e", "signature-added"),
    ]
    assert [(finding.part, finding.name, finding.message) for finding in found][::3] == [
        ("signature", "", 'the signature "a" is gone.'),
        ("signature", "", 'the signature "c" is gone.'),
    ]
    assert (found[-1].part, found[-1].name, found[-1].message) == ("signature", "", 'the signature "e" is new.')


def test_findings_are_worded_with_what_they_are_about_and_whom_they_concern():
    finding = Finding("output-renamed", Level.ERROR, "s", "output", "y", ("grpc", "rest_row", "rest_columnar"), "")
    assert where(finding) == 's, output "y"'
    assert concerns(finding) == "breaks gRPC, REST rows, REST columns"
    assert where(Finding("signature-added", Level.INFO, "s", "signature", "", ("grpc",), "")) == "s"
    assert concerns(Finding("input-ignored", Level.WARN, "s", "input", "x", ("rest_columnar",), "")) == (
        "may surprise REST columns"
    )
    assert concerns(Finding("signature-added", Level.INFO, "s", "signature", "", ("grpc",), "")) == "concerns gRPC"


@pytest.mark.parametrize(
    ("old", "new", "related"),
    [
        (sig(), sig(), True),
        (sig({"a": F32}, {"y": F32}), sig({"b": F32, "c": F32}, {"y": ("int8", ())}), True),
        (sig({"x": F32}, {"a": F32}), sig({"x": ("int8", ())}, {"b": F32, "c": F32}), True),
        (sig({"a": F32}, {"b": F32}), sig({"c": F32}, {"d": F32}), True),
        (sig({"a": F32}, {"b": F32}), sig({"c": F32}, {"d": ("int8", (None, 8))}), False),
        (sig({"a": F32}, {"b": F32}), sig({"c": ("float32", (None, 9))}, {"d": F32}), False),
        (
            sig({"a": F32, "b": ("int8", ())}, {"c": F32}),
            sig({"d": ("int8", ()), "e": F32}, {"f": F32}),
            True,
        ),
    ],
)
def test_models_are_related_by_a_name_or_by_their_form(old, new, related):
    assert are_related({"s": old}, {"t": new}) is related
    other = sig({"q": ("string", ())}, {"r": ("string", ())})
    assert are_related({"u": other, "s": old}, {"v": sig({"w": ("bool", ())}, {"z": F32}), "t": new}) is related
    assert not are_related({}, {"t": new})


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
    assert met | {"signature-removed", "signature-added", "variables-not-restored"} == set(RULES)


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
