"""The ignore list: what it accepts, until when, and how it is read."""

from __future__ import annotations

from datetime import date

import pytest

from pytest_tfsig.contract.compatibility import Finding, Ignore, Level, load_ignores, sift
from pytest_tfsig.errors import ContractError

TODAY = date(2026, 3, 1)
RENAMED = Finding("output-renamed", Level.ERROR, "serving_default", "output", "y", ("grpc",), "renamed.")
ADDED = Finding("output-added", Level.INFO, "serving_default", "output", "z", ("grpc",), "added.")


@pytest.mark.parametrize(
    ("entry", "accepts"),
    [
        (Ignore("output-renamed", TODAY), True),
        (Ignore("output-renamed", date(2026, 2, 28)), False),
        (Ignore("output-renamed", date(2027, 1, 1), signature="serving_default", name="y"), True),
        (Ignore("output-renamed", date(2027, 1, 1), signature="other"), False),
        (Ignore("output-renamed", date(2027, 1, 1), name="x"), False),
        (Ignore("output-removed", date(2027, 1, 1)), False),
    ],
)
def test_an_entry_accepts_its_findings_until_its_day(entry, accepts):
    sifted = sift([RENAMED, ADDED], [entry], TODAY)
    assert sifted.kept == ((ADDED,) if accepts else (RENAMED, ADDED))
    assert [finding for finding, _ in sifted.ignored] == ([RENAMED] if accepts else [])


def test_entries_that_ran_out_or_match_nothing_are_named():
    past, unused = Ignore("output-renamed", date(2026, 1, 1)), Ignore("input-added", date(2027, 1, 1), name="q")
    expired, useless = sift([RENAMED], [past, unused], TODAY).notes
    assert "output-renamed ran out on 2026-01-01" in expired
    assert 'input-added ("q") matches nothing' in useless


def test_an_entry_that_was_renewed_counts():
    entries = [Ignore("output-renamed", date(2026, 1, 1)), Ignore("output-renamed", date(2027, 1, 1))]
    assert sift([RENAMED], entries, TODAY).kept == ()


def test_a_list_is_read(tmp_path):
    file = tmp_path / "accepted.toml"
    file.write_text('[[ignore]]\nrule = "output-renamed"\nuntil = 2026-03-01\nname = "y"\nreason = "agreed"\n')
    assert load_ignores(file) == (Ignore("output-renamed", TODAY, name="y", reason="agreed"),)


def test_an_empty_list_accepts_nothing(tmp_path):
    file = tmp_path / "accepted.toml"
    file.write_text("")
    assert load_ignores(file) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[ignore]\n", "not TOML"),
        ("ignored = []\n", "ignored: unknown key"),
        ("ignore = 3\n", "ignore: not a list of tables"),
        (
            '[[ignore]]\nrule = "output-renamd"\nuntil = 2026-01-01\n',
            r'ignore\[0\]\.rule.*did you mean "output-renamed"',
        ),
        ("[[ignore]]\nuntil = 2026-01-01\n", r'ignore\[0\]\.rule: the key "rule" is missing'),
        ('[[ignore]]\nrule = "output-added"\n', r'ignore\[0\]\.until: the key "until" is missing'),
        ('[[ignore]]\nrule = "output-added"\nuntil = "soon"\n', "'soon' is not a date"),
        ('[[ignore]]\nrule = "output-added"\nuntil = 2026-01-01T00:00:00Z\n', "is not a date"),
        ('[[ignore]]\nrule = "output-added"\nuntill = 2026-01-01\n', 'untill: unknown key; did you mean "until"'),
        ('[[ignore]]\nrule = "output-added"\nuntil = 2026-01-01\nname = 3\n', r"ignore\[0\]\.name: 3 is not text"),
    ],
)
def test_a_malformed_list_is_named_with_its_key(tmp_path, text, message):
    file = tmp_path / "accepted.toml"
    file.write_text(text)
    with pytest.raises(ContractError, match=message) as caught:
        load_ignores(file)
    assert str(caught.value).startswith(str(file))


def test_a_missing_list_is_an_error(tmp_path):
    with pytest.raises(ContractError, match="cannot be read"):
        load_ignores(tmp_path / "none.toml")
