"""The same contracts, on a real container of a real Docker Engine."""

from __future__ import annotations

import subprocess
import time

import pytest

pytestmark = pytest.mark.docker


def containers():
    listed = subprocess.run(
        ["docker", "ps", "-aq", "--filter", "label=org.pytest-tfsig.session"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(listed.stdout.split())


def assert_none_is_left(before):
    """Containers of tests that run beside this one go by themselves; one that was left behind would stay."""
    suspects = containers() - before
    deadline = time.monotonic() + 60
    while suspects & containers():
        assert time.monotonic() < deadline, f"left behind: {suspects}"
        time.sleep(0.5)


def test_a_contract_is_judged_in_a_container(suite, pytester, models, docker_image):
    before = containers()
    pytester.makeconftest(docker_image.conftest())
    suite.write("", models("classifier"))
    result = suite.run(f"--tfsig-image={docker_image.name}", "--tfsig-report=report", server="container")
    assert result.ret == 0
    assert suite.report()["server"]["kind"] == "container"
    assert_none_is_left(before)


def test_a_wrong_candidate_is_rejected_in_a_container(suite, pytester, models, docker_image):
    before = containers()
    pytester.makeconftest(docker_image.conftest())
    suite.write("", models("keras_saved_wrongly"))
    result = suite.run("-k", "outputs", f"--tfsig-image={docker_image.name}", server="container")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*Could not find variable*", "*model.export(path)*"])
    assert_none_is_left(before)
