"""What a verdict says of the server that it was found with."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from pytest_tfsig.serving.identity import identity


def test_the_embedded_server_is_its_packages():
    words = identity(SimpleNamespace(kind="embedded"), "").split()
    assert [word.partition("==")[0] for word in words] == ["pytest-tfsig", "tensorflow"]
    assert all(len(word.rpartition(":")[2]) == 64 for word in words)


def test_a_binary_is_its_digest(tmp_path, monkeypatch):
    program = tmp_path / "tensorflow_model_server"
    program.write_bytes(b"#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    expected = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
    assert identity(SimpleNamespace(kind="binary"), "") == f"tensorflow_model_server@sha256:{expected}"


def test_a_remote_server_is_its_address():
    assert identity(SimpleNamespace(kind="remote", grpc_address="host:8500"), "") == "remote host:8500"


@pytest.mark.docker
def test_a_container_is_its_image_s_digest(docker_image):
    name, _, digest = identity(SimpleNamespace(kind="container"), docker_image.name).partition("@sha256:")
    assert name == docker_image.name
    assert len(digest) == 64


@pytest.mark.docker
def test_an_image_that_is_gone_has_no_digest():
    assert identity(SimpleNamespace(kind="container"), "pytest-tfsig-no-such-image:1") == ""
