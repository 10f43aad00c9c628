"""report.html in a browser: nothing complains, filters work by mouse and keyboard, everyone can read it."""

from __future__ import annotations

import os
import shutil

import pytest

from pytest_tfsig.reports import html, json
from pytest_tfsig.reports.environment import environment
from tests.unit.reports import samples

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.browser
WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
STRICTEST = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; where there is none, CI fails and others skip."""
    if CHROMIUM is None and os.environ.get("CI"):
        pytest.fail("CI has no Chromium to open reports with")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="the dependency group test is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Complaints(list):
    """What a page's console says, what it asks the network for, and what it asks its reader."""

    def __init__(self, page):
        super().__init__()
        page.on("console", lambda message: self.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", self._asked)

    def _asked(self, request):
        if not request.url.startswith(("file:", "data:")):
            self.append(f"request: {request.url}")


@pytest.fixture
def opened(browser, tmp_path):
    """Opens the report of some results; gives the page and what was complained of."""
    contexts = []

    def opened(results, fragment="", width=1280, scheme="light"):
        file = html.write(tmp_path, json.document(results, samples.SERVER, environment(None)))
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        complaints = Complaints(page)
        page.goto(f"{file.as_uri()}{fragment}")
        return page, complaints

    yield opened
    for context in contexts:
        context.close()


def shown(page):
    """The verdicts of the results that are not filtered out."""
    return [each.get_attribute("data-verdict") for each in page.query_selector_all(".result") if each.is_visible()]


ALL = {"pass", "fail", "error", "inconclusive", "skip"}


@pytest.mark.parametrize(
    ("fragment", "verdicts"),
    [("", ALL), ("#failed", {"fail", "error", "inconclusive"}), ("#skip", {"skip"}), ("#nonsense", ALL)],
)
def test_an_address_filters(opened, fragment, verdicts):
    page, complaints = opened(samples.run(), fragment)
    found = shown(page)
    assert set(found) == verdicts
    assert page.inner_text("[role=status]") == f"{len(found)} of 12 results"
    assert complaints == []


def test_a_click_filters(opened):
    page, complaints = opened(samples.run())
    page.get_by_label("what does not hold").check()
    assert set(shown(page)) == {"fail", "error", "inconclusive"}
    assert page.url.endswith("#failed")
    assert complaints == []


def test_keys_filter_and_open(opened):
    page, complaints = opened([samples.result(), samples.failure()])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "all"
    page.keyboard.press("ArrowDown")
    assert shown(page) == ["fail"]
    page.keyboard.press("ArrowUp")
    assert shown(page) == ["pass", "fail"]
    closed = page.locator("details.result:not([open]) summary")
    while not closed.evaluate_all("found => found.includes(document.activeElement)"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert closed.count() == 0
    assert complaints == []


def test_a_link_to_a_result_opens_it(opened):
    page, _ = opened(samples.run(), "#result-2")
    assert page.get_attribute("#result-2", "open") is not None


def test_a_button_copies(opened):
    page, complaints = opened([samples.failure()])
    page.get_by_role("button", name="Copy Ask it over REST").click()
    assert page.evaluate("navigator.clipboard.readText()") == samples.failure().reproduce["curl"]
    assert complaints == []


def test_pictures_are_drawn_pixel_by_pixel(opened):
    page, complaints = opened([samples.picture()])
    image = page.locator("img")
    assert image.evaluate("found => [found.complete, found.naturalWidth, found.naturalHeight]") == [True, 28, 28]
    assert image.evaluate("found => getComputedStyle(found).imageRendering") == "pixelated"
    assert complaints == []


def test_hostile_text_does_nothing(opened):
    page, complaints = opened(samples.hostile())
    assert complaints == []
    assert page.locator("script").count() == 1
    assert shown(page) == ["fail", "error"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "results", [[*samples.run(), samples.picture()], samples.hostile(), []], ids=["run", "hostile", "empty"]
)
def test_everyone_can_read_it(opened, results, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, complaints = opened(results, width=width, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = axe.Axe().run(page, options=STRICTEST)
    told = [
        f"{violation['id']}: {node['html'][:150]} {node['failureSummary'][:200]}"
        for violation in found.response["violations"]
        for node in violation["nodes"][:3]
    ]
    assert told == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert complaints == []


def test_the_reader_s_colours_are_taken(opened):
    colours = {
        opened(samples.run(), scheme=scheme)[0].evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in SCHEMES
    }
    assert len(colours) == 2
