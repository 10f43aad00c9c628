"""Servers that answer with what no model server answers: one sentence a check, in time, and on to the next."""

from __future__ import annotations

import time

import grpc
import pytest

from pytest_tfsig import Tensor, checks, protos, tensors
from pytest_tfsig.contract import Contract, Signature
from pytest_tfsig.models import Target
from pytest_tfsig.options import Options
from pytest_tfsig.session import Session
from tests.fake_server import FakeServer
from tests.raw_server import raw_server, replies

TENSOR = Tensor("float32", ["batch", 4])
CONTRACT = Contract(
    {"serving_default": Signature(inputs={"x": TENSOR}, outputs={"y": TENSOR}, latency=({"p99": "10s"},))}
)
JUDGED = [name for name, check in checks.checks().items() if not check.against_baseline]
NOISE = bytes(range(255, -1, -1)) * 20


def metadata():
    response = protos.GetModelMetadataResponse()
    response.model_spec.name = "m"
    signatures = protos.SignatureDefMap()
    definition = signatures.signature_def["serving_default"]
    definition.method_name = "tensorflow/serving/predict"
    for where, name in ((definition.inputs, "x"), (definition.outputs, "y")):
        info = protos.TensorInfo(name=f"{name}:0", dtype=tensors.dtype("float32").number)
        for size in (-1, 4):
            info.tensor_shape.dim.add(size=size)
        where[name].CopyFrom(info)
    response.metadata["signature_def"].Pack(signatures)
    return response.SerializeToString()


def status(state=30, code=0):
    response = protos.GetModelStatusResponse()
    response.model_version_status.add(version=3, state=state).status.error_code = code
    return response.SerializeToString()


def echo(request):
    response = protos.PredictResponse()
    response.outputs["y"].CopyFrom(protos.PredictRequest.FromString(request).inputs["x"])
    return response.SerializeToString()


def output(*shape, dtype=1, content=b"", value=None):
    response = protos.PredictResponse()
    tensor = response.outputs["y"]
    tensor.dtype, tensor.tensor_content = dtype, content
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_shape.unknown_rank = not shape
    tensor.float_val.extend([] if value is None else [value])
    return response.SerializeToString()


@pytest.fixture
def fake():
    with FakeServer() as server:
        server.grpc_answers |= {"GetModelStatus": status(), "GetModelMetadata": metadata(), "Predict": echo}
        yield server


@pytest.fixture
def judge():
    """Judges by every check, and returns the results by its name."""
    sessions = []

    def judge(server, rest=None, names=JUDGED):
        options = Options(server=server, rest=rest, max_examples=5, request_timeout=1.0, start_timeout=1.0)
        sessions.append(Session(options))
        known = checks.checks()
        began = time.monotonic()
        judged = {name: sessions[-1].judge(Target("m", CONTRACT), "serving_default", known[name])[0] for name in names}
        # A check may wait for one answer that never comes; no assertion of speed: a hang would last for ever.
        assert time.monotonic() - began < 10 * len(names)
        for result in judged.values():
            assert "\n" not in result.message
            assert result.message
        return judged

    yield judge
    for session in sessions:
        session.close()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"\xff\xff\xff<html>", "Error parsing message"),
        (output(1, 4, content=b"abc"), "tensor_content has 3 bytes; float32 of shape [1, 4] takes 16"),
        (output(1, 4, content=b"abcd" * 5), "tensor_content has 20 bytes"),
        (output(2**40, 2**40, value=1.0), "too large"),
        (output(2**36, value=1.0), "output 'y' of shape [68719476736] is larger than a message can be"),
        (output(-5, 4, value=1.0), "has a negative size"),
        (output(value=1.0), "has no rank"),
        (output(1, 4, dtype=77), "77 is no dtype"),
        (output(1, dtype=20), "20 is no dtype"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_failure_of_outputs_and_no_traceback(fake, judge, answer, says):
    fake.grpc_answers["Predict"] = answer
    judged = judge(fake.grpc_address)
    assert judged["loads"].verdict == "pass"
    assert judged["outputs"].verdict == "fail"
    assert judged["outputs"].message == "an input that the contract allows is answered by what cannot be read"
    assert says in judged["outputs"].text
    assert judged["latency"].verdict == "fail"
    rest_or_files = {"transports_agree", "warmup"}
    assert {judged[name].verdict for name in JUDGED if name not in rest_or_files} == {"pass", "fail", "error"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"\xff\xff\xff", "Error parsing message"),
        (status(state=99), "99 is no state of a version"),
        (status(code=99), "99 is not a valid Code"),
    ],
)
def test_a_status_that_cannot_be_read_keeps_no_other_check_from_judging(fake, judge, answer, says):
    fake.grpc_answers["GetModelStatus"] = answer
    judged = judge(fake.grpc_address)
    assert judged["loads"].verdict == "error"
    assert says in judged["loads"].message
    assert judged["outputs"].verdict == "pass"


@pytest.mark.parametrize("answer", [b"\xff\xff\xff", metadata()[:-9], metadata().replace(b"x:0", b"\xff:0")])
def test_metadata_that_cannot_be_read_is_told_by_every_check(fake, judge, answer):
    fake.grpc_answers["GetModelMetadata"] = answer
    judged = judge(fake.grpc_address)
    assert {result.verdict for result in judged.values()} == {"error"}
    assert all(
        "gRPC INTERNAL: the answer is not what the gRPC API promises" in each.message for each in judged.values()
    )


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
def test_a_server_that_refuses_all_is_told_with_what_to_set(fake, judge, code):
    for method in fake.grpc_answers:
        fake.grpc_answers[method] = (code, "who are you?")
    judged = judge(fake.grpc_address)
    assert {result.verdict for result in judged.values()} == {"error"}
    for result in judged.values():
        assert result.message.startswith(f"gRPC {code.name}: who are you?. The server wants credentials: set TFSIG_")


SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # a frame with which an HTTP/2 server begins


@pytest.mark.parametrize(
    "answer",
    [
        replies(NOISE),
        replies(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        replies(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"),
        replies(b""),
        replies(b"", "resets"),
        replies(b"", "is silent"),
        replies(SETTINGS),
        replies(SETTINGS, "is silent"),
        replies(SETTINGS, "drips"),
        replies(SETTINGS + NOISE, "is silent"),
        replies(SETTINGS + b"\0\x10\0\1\4\0\0\0\1half of a frame", "is silent"),
    ],
)
def test_a_grpc_port_that_speaks_no_grpc_is_told_by_every_check(judge, answer):
    with raw_server(answer) as address:
        judged = judge(address)
    assert {result.verdict for result in judged.values()} == {"error"}
    assert all(result.message.startswith(f"No model server answers at {address} (") for result in judged.values())


def http(body, *headers, status="200 OK"):
    head = "\r\n".join([f"HTTP/1.1 {status}", *(headers or [f"Content-Length: {len(body)}"])])
    return f"{head}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        replies(http(b'{"outputs": [[1.0', "Content-Length: 1000")),
        replies(http(b'{"outputs": [[1.0', "Content-Length: 1000"), "is silent"),
        replies(http(b"", "Content-Length: 100000"), "drips"),
        replies(b"HTTP/1.1 200 OK\r\nX-Endless: ", "drips"),
        replies(http(b"", "Content-Length: 1000"), "resets"),
        replies(b"\xff\xfe\r\n\r\n"),
        replies(http(b"ZZ\r\nabc", "Transfer-Encoding: chunked")),
        replies(http(b"abc", "Content-Encoding: gzip", "Content-Length: 3")),
        replies(http(b"", *["A: b"] * 1000)),
        replies(b""),
    ],
)
def test_a_rest_port_that_speaks_no_http_is_told_by_every_check(fake, judge, answer):
    with raw_server(answer) as rest:
        judged = judge(fake.grpc_address, rest, ["loads", "outputs", "transports_agree"])
    assert {result.verdict for result in judged.values()} == {"error"}
    assert all(result.message.startswith(f"No REST API answers at http://{rest} (") for result in judged.values())


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html></html>"),
        http(b"{}", "Content-Length: -5"),
        http(b"{}", "Content-Length: many"),
        http(b"[]"),
        http(b'{"outputs": ' + b"[" * 200_000),
        http(b'{"outputs": ' + b"9" * 9999 + b"}"),
        http(b'{"outputs": {"y": {}}}'),
        http(b'{"outputs": [[1.0], [1.0, 2.0]]}'),
    ],
)
def test_a_rest_answer_that_cannot_be_read_is_a_failure_of_transports_agree(fake, judge, answer):
    with raw_server(replies(answer)) as rest:
        judged = judge(fake.grpc_address, rest)
    assert judged["outputs"].verdict == "pass"
    assert judged["transports_agree"].verdict == "fail"
    assert judged["transports_agree"].message == "REST answers what cannot be read where gRPC answers"


@pytest.mark.parametrize(
    "answer", [http(b"", "Location: http://127.0.0.1:1/", status="302 Found"), http(b'{"error": ' + b"[" * 200_000)]
)
def test_a_rest_api_that_sends_us_elsewhere_or_nowhere_is_not_followed(fake, judge, answer):
    with raw_server(replies(answer.replace(b"200 OK", b"500 Oh"))) as rest:
        judged = judge(fake.grpc_address, rest)
    assert judged["outputs"].verdict == "pass"
    assert judged["transports_agree"].message == "REST refuses a request that gRPC answers"
