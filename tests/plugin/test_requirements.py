"""What is not supported is said in one sentence, when pytest starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

OLD_PROTOBUF = """
from importlib import metadata

real = metadata.version
metadata.version = lambda name: "3.20.3" if name == "protobuf" else real(name)
"""
WINDOWS = """
import sys

sys.platform = "win32"
"""


@pytest.mark.parametrize(
    ("conftest", "sentence"),
    [
        (OLD_PROTOBUF, "ERROR: pytest-tfsig needs protobuf>=*, and 3.20.3 is installed: pip install *"),
        (WINDOWS, "ERROR: pytest-tfsig runs on Linux and macOS, not on win32: *"),
    ],
)
def test_an_environment_that_lacks_what_ours_needs(suite, pytester, conftest, sentence):
    pytester.makeconftest(conftest)
    suite.write("", marker="model")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([sentence])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_tests_that_are_none_of_ours_run_all_the_same(pytester):
    pytester.makeconftest(OLD_PROTOBUF)
    pytester.makepyfile("def test_other(): pass")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_an_older_pytest(tmp_path):
    code = "import pytest; pytest.__version__ = '7.4.4'; raise SystemExit(pytest.main(['--version', '--version']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr == (
        'ERROR: pytest-tfsig needs pytest>=8, and 7.4.4 is installed: pip install "pytest>=8", or leave the plugin out '
        "with -p no:tfsig.\n\n"
    )


def test_tensorflow_that_the_embedded_server_was_never_tried_with(suite, pytester, models):
    pytester.makeconftest(OLD_PROTOBUF.replace("protobuf", "tensorflow").replace("3.20.3", "2.15.1"))
    suite.write("", marker=models("classifier"))
    result = suite.run()
    refused = "The embedded server cannot be started: it works with TensorFlow 2.16 to 2.21, and 2.15.1 is installed"
    result.stdout.fnmatch_lines([f"*{refused} *"])
    assert "Traceback" not in result.stdout.str()
