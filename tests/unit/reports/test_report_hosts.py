"""What GitHub, GitLab and terminals are told."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.reports import github, gitlab
from pytest_tfsig.reports.terminal import summarize
from pytest_tfsig.reports.visible import cut, first_line, visible
from tests.unit.reports import samples


class Lines:
    """A terminal writer that keeps its lines."""

    def __init__(self):
        self.lines = []

    def write_sep(self, _sep, title=None, **_markup):
        self.lines.append(title)

    def write_line(self, line, **_markup):
        self.lines.append(line)


def summary(results, files=()):
    writer = Lines()
    summarize(writer, results, files)
    return writer.lines


def test_the_terminal_shows_a_line_a_signature_and_what_does_not_hold():
    assert summary([samples.result(examples=1100, seconds=1.25), samples.failure()], ["out/report.json"]) == [
        "served model contracts",
        "PASS         digits/3 serving_default  1 of 1 checks hold, 1,100 inputs, 1.2 s",
        "FAIL         digits/3 serving_default (test_digits.py)  0 of 1 checks hold, 90 inputs, 0.2 s",
        "  fail         values: the probabilities in output 'scores' sum to 3, not to 1",
        "report: out/report.json",
        "verdict: fail",
    ]


def test_a_signature_of_which_nothing_could_be_judged_is_skipped_and_proves_nothing():
    assert summary([samples.result(verdict="skip", message="no REST API", examples=0, seconds=0.0)]) == [
        "served model contracts",
        "SKIP         digits/3 serving_default  no check could be judged, 0 inputs, 0.0 s",
        "  skip         outputs: no REST API",
        "verdict: error",
    ]


def test_the_terminal_says_nothing_of_a_run_without_contracts():
    assert summary([]) == []


def test_the_terminal_is_not_controlled_by_a_model():
    assert not any(re.search(r"[\x00-\x1f\u202e]", line) for line in summary(samples.hostile()))


def test_an_annotation_stands_beside_its_line():
    [command] = github.commands([samples.result(), samples.failure()])
    assert command == (
        "::error file=tests/test_digits.py,line=12,title=digits/3 serving_default%3A values::"
        "the probabilities in output 'scores' sum to 3, not to 1"
    )


def test_github_gets_as_many_annotations_as_it_shows():
    assert len(list(github.commands([samples.failure()] * 12))) == github.MOST_ANNOTATIONS


@given(st.text(), st.text())
def test_an_annotation_is_one_command_whatever_it_says(text, file):
    [command] = github.commands([samples.failure(message=text, file=file, signature=text)])
    assert re.fullmatch(r"::error (file=[^,:\r\n]+,)?line=12,title=[^,:\r\n]+::[^\r\n]*", command)


def test_the_summary_of_a_job():
    text = github.summary(samples.run())
    assert text.startswith("## ❌ Served model contracts: fail\n\n7 of 11 checks hold.\n")
    assert r"| digits/3 | serving\_default | ❌ fail | 6 of 9 | values, latency, concurrent |" in text
    assert text.count("<details>") == text.count("</details>") == 4


def test_the_summary_of_a_job_names_consumers_and_what_is_pending():
    ads = samples.result(verdict="fail", consumer="ads", pending=True, contract="ads.tfsig.toml")
    search = samples.result(consumer="search", contract="search.tfsig.toml")
    text = github.summary([ads, search])
    assert text.startswith("## ✅ Served model contracts: pass\n\n1 of 1 checks hold.\n")
    assert r"| digits/3 | serving\_default \(ads\) | ⏳ pending: fail | 0 of 1 | outputs |" in text
    assert r"| digits/3 | serving\_default \(search\) | ✅ pass | 1 of 1 |  |" in text
    assert r"consumer ads\: pending, broken, which does not gate; consumer search\: holds" in text
    assert "<details>" not in text
    assert list(github.commands([ads, search])) == []


def test_the_summary_of_a_job_shows_hostile_text_as_text():
    text = github.summary(samples.hostile())
    assert "<script" not in text
    assert "<img" not in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 6 for line in table)


def test_the_summary_of_a_job_stays_below_what_github_takes():
    text = github.summary([samples.failure(text="x" * 10**5)] * 200)
    assert len(text.encode()) < 2**20
    assert "… and 150 more." in text


def test_gitlab_issues(tmp_path):
    file = gitlab.write(tmp_path, samples.run())
    issues = json.loads(file.read_text())
    assert [issue["check_name"] for issue in issues] == [
        "tfsig-values",
        "tfsig-latency",
        "tfsig-concurrent",
        "tfsig-outputs",
    ]
    assert issues[0]["location"] == {"path": "tests/test_digits.py", "lines": {"begin": 12}}
    assert [issue["severity"] for issue in issues] == ["critical", "critical", "minor", "major"]
    assert len({issue["fingerprint"] for issue in issues}) == 4


def test_gitlab_takes_the_failure_of_the_next_version_for_the_same_issue():
    later = samples.failure(message="now they sum to 4")
    assert gitlab.issues([samples.failure()])[0]["fingerprint"] == gitlab.issues([later])[0]["fingerprint"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, naïve, 日本語, 🙂\n\ttext", "plain, naïve, 日本語, 🙂\n\ttext"),
        ("\x1b[2J\r\x00\x7f\x9b", "\\x1b[2J\\r\\x00\\x7f\\x9b"),
        ("a\u202eb\u2066\ufeff\u200b", "a\\u202eb\\u2066\\ufeff\\u200b"),
        ("\udc80", "\\udc80"),
    ],
)
def test_what_acts_is_shown(text, shown):
    assert visible(text) == shown


@given(st.text(alphabet=st.characters(), max_size=400), st.integers(2, 300))
def test_a_first_line_is_one_line(text, longest):
    line = first_line(text, longest)
    assert len(line) <= longest
    assert "\n" not in line


@given(st.text(), st.integers(0, 50))
def test_what_is_cut_says_how_much(text, longest):
    assert cut(text, longest) == text or f"({len(text) - longest:,} more characters)" in cut(text, longest)
