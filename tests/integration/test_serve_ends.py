"""`tfsig serve`, however it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

from pytest_tfsig.clients import GrpcClient
from pytest_tfsig.serving.process import wait_until

SECONDS = 120


@pytest.fixture
def serve(models, tmp_path, monkeypatch):
    """Starts the command with its temporary files in a folder of its own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def start(port, *more):
        words = [sys.executable, "-m", "pytest_tfsig.cli", "serve", str(models("half_plus_two")), f"--port={port}"]
        return subprocess.Popen(
            [*words, "--rest-port=0", *more], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    return start


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_serve_leaves_nothing_however_it_ends(serve, tmp_path, end):
    with serve(free_port()) as process:
        assert any("Running gRPC ModelServer" in line for line in process.stderr)
        assert list(tmp_path.iterdir())
        process.send_signal(end)
        process.communicate(timeout=SECONDS)
    assert wait_until(lambda: not list(tmp_path.iterdir()), SECONDS)


def test_serve_at_a_port_that_is_taken_says_so_and_leaves_nothing(serve, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serve(port) as process:
            said, log = process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    assert said.startswith("Failed to start server. Error: ")
    assert f"Cannot listen on 127.0.0.1:{port}" in log
    assert "Traceback" not in log
    assert wait_until(lambda: not list(tmp_path.iterdir()), SECONDS)


@pytest.mark.parametrize("name", ["shop/digits", "../digits", "/digits", "."])
def test_a_name_is_what_requests_use_and_no_path(serve, tmp_path, name):
    port = free_port()
    with serve(port, f"--name={name}") as process:
        assert any("Running gRPC ModelServer" in line for line in process.stderr)
        with GrpcClient(f"127.0.0.1:{port}", timeout=SECONDS) as client:
            [status] = client.status(name)
        process.terminate()
        process.communicate(timeout=SECONDS)
    assert status.state == "AVAILABLE"
    assert wait_until(lambda: not list(tmp_path.iterdir()), SECONDS)
