"""report.json."""

from __future__ import annotations

import json
import math
from importlib import resources

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.errors import UsageError
from pytest_tfsig.reports import ModelIdentity, files
from pytest_tfsig.reports import json as report_json
from pytest_tfsig.reports.environment import environment
from tests.unit.reports import samples

SCHEMA = json.loads((resources.files("pytest_tfsig.reports") / "report.schema.json").read_text())
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def valid(report):
    jsonschema.validators.validator_for(SCHEMA).check_schema(SCHEMA)
    jsonschema.validate(report, SCHEMA)
    return report


@pytest.mark.parametrize("results", [samples.run(), samples.hostile(), []], ids=["run", "hostile", "empty"])
def test_a_report_keeps_its_schema(results, tmp_path):
    file = report_json.write(tmp_path / "new" / "folder", report_json.document(results, samples.SERVER, environment(7)))
    report = valid(json.loads(file.read_text(encoding="utf-8")))
    assert [entry["check"] for entry in report["results"]] == [result.check for result in results]
    assert [report["models"][entry["model_index"]]["name"] for entry in report["results"]] == [
        result.model.name for result in results
    ]


@pytest.mark.parametrize("missing", SCHEMA["required"])
def test_the_schema_refuses_what_is_no_report(missing):
    report = report_json.document(samples.run(), samples.SERVER)
    del report[missing]
    with pytest.raises(jsonschema.ValidationError, match=missing):
        valid(report)


def test_a_report_says_what_the_judged_model_declares(models):
    base = models("classifier")
    identity = ModelIdentity(str(base), "classifier", 2, "ab" * 32)
    [model] = valid(report_json.document([samples.result(model=identity)], {}))["models"]
    signature = model["signatures"]["serving_default"]
    assert signature["inputs"]["x"] == {"dtype": "float32", "shape": [None, 4], "encoding": "dense", "features": None}
    assert model["tensorflow_version"]


@pytest.mark.parametrize(
    "identity",
    [
        ModelIdentity("nowhere/to/be/found", "gone", 1, "ab" * 32),
        ModelIdentity("digits", "on a remote server", None),
    ],
)
def test_a_model_that_cannot_be_read_is_reported_without_its_signatures(identity):
    [model] = valid(report_json.document([samples.result(model=identity)], {}))["models"]
    assert "signatures" not in model


def test_a_model_of_which_another_version_came_is_not_described_by_it(models):
    identity = ModelIdentity(str(models("classifier")), "classifier", 1, "ab" * 32)
    [model] = report_json.document([samples.result(model=identity)], {})["models"]
    assert "signatures" not in model


@given(VALUES)
def test_a_report_is_always_json(value):
    details = {"value": value, "infinite": math.inf, "tuple": (math.nan,)}
    report = report_json.document([samples.result(details=details)], {})
    [entry] = json.loads(json.dumps(report, allow_nan=False))["results"]
    assert entry["details"]["infinite"] is None
    assert entry["details"]["tuple"] == [None]


def test_a_report_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    files.write_whole(tmp_path, "report.json", "before")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        files.write_whole(tmp_path, "report.json", "after")
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "before"


def test_a_folder_that_cannot_be_written_is_told_beforehand(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--tfsig-report .*file.*: reports cannot be written there: "):
        files.prove_writable(tmp_path / "file" / "below")


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path):
    files.prove_writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_environment_names_what_bears_on_a_verdict():
    found = environment(None)
    assert found["seed"] is None
    assert found["packages"].keys() >= {"pytest-tfsig", "pytest", "numpy", "hypothesis"}
