"""The blessing: what it is bound to, and when `tfsig verify-blessing` refuses."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_tfsig.cli import main
from pytest_tfsig.reports import ModelIdentity, Result, blessing
from pytest_tfsig.savedmodel import digest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model(models):
    return models("classifier") / "1"


@pytest.fixture
def contract(tmp_path):
    file = tmp_path / "contracts" / "search.tfsig.toml"
    file.parent.mkdir()
    file.write_text("[signatures.serving_default]\n")
    return file


@pytest.fixture
def verdict(tmp_path, model, contract):
    return bless(tmp_path / "report", model, contract)


def bless(folder, model, contract, outcome="pass"):
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text("{}")
    identity = ModelIdentity(str(model), "classifier", 1, digest(model))
    result = Result(
        identity, "serving_default", "outputs", outcome, seed=7, contract_file=str(contract),
        contract_sha256=blessing._sha256(contract),
    )  # fmt: skip
    report = {
        "verdict": outcome,
        "server": {"kind": "container", "identity": "tensorflow/serving@sha256:abc"},
        "environment": {"created": "now", "python": "3.12.1", "packages": {"tensorflow": "2.20.0"}},
        "models": [identity.as_dict()],
    }
    return blessing.write(folder, report, [result])


def test_a_verdict_says_what_it_is_bound_to(verdict, model):
    document = json.loads(verdict.read_text())
    assert document["models"] == [{"name": "classifier", "version": 1, "sha256": digest(model)}]
    assert document["contracts"][0]["file"] == "../contracts/search.tfsig.toml"
    assert document["seeds"] == {"classifier/1 serving_default": 7}
    assert document["checks"] == {"classifier/1 serving_default": ["outputs: pass"]}
    assert document["versions"] == {"python": "3.12.1", "tensorflow": "2.20.0"}
    assert document["server"]["identity"] == "tensorflow/serving@sha256:abc"


def test_the_blessed_model_passes(verdict, model, contract, capsys):
    expected = ["--expect=server.identity=tensorflow/serving@sha256:abc", "--expect=versions.tensorflow=2.20.0"]
    assert main(["verify-blessing", str(verdict), str(model), f"--contract={contract}", *expected]) == 0
    assert capsys.readouterr().out == "blessed: classifier/1\n"


def test_a_copy_of_the_model_elsewhere_is_the_same_model(verdict, model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "copy")
    assert blessing.verify(str(verdict), str(copy)).refusals == ()


def another_model(_):
    return "2"


def changed_contract(release):
    release.contract.write_text("# laxer\n")


def missing_contract(release):
    release.contract.unlink()


def changed_report(release):
    release.verdict.with_name("report.json").write_text("{} ")


def changed_seed(release):
    document = json.loads(release.verdict.read_text())
    document["seeds"] = {}
    release.verdict.write_text(json.dumps(document))


def failed(release):
    bless(release.verdict.parent, release.base / "1", release.contract, "fail")


class Release(NamedTuple):
    verdict: Path
    base: Path
    contract: Path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (another_model, "it is for another model: classifier/1 ("),
        (changed_contract, "search.tfsig.toml has changed since"),
        (missing_contract, "search.tfsig.toml is not there"),
        (changed_report, "report.json is not the report that it was written with"),
        (changed_seed, "was changed after it was written"),
        (failed, "the verdict is fail, not pass"),
    ],
)
def test_what_differs_is_refused(verdict, model, contract, change, message):
    version = change(Release(verdict, model.parent, contract)) or "1"
    found = blessing.verify(str(verdict), str(model.parent / version))
    assert len(found.refusals) == 1
    assert message in found.refusals[0]


def test_a_refusal_has_an_exit_code_of_its_own(verdict, model, capsys):
    assert main(["verify-blessing", str(verdict), str(model.parent / "2")]) == 1
    assert capsys.readouterr().out.startswith("refused: it is for another model")


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ("versions.tensorflow=2.21.0", "versions.tensorflow was 2.20.0, not 2.21.0."),
        ("server.identity=other", "server.identity was tensorflow/serving@sha256:abc, not other."),
        ("versions.nothing=1", "versions.nothing was not recorded, not 1."),
    ],
)
def test_what_is_expected_otherwise_is_refused(verdict, model, capsys, expected, message):
    assert main(["verify-blessing", str(verdict), str(model), f"--expect={expected}"]) == 1
    assert message in capsys.readouterr().out


def test_all_contracts_must_have_been_judged(verdict, model, contract, tmp_path, capsys):
    other = tmp_path / "ads.tfsig.toml"
    other.write_text("[signatures.ads]\n")
    assert main(["verify-blessing", str(verdict), str(model), f"--contract={contract}", f"--contract={other}"]) == 1
    assert "ads.tfsig.toml is not one that was judged." in capsys.readouterr().out
    assert main(["verify-blessing", str(verdict), str(model), f"--contract={other}"]) == 1
    assert "search.tfsig.toml was judged and is not among those given." in capsys.readouterr().out


def test_a_contract_without_a_digest_is_never_blessed(verdict, model):
    document = json.loads(verdict.read_text())
    document["contracts"] = [{"file": "gone.tfsig.toml", "sha256": ""}]
    del document["seal"]
    verdict.write_text(json.dumps({**document, "seal": blessing._seal(document)}))
    assert len(blessing.verify(str(verdict), str(model)).refusals) == 1
    assert len(blessing.verify(str(verdict), str(model), ["gone.tfsig.toml"]).refusals) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the verdict cannot be read"),
        ("{", "not JSON"),
        ("[]", "no verdict.json"),
        ("{}", "no verdict.json"),
        (json.dumps(dict.fromkeys(blessing._KEYS, 9)), "a verdict of version 9"),
    ],
)
def test_what_is_no_verdict_cannot_be_judged(tmp_path, model, capsys, content, message):
    file = tmp_path / "verdict.json"
    if content is not None:
        file.write_text(content)
    assert main(["verify-blessing", str(file), str(model)]) == 2
    assert message in capsys.readouterr().err


def test_malformed_expectations_and_missing_models_cannot_be_judged(verdict, model, capsys):
    assert main(["verify-blessing", str(verdict), str(model), "--expect=tensorflow"]) == 2
    assert "write KEY=VALUE" in capsys.readouterr().err
    assert main(["verify-blessing", str(verdict), "nowhere"]) == 2
    assert "no such directory" in capsys.readouterr().err
