"""REST's routes: facts of TensorFlow Serving's handler, each named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.model_server import engine, metrics
from pytest_tfsig.model_server.lifecycle import Row, State
from pytest_tfsig.model_server.rest_routes import Router
from pytest_tfsig.model_server.status import Code, StatusError
from tests.unit.model_server.fakes import FakeManager, echo_manager, signature

ECHO = "/v1/models/echo"
ONE = b'{"instances": [1.0]}'


class Versions(FakeManager):
    """Echoes which version or label was asked for."""

    def __init__(self):
        super().__init__("m", {"serving_default": signature({"x": "float32"}, {"y": "float32"})}, lambda x: {"y": x})
        self.asked = []

    def get(self, spec):
        self.asked.append((spec.name, spec.version.value if spec.HasField("version") else None, spec.version_label))
        return super().get(spec)

    def rows(self, name):
        return [Row(3, State.AVAILABLE, None, 2), Row(1, State.END, None, 1)] if name == "m" else []


def ask(method, path, body=b"", manager=None, **options):
    return Router(manager or Versions(), **options).answer(method, path, body)


def error(answer):
    return json.loads(answer.body)["error"]


@pytest.mark.parametrize("path", ["/v1/models/m", "/V1/Models/m", "/v1/models/%6d"])
@pytest.mark.parametrize(
    ("part", "version", "label"),
    [
        ("", None, ""),
        ("/versions/1", 1, ""),
        ("/versions/007", 7, ""),
        ("/VERSIONS/9223372036854775807", 2**63 - 1, ""),
        ("/labels/stable", None, "stable"),
        ("/labels/a%20b", None, "a b"),
        ("/labels/1", None, "1"),
    ],
)
def test_a_path_names_a_model_and_one_of_its_versions(path, part, version, label):
    manager = Versions()
    answer = ask("POST", f"{path}{part}:predict", ONE, manager)
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert set(manager.asked) == {("m", version, label)}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/"),
        ("POST", "/v1/models"),
        ("POST", "/v1/models/m"),
        ("POST", "/v1/models/:predict"),
        ("POST", "/v1/models/m:predict/"),
        ("POST", "/v1/models/m:PREDICT"),
        ("POST", "/v1/models/m:multiInference"),
        ("POST", "/v1/models/m:predict?x=1"),
        ("POST", "/v1/models/m:predict#x"),
        ("POST", "/v1/models/m%3Apredict"),
        ("POST", "/v1/models/m/metadata"),
        ("POST", "/v1/models/m/versions/:predict"),
        ("POST", "/v1/models/m/versions/abc:predict"),
        ("POST", "/v1/models/m/versions/-1:predict"),
        ("POST", "/v1/models/m/versions/1/labels/stable:predict"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/m:predict"),
        ("GET", "/v1/models/m/nothing"),
        ("GET", "/v1/models/m/metadata/"),
        ("PUT", "/v1/models/m:predict"),
        ("DELETE", "/v1/models/m"),
        ("HEAD", "/v1/models/m"),
        ("PATCH", "/v1/models/m"),
    ],
)
def test_other_paths_and_methods_are_malformed(method, path):
    answer = ask(method, path, ONE)
    assert (answer.status, answer.content_type) == (400, "application/json")
    assert error(answer) == f"Malformed request: {method} {path}"


def test_a_version_beyond_64_bits_is_refused_without_a_word():
    answer = ask("POST", "/v1/models/m/versions/9223372036854775808:predict", ONE)
    assert (answer.status, answer.content_type, answer.body) == (400, "application/json", b"")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/versions/1"])
def test_status_needs_a_model(path):
    assert error(ask("GET", path)) == "Missing model name in request."


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/models/m", "//v1/models/m", "/index.html", "*"])
def test_outside_the_api_there_is_a_page(path):
    answer = ask("GET", path)
    assert (answer.status, answer.content_type, answer.close) == (404, "text/html", True)
    assert answer.body == (
        b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"
    )


@pytest.mark.parametrize("path", ["/v1/models/a|b", "/v1/models/%zz", "/v1/models/\xff", "/v1/models/m?a=[b]"])
def test_characters_that_no_uri_has_are_a_bad_request(path):
    answer = ask("GET", path)
    assert (answer.status, answer.content_type) == (400, "text/html")
    assert b"<H1>Bad Request</H1>" in answer.body


def test_an_absolute_uri_is_as_good_as_its_path():
    assert ask("GET", "http://host:8501/v1/models/m").status == 200


@pytest.mark.parametrize(
    ("origin", "status"), [("https://a.example", 200), ("http://b", 200), ("", 400), ("ftp://c", 400)]
)
def test_options_wants_an_origin(origin, status):
    answer = Router(Versions()).answer("OPTIONS", "/v1/models/m", b"", origin)
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("path", ["/v1/models/m", "/v1/nothing"])
def test_pages_of_other_sites_may_read_where_it_is_allowed(path):
    assert ask("GET", path).headers == ()
    assert "Access-Control-Allow-Origin: *" in ask("GET", path, cors=True).headers
    assert ask("OPTIONS", path, cors=True).headers
    assert ask("GET", "/", cors=True).headers == ()


def test_status_shows_versions_and_ignores_a_label():
    body = json.loads(ask("GET", "/v1/models/m/labels/none").body)
    assert [(row["version"], row["state"]) for row in body["model_version_status"]] == [
        ("3", "AVAILABLE"),
        ("1", "END"),
    ]


def test_status_of_one_version():
    body = json.loads(ask("GET", "/v1/models/m/versions/1").body)
    assert [row["version"] for row in body["model_version_status"]] == ["1"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/models/metadata", "Could not find any versions of model metadata"),
        ("/v1/models/m/versions/9", "Could not find version 9 of model m"),
        ("/v1/models/m?x", "Could not find any versions of model m?x"),
    ],
)
def test_status_of_what_is_unknown(path, message):
    answer = ask("GET", path)
    assert (answer.status, error(answer)) == (404, message)


def test_metadata_names_the_version_that_it_describes():
    body = json.loads(ask("GET", "/v1/models/m/metadata").body)
    assert body["model_spec"] == {"name": "m", "version": "7", "signature_name": ""}
    assert list(body["metadata"]["signature_def"]["signature_def"]) == ["serving_default"]


def test_json_is_read_before_the_model_is_looked_for():
    answer = ask("POST", "/v1/models/nobody:predict", b"{")
    assert (answer.status, error(answer)) == (400, "JSON Parse error: Missing a name for object member. at offset: 1")
    answer = ask("POST", "/v1/models/nobody:classify", b'{"examples": 5}')
    assert answer.status == 400
    assert ask("POST", "/v1/models/nobody:predict", b"{}").status == 404


def test_a_signature_is_looked_for_before_the_values_are_read():
    answer = ask("POST", f"{ECHO}:predict", b'{"signature_name": "nope"}', echo_manager())
    assert (answer.status, error(answer)) == (400, 'Serving signature name: "nope" not found in signature def')


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("CANCELLED", 499),
        ("UNKNOWN", 500),
        ("INVALID_ARGUMENT", 400),
        ("DEADLINE_EXCEEDED", 504),
        ("NOT_FOUND", 404),
        ("ALREADY_EXISTS", 409),
        ("PERMISSION_DENIED", 403),
        ("UNAUTHENTICATED", 401),
        ("RESOURCE_EXHAUSTED", 429),
        ("FAILED_PRECONDITION", 400),
        ("ABORTED", 409),
        ("OUT_OF_RANGE", 400),
        ("UNIMPLEMENTED", 501),
        ("INTERNAL", 500),
        ("UNAVAILABLE", 503),
        ("DATA_LOSS", 500),
    ],
)
def test_every_code_has_an_http_status(code, status):
    def fail(**_):
        raise StatusError(Code[code], 'says "why"')

    manager = FakeManager("m", {"serving_default": signature({"x": "float32"}, {"y": "float32"})}, fail)
    answer = ask("POST", "/v1/models/m:predict", ONE, manager)
    assert answer.status == status
    assert answer.body == b'{\n    "error": "says \\"why\\""\n}'


def test_our_own_failure_is_an_answer_too():
    def fail(**_):
        raise ZeroDivisionError("oops")

    manager = FakeManager("m", {"serving_default": signature({"x": "float32"}, {"y": "float32"})}, fail)
    answer = ask("POST", "/v1/models/m:predict", ONE, manager)
    assert (answer.status, error(answer)) == (500, "ZeroDivisionError: oops")


def test_classify_and_regress_answer_with_results():
    manager = FakeManager(
        "m",
        {
            "classify": signature({"inputs": "string"}, {"scores": "float32"}, "classify"),
            "regress": signature({"inputs": "string"}, {"outputs": "float32"}, "regress"),
        },
        lambda inputs: {
            "scores": np.zeros((len(inputs), 2), np.float32),
            "outputs": np.ones(len(inputs), np.float32),
        },
    )
    body = b'{"signature_name": "%s", "examples": [{"x": 1.0}, {}]}'
    classified = ask("POST", "/v1/models/m:classify", body % b"classify", manager)
    assert json.loads(classified.body) == {"results": [[["", 0.0], ["", 0.0]]] * 2}
    regressed = ask("POST", "/v1/models/m:regress", body % b"regress", manager)
    assert json.loads(regressed.body) == {"results": [1.0, 1.0]}


@pytest.mark.parametrize(("timeout", "limited"), [(0, False), (30, True)])
def test_a_run_has_the_time_that_rest_gives_it(timeout, limited):
    seen = []

    def look(x):
        seen.append(engine.deadline.get())
        return {"y": x}

    manager = FakeManager("m", {"serving_default": signature({"x": "float32"}, {"y": "float32"})}, look)
    assert ask("POST", "/v1/models/m:predict", ONE, manager, timeout=timeout).status == 200
    assert [due is not None for due in seen] == [limited]
    assert engine.deadline.get() is None


def test_metrics_are_shown_where_they_are_asked_for():
    shown = metrics.Registry([metrics.Counter("some_count")])
    assert ask("GET", shown.path).status == 404
    answer = ask("GET", shown.path, shown=shown)
    assert (answer.status, answer.content_type) == (200, "text/plain")
    assert answer.body.startswith(b"# TYPE :tensorflow:serving:some_count counter\n")
    answer = ask("GET", shown.path + "?x=1", shown=shown)
    assert answer.status == 400
    assert answer.body == f"Unexpected path: {shown.path}?x=1. Should be {shown.path}".encode()


def test_requests_are_counted_by_model_and_code():
    def count(status):
        label = f'model_name="counted",status="{status}"'
        return sum(int(line.rpartition(" ")[2]) for line in metrics.REQUEST_COUNT.lines() if label in line)

    before = count("OK"), count("NOT_FOUND")
    manager = FakeManager(
        "counted", {"serving_default": signature({"x": "float32"}, {"y": "float32"})}, lambda x: {"y": x}
    )
    ask("POST", "/v1/models/counted:predict", ONE, manager)
    ask("GET", "/v1/models/counted", manager=manager)
    assert (count("OK"), count("NOT_FOUND")) == (before[0] + 1, before[1] + 1)


PIECES = st.sampled_from(
    ["{", "}", "[", "]", ":", ",", '"', "\\", "\\u00e9", "\\ud800", "\0", "\xff", "instances", "inputs", "examples",
     "context", "signature_name", "x", "b64", "aGk=", "1", "-0", ".5", "e9", "1e999", "NaN", "Infinity", "true", "null",
     '{"instances":[', '{"inputs":', '{"examples":[{"x":', "]}", '{"b64":"']
)  # fmt: skip
EVERY_DTYPE = echo_manager("float64", "int8", "int64", "uint16", "bool", "string", "float16", "complex64")


@given(
    st.sampled_from(["predict", "classify", "regress"]),
    st.lists(PIECES, max_size=15).map("".join),
    st.sampled_from(["", *EVERY_DTYPE.servable.signatures]),
)
def test_no_body_makes_the_server_fail(api, text, name):
    text = text.replace("{", f'{{"signature_name":"{name}",', 1) if name else text
    answer = ask("POST", f"{ECHO}:{api}", text.encode("latin-1"), EVERY_DTYPE)
    assert answer.status in {200, 400, 501}


PATH_PIECES = st.sampled_from(
    [*"/:?#%[ ~\xff", "v1", "models", "m", "versions", "labels", "1", "%6d", "metadata", "predict"]
)


@given(st.sampled_from(["GET", "POST", "PUT", "OPTIONS"]), st.lists(PATH_PIECES).map("".join))
def test_no_path_makes_the_server_fail(method, path):
    assert ask(method, "/v1/models" + path, ONE).status in {200, 400, 404}
