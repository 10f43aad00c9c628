"""What `tfsig diff` writes, and its exit codes."""

from __future__ import annotations

import json
from datetime import date

import pytest

from pytest_tfsig.cli import main
from pytest_tfsig.contract.compatibility import Finding, Ignore, Level, Sifted
from pytest_tfsig.reports.compatibility import Diff, Version, as_github, as_json, as_text, compare

OLD, NEW = Version("old", "digits", 1, "a", {}), Version("new", "digits", 2, "b", {})
RENAMED = Finding("output-renamed", Level.ERROR, "s", "output", "y", ("grpc",), 'the output "y" is called "z" now.')
LOSSY = Finding("input-dtype-lossy", Level.WARN, "s", "input", "x", ("rest_row", "rest_columnar"), "x: 100% read.")
ADDED = Finding("signature-added", Level.INFO, "t", "signature", "", ("grpc",), "new,\nvery new.")


def diff(*kept, ignored=(), notes=()):
    return Diff(OLD, NEW, Sifted(kept, ignored, notes))


def test_the_text_says_what_breaks_for_whom():
    assert as_text(diff(RENAMED, LOSSY)).splitlines() == [
        "digits/1 -> digits/2",
        '  ERROR  output-renamed  s, output "y": breaks gRPC',
        '         the output "y" is called "z" now.',
        '  WARN   input-dtype-lossy  s, input "x": may surprise REST rows, REST columns',
        "         x: 100% read.",
        "breaks: 1 ERROR, 1 WARN.",
    ]


def test_the_text_names_what_was_ignored_and_why():
    entry = Ignore("output-renamed", date(2030, 1, 1), reason="agreed with search")
    text = as_text(diff(ignored=((RENAMED, entry),), notes=("remove it.",)))
    assert 'ignored until 2030-01-01  output-renamed  s, output "y": agreed with search' in text
    assert "note: remove it." in text
    assert text.endswith("breaks nobody: nothing left, 1 ignored.")


def test_nothing_changed():
    assert as_text(diff()).endswith("nothing changed for callers.")
    assert as_text(Diff(OLD, OLD, Sifted(()))).endswith("both are the same SavedModel.")


def test_json_has_every_field():
    document = json.loads(as_json(diff(RENAMED, ignored=((LOSSY, Ignore("input-dtype-lossy", date(2030, 1, 1))),))))
    assert document["breaks"] is True
    assert document["old"] == {"path": "old", "name": "digits", "version": 1, "sha256": "a"}
    assert document["findings"] == [
        {
            "rule": "output-renamed",
            "level": "ERROR",
            "signature": "s",
            "part": "output",
            "name": "y",
            "wires": ["grpc"],
            "message": 'the output "y" is called "z" now.',
        }
    ]
    assert document["ignored"][0]["until"] == "2030-01-01"


def test_annotations_are_escaped_as_github_wants_them():
    assert as_github(diff(RENAMED, LOSSY, ADDED, notes=("a note",))).splitlines() == [
        '::error title=digits/2%3A output-renamed::s, output "y": the output "y" is called "z" now. It breaks gRPC.',
        (
            "::warning title=digits/2%3A input-dtype-lossy::"
            's, input "x": x: 100%25 read. It may surprise REST rows, REST columns.'
        ),
        "::notice title=digits/2%3A signature-added::t: new,%0Avery new. It concerns gRPC.",
        "::warning title=digits/2%3A ignore list::a note",
        "breaks: 1 ERROR, 1 WARN, 1 INFO.",
    ]


@pytest.mark.parametrize(
    ("versions", "code", "printed"),
    [
        (("classifier/1", "classifier/2"), 0, "nothing changed for callers."),
        (("classifier", "classifier"), 0, "both are the same SavedModel."),
        (("classifier", "classifier_renamed"), 1, "ERROR  output-renamed"),
        (("two_heads", "classifier"), 1, "ERROR  signature-removed  logits"),
        (("classifier", "two_heads"), 0, "INFO   signature-added  logits"),
        (("keras_archive", "keras_saved_wrongly"), 1, "ERROR  variables-not-restored  serving_default: breaks gRPC"),
        (("keras_saved_wrongly", "keras_archive"), 0, "nothing changed for callers."),
        (("keras_saved_wrongly", "keras_in_a_module"), 0, "nothing changed for callers."),
        (("keras_archive", "keras_tracked"), 0, "nothing changed for callers."),
    ],
)
def test_exit_codes(models, capsys, versions, code, printed):
    paths = [str(models(path.partition("/")[0]) / path.partition("/")[2]) for path in versions]
    assert main(["diff", *paths]) == code
    assert printed in capsys.readouterr().out


def test_an_ignored_break_breaks_nobody(models, tmp_path, capsys):
    accepted = tmp_path / "accepted.toml"
    accepted.write_text('[[ignore]]\nrule = "output-renamed"\nuntil = 9999-12-31\n')
    paths = [str(models("classifier")), str(models("classifier_renamed"))]
    assert main(["diff", *paths, f"--ignore={accepted}"]) == 0
    assert "1 ignored" in capsys.readouterr().out


def test_an_entry_counts_up_to_its_last_day(models):
    paths = [str(models("classifier")), str(models("classifier_renamed"))]
    entry = Ignore("output-renamed", date(2026, 5, 1))
    assert not compare(*paths, [entry], date(2026, 5, 1)).breaks
    assert compare(*paths, [entry], date(2026, 5, 2)).breaks


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("classifier", "text", "two models, not two versions"),
        ("classifier", "nowhere", "no such directory"),
        ("nowhere", "classifier", "no such directory"),
    ],
)
def test_what_cannot_be_judged_says_so(models, capsys, old, new, message):
    paths = [name if name == "nowhere" else str(models(name)) for name in (old, new)]
    assert main(["diff", *paths]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert not captured.out
