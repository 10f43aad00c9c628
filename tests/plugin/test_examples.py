"""Recorded requests, replayed by the check `examples` and rewritten with --tfsig-update."""

from __future__ import annotations

import pytest

from pytest_tfsig import recordings
from pytest_tfsig.cli import main
from pytest_tfsig.savedmodel import read

pytestmark = pytest.mark.slow

FILE = """
[signatures.serving_default.inputs.x]
dtype = "float32"
shape = ["batch", 4]
min = -2
max = 2
[signatures.serving_default.checks]
examples = { file = "recorded.tfrecord" }
"""


@pytest.fixture(scope="session")
def recorded(models, tmp_path_factory):
    """The bytes of what version 1 of the classifier answers."""
    file = tmp_path_factory.mktemp("recorded") / "file"
    assert main(["record", str(models("classifier") / "1"), str(file), "--server=embedded", "--examples=6"]) == 0
    return file.read_bytes()


@pytest.fixture
def file(pytester, recorded):
    """The recording, beside a contract that names it."""
    pytester.makefile(".tfsig.toml", classifier=FILE)
    path = pytester.path / "recorded.tfrecord"
    path.write_bytes(recorded)
    return path


def test_the_version_that_was_recorded_passes(suite, models, file):
    result = suite.run(f"--tfsig-model={models('classifier') / '1'}", "-k", "examples", "--tfsig-report=report")
    assert result.ret == 0
    [entry] = suite.report()["results"]
    assert entry["message"] == "6 recorded requests give the recorded answers"
    assert [path.name for path in file.parent.glob("recorded*")] == ["recorded.tfrecord"]


def test_another_answer_is_shown(suite, models, file):
    before = file.read_bytes()
    result = suite.run(f"--tfsig-model={models('classifier') / '2'}", "-k", "examples")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "record * is answered differently in output 'probabilities'",
            "*recorded: probabilities = float32*",
            "*now: probabilities = float32*",
            "*--tfsig-update*",
        ]
    )
    assert file.read_bytes() == before


@pytest.mark.usefixtures("file")
def test_an_update_rewrites_and_says_what_changed(suite, models):
    version = f"--tfsig-model={models('classifier') / '2'}"
    result = suite.run(version, "-k", "examples", "--tfsig-update", "--tfsig-report=report")
    assert result.ret == 0
    message = suite.report()["results"][0]["message"]
    assert "recorded.tfrecord: 6 of 6 answers rewritten: probabilities differs by 0." in message
    assert suite.run(version, "-k", "examples").ret == 0
    again = suite.run(version, "-k", "examples", "--tfsig-update", "--tfsig-report=report")
    assert again.ret == 0
    assert "nothing to rewrite, 6 answers are as recorded" in suite.report()["results"][0]["message"]


def test_workers_of_xdist_rewrite_one_file_without_losing_each_others_answers(suite, pytester, models, tmp_path):
    both = tmp_path / "both.tfrecord"
    model = models("two_heads")
    signatures = list(read(model).signatures)
    assert len(signatures) > 1
    exchanges = []
    for name in signatures:
        assert main(["record", str(model), str(both), f"--signature={name}", "--server=embedded", "--examples=5"]) == 0
        exchanges += recordings.read(both)
    (pytester.path / "recorded.tfrecord").write_bytes(b"")
    recordings.write(
        pytester.path / "recorded.tfrecord", [recordings.Exchange(one.method, one.request) for one in exchanges]
    )
    checks = "[signatures.{}.checks]\nexamples = {{ file = 'recorded.tfrecord' }}\n"
    pytester.makefile(".tfsig.toml", heads="".join(map(checks.format, signatures)))
    result = suite.run(f"--tfsig-model={model}", "-k", "examples", "--tfsig-update", f"-n{len(signatures)}")
    assert result.ret == 0
    now = recordings.read(pytester.path / "recorded.tfrecord")
    assert [one.request for one in now] == [one.request for one in exchanges]
    assert all(one.response is not None for one in now)


def test_a_refused_request_fails_and_is_never_rewritten(suite, models, file):
    before = file.read_bytes()
    result = suite.run(f"--tfsig-model={models('two_inputs')}", "-k", "examples", "--tfsig-update")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["record * of recorded.tfrecord is refused", "*INVALID_ARGUMENT*"])
    assert file.read_bytes() == before


def test_records_without_answers_must_be_answered_and_get_them(suite, models, file):
    recordings.write(file, [recordings.Exchange(one.method, one.request) for one in recordings.read(file)])
    version = f"--tfsig-model={models('classifier') / '1'}"
    assert suite.run(version, "-k", "examples").ret == 0
    assert suite.run(version, "-k", "examples", "--tfsig-update").ret == 0
    assert all(one.response is not None for one in recordings.read(file))


@pytest.mark.usefixtures("file")
def test_an_inline_contract_finds_its_file_beside_the_test(suite, models):
    suite.write(
        "@pytest.mark.tfsig_contract(checks={'examples': {'file': 'recorded.tfrecord'}})\n"
        "def test_it(tfsig_check): tfsig_check()\n",
        models("classifier") / "1",
        contract=False,
    )
    result = suite.run("test_model.py", "-k", "examples")
    result.assert_outcomes(passed=1, deselected=result.parseoutcomes()["deselected"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-3], "truncated record at"),
        (lambda data: data[:20] + b"\x00\x00" + data[22:], "corrupted record at 12: 0 intact records"),
        (lambda data: b"no TFRecords at all" + data[:0], "Is this even a TFRecord file?"),
        (lambda data: data[:0], "no recorded request is for signature 'serving_default'"),
    ],
)
def test_a_damaged_recording_is_an_error_and_stays_as_it_is(suite, models, file, damage, message):
    file.write_bytes(damage(file.read_bytes()))
    before = file.read_bytes()
    version = f"--tfsig-model={models('classifier') / '1'}"
    assert suite.run(version, "-k", "examples", "--tfsig-update").ret == 1
    result = suite.run(version, "-k", "examples")
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"error: *{message}*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert file.read_bytes() == before


def test_a_missing_recording_is_an_error(suite, models, file):
    file.unlink()
    result = suite.run(f"--tfsig-model={models('classifier') / '1'}", "-k", "examples")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["error: *recorded.tfrecord: cannot be read: No such file or directory."])


def test_recorded_inputs_are_tried_for_drift(suite, models, file):
    base = models("classifier")
    result = suite.run(
        f"--tfsig-model={base / '2'}", f"--tfsig-baseline={base / '1'}", "-k", "drift", "--tfsig-max-examples=4",
        "--tfsig-report=report",
    )  # fmt: skip
    assert result.ret == 0
    largest = suite.report()["results"][0]["details"]["outputs"]["probabilities"]["largest"]
    by_hand = max(
        float(abs(one - other).max())
        for one, other in zip(_answers(base / "1", file), _answers(base / "2", file), strict=True)
    )
    assert largest == pytest.approx(by_hand, rel=1e-5)


def _answers(model, file):
    output = file.with_name("replayed")
    assert main(["record", str(model), str(output), f"--requests={file}", "--server=embedded"]) == 0
    return [one.outputs()["probabilities"].astype(float) for one in recordings.read(output)[:4]]
