"""The ending of an audit."""

from __future__ import annotations

from pytest_tfsig.reports import ModelIdentity
from pytest_tfsig.reports.audit import ending
from tests.unit.reports import samples
from tests.unit.reports.test_report_hosts import Lines


def told(*results):
    writer = Lines()
    ending(writer, results)
    return writer.lines


def test_what_was_not_judged_is_said_with_the_reason():
    lines = told(samples.result(), samples.result("rejects_invalid", "skip", message="REST is not there\nand more"))
    assert lines[1:] == [
        "digits/3 serving_default",
        "  not judged: rejects_invalid: REST is not there",
        "  not judged: values: signatures promise no range, no probabilities, no labels",
        "  not judged: latency: no budget is stated",
        "  not judged: relations: no relation between answers is stated",
        "  not judged: examples: no recorded requests are named",
        "  not judged: warmup: the SavedModel has no warmup requests",
        "  not judged: compatible, drift, no_slower: no --tfsig-baseline was given",
        "begin one:  tfsig init models/digits --observe 100 > digits.tfsig.toml",
    ]


def test_what_was_judged_is_not_listed():
    lines = told(samples.result("warmup"), samples.result("drift"))
    assert not [line for line in lines if "warmup" in line or "drift" in line]


def test_what_a_contract_would_add_names_inputs_and_outputs(models):
    model = ModelIdentity(str(models("classifier")), "classifier", 2, "ab" * 32)
    lines = told(samples.result(model=model))
    assert [line for line in lines if "a contract would add" in line] == [
        "  a contract would add: what is sent in 'x' (min, max, values)",
        "  a contract would add: what comes back in 'probabilities' (probabilities, min, max)",
        "  a contract would add: sizes of batches, latency budgets, checks to leave out",
    ]


def test_contracts_that_somebody_wrote_have_no_ending():
    assert told(samples.failure()) == []


def test_hostile_names_are_harmless():
    model = ModelIdentity(samples.HOSTILE, samples.HOSTILE, 1)
    text = "\n".join(told(samples.result("finite", "skip", model, message=samples.HOSTILE)))
    assert "\x1b" not in text
    assert text.splitlines()[-1].endswith(
        " --observe 100 > script-alert-1-script-img-src-x-onerror-alert-2-31m-7-7-0A-error.tfsig.toml"
    )
