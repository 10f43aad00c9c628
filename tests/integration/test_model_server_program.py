"""The program: how it starts, refuses to start, says what it is and ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import grpc
import numpy as np
import pytest
import urllib3

from pytest_tfsig import protos
from tests.server_process import COMMAND, PATIENCE, config_of, copy_version, eventually, model_server

X = np.ones(2, np.float32)


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *flags], capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            [],
            (
                "Failed to start server. Error: INVALID_ARGUMENT: Both server_options.model_base_path and "
                "server_options.model_config_file are empty!"
            ),
        ),
        (
            ["--model_base_path=relative/dir"],
            (
                "Error: INVALID_ARGUMENT: Expected model default to have an absolute path or URI; got "
                "base_path()=relative/dir"
            ),
        ),
        (
            ["--model_config_file=/nonexistent"],
            "Error: NOT_FOUND: /nonexistent; No such file or directory",
        ),
        (["--model_config_file=FILE"], "Error: INVALID_ARGUMENT: Invalid protobuf file: 'FILE'"),
        (["--port=0", "--model_base_path=/x"], "At least one of server_options.grpc_port or"),
        (
            ["--batching_parameters_file=FILE", "--model_base_path=/x"],
            "server_options.batching_parameters_file is set without setting server_options.enable_batching",
        ),
        (["--enable_batching", "--batching_parameters_file=FILE", "--model_base_path=/x"], "Invalid protobuf file"),
        (["--model_base_path=/x", "--ssl_config_file=/nonexistent"], "NOT_FOUND: /nonexistent; No such file"),
        (["--model_base_path=/x", "--monitoring_config_file=/nonexistent"], "NOT_FOUND: /nonexistent; No such file"),
        (["--model_base_path=/x", "--op_library=no_such_package"], "neither a file nor an installed package"),
        (["--model_base_path=/x", "--op_library=json"], "has no library of TensorFlow ops"),
        (["--model_base_path=/x", "--op_library=FILE"], "TensorFlow cannot load FILE"),
    ],
)
def test_what_cannot_start_says_why(tmp_path, flags, said):
    file = tmp_path / "file"
    file.write_text("no_such_field: 1")
    result = run(*(flag.replace("FILE", str(file)) for flag in flags))
    assert result.returncode == 255
    assert said.replace("FILE", str(file)) in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--help", "usage: tfsig-model-server\nFlags:\n"),
        ("--nosuchflag=1", "unknown argument: --nosuchflag=1\nusage: tfsig-model-server"),
        ("--port", "unknown argument: --port\n"),
        ("-port=1", "unknown argument: -port=1\n"),
        ("model", "unknown argument: model\n"),
        ("--port=abc", "Couldn't interpret value abc for flag port.\nusage: tfsig-model-server"),
        ("--port=99999999999", "Couldn't interpret value 99999999999 for flag port.\n"),
        ("--enable_batching=maybe", "Couldn't interpret value maybe for flag enable_batching.\n"),
    ],
)
def test_wrong_flags_are_answered_with_the_usage(flag, said):
    result = run(flag)
    assert result.returncode == 255
    assert result.stdout.startswith(said)
    assert "--rest_api_port=0" in result.stdout


def test_version_is_printed():
    result = run("--version")
    assert result.returncode == 0
    first, second = result.stdout.splitlines()
    assert first == "TensorFlow ModelServer: 2.20.0"
    assert second.startswith("TensorFlow Library: 2.")


def test_flags_without_effect_are_named_once(tmp_path):
    (tmp_path / "empty").write_text("")
    with model_server(tmp_path, f"--model_config_file={tmp_path / 'empty'}", "--num_tflite_pools=3") as server:
        assert server.log.count("--num_tflite_pools is accepted and has no effect") == 1


def test_method_names_are_held_to_when_the_flag_says_so(tmp_path, models):
    request = protos.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", "regress"
    flags = ("--model_name=m", f"--model_base_path={models('examples')}", "--enable_signature_method_name_check")
    with model_server(tmp_path, *flags) as server:
        eventually(lambda: server.states() == [(1, "AVAILABLE")], "the model is served")
        with pytest.raises(grpc.RpcError) as refused:
            server.raw("PredictionService/Classify", request.SerializeToString())
        assert refused.value.details().startswith("Expected classification signature method_name to be ")


def test_a_model_that_cannot_load_ends_the_start(tmp_path, models):
    version = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1")
    (version / "saved_model.pb").write_bytes(b"garbage")
    result = run("--port=1", "--model_name=m", f"--model_base_path={tmp_path / 'm'}", "--max_num_load_retries=0")
    assert result.returncode == 255
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: m version: 1} due to error: OUT_OF_RANGE: Read less bytes than requested}, }" in result.stdout
    )


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("missing", "Could not find base path {base} for servable m with error NOT_FOUND: {base} not found"),
        ("empty", "No versions of servable m found under base path {base}"),
    ],
)
def test_waits_for_models_that_are_not_there_yet(tmp_path, models, folder, said):
    (tmp_path / "empty").mkdir()
    base = tmp_path / folder
    with model_server(tmp_path, "--model_name=m", f"--model_base_path={base}") as server:
        eventually(lambda: said.format(base=base) in server.log, "the log says what is missing")
        copy_version(models("half_plus_two") / "1", base, "1")
        eventually(lambda: server.states() == [(1, "AVAILABLE")], "the model is served once it is there")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_even_while_it_waits_for_a_model(tmp_path, number):
    with model_server(tmp_path, f"--model_base_path={tmp_path / 'missing'}") as server:
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE) == 0


def test_it_ends_with_the_process_it_watches(tmp_path):
    (tmp_path / "empty").write_text("")
    watched = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with model_server(
        tmp_path, f"--model_config_file={tmp_path / 'empty'}", f"--tfsig_watch_pid={watched.pid}"
    ) as server:
        assert server.process.poll() is None
        watched.kill()
        watched.communicate()
        assert server.process.wait(PATIENCE) == 0


def test_the_tensorflow_package_is_never_imported(tmp_path, models):
    config = tmp_path / "empty"
    config.write_text("")
    code = (
        "import sys, os, threading; from pytest_tfsig.model_server import program; "
        "from pytest_tfsig.model_server.loading import Loader; from pathlib import Path; "
        f"Loader().load('m', 1, Path({str(models('half_plus_two') / '1')!r})); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)


def test_ports_that_are_taken(tmp_path, models):
    base = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1").parent
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(f"--port={port}", f"--model_base_path={base}")
        assert result.returncode == 255
        assert "Failed to start server. Error: INVALID_ARGUMENT: Failed to BuildAndStart gRPC server" in result.stdout
        assert f"127.0.0.1:{port}" in result.stderr

        free = free_port()
        process = subprocess.Popen(
            [*COMMAND, f"--port={free}", f"--rest_api_port={port}", f"--model_base_path={base}"],
            stderr=subprocess.PIPE,
        )
        try:
            lines = iter(process.stderr.readline, b"")
            assert any(b"Failed to start HTTP Server at 127.0.0.1:" in line for line in lines)
            with grpc.insecure_channel(f"127.0.0.1:{free}") as channel:
                grpc.channel_ready_future(channel).result(PATIENCE)
        finally:
            process.terminate()
            process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_it_listens_only_once_the_models_are_there(tmp_path, models):
    base = tmp_path / "m"
    port = free_port()
    process = subprocess.Popen([*COMMAND, f"--port={port}", f"--model_base_path={base}"], stderr=subprocess.DEVNULL)
    try:
        with socket.socket() as early:
            assert early.connect_ex(("127.0.0.1", port))
        copy_version(models("half_plus_two") / "1", base, "1")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(PATIENCE)
    finally:
        process.terminate()
        process.wait()


def test_a_unix_socket(tmp_path, models):
    base = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1").parent
    path = f"{os.path.relpath(tmp_path)}/s" if len(str(tmp_path)) > 80 else str(tmp_path / "s")
    with (
        model_server(tmp_path, "--model_name=m", f"--model_base_path={base}", f"--grpc_socket_path={path}") as server,
        grpc.insecure_channel(f"unix:{path}") as channel,
    ):
        grpc.channel_ready_future(channel).result(PATIENCE)
        assert f"Running gRPC ModelServer at UNIX socket {path} ..." in server.log


def test_the_health_service_is_there_only_on_demand(tmp_path):
    (tmp_path / "empty").write_text("")
    config = f"--model_config_file={tmp_path / 'empty'}"

    def check(server, service: str) -> int:
        call = server.channel.unary_unary("/grpc.health.v1.Health/Check")
        request = protos.HealthCheckRequest(service=service).SerializeToString()
        return protos.HealthCheckResponse.FromString(call(request, timeout=PATIENCE)).status

    with model_server(tmp_path, config, "--enable_grpc_healthcheck_service") as server:
        for service in ("", "ModelService", "PredictionService"):
            assert check(server, service) == protos.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as unknown:
            check(server, "Other")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    with model_server(tmp_path, config) as server, pytest.raises(grpc.RpcError) as refused:
        check(server, "")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (
            lambda config, _base: config.model_config_list.config.add().CopyFrom(config.model_config_list.config[0]),
            "INVALID_ARGUMENT",
            "Illegal to list model m multiple times in config list",
        ),
        (
            lambda config, _base: setattr(config.model_config_list.config[0], "base_path", "relative"),
            "INVALID_ARGUMENT",
            "Expected model m to have an absolute path or URI; got base_path()=relative",
        ),
        (
            lambda config, _base: setattr(config.model_config_list.config[0], "model_platform", "other"),
            "INVALID_ARGUMENT",
            (
                "Illegal to change a model's platform. For model m platform was tensorflow and new platform requested "
                "is other"
            ),
        ),
        (
            lambda config, _base: config.model_config_list.config.add(name="n", base_path="/n", model_platform="other"),
            "INVALID_ARGUMENT",
            "Model n requests unsupported platform other",
        ),
        (
            lambda config, _base: config.model_config_list.config.add(name="n", base_path="/n"),
            "INVALID_ARGUMENT",
            (
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                "ModelServerConfig::model_platform, model name is n"
            ),
        ),
        (
            lambda config, _base: config.Clear(),
            "INVALID_ARGUMENT",
            (
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            ),
        ),
        (
            lambda config, base: config.model_config_list.config.add(
                name="broken", base_path=str(base.parent / "broken"), model_platform="tensorflow"
            ),
            "UNKNOWN",
            (
                "1 model(s) did not become available: {{{name: broken version: 1} due to error: OUT_OF_RANGE: Read "
                "less bytes than requested}, }"
            ),
        ),
    ],
)
def test_a_reload_that_is_refused_leaves_the_models_served(tmp_path, models, change, code, said):
    base = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1").parent
    broken = copy_version(base / "1", tmp_path / "broken", "1")
    (broken / "saved_model.pb").write_bytes(b"garbage")
    empty = tmp_path / "empty"
    empty.write_text("")
    with model_server(tmp_path, f"--model_config_file={empty}", "--max_num_load_retries=0") as server:
        config = config_of(m=base)
        server.reload(config)
        change(config, base)
        with pytest.raises(grpc.RpcError) as refused:
            server.reload(config)
        assert (refused.value.code().name, refused.value.details()) == (code, said)
        assert server.predict(x=X)[0]["y"].tolist() == [2.5, 2.5]


def test_models_come_and_go_by_reload(tmp_path, models):
    first = copy_version(models("half_plus_two") / "1", tmp_path / "a", "1").parent
    second = copy_version(models("half_plus_two") / "1", tmp_path / "b", "7").parent
    empty = tmp_path / "empty"
    empty.write_text("")
    with model_server(tmp_path, f"--model_config_file={empty}") as server:
        server.reload(config_of(a=first))
        server.reload(config_of(a=first, b=second))
        assert server.predict("b", x=X)[1].version.value == 7
        server.reload(config_of(b=second))
        eventually(lambda: server.states("a") == [(1, "END")], "a is unloaded")
        with pytest.raises(grpc.RpcError, match=r"Servable not found for request: Latest\(a\)"):
            server.predict("a", x=X)
        server.reload(config_of(a=first, b=second))
        assert server.predict("a", x=X)[1].version.value == 1


def test_the_config_file_is_read_again(tmp_path, models):
    base = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1").parent
    config = tmp_path / "models.config"
    config.write_text("model_config_list {}")
    with model_server(tmp_path, f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1") as server:
        config.write_text("garbage")
        eventually(lambda: "Failed to read ModelServerConfig file" in server.log, "the broken file is named")
        config.write_text(
            f'model_config_list {{ config {{ name: "m" base_path: "{base}" model_platform: "tensorflow" }} }}'
        )
        eventually(lambda: server.states() == [(1, "AVAILABLE")], "the file's model is served")


def test_prometheus_metrics(tmp_path, models):
    base = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1").parent
    monitoring = tmp_path / "monitoring.txt"
    monitoring.write_text('prometheus_config { enable: true path: "/my/metrics" }')
    with model_server(
        tmp_path, "--model_name=m", f"--model_base_path={base}", f"--monitoring_config_file={monitoring}"
    ) as server:
        eventually(lambda: server.states() == [(1, "AVAILABLE")], "the model is served")
        server.predict(x=X)
        with pytest.raises(grpc.RpcError):
            server.predict("missing", x=X)
        page = urllib3.request("GET", f"{server.rest}/my/metrics").data.decode()
    lines = page.splitlines()
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 1' in lines
    assert ':tensorflow:serving:request_count{model_name="missing",status="NOT_FOUND"} 1' in lines
    assert ':tensorflow:serving:request_latency_count{model_name="m",API="Predict",entrypoint="GRPC"} 1' in lines
    assert ':tensorflow:serving:runtime_latency_count{model_name="m",API="Predict",runtime="TF1"} 1' in lines
    assert "# TYPE :tensorflow:serving:request_latency histogram" in lines


def test_start_is_reported_when_it_is_over(tmp_path, models):
    base = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1").parent
    port, rest = free_port(), free_port()
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, f"--port={port}", f"--rest_api_port={rest}", f"--model_base_path={base}"], stderr=output
        )
    try:
        eventually(lambda: "Exporting HTTP/REST API at:" in log.read_text(), "the server runs")
        assert f"Running gRPC ModelServer at 127.0.0.1:{port} ..." in log.read_text()
        page = urllib3.request("GET", f"http://127.0.0.1:{rest}/v1/models/default").data
        assert b'"AVAILABLE"' in page
    finally:
        process.terminate()
        process.wait()
