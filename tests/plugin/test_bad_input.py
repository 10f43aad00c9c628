"""Bad input: one sentence that says what is wrong, where, and what to do; never a traceback, never a hang."""

from __future__ import annotations

import os
import socket
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from pytest_tfsig import protos
from tests.plugin.conftest import CONTRACT

pytestmark = pytest.mark.slow


def fails_with(result, *lines):
    assert result.ret != 0
    result.stdout.fnmatch_lines(list(lines))
    for output in (result.stdout, result.stderr):
        output.no_fnmatch_line("*Traceback*")
        output.no_fnmatch_line("*INTERNALERROR*")


def test_no_such_path(suite):
    suite.write("", "models/nowhere")
    fails_with(suite.run(), "*models/nowhere: no such directory;*")


def test_a_base_path_without_versions(suite, pytester):
    pytester.mkdir("empty")
    suite.write("", "empty")
    fails_with(suite.run(), "*empty: *version*")


@pytest.mark.parametrize("content", [b"", b"\x08\x01\x12\xff\xff\xff\xff\x0f", b"GIF89a"])
def test_a_damaged_saved_model(suite, pytester, content):
    pytester.mkdir("damaged")
    (pytester.path / "damaged" / "saved_model.pb").write_bytes(content)
    suite.write("", "damaged")
    fails_with(suite.run(), "*damaged/saved_model.pb: *")


def test_no_model_at_all(suite):
    suite.write("")
    fails_with(
        suite.run(), "*has no model to judge: mark it with @pytest.mark.tfsig_model(path), or pass --tfsig-model*"
    )


def test_an_unknown_signature(suite, models):
    suite.write(
        """
@pytest.mark.tfsig_contract("serving_defualt", outputs={"probabilities": Probabilities()})
def test_contract(tfsig_check):
    tfsig_check()
""",
        models("classifier"),
        contract=False,
    )
    line = '*the model has no signature "serving_defualt"; did you mean "serving_default"?*'
    fails_with(suite.run(), line)
    fails_with(suite.run("-x"), "*-loads?*", line)  # also where the first item is the only one


def test_a_misspelled_marker_of_ours_judges_nothing_by_halves(suite, models):
    body = CONTRACT.replace("tfsig_contract", "tfsig_contarct")
    suite.write(body, models("classifier"), contract=False)
    fails_with(
        suite.run(strict=False), "*test_contract: there is no marker 'tfsig_contarct'; did you mean \"tfsig_contract\"?"
    )


def test_a_registered_marker_is_the_user_s_own(suite, pytester, models):
    pytester.makeini("[pytest]\nmarkers =\n  tfsig_nightly: ours")
    suite.write("pytestmark = [pytestmark, pytest.mark.tfsig_nightly]\n", models("classifier"))
    assert suite.run("--collect-only", "-q").ret == 0


@pytest.mark.parametrize("stated", ["only='signature'", "only={'signature'}"])
def test_one_check_needs_no_list(suite, models, stated):
    suite.write(f"test_contract = pytest.mark.tfsig_checks({stated})(test_contract)\n", models("classifier"))
    suite.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('inputs={"x": Tensor("flaot32")}', '*"flaot32" is not a dtype of TensorFlow; did you mean "float32"?*'),
        ('dims={"batch": (8, 2)}', "*dims.batch: *empty*"),
        ('latency={"p99": "20"}', "*p99*20*unit*"),
        ('checks={"finte": False}', "*there is no check 'finte'; did you mean 'finite'?*"),
        ('checks={"finite": {"rtol": 1}}', "*checks.finite has no options; 'rtol' was given*"),
        ('checks={"deterministic": {"rtol": "x"}}', "*checks.deterministic.rtol = 'x' is not of the type*"),
        ("shapes={}", "*tfsig_contract has no argument 'shapes'; it has inputs, *"),
    ],
)
def test_a_malformed_marker(suite, models, body, line):
    suite.write(
        f"""
@pytest.mark.tfsig_contract({body})
def test_contract(tfsig_check):
    tfsig_check()
"""
        if "Tensor(" not in body
        else f"""
def contract():
    return pytest.mark.tfsig_contract({body})

@contract()
def test_contract(tfsig_check):
    tfsig_check()
""",
        models("classifier"),
        contract=False,
    )
    result = suite.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines([line])


@pytest.mark.parametrize(
    ("marker", "line"),
    [
        ("tfsig_checks(skip=None)", "*tfsig_checks takes lists of check names, such as skip=[[]'latency'], not None*"),
        ("tfsig_checks(only=[3])", "*tfsig_checks takes lists of check names, such as skip=[[]'latency'], not [[]3]*"),
        ("tfsig_checks(['outputs'])", "*tfsig_checks takes only=[[]...] and skip=[[]...], lists of check names*"),
        ("tfsig_checks(only=['outptus'])", "*there is no check 'outptus'; did you mean 'outputs'?*"),
        ("tfsig_model('models/digits', name=3)", "*tfsig_model takes one path and, if wanted, name=...*"),
        ("tfsig_contract(relations=Argmax('a', 'b'))", "*relations: Argmax(* is no list; write *"),
    ],
)
def test_a_marker_of_another_form(suite, models, marker, line):
    test = "def test_contract(tfsig_check):\n    tfsig_check()\n"
    suite.write(f"@pytest.mark.{marker}\n{test}", models("classifier"), contract=False)
    result = suite.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([line])
    assert "Traceback" not in result.stdout.str()
    assert "targets.py" not in result.stdout.str()


def test_a_malformed_contract_file(suite, pytester):
    pytester.makefile(
        ".tfsig.toml",
        classifier="[signatures.serving_default.outputs.probabilities]\ndtyp = 'float32'\n",
    )
    fails_with(suite.run(), '*classifier.tfsig.toml: signatures.serving_default.outputs.probabilities.dtyp: *"dtype"*')


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--tfsig-max-examples=0", "*--tfsig-max-examples 0: a number above 0 is wanted, such as 100"),
        ("--tfsig-inconclusive=maybe", "*--tfsig-inconclusive maybe: write fail, pass or skip"),
    ],
)
def test_a_malformed_option(suite, models, option, line):
    suite.write("", models("classifier"))
    result = suite.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([line])


def test_a_demanded_server_that_is_not_there(suite, models):
    suite.write("", models("classifier"))
    fails_with(suite.run("-k", "loads", server="binary"), "*tensorflow_model_server*PATH*")


def test_a_demanded_remote_that_does_not_answer(suite):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    suite.write("", "classifier")
    fails_with(suite.run("-k", "loads", server=f"127.0.0.1:{port}"), f"*127.0.0.1:{port}*")


def test_a_word_that_is_no_server(suite, models):
    suite.write("", models("classifier"))
    result = suite.run("-k", "loads", server="embeded")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'embeded' is no server: write auto, container*"])


@pytest.mark.parametrize("option", ["--tfsig-max-examples=0", "--tfsig-inconclusive=maybe", "--tfsig-server=embeded"])
def test_a_malformed_option_stops_an_audit_too(pytester, models, option):
    result = pytester.runpytest_subprocess("--tfsig-audit", str(models("classifier")), option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Error: " not in result.stdout.str()
    result.stderr.fnmatch_lines([f"ERROR: {option.replace('=', ' ')}: *"])


def test_a_server_that_cannot_start_is_tried_once(suite, pytester, models, monkeypatch):
    counter = pytester.makefile("", tensorflow_model_server="#!/bin/sh\necho start >> ${0%/*}/starts\nexit 1\n")
    counter.chmod(0o755)
    path = f"{counter.parent}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    suite.write("", models("classifier"))
    suite.run("-k", "loads or outputs or finite", server="binary").assert_outcomes(failed=3)
    assert (pytester.path / "starts").read_text().count("start") == 3  # of one start: ports may be taken meanwhile


def test_a_model_without_signatures(suite, pytester, models):
    base = pytester.mkdir("silent")
    (base / "1").mkdir()
    model = protos.SavedModel.FromString((models("classifier") / "1" / "saved_model.pb").read_bytes())
    model.meta_graphs[0].signature_def.clear()
    (base / "1" / "saved_model.pb").write_bytes(model.SerializeToString())
    result = pytester.runpytest_subprocess("--tfsig-audit", "silent")
    result.stdout.fnmatch_lines(["*silent: the SavedModel has no signatures*model.export*"])
    suite.write("def test_served(served_model): assert served_model.status()", "silent", contract=False)
    suite.run("test_model.py").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("name", "advice"), [("m.tflite", "a TFLite model cannot be turned back"), ("m.keras", "load it with Keras")]
)
def test_a_file_of_another_format_is_no_model_to_audit(pytester, name, advice):
    (pytester.path / name).write_bytes(b"\x1c\x00\x00\x00TFL3")
    result = pytester.runpytest_subprocess(f"--tfsig-audit={name}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --tfsig-audit {name}: *{name}: a file, but *; {advice}*"])


HOSTILE = r"""
@check("hostile")
def hostile(subject, observation):
    raise AssertionError("\x1b]0;owned\x07\x1b[2J<script>alert(1)</script>\u202e::error::x\nnext ]]> \x00")
"""


def test_hostile_words_of_a_model_act_nowhere(suite, models, pytester, monkeypatch):
    summary = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    suite.write(HOSTILE, models("classifier"))
    result = suite.run("-k", "hostile", "--tfsig-report=report", "--junit-xml=junit.xml", "-v", "--color=no")
    result.assert_outcomes(failed=1)
    page = (pytester.path / "report" / "report.html").read_text()
    junit = (pytester.path / "junit.xml").read_text()
    quality = (pytester.path / "report" / "gl-code-quality.json").read_text()
    for text in (result.stdout.str(), page, junit, summary.read_text(), quality):
        assert "owned" in text
        assert not {"\x1b", "\x07", "\x00", "\u202e"} & set(text)
    assert page.count("<script") == 1
    ET.fromstring(junit)  # noqa: S314 - written by the run above
    assert [line for line in result.outlines if line.startswith("::")] == [
        line for line in result.outlines if line.startswith("::error file=test_model.py,")
    ]


def test_a_gigantic_input_is_cut_and_kept_in_a_file(suite, models, pytester):
    suite.write(
        """
import numpy as np


@check("huge")
def huge(subject, observation):
    raise Violation("too large to print", expected="x" * 10**6)

@pytest.mark.tfsig_contract(dims={"batch": (200, 300)})
def test_large(tfsig_check):
    tfsig_check()
""",
        models("classifier"),
        contract=False,
    )
    result = suite.run("-k", "default-huge", "--tfsig-report=report")
    result.assert_outcomes(failed=1)
    [entry] = suite.report()["results"]
    assert np.load(entry["reproduce"]["npz"])["x"].shape[0] >= 200
    assert entry["inputs"]["x"]["values"] is None
    result.stdout.fnmatch_lines(["*inputs saved in *.npz"])
    assert (pytester.path / "report" / "report.html").stat().st_size < 100_000
