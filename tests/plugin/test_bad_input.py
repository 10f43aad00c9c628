"""Bad input: one sentence that says what is wrong, where, and what to do; never a traceback, never a hang."""

from __future__ import annotations

import socket

import pytest


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
    fails_with(suite.run(), '*the model has no signature "serving_defualt"; did you mean "serving_default"?*')


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
    fails_with(suite.run("-k", "loads", server="embeded"), "*'embeded' is no server: write auto, container*")
