"""The blessing: what it is bound to, and when `tfsig verify-blessing` refuses."""

from __future__ import annotations

import hashlib
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


def bless(
    folder,
    model,
    contract,
    outcome="pass",
    *,
    sha256=None,
    baseline="",
    identity="tensorflow/serving@sha256:abc",
    **run,
):
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text("{}")
    judged = ModelIdentity(str(model), "classifier", 1, digest(model) if sha256 is None else sha256)
    result = Result(
        judged, "serving_default", "outputs", outcome, seed=7, contract_file=str(contract),
        contract_sha256=blessing._sha256(contract), consumer="search", baseline_sha256=baseline,
    )  # fmt: skip
    report = {
        "verdict": outcome,
        "server": {"kind": "container", "identity": identity},
        "environment": {"created": "now", "python": "3.12.1", "packages": {"tensorflow": "2.20.0"}},
        "models": [judged.as_dict()],
    }
    return blessing.write(folder, report, [result], blessing.Run(**run))


def test_a_verdict_says_what_it_is_bound_to(verdict, model):
    document = json.loads(verdict.read_text())
    assert document["models"] == [{"name": "classifier", "version": 1, "sha256": digest(model)}]
    assert document["contracts"] == [
        {
            "file": "../contracts/search.tfsig.toml",
            "sha256": hashlib.sha256(b"[signatures.serving_default]\n").hexdigest(),
            "consumer": "search",
            "model": "classifier/1",
            "verdict": "pass",
            "pending": False,
        }
    ]
    assert document["seeds"] == {"classifier/1 serving_default (search)": 7}
    assert document["checks"] == {"classifier/1 serving_default (search)": ["outputs: pass"]}
    assert document["run"] == {"exit_code": 0, "left_out": []}
    assert document["versions"] == {"python": "3.12.1", "tensorflow": "2.20.0"}
    assert document["server"]["identity"] == "tensorflow/serving@sha256:abc"


def test_the_released_version_may_be_asked_for(tmp_path, model, contract, capsys):
    released = tmp_path / "released"
    shutil.copytree(model, released)
    (released / "assets.extra").mkdir()
    (released / "assets.extra" / "note").write_text("the one in production")
    arguments = ["verify-blessing", str(tmp_path / "report" / "verdict.json"), str(model), f"--baseline={released}"]
    bless(tmp_path / "report", model, contract, baseline=digest(released))
    assert main(arguments) == 0
    bless(tmp_path / "report", model, contract, baseline=digest(model))
    assert main(arguments) == 1
    bless(tmp_path / "report", model, contract)
    assert main(arguments) == 1
    there = f"{released} is {digest(released)[:12]}…."
    assert capsys.readouterr().out.splitlines() == [
        "blessed: classifier/1",
        f"refused: the model was compared with {digest(model)[:12]}…; {there}",
        f"refused: the model was compared with no released version (--tfsig-baseline); {there}",
    ]


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


def added_contract(release):
    release.contract.with_name("ads.tfsig.toml").write_text("[signatures.serving_default]\n")


def unreadable_contract(release):
    release.contract.with_name("ads.tfsig.toml").write_text("[")


def edited_verdict(release):
    release.verdict.write_text(release.verdict.read_text().replace('"verdict": "pass"', '"verdict": "PASS"', 1))


def unfinished(release):
    bless(release.verdict.parent, release.base / "1", release.contract, exit_code=2)


def partial(release):
    left_out = [f"classifier/1 serving_default: {check}" for check in ("finite", "latency", "outputs", "values")]
    bless(release.verdict.parent, release.base / "1", release.contract, left_out=left_out)


def unknown_server(release):
    bless(release.verdict.parent, release.base / "1", release.contract, identity="")


def remote(release):
    bless(release.verdict.parent, release.base / "1", release.contract, sha256="")


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
        (added_contract, "contracts/ads.tfsig.toml was not judged, and lies beside those that were."),
        (unreadable_contract, "contracts/ads.tfsig.toml was not judged, and lies beside those that were."),
        (edited_verdict, "was changed after it was written"),
        (unfinished, "something else failed in the run, or broke it off: pytest's exit code was 2."),
        (
            partial,
            "serving_default: finite, classifier/1 serving_default: latency, classifier/1 serving_default: outputs",
        ),
        (unknown_server, "what served the model is not recorded."),
        (remote, "classifier/1 was judged on a running server, which shows no files: no SavedModel is blessed."),
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


def test_a_contract_beside_the_judged_ones_for_another_model_does_not_matter(verdict, model, contract):
    contract.with_name("tumour.tfsig.toml").write_text('model = "../models/tumour"\n')
    assert blessing.verify(str(verdict), str(model)).refusals == ()


def test_what_was_left_out_of_another_models_contracts_does_not_matter(tmp_path, model, contract):
    verdict = bless(tmp_path / "report", model, contract, left_out=["other/1 serving_default: finite"])
    assert blessing.verify(str(verdict), str(model)).refusals == ()


def test_a_folder_of_contracts_must_have_been_judged_whole(verdict, model, contract, tmp_path, capsys):
    command = ["verify-blessing", str(verdict), str(model), f"--contract={contract.parent}"]
    assert main(command) == 0
    (contract.parent / "ads.tfsig.toml").write_text("pending = true\n")
    assert main(command) == 1
    assert "ads.tfsig.toml is not one that was judged." in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert main([*command[:-1], f"--contract={tmp_path / 'empty'}"]) == 2
    assert "no contract file, NAME.tfsig.toml, is in this folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        (["--server=container", "--image=tensorflow/serving@sha256:abc"], (0, "blessed: classifier/1")),
        (["--server=embedded"], (1, "server.kind was container, not embedded.")),
        (["--image=tensorflow/serving@sha256:def"], (1, "server.identity was tensorflow/serving@sha256:abc, not ")),
        (["--image=tensorflow/serving:2.20.0"], (2, "a tag can move; write IMAGE@sha256:DIGEST")),
    ],
)
def test_the_server_may_be_demanded(verdict, model, capsys, expected, answer):
    code, message = answer
    assert main(["verify-blessing", str(verdict), str(model), *expected]) == code
    captured = capsys.readouterr()
    assert message in captured.out + captured.err


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


def seal_anew(verdict, document):
    del document["seal"]
    verdict.write_text(json.dumps({**document, "seal": blessing._seal(document)}))


@pytest.mark.parametrize("key", ["models", "run", "contracts", "server", "report"])
def test_a_verdict_that_lacks_something_cannot_be_judged(verdict, model, capsys, key):
    document = json.loads(verdict.read_text())
    document[key] = 3
    seal_anew(verdict, document)
    assert main(["verify-blessing", str(verdict), str(model)]) == 2
    assert f"no verdict.json that this tfsig knows: Expected `{'array' if key[-1] == 's' else 'object'}`" in (
        capsys.readouterr().err
    )


def test_a_verdict_that_was_half_written_replaces_no_other(verdict, model, contract, monkeypatch):
    before = verdict.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space left"):
        bless(verdict.parent, model, contract, "fail")
    assert verdict.read_bytes() == before
    assert [path.name for path in verdict.parent.iterdir() if path.name.startswith(".verdict")] == []


def test_a_half_written_verdict_is_no_verdict(verdict, model, capsys):
    verdict.write_bytes(verdict.read_bytes()[:200])
    assert main(["verify-blessing", str(verdict), str(model)]) == 2
    assert "not JSON, so no verdict" in capsys.readouterr().err


def test_all_contracts_must_have_been_judged(verdict, model, contract, tmp_path, capsys):
    other = tmp_path / "ads.tfsig.toml"
    other.write_text("[signatures.ads]\n")
    assert main(["verify-blessing", str(verdict), str(model), f"--contract={contract}", f"--contract={other}"]) == 1
    assert "ads.tfsig.toml is not one that was judged." in capsys.readouterr().out
    assert main(["verify-blessing", str(verdict), str(model), f"--contract={other}"]) == 1
    assert "search.tfsig.toml was judged and is not among those given." in capsys.readouterr().out


def test_a_contract_without_a_digest_is_never_blessed(verdict, model):
    document = json.loads(verdict.read_text())
    document["contracts"] = [{"file": "gone.tfsig.toml", "sha256": "", "consumer": ""}]
    seal_anew(verdict, document)
    assert len(blessing.verify(str(verdict), str(model)).refusals) == 1
    assert len(blessing.verify(str(verdict), str(model), ["gone.tfsig.toml"]).refusals) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the verdict cannot be read"),
        ("{", "not JSON"),
        ("[]", "no verdict.json"),
        ("{}", "no verdict.json"),
        ('{"version": 9, "verdict": "pass", "seal": ""}', "a verdict of version 9"),
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
