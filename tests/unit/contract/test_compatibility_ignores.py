"""The ignore list: what it accepts, until when, and how it is read."""

from __future__ import annotations

from datetime import date

import pytest

from pytest_tfsig.contract.compatibility import Finding, Ignore, Level, load_ignores, sift
from pytest_tfsig.errors import ContractError

TODAY = date(2026, 3, 1)
LAST_DAY = "write the last day on which this is accepted: until = 2030-12-31."
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


def test_what_is_to_be_done_about_an_entry_is_said_in_full():
    entries = [
        Ignore("output-renamed", date(2026, 2, 28)),
        Ignore("input-added", TODAY),
        Ignore("input-added", TODAY, signature="s"),
        Ignore("input-added", TODAY, name="q"),
        Ignore("input-added", TODAY, "s", "q"),
        Ignore("input-added", TODAY, "s", "q"),
    ]
    assert sift([RENAMED], entries, TODAY).notes == (
        "the ignore list's output-renamed ran out on 2026-02-28: it counts again.",
        "the ignore list's input-added matches nothing: remove it.",
        "the ignore list's input-added (s) matches nothing: remove it.",
        'the ignore list\'s input-added ("q") matches nothing: remove it.',
        'the ignore list\'s input-added (s "q") matches nothing: remove it.',
    )


def test_the_first_entry_that_is_valid_accepts():
    past, first, second = (Ignore("output-renamed", date(year, 1, 1)) for year in (2025, 2027, 2028))
    sifted = sift([RENAMED, ADDED], [past, first, second], TODAY)
    assert sifted.ignored == ((RENAMED, first),)
    assert sifted.notes == ("the ignore list's output-renamed ran out on 2025-01-01: it counts again.",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ignored = []", 'ignored: unknown key; write [[ignore]] with rule = "output-renamed" and until = 2030-12-31.'),
        (
            "ignore = 3",
            'ignore: not a list of tables; write [[ignore]] with rule = "output-renamed" and until = 2030-12-31.',
        ),
        (
            "ignore = [3]",
            'ignore: not a list of tables; write [[ignore]] with rule = "output-renamed" and until = 2030-12-31.',
        ),
        ("[[ignore]]\nrule = 3", "ignore[0].rule: 3 is not text."),
        ("[[ignore]]\nsignature = 3", "ignore[0].signature: 3 is not text."),
        ("[[ignore]]\nreason = 3", "ignore[0].reason: 3 is not text."),
        ("[[ignore]]\nreasons = ''", 'ignore[0].reasons: unknown key; did you mean "reason"?'),
        (
            "[[ignore]]\nrule = 'output-remove'",
            'ignore[0].rule: "output-remove" is no rule; did you mean "output-removed"?',
        ),
        (
            "[[ignore]]\nrule = 'output-removed'",
            f'ignore[0].until: the key "until" is missing; {LAST_DAY}',
        ),
        (
            "[[ignore]]\nrule = 'output-removed'\nuntil = 'soon'",
            f"ignore[0].until: 'soon' is not a date; {LAST_DAY}",
        ),
    ],
)
def test_a_malformed_list_says_where_what_and_what_to_write(tmp_path, text, message):
    file = tmp_path / "accepted.toml"
    file.write_text(text)
    with pytest.raises(ContractError) as raised:
        load_ignores(file)
    assert str(raised.value) == f"{file}: {message}"


def test_a_list_is_read_with_every_key_as_utf_8(tmp_path):
    file = tmp_path / "accepted.toml"
    file.write_bytes('[[ignore]]\nrule = "input-added"\nuntil = 2026-03-01\nsignature = "ü"\n'.encode() * 2)
    assert load_ignores(str(file)) == (Ignore("input-added", TODAY, signature="ü"),) * 2
    file.write_bytes(b'reason = "\xff"')
    with pytest.raises(ContractError, match="not TOML: "):
        load_ignores(file)


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
        ("x = " + "1" * 5000, "not TOML"),
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
