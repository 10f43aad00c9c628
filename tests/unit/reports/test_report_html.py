"""report.html, as text; tests/integration/test_report_browser.py opens it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.reports import ModelIdentity, html, json
from pytest_tfsig.reports.environment import environment
from tests.unit.reports import samples

VOID = {"meta", "link", "input", "img"}


def page(results):
    return html.render(json.document(results, samples.SERVER, environment(None)))


class Elements(HTMLParser):
    """Every element of a page with its attributes; fails where elements are not closed as they were opened."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def having(self, tag, **attributes):
        return [found for name, found in self.found if name == tag and attributes.items() <= found.items()]


def test_the_verdict_comes_first():
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page(samples.run()).split("<body>")[1], flags=re.DOTALL)
    assert text.split()[:6] == ["Served", "model", "contracts", "✗", "fail", "7"]
    assert "7 of 11 checks hold: 2 broken, 1 not judged, 1 undecided" in text


@pytest.mark.parametrize(
    ("results", "headline"),
    [
        ([], "nothing was judged"),
        ([samples.result(verdict="skip")], "nothing was judged"),
        ([samples.result()], "the check holds"),
        ([samples.result(), samples.result("finite")], "all 2 checks hold"),
    ],
)
def test_the_headline(results, headline):
    assert f"<span>{headline}</span>" in page(results)


def test_a_failure_is_open_and_shows_how_to_see_it_again():
    text = page([samples.failure(), samples.result()])
    elements = Elements(text)
    assert [("open" in found) for found in elements.having("details", **{"class": "result"})] == [True, False]
    for shown in ("a sum of 1 within 1e-05", "[[1., 1., 1.]]", "tf.nn.softmax(logits, axis=-1)", "test_digits.py"):
        assert shown in text
    assert len(elements.having("button")) == 2


def test_worst_models_come_first():
    good = ModelIdentity("models/good", "good", 1, "ef" * 32)
    text = page([samples.result(model=good), samples.failure()])
    assert text.index('id="title-1">digits') < text.index('id="title-2">good')


def test_latency_is_drawn_with_its_budgets():
    elements = Elements(page([samples.latency()]))
    assert len(elements.having("svg")) == 2
    assert "Latency distribution against p99 <= 25ms" in elements.words


def test_small_inputs_are_tables():
    text = page([samples.failure()])
    [table] = re.findall(r'<table class="values">(.*?)</table>', text, re.DOTALL)
    assert re.findall(r'<td class="number">([^<]*)</td>', table) == ["0", "0.25", "-0", "nan"]
    assert "[[0., 0., 0., 0.]]" not in text.partition("Smallest input")[2].partition("Expected")[0]


def test_examples_are_tables_of_their_features():
    rows = [{"age": [3.0, 4.5], "name": ["b'x'"]}, {"age": [1.0]}]
    told = {"examples": {"dtype": "tf.Example", "shape": [2], "values": rows, "pictures": []}}
    text = page([samples.failure(falsifying={"examples": "examples = ..."}, inputs=told)])
    [table] = re.findall(r'<table class="values">(.*?)</table>', text, re.DOTALL)
    assert re.findall(r">([^<>\n]+)<", table) == ["age", "name", "[0]", "3, 4.5", "b&#39;x&#39;", "[1]", "1"]


def test_images_are_shown_and_described():
    elements = Elements(page([samples.picture()]))
    [image] = elements.having("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert image["alt"] == "image, image 1"


@pytest.mark.parametrize(
    "uri", ["https://example.org/a.png", "data:image/svg+xml;base64,AAAA", "data:image/png;base64,"]
)
def test_no_other_picture_is_shown(uri):
    told = {"x": {"dtype": "string", "shape": [1], "values": None, "pictures": [uri]}}
    assert Elements(page([samples.failure(inputs=told)])).having("img") == []


def test_sums_of_probabilities_are_drawn():
    text = page([samples.failure()])
    assert "scores: 4 sums, 2 at most from 1; 1e-05 is allowed" in text
    assert "Distances of 4 sums of probabilities from 1" in Elements(text).words


def test_what_is_silently_accepted_is_listed():
    assert "Silently accepted" in page(samples.run())
    assert "Wrong code" not in page(samples.run())


def test_numbers_by_name_are_tables():
    text = page(
        [samples.result("drift", details=samples.drift()), samples.result("no_slower", details=samples.comparison())]
    )
    told = text.partition("<h3>Against the released version</h3>")[2]
    drift, comparison = re.findall(r"<tbody>(<tr><th scope=.row.>.*?)</tbody>", told)
    assert re.findall(r">([^<>]+)<", drift) == ["scores", "0.125", "0.0001235", "3", "320"]
    assert re.findall(r">([^<>]+)<", comparison) == ["baseline", "1.2 ms", "candidate", "2.4 ms"]
    assert "Refused" in text


def test_signatures_are_a_table(models):
    identity = ModelIdentity(str(models("classifier")), "classifier", 2, "ab" * 32)
    text = page([samples.result(model=identity)])
    assert "<code>probabilities</code></th><td>float32</td><td>[?, 3]</td>" in text


def test_hostile_text_stays_text():
    elements = Elements(page(samples.hostile()))
    assert len(elements.having("script")) == 1
    assert elements.having("img") == elements.having("svg") == []
    assert not any("onerror" in found for _, found in elements.found)
    assert not any(name.startswith("on") for _, found in elements.found for name in found)
    words = "".join(elements.words)
    assert "<script>alert(1)</script>" in words
    assert "{{ 7 * 7 }}" in words
    assert "\\x1b[31m\\x00\\u202e" in words


@given(st.text())
def test_no_text_makes_an_element(text):
    plain = page([samples.result(message="m", text="m", signature="s")])
    told = page([samples.result(message="m", text=text, signature=f"s{text}")])
    assert [tag for tag, _ in Elements(told).found] == [tag for tag, _ in Elements(plain).found]


@pytest.mark.parametrize(
    "svg",
    [
        "<svg><script>alert(1)</script></svg>",
        '<svg onload="alert(1)"></svg>',
        '<svg><a href="https://example.org"></a></svg>',
        '<svg><image href="https://example.org/a.png"/></svg>',
        '<svg style="background:url(https://example.org)"></svg>',
        "<svg",
    ],
)
def test_a_figure_that_could_act_is_left_out(svg):
    details = {"budgets": [{**samples.budget(), "svg": svg}]}
    assert Elements(page([samples.latency(details=details)])).having("svg") == []


def test_the_page_is_self_contained():
    elements = Elements(page(samples.run()))
    addresses = [found[key] for _, found in elements.found for key in ("href", "src", "action") if key in found]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    [policy] = elements.having("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; style-src 'sha256-")


def test_twenty_models_fit_in_half_a_megabyte():
    results = []
    for number in range(20):
        model = ModelIdentity(f"models/m{number}", f"m{number}", 1, "ab" * 32)
        for signature in ("serving_default", "logits"):
            passed = [samples.result(f"check_{i}", model=model, signature=signature, examples=100) for i in range(10)]
            results += [*passed, replace(samples.picture(), model=model, signature=signature)]
        results.append(samples.latency(model=model))
    text = page(results)
    assert len(text.encode()) < 500_000
    assert 10 <= text.count("<img ") < 40


def test_a_gigantic_failure_is_cut():
    text = page([samples.failure(falsifying={"x": "9" * 10**6}, reproduce={"python": "8" * 10**6})])
    assert len(text) < 60_000
    assert "(996,000 more characters)" in text


def test_every_id_is_there_once():
    ids = [found["id"] for _, found in Elements(page([*samples.run(), *samples.hostile()])).found if "id" in found]
    assert len(ids) == len(set(ids))
