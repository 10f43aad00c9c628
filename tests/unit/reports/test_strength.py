"""Contract strength in the terminal, in report.json, on the page and in GitHub's summary."""

from __future__ import annotations

import json
from importlib import resources

import jsonschema
import pytest

from pytest_tfsig.reports import github, html, strength, terminal
from pytest_tfsig.reports import json as report_json
from tests.unit.reports import samples

SCHEMA = json.loads((resources.files("pytest_tfsig.reports") / "report.schema.json").read_text())
REMEDY = {
    "table": "signatures.serving_default.outputs.scores",
    "line": "probabilities = true",
    "marker": 'outputs={"scores": Tensor(..., probabilities=True)}',
    "first": "",
}
RECORD = {"table": "t", "line": "examples", "marker": "checks", "first": "tfsig record models/digits digits.tfrecord"}


def one(mutation, verdict, output="", remedy=None, **more):
    return {
        "mutation": mutation,
        "output": output,
        "description": f"{mutation} happened",
        "verdict": verdict,
        "check": "outputs" if verdict == "killed" else "",
        "message": "said",
        "remedy": remedy,
        **more,
    }


def measured(*found, minimum=None, contract="digits.tfsig.toml", **more):
    counts = {word: sum(each["verdict"] == word for each in found) for word in ("killed", "survived", "not_applicable")}
    details = {"strength": {**counts, "minimum": minimum, "mutations": list(found)}}
    message = f"{counts['killed']} of {counts['killed'] + counts['survived']} mutations killed"
    return samples.result("strength", details=details, message=message, contract=contract, **more)


RUN = [
    samples.result("outputs", contract="digits.tfsig.toml"),
    measured(
        one("row_lost", "killed"),
        one("scaled", "survived", "scores", REMEDY),
        one("clipped", "survived", "scores", REMEDY),
        one("constant", "survived", "", RECORD),
        one("crossed", "survived"),
        one("slow", "not_applicable"),
        minimum=12.5,
    ),
]


class Lines:
    def __init__(self):
        self.written = []

    def write_sep(self, sep, title=None, **_):
        self.written.append(f"{sep} {title}")

    def write_line(self, line, **_):
        self.written.append(line)


def shown(results):
    lines = Lines()
    terminal.summarize(lines, results)
    return lines.written


def test_the_terminal_tells_each_line_once():
    written = shown(RUN)
    start = written.index("- contract strength")
    assert written[start + 1 : start + 9] == [
        "digits/3 serving_default (digits.tfsig.toml) 1 of 5 mutations killed",
        "  survived  scaled(scores): scaled happened",
        "  survived  clipped(scores): clipped happened",
        "            noticed with: [signatures.serving_default.outputs.scores] probabilities = true",
        "  survived  constant: constant happened",
        "            noticed with: [t] examples, after: tfsig record models/digits digits.tfrecord",
        "  survived  crossed: crossed happened",
        "            no line of a contract would notice it",
    ]
    assert "- contract strength" not in shown(RUN[:1])


def test_a_marker_s_contract_is_told_what_to_write_in_a_marker():
    lines = [
        line for line, _ in strength.lines([measured(RUN[1].details["strength"]["mutations"][1], contract="t.py")])
    ]
    assert lines[-1].strip() == 'noticed with: outputs={"scores": Tensor(..., probabilities=True)}'


def test_what_was_not_measured_says_why():
    skipped = samples.result("strength", "skip", message="not measured: the contract does not hold")
    assert "digits/3 serving_default not measured: the contract does not hold" in shown([skipped])
    assert report_json.document([skipped], {})["strength"] == []


def test_report_json_has_a_list():
    report = report_json.document(RUN, {})
    jsonschema.validate(report, SCHEMA)
    [entry] = report["strength"]
    assert (entry["model_index"], entry["killed"], entry["survived"], entry["minimum"]) == (0, 1, 4, 12.5)
    assert entry["mutations"][1]["remedy"] == REMEDY
    assert report["results"][1]["details"] == {}


@pytest.mark.parametrize("key", ["killed", "mutations", "minimum"])
def test_the_schema_wants_all_of_it(key):
    report = report_json.document(RUN, {})
    del report["strength"][0][key]
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate(report, SCHEMA)


def test_the_page_has_a_section():
    page = html.render(report_json.document(RUN, {}))
    assert "1 of 5 mutations killed (20 %), at least 12.5 % wanted; 1 do not apply." in page
    assert page.count("probabilities = true") == 2
    assert "Strength of the contract" not in html.render(report_json.document(RUN[:1], {}))


def test_the_page_is_not_moved_by_hostile_words():
    hostile = one(
        samples.HOSTILE, "survived", samples.HOSTILE, {**REMEDY, "line": samples.HOSTILE}, check=samples.HOSTILE
    )
    other = one(samples.HOSTILE, "killed", message=samples.HOSTILE, description=samples.HOSTILE)
    page = html.render(report_json.document([measured(hostile, other, contract=samples.HOSTILE)], {}))
    assert "<script>alert" not in page
    assert "<img" not in page


def test_github_s_summary_has_a_table():
    summary = github.summary(RUN)
    assert "| model | signature | contract strength | survived |" in summary
    assert r"scaled\(scores\), clipped\(scores\), constant, crossed" in summary
    assert "contract strength" not in github.summary(RUN[:1])
