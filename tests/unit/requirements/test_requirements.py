from __future__ import annotations

import argparse
import re
import subprocess
import sys
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytest_tfsig
from pytest_tfsig import cli, requirements
from pytest_tfsig.errors import ServerError
from pytest_tfsig.model_server import c_api
from pytest_tfsig.serving import availability

PROTOBUF = 'pytest-tfsig needs protobuf>=4.25, and 3.20.3 is installed: pip install "protobuf>=4.25".'


@pytest.fixture
def installed(monkeypatch):
    """States what is installed, beside a package of ours with fixed needs."""

    def state(**versions):
        def version(name):
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        needs = ["pytest>=8", "protobuf>=4.25", "tensorflow>=2.16; extra == 'embedded'"]
        monkeypatch.setattr(metadata, "requires", lambda _: needs)
        monkeypatch.setattr(metadata, "version", version)

    return state


def test_this_environment_has_all_it_needs():
    assert requirements.unmet() is None


@pytest.mark.parametrize(
    ("versions", "unmet"),
    [
        ({"pytest": "8.0.0", "protobuf": "4.25.0"}, None),
        ({"pytest": "8", "protobuf": "7.0.0rc1"}, None),
        ({"pytest": "8.0.0", "protobuf": "3.20.3"}, PROTOBUF),
        ({"pytest": "8.0.0", "protobuf": "4.25.0", "tensorflow": "2.4"}, None),  # an extra's is not everybody's
        ({"pytest": "8.0.0"}, None),  # whoever imports it says that it is missing
    ],
)
def test_what_is_older_than_pip_would_have_it_is_told(installed, versions, unmet):
    installed(**versions)
    assert requirements.unmet() == unmet


def test_a_source_tree_that_was_never_installed_has_no_needs_to_compare(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    assert requirements.unmet() is None


def test_windows_is_told_where_it_runs(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert requirements.unmet() == (
        "pytest-tfsig runs on Linux and macOS, not on win32: under Windows, use WSL 2, which is Linux."
    )


@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=4), st.sampled_from(["", "rc1", ".post2", "-dev20250101", "+cpu"])
)
def test_a_release_is_the_numbers_that_a_version_starts_with(numbers, rest):
    assert requirements.release(".".join(map(str, numbers)) + rest) == tuple(numbers)


@pytest.mark.parametrize("version", ["2.16.0", "2.16.2", "2.19.1", "2.21.0", "2.21.9", "2.21.0-rc1"])
def test_tensorflow_that_was_tried_is_taken(version):
    assert requirements.why_not_tensorflow(version) is None


@pytest.mark.parametrize("version", ["1.15.5", "2.15.1", "2.22.0", "3.0.0"])
@pytest.mark.parametrize("distribution", ["tensorflow", "tensorflow-cpu"])
def test_tensorflow_that_was_not_is_refused_before_it_is_loaded(installed, version, distribution):
    installed(**{distribution: version})
    reason = f'it works with TensorFlow 2.16 to 2.21, and {version} is installed (pip install "tensorflow>=2.16,<2.22")'
    assert availability.why_no_embedded() == reason
    c_api._load.cache_clear()
    with pytest.raises(ServerError, match=f"^The embedded server cannot be started: {re.escape(reason)}.$"):
        c_api.load()


def test_a_library_that_is_none_of_those_is_refused_by_its_own_word(monkeypatch):
    monkeypatch.setattr(c_api, "_bind", lambda *_: c_api.Api(None, None, "2.22.0-dev"))
    monkeypatch.setattr(c_api, "_find_devices", lambda _: None)
    monkeypatch.setattr(c_api, "_open", lambda _: {})
    c_api._load.cache_clear()
    with pytest.raises(ServerError, match=r"TensorFlow 2\.16 to 2\.21, and 2\.22\.0-dev is installed"):
        c_api.load()


def broken(*_):
    raise AttributeError("module 'google.protobuf.message_factory' has no attribute 'GetMessageClass'")


def a_parser():
    parser = argparse.ArgumentParser()
    parser.set_defaults(run=broken)
    return parser


def test_a_command_that_fails_for_want_of_it_says_so(installed, monkeypatch, capsys):
    installed(protobuf="3.20.3")
    monkeypatch.setattr(cli, "_parser", a_parser)
    assert cli.main([]) == 2
    assert capsys.readouterr().err == f"tfsig: {PROTOBUF}\n"


def test_a_command_that_fails_for_another_reason_is_a_fault_of_ours(monkeypatch):
    monkeypatch.setattr(cli, "_parser", a_parser)
    with pytest.raises(AttributeError, match="GetMessageClass"):
        cli.main([])


def test_a_name_that_cannot_be_imported_for_want_of_it_says_so(installed, monkeypatch):
    installed(protobuf="3.20.3")
    monkeypatch.setattr(pytest_tfsig, "import_module", broken)
    monkeypatch.delitem(vars(pytest_tfsig), "Tensor", raising=False)
    with pytest.raises(ImportError, match=re.escape(PROTOBUF)):
        _ = pytest_tfsig.Tensor


def test_a_name_that_cannot_be_imported_for_another_reason_says_that(monkeypatch):
    monkeypatch.setattr(pytest_tfsig, "import_module", broken)
    monkeypatch.delitem(vars(pytest_tfsig), "Tensor", raising=False)
    with pytest.raises(AttributeError, match="GetMessageClass"):
        _ = pytest_tfsig.Tensor


def test_the_server_that_cannot_be_imported_for_want_of_it_says_so():
    code = (
        "import sys; from importlib import metadata; sys.modules['google.protobuf.message_factory'] = None; "
        "metadata.requires = lambda _: ['protobuf>=4.25']; metadata.version = lambda _: '3.20.3'; "
        "from pytest_tfsig.model_server.main import main; main(['--port=1', '--model_base_path=/nowhere'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (255, f"Failed to start server. Error: {PROTOBUF}\n", "")
