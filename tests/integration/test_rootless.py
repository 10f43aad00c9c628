"""Contracts of a user without rights, judged in containers of that user's own engine."""

from __future__ import annotations

import sys

import pytest

from pytest_tfsig.serving.process import wait_until
from tests import docker_image
from tests.leftovers import containers_of
from tests.rootless import rootless_engine

pytestmark = [pytest.mark.docker, pytest.mark.slow]

SUITE = """
import pytest

@pytest.mark.tfsig_model({model!r})
@pytest.mark.tfsig_contract()
@pytest.mark.tfsig_checks(only=["loads", "outputs", "transports_agree"])
def test_contract(tfsig_check):
    tfsig_check()
"""


@pytest.mark.parametrize("kind", ["podman", "docker"])
def test_a_rootless_engine_serves_its_user_and_keeps_nothing(kind, models, monkeypatch):
    with rootless_engine(kind) as rootless:
        monkeypatch.setenv("DOCKER_HOST", rootless.address)
        image = docker_image.built()
        suite = rootless.temporary / "suite"
        suite.mkdir()
        rootless.own(suite)
        (suite / "conftest.py").write_text(image.conftest())
        (suite / "test_it.py").write_text(SUITE.format(model=str(models("classifier"))))
        words = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-Werror"]
        words += ["--tfsig-server=container", f"--tfsig-image={image.name}"]
        for mode in ("docker_host", "gateway_ip"):  # beside the engine, and with it in one container
            run = rootless.run(words, suite, TESTCONTAINERS_CONNECTION_MODE=mode)
            assert "3 of 3 checks hold" in run.stdout, run.stdout
            assert run.returncode == 0, run.stdout
            assert containers_of() == []
        assert wait_until(lambda: not list(rootless.temporary.glob("tfsig*")), 60)
