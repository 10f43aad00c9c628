"""Requests: what the server answers, refuses and survives over gRPC."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest

from pytest_tfsig import protos, records, tensors
from tests.server_process import PATIENCE, copy_version, eventually, model_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.server_process import Running

X = np.ones(2, np.float32)


@pytest.fixture(scope="module")
def server(tmp_path_factory, models) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("server")
    entries = "".join(
        f'config {{ name: "{name}" base_path: "{models(name)}" model_platform: "tensorflow" }} '
        for name in ("echo", "half_plus_two", "fails", "anyrank")
    )
    config = folder / "models.config"
    config.write_text(f"model_config_list {{ {entries} }}")
    with model_server(folder, f"--model_config_file={config}", "--grpc_max_threads=80") as running:
        eventually(lambda: "Finished adding/updating models" in running.log, "all models are served")
        yield running


def predict_request(model: str = "echo", signature: str = "", **inputs: object):
    request = protos.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(value)
    return request


def refusal(server: Running, data: bytes, method: str = "PredictionService/Predict") -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as refused:
        server.raw(method, data)
    return refused.value.code().name, refused.value.details()


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (b"\xff\xff\xff", "PredictionService/Predict"),
        (b"\x0a\x05abc", "PredictionService/Predict"),
        (b"\x0a\x03\x0a\x01\xff", "PredictionService/Predict"),
        (b"\x12" + b"\xff" * 70000, "PredictionService/Predict"),
        (b"\xff", "PredictionService/Classify"),
        (b"\xff", "PredictionService/GetModelMetadata"),
        (b"\xff", "ModelService/GetModelStatus"),
    ],
)
def test_bytes_that_are_no_request(server, data, method):
    assert refusal(server, data, method) == ("INTERNAL", "")


@pytest.mark.parametrize("method", ["SessionService/SessionRun", "PredictionService/Nothing"])
def test_methods_that_are_not_there(server, method):
    assert refusal(server, b"", method)[0] == "UNIMPLEMENTED"


def shaped(*sizes: int, **fields: object):
    proto = protos.TensorProto(dtype=1, **fields)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize(
    "tensor",
    [
        shaped(*[1] * 300, float_val=[1]),
        shaped(-1, float_val=[1]),
        shaped(1 << 40, float_val=[1]),
        shaped(1 << 62, 1 << 62),
        shaped(3, tensor_content=b"12"),
        protos.TensorProto(dtype=99, float_val=[1]),
        protos.TensorProto(dtype=0),
    ],
)
def test_tensors_that_cannot_be(server, tensor):
    code, details = refusal(server, predict_request(x=tensor).SerializeToString())
    assert (code, details) == ("INVALID_ARGUMENT", "tensor parsing error: x")


def test_as_many_dimensions_as_tensorflow_has(server):
    request = predict_request("anyrank", x=shaped(*[1] * 254, float_val=[1.5]))
    answer = server.call("PredictionService", "Predict", request)
    assert len(answer.outputs["y"].tensor_shape.dim) == 254
    assert answer.outputs["y"].float_val == [3.0]


@pytest.mark.parametrize("count", [1, 5, 16_384, 16_385, 300_000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool", "string", "complex64"])
def test_sizes_at_which_the_server_changes_its_ways(server, dtype, count):
    values = np.arange(count) % 251 - 100
    array = np.array([b"%d" % value for value in values], object) if dtype == "string" else values.astype(dtype)
    answer = server.call("PredictionService", "Predict", predict_request(signature=dtype, x=tensors.to_proto(array)))
    np.testing.assert_array_equal(tensors.from_proto(answer.outputs["y"]), array)
    assert not answer.outputs["y"].tensor_content


def test_a_large_input_given_twice_counts_the_last_time(server):
    first, last = (tensors.to_proto(np.full(50_000, value, np.float32)) for value in (1, 2))
    whole = predict_request(x=first).SerializeToString() + predict_request(x=last).SerializeToString()
    answer = protos.PredictResponse.FromString(server.raw("PredictionService/Predict", whole))
    assert set(tensors.from_proto(answer.outputs["y"])) == {2.0}


def test_many_clients_at_once(server):
    def ask(number: int) -> float:
        return float(server.predict("half_plus_two", x=np.full(1, number, np.float32))[0]["y"][0])

    with ThreadPoolExecutor(64) as pool:
        assert list(pool.map(ask, range(640))) == [number / 2 + 2 for number in range(640)]


def test_a_model_that_fails_fails_each_request_and_nothing_else(server):
    bad = predict_request("fails", i=tensors.to_proto(np.array([3], np.int32))).SerializeToString()
    for _ in range(50):
        code, details = refusal(server, bad)
        assert code == "INVALID_ARGUMENT"
        assert details.startswith("indices[0] = 3 is not in [0, 3)")
    assert server.predict("half_plus_two", x=X)[0]["y"].tolist() == [2.5, 2.5]
    assert "Predict refused: INVALID_ARGUMENT: indices[0] = 3 is not in [0, 3)" in server.log


def test_connections_that_are_no_http2(server):
    host, port = server.grpc.split(":")
    connections = [socket.create_connection((host, int(port))) for _ in range(50)]
    connections[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
    connections[1].sendall(b"\x00" * 1000)
    connections[2].sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 0xFFFFFF00) * 100)
    assert server.predict("half_plus_two", x=X)[0]["y"].tolist() == [2.5, 2.5]
    for connection in connections:
        connection.close()


@pytest.fixture
def batching(tmp_path, models) -> Callable[..., object]:
    base = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1").parent

    def start(parameters: str, *flags: str):
        file = tmp_path / "batching.txt"
        file.write_text(parameters)
        return model_server(
            tmp_path,
            "--model_name=m",
            f"--model_base_path={base}",
            "--enable_batching",
            f"--batching_parameters_file={file}",
            "--max_num_load_retries=0",
            *flags,
        )

    return start


def served(server: Running) -> Running:
    eventually(lambda: server.states() == [(1, "AVAILABLE")], "the model is served")
    return server


def ask_all(server: Running, inputs: list[np.ndarray]) -> list[object]:
    def ask(array: np.ndarray) -> object:
        try:
            return server.predict(x=array)[0]["y"].tolist()
        except grpc.RpcError as error:
            return error.code().name, error.details()

    with ThreadPoolExecutor(len(inputs)) as pool:
        return list(pool.map(ask, inputs))


def test_requests_at_once_are_one_run(tmp_path, batching):
    monitoring = tmp_path / "monitoring.txt"
    monitoring.write_text("prometheus_config { enable: true }")
    parameters = "max_batch_size { value: 6 } batch_timeout_micros { value: 30000000 } num_batch_threads { value: 1 }"
    with batching(parameters, f"--monitoring_config_file={monitoring}") as server:
        served(server)
        answers = ask_all(server, [np.full(size, size, np.float32) for size in (1, 2, 3)])
        assert answers == [[2.5], [3.0, 3.0], [3.5, 3.5, 3.5]]  # full at once: nobody waits for the time-out
        page = grpc_free_get(server)
        assert ":tensorflow:serving:batching_session:wrapped_run_count{} 1" in page


def grpc_free_get(server: Running) -> str:
    import urllib3

    return urllib3.request("GET", f"{server.rest}/monitoring/prometheus/metrics").data.decode()


def test_limits_of_batching(batching):
    with batching("max_batch_size { value: 8 } batch_timeout_micros { value: 1000 }") as server:
        served(server)
        assert ask_all(server, [np.ones(9, np.float32)]) == [
            ("INVALID_ARGUMENT", "Task size 9 is larger than maximum input batch size 8")
        ]
        with pytest.raises(grpc.RpcError) as scalar:
            server.predict(x=np.float32(1))
        assert scalar.value.details() == "Batching Run() input tensors must have at least one dimension"
        assert ask_all(server, [np.ones(8, np.float32)]) == [[2.5] * 8]


def test_requests_whose_deadline_passed_in_the_queue_are_not_run(batching):
    with batching("max_batch_size { value: 8 } batch_timeout_micros { value: 1000000 }") as server:
        served(server)
        with pytest.raises(grpc.RpcError) as refused:
            server.predict(x=X, timeout=0.2)
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        late = "Predict refused: RESOURCE_EXHAUSTED: Run() timeout exceeded while waiting in batching queue"
        eventually(lambda: late in server.log, "the log says why nobody was answered")


def test_a_full_queue_refuses(batching):
    parameters = (
        "max_batch_size { value: 1 } batch_timeout_micros { value: 700000 } max_enqueued_batches { value: 1 } "
        "num_batch_threads { value: 1 }"
    )
    with batching(parameters, "--grpc_max_threads=40") as server:
        served(server)
        answers = ask_all(server, [np.ones(1, np.float32)] * 24)
        assert [2.5] in answers
        full = (
            "UNAVAILABLE",
            (
                "The batch scheduling queue to which this task was submitted is full; currently 1 batches enqueued and "
                "max_enqueued_batches is 1"
            ),
        )
        assert all(answer in ([2.5], full) for answer in answers), answers


def test_more_requests_than_threads_are_refused(batching):
    with batching(
        "max_batch_size { value: 100 } batch_timeout_micros { value: 2000000 }", "--grpc_max_threads=8"
    ) as server:
        served(server)
        answers = ask_all(server, [np.ones(1, np.float32)] * 16)
        assert answers.count([2.5]) == 7
        assert answers.count(("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted")) == 9


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            (
                "INVALID_ARGUMENT: Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; "
                "expected 8"
            ),
        ),
        ("batch_timeout_micros { value: -1 }", "INVALID_ARGUMENT: batch_timeout_micros must be non-negative; was -1"),
    ],
)
def test_batching_parameters_that_contradict_themselves_fail_the_load(batching, parameters, said):
    with batching(parameters) as server:
        assert server.process.wait(PATIENCE) == 255
        assert said in server.log


def warmup_record(signature: str = "", **inputs: object) -> bytes:
    log = protos.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request("whatever", signature, **inputs))
    return log.SerializeToString()


GOOD = warmup_record(x=tensors.to_proto(X))
OTHER_SIGNATURE = warmup_record("serving_v2", x=tensors.to_proto(X))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([OTHER_SIGNATURE], 'FAILED_PRECONDITION: Serving signature key "serving_v2" not found.'),
        ([GOOD, warmup_record()], "INVALID_ARGUMENT: input size does not match signature: 0!=1"),
        ([b"\xff"], "INVALID_ARGUMENT: Failed to parse warmup record: "),
        (
            [b"\x2a\x00"],
            "UNIMPLEMENTED: Unsupported log_type for warmup: 5",
        ),
        ([GOOD] * 1001, "INVALID_ARGUMENT: Number of warmup records exceeds the maximum (1000) at "),
        (
            b"this is not a record at all",
            (
                "DATA_LOSS: corrupted record at 0 (Is this even a TFRecord file?). Please verify your warmup data is "
                "in TFRecord format."
            ),
        ),
    ],
)
def test_a_bad_warmup_record_fails_the_load(tmp_path, models, content, said):
    server_log, code = start_with_warmup(tmp_path, models, content)
    assert said in server_log
    assert code == 255


def test_good_warmup_records_are_replayed(tmp_path, models):
    server_log, code = start_with_warmup(tmp_path, models, [GOOD] * 3, "--num_request_iterations_for_warmup=2")
    assert "Number of warmup records read: 3." in server_log
    assert code == 0


def test_warmup_can_be_switched_off(tmp_path, models):
    _, code = start_with_warmup(tmp_path, models, b"this is not a record at all", "--enable_model_warmup=false")
    assert code == 0


def start_with_warmup(tmp_path: Path, models, content: list[bytes] | bytes, *flags: str) -> tuple[str, int]:
    version = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1")
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir()
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        records.write(file, content)
    with model_server(
        tmp_path, "--model_name=m", f"--model_base_path={version.parent}", "--max_num_load_retries=0", *flags
    ) as server:
        eventually(
            lambda: server.process.poll() is not None or server.states() == [(1, "AVAILABLE")], "it loads or ends"
        )
        code = server.process.poll() or 0
    return server.log, code


def test_an_op_that_is_not_there_is_named_with_advice(tmp_path, models):
    version = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1")
    graph = protos.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    for function in graph.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            node.op = {"Mul": "MyCustomMul", "AddV2": "MyCustomMul"}.get(node.op, node.op)
    (version / "saved_model.pb").write_bytes(graph.SerializeToString())
    with model_server(
        tmp_path, "--model_name=m", f"--model_base_path={version.parent}", "--max_num_load_retries=0"
    ) as server:
        assert server.process.wait(PATIENCE) == 255
    assert "NOT_FOUND: Op type not registered 'MyCustomMul' in" in server.log
    assert "--op_library=PATH-or-package" in server.log


def test_a_model_may_bring_its_own_batching_parameters(tmp_path, batching):
    (tmp_path / "m" / "1" / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    with batching("max_batch_size { value: 8 }", "--enable_per_model_batching_parameters") as server:
        served(server)
        assert ask_all(server, [np.ones(3, np.float32)]) == [
            ("INVALID_ARGUMENT", "Task size 3 is larger than maximum input batch size 2")
        ]


def test_ops_of_an_installed_package(tmp_path):
    if importlib.util.find_spec("tensorflow_text") is None:
        pytest.skip("tensorflow-text is not installed")
    build = """
import sys
import tensorflow as tf
import tensorflow_text
module = tf.Module()
tokenize = tensorflow_text.WhitespaceTokenizer().tokenize
module.call = tf.function(lambda s: {"words": tokenize(s).flat_values}, [tf.TensorSpec([None], tf.string, name="s")])
tf.saved_model.save(module, sys.argv[1], signatures={"serving_default": module.call})
"""
    subprocess.run([sys.executable, "-c", build, tmp_path / "m" / "1"], check=True, capture_output=True)
    flags = ["--model_name=m", f"--model_base_path={tmp_path / 'm'}", "--max_num_load_retries=0"]
    with model_server(tmp_path, *flags) as server:
        assert server.process.wait(PATIENCE) == 255
        assert "NOT_FOUND: Op type not registered 'TFText>WhitespaceTokenize" in server.log
    with model_server(tmp_path, *flags, "--op_library=tensorflow-text") as server:
        served(server)
        answer = server.predict(s=np.array([b"two words"], object))
        assert answer[0]["words"].tolist() == [b"two", b"words"]


def test_tls(tmp_path, models):
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    ssl = tmp_path / "ssl.txt"
    lines = [
        f"{name}: {json.dumps(file.read_text())}" for name, file in (("server_key", key), ("server_cert", certificate))
    ]
    ssl.write_text("\n".join(lines))
    base = copy_version(models("half_plus_two") / "1", tmp_path / "m", "1").parent
    with model_server(tmp_path, "--model_name=m", f"--model_base_path={base}", f"--ssl_config_file={ssl}") as server:
        port = server.grpc.split(":")[1]
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
            grpc.channel_ready_future(channel).result(PATIENCE)
        with pytest.raises(grpc.RpcError) as plain:
            server.predict(x=X, timeout=5)
        assert plain.value.code() is grpc.StatusCode.UNAVAILABLE
