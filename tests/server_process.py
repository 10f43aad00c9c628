"""The model server as tests start it: a process of its own, on ports that the system chose."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from pytest_tfsig import protos, tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 60.0  # seconds; only a failing test waits so long
COMMAND = (sys.executable, "-m", "pytest_tfsig.model_server")


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := holds():
            return value
        time.sleep(0.02)
    raise AssertionError(f"never: {what}")


class Running:
    """A running server and a gRPC channel to it."""

    def __init__(self, process: subprocess.Popen[bytes], ports: dict[str, int], log: Path) -> None:
        self.process = process
        self.grpc = f"127.0.0.1:{ports['grpc']}"
        self.rest = f"http://127.0.0.1:{ports['rest']}"
        self.log_file = log
        self.channel = grpc.insecure_channel(
            self.grpc,
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
        )

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def raw(self, method: str, data: bytes, timeout: float = PATIENCE) -> bytes:
        call = self.channel.unary_unary(f"/tensorflow.serving.{method}")
        return call(data, timeout=timeout)

    def call(self, service: str, method: str, request: Any, timeout: float = PATIENCE) -> Any:
        answers = {
            "Predict": protos.PredictResponse,
            "GetModelStatus": protos.GetModelStatusResponse,
            "GetModelMetadata": protos.GetModelMetadataResponse,
            "HandleReloadConfigRequest": protos.ReloadConfigResponse,
        }
        return answers[method].FromString(self.raw(f"{service}/{method}", request.SerializeToString(), timeout))

    def predict(self, model: str = "m", *, timeout: float = PATIENCE, version: int | None = None, **inputs: Any) -> Any:
        request = protos.PredictRequest()
        request.model_spec.name = model
        if version is not None:
            request.model_spec.version.value = version
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tensors.to_proto(value))
        answer = self.call("PredictionService", "Predict", request, timeout)
        return {name: tensors.from_proto(value) for name, value in answer.outputs.items()}, answer.model_spec

    def status(self, model: str = "m") -> list[tuple[int, str, str]]:
        request = protos.GetModelStatusRequest()
        request.model_spec.name = model
        try:
            answer = self.call("ModelService", "GetModelStatus", request)
        except grpc.RpcError:
            return []
        return [
            (row.version, protos.ModelVersionStatus.State.Name(row.state), row.status.error_message)
            for row in answer.model_version_status
        ]

    def states(self, model: str = "m") -> list[tuple[int, str]]:
        return [(version, state) for version, state, _ in self.status(model)]

    def reload(self, config: Any, timeout: float = PATIENCE) -> None:
        self.call("ModelService", "HandleReloadConfigRequest", protos.ReloadConfigRequest(config=config), timeout)


@contextmanager
def model_server(folder: Path, *flags: str) -> Iterator[Running]:
    """Run a server until the block ends; its log and its ports file are in `folder`."""
    log = folder / "server.log"
    ports = folder / "ports.json"
    ports.unlink(missing_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, f"--tfsig_ports_file={ports}", *flags], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        eventually(lambda: ports.exists() or process.poll() is not None, "the server listens or ends")
        assert ports.exists(), log.read_text()
        running = Running(process, json.loads(ports.read_text()), log)
        try:
            yield running
        finally:
            running.channel.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def copy_version(source: Path, base: Path, name: str) -> Path:
    """Copy a version directory in place at once, so that no poll sees half of it."""
    partial = base.parent / f"partial-{base.name}-{name}"
    shutil.copytree(source, partial)
    base.mkdir(exist_ok=True)
    return partial.rename(base / name)


def config_of(**bases: Path) -> Any:
    """A ModelServerConfig: model name -> base path."""
    config = protos.ModelServerConfig()
    config.model_config_list.SetInParent()
    for name, base in bases.items():
        config.model_config_list.config.add(name=name, base_path=str(base), model_platform="tensorflow")
    return config
