from __future__ import annotations

from importlib.metadata import version

import pytest

from pytest_tfsig.cli import main


def test_the_installed_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"pytest-tfsig {version('pytest-tfsig')}\n"
