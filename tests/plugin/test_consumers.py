"""Contracts of several consumers for one model, some of them pending, as users state and read them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

pytestmark = pytest.mark.slow

HOLDS = """
[signatures.serving_default.inputs.x]
dtype = "float32"
shape = ["batch", 4]
min = -2
max = 2
[signatures.serving_default.outputs.probabilities]
dtype = "float32"
shape = ["batch", 3]
"""
BROKEN = HOLDS + "max = 0.5\n"
ONLY = ("-k", "outputs or values", "--tfsig-max-examples=20", "--tfsig-report=report")


@pytest.fixture
def contracts(pytester):
    """Writes contract files into one folder."""

    def write(**texts):
        folder = pytester.path / "contracts"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.tfsig.toml").write_text(text)
        return folder

    return write


@pytest.fixture
def run(suite, models):
    def run(*arguments):
        return suite.run("contracts", f"--tfsig-model={models('classifier') / '1'}", *ONLY, *arguments)

    return run


def test_each_consumer_is_named_in_the_verdict(suite, pytester, contracts, run):
    contracts(ads=BROKEN, mobile=HOLDS, x='consumer = "search-api"\n' + HOLDS)
    result = run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["classifier/1  consumer ads: broken; consumer mobile: holds; consumer search-api: holds", "verdict: fail"]
    )
    report = suite.report()
    assert {entry["consumer"]: entry["verdict"] for entry in report["consumers"]} == {
        "ads": "fail", "mobile": "pass", "search-api": "pass",
    }  # fmt: skip
    assert {entry["consumer"] for entry in report["results"]} == {"ads", "mobile", "search-api"}
    verdict = json.loads((pytester.path / "report" / "verdict.json").read_text())
    assert [(one["consumer"], one["verdict"], one["pending"]) for one in verdict["contracts"]] == [
        ("ads", "fail", False), ("mobile", "pass", False), ("search-api", "pass", False),
    ]  # fmt: skip


def test_a_pending_contract_is_reported_and_fails_nothing(suite, pytester, contracts, run):
    contracts(ads="pending = true\n" + BROKEN, mobile=HOLDS)
    result = run("-rx", "--junit-xml=junit.xml")
    result.assert_outcomes(passed=2, xfailed=1, deselected=result.parseoutcomes()["deselected"])
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "PENDING      classifier/1 serving_default (ads.tfsig.toml)  1 of 2 checks hold*",
            "  fail         values: *",
            "classifier/1  consumer ads: pending, broken, which does not gate; consumer mobile: holds",
            "verdict: pass",
            "XFAIL contracts/ads.tfsig.toml::serving_default-values - pending contract of ads: fail: *above max = 0.5*",
        ]
    )
    report = suite.report()
    assert report["verdict"] == "pass"
    assert [(entry["verdict"], bool(entry["text"])) for entry in report["results"] if entry["pending"]] == [
        ("pass", True), ("fail", True),
    ]  # fmt: skip
    assert "pending, so that nothing of it fails the run" in (pytester.path / "report" / "report.html").read_text()
    assert json.loads((pytester.path / "report" / "gl-code-quality.json").read_text()) == []
    skipped = ET.parse(pytester.path / "junit.xml").getroot().find(".//skipped")  # noqa: S314 - written by pytest
    assert skipped.get("type") == "pytest.xfail"


def test_a_pending_contract_that_holds_asks_to_gate(contracts, run):
    contracts(ads="pending = true\n" + HOLDS, mobile=HOLDS)
    result = run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["classifier/1  consumer ads: pending, holds; remove `pending` to have it gate; consumer mobile: holds"]
    )


def test_pending_contracts_alone_prove_nothing(suite, contracts, run):
    contracts(ads="pending = true\n" + HOLDS)
    result = run()
    assert result.ret == 0
    assert suite.report()["verdict"] == "error"


def test_a_pending_contract_that_does_not_fit_the_model_fails_nothing(contracts, run):
    contracts(ads="pending = true\n[signatures.absent.outputs.y]\ndtype = 'float32'\n", mobile=HOLDS)
    result = run()
    assert result.ret == 0
    assert result.parseoutcomes()["xfailed"]


def test_one_consumer_alone_is_not_summed_up(contracts, run):
    contracts(mobile=HOLDS)
    run().stdout.no_fnmatch_line("*consumer mobile*")


def test_a_marker_states_both_too(suite, models):
    suite.write(
        """
@pytest.mark.tfsig_contract(
    inputs={"x": Tensor("float32", ["batch", 4], min=-2, max=2)},
    outputs={"probabilities": Tensor("float32", ["batch", 3], max=0.5)},
    consumer="ads",
    pending=True,
)
def test_ads(tfsig_check):
    tfsig_check()
""",
        models("classifier") / "1",
    )
    result = suite.run(*ONLY)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["classifier/1  consumer test_model: holds; consumer ads: pending, broken, which does not gate"]
    )


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("consumer='ads'", "test_it states contracts of several consumers, 'ads' and 'search': give each a test *"),
        ("consumer='search', pending=True", "test_it states contracts of which only some are pending: give those *"),
        ("consumer='search', pending='yes'", "test_model.py: tfsig_contract('logits'): pending: 'yes' is neither *"),
        ("consumer=3", "test_model.py: tfsig_contract('logits'): consumer: 3 is no name; write one line of text."),
    ],
)
def test_markers_that_do_not_agree_are_errors(suite, models, second, message):
    suite.write(
        f"""
@pytest.mark.tfsig_contract(consumer="search")
@pytest.mark.tfsig_contract("logits", {second})
def test_it(tfsig_check):
    tfsig_check()
""",
        models("two_heads"),
        contract=False,
    )
    result = suite.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines([f"*{message}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pendin = true", 'pendin: unknown key; did you mean "pending"?'),
        ("pending = 1", "pending: expected true or false, got a whole number."),
        ('consumer = ""', "consumer: empty; write whose contract it is or remove the key."),
        ("consumer = 'a\tb'", "consumer: 'a*b' is no name; write one line of text."),
    ],
)
def test_wrong_keys_of_a_file_are_errors(contracts, run, text, message):
    contracts(mobile=text + HOLDS)
    result = run()
    assert result.ret == 2
    result.stdout.fnmatch_lines([f"*contracts/mobile.tfsig.toml: {message}"])
