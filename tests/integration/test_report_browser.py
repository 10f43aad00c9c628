"""report.html in a browser: nothing complains, filters work, hostile text does nothing."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from pytest_tfsig.reports import html, json
from pytest_tfsig.reports.environment import environment
from tests.unit.reports import samples

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture
def opened(tmp_path):
    """Opens the report of some results, and returns the page's elements and what its console said."""

    def opened(results, fragment=""):
        file = html.write(tmp_path, json.document(results, samples.SERVER, environment(None)))
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        look = [
            "--headless",
            "--dump-dom",
            "--enable-logging=stderr",
            "--v=0",
            f"--user-data-dir={tmp_path / 'profile'}",
        ]
        shown = subprocess.run(
            [CHROMIUM, *quiet, *look, f"{file.as_uri()}{fragment}"],
            capture_output=True,
            check=True,
            timeout=120,
            encoding="utf-8",
        )
        return shown.stdout, re.findall(r"CONSOLE.*", shown.stderr)

    return opened


def visible_results(page):
    tags = re.findall(r'<details class="result"[^>]*>', page)
    return [re.search(r'data-verdict="(\w+)"', tag)[1] for tag in tags if " hidden" not in tag]


@pytest.mark.parametrize(
    ("fragment", "verdicts"),
    [
        ("", {"pass", "fail", "error", "inconclusive", "skip"}),
        ("#failed", {"fail", "error", "inconclusive"}),
        ("#skip", {"skip"}),
        ("#nonsense", {"pass", "fail", "error", "inconclusive", "skip"}),
    ],
)
def test_filters(opened, fragment, verdicts):
    page, console = opened(samples.run(), fragment)
    found = visible_results(page)
    assert set(found) == verdicts
    assert f">{len(found)} of 12 results</p>" in page
    assert console == []


def test_a_link_to_a_result_opens_it(opened):
    page, _ = opened(samples.run(), "#result-2")
    [tag] = re.findall(r'<details[^>]*id="result-2"[^>]*>', page)
    assert " open" in tag


def test_copying_is_offered_where_the_script_runs(opened):
    page, _ = opened([samples.failure()])
    assert re.findall(r'<button type="button" class="copy"( hidden)?', page) == ["", ""]


def test_hostile_text_does_nothing(opened):
    page, console = opened(samples.hostile())
    assert console == []
    assert page.count("<script") == 1
    assert visible_results(page) == ["fail", "error"]
