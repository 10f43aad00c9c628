"""REST's routes: method, path and body in, an answer out, whatever carries them."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import unquote_to_bytes

from pytest_tfsig import protos
from pytest_tfsig.model_server import (
    classify,
    introspection,
    metrics,
    predict,
    regress,
    rest_json_examples,
    rest_json_inputs,
    rest_json_results,
)
from pytest_tfsig.model_server.engine import deadline
from pytest_tfsig.model_server.rest_json_writer import error_body
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.model_server.manager import Manager

__all__ = ["Answer", "Router"]

logger = logging.getLogger(__name__)

JSON: Final = "application/json"
HTML: Final = "text/html"
_DEFAULT_TYPE: Final = "text/html; charset=ISO-8859-1"
_PLAIN: Final = "text/plain"

_HTTP_STATUS: Final = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
_REASONS: Final = {400: "Bad Request", 404: "Not Found"}

_API = re.compile(r"/v1/[^\n]*", re.IGNORECASE)
_MODEL = r"(?P<name>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(rf"/v1/models/{_MODEL}{_VERSION}:(?P<api>classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(rf"/v1/models(?:/{_MODEL})?{_VERSION}(?:/(?P<api>metadata))?", re.IGNORECASE)

_TARGET = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://[^/?#]*)?(?P<path>[^?#]*)(?P<rest>(?:\?[^#]*)?(?:#.*)?)", re.DOTALL
)
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_REST_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?#]|%[0-9A-Fa-f]{2})*")
_ORIGIN = re.compile("https?://")
_CORS: Final = (
    "Access-Control-Allow-Origin: *",
    "Access-Control-Allow-Methods: POST, GET",
    "Access-Control-Allow-Headers: Content-Type",
)
_MAX_INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to an HTTP request.

    Attributes:
        status: HTTP status.
        body: The body's bytes.
        content_type: Of the body.
        close: Whether the connection ends with it.
        headers: Further lines of its head.
    """

    status: int
    body: bytes
    content_type: str = JSON
    close: bool = False
    headers: tuple[str, ...] = ()


@final
class Router:
    """Answers requests from a manager's servables.

    Args:
        manager: Where servables and their status are found.
        timeout: Seconds that a run of a model may take; 0 for any time.
        shown: Metrics to show at their path; None shows none.
        cors: Whether answers of the API let pages of other sites read them.
    """

    def __init__(
        self, manager: Manager, timeout: float = 0, shown: metrics.Registry | None = None, *, cors: bool = False
    ) -> None:
        self._manager = manager
        self._timeout = timeout
        self._shown = shown
        self._headers = _CORS if cors else ()

    def answer(self, method: str, target: str, body: bytes, origin: str = "") -> Answer:
        """Answer a request; never raises.

        Args:
            method: In capitals.
            target: As it stands in the request line.
            body: Decompressed already.
            origin: The header by which browsers say which site asks; empty without one.
        """
        parts = _TARGET.fullmatch(target)
        if parts is None or not _is_conformant(parts):
            return error_page(400)
        path, rest = parts["path"], parts["rest"]
        if self._shown is not None and path == self._shown.path:
            return _metrics_page(self._shown, path + rest)
        if not _API.fullmatch(path + rest):
            return error_page(404)
        if method == "OPTIONS":
            answer = Answer(200 if _ORIGIN.search(origin) else 400, b"", _DEFAULT_TYPE)
        else:
            answer = self._answer_api(method, path + rest, body)
        return replace(answer, headers=self._headers) if self._headers else answer

    def _answer_api(self, method: str, path: str, body: bytes) -> Answer:
        begin = time.perf_counter()
        call = _Call("", "", None)
        try:
            call = _parse(method, path)
            answer = Answer(200, self._run(call, body))
            code = Code.OK
        except _UnsaidError as error:
            code, answer = Code.INVALID_ARGUMENT, Answer(400, b"")
            logger.info("REST %s %s: %s", method, path, error)
        except StatusError as error:
            code, answer = error.code, Answer(_HTTP_STATUS[error.code], error_body(error.message))
            logger.info("REST %s %s: %s", method, path, error)
        except Exception as error:  # whatever a request holds, the server goes on
            logger.exception("REST %s %s failed", method, path)
            code, answer = Code.INTERNAL, Answer(500, error_body(f"{type(error).__name__}: {error}"))
        metrics.REGISTRY.request(call.name, call.method, "REST", code, time.perf_counter() - begin)
        return answer

    def _run(self, call: _Call, body: bytes) -> bytes:
        spec = call.spec()
        if call.api == "metadata":
            request = protos.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
            return rest_json_results.metadata(introspection.metadata(self._manager, request))
        if call.api == "status":
            request = protos.GetModelStatusRequest(model_spec=spec)
            return rest_json_results.status(introspection.status(self._manager, request))
        due = deadline.set(time.monotonic() + self._timeout if self._timeout else None)
        try:
            return _INFERENCES[call.api](self._manager, spec, body)
        finally:
            deadline.reset(due)


@dataclass(frozen=True, slots=True)
class _Call:
    """What a path asks for."""

    name: str
    api: str
    version: int | None
    label: str | None = None

    @property
    def method(self) -> str:
        """The method as a path names it; status and metadata are none."""
        return self.api if self.api in _INFERENCES else ""

    def spec(self) -> Any:
        """The request's ModelSpec."""
        spec = protos.ModelSpec(name=self.name)
        if self.version is not None:
            spec.version.value = self.version
        if self.label is not None:
            spec.version_label = self.label
        return spec


class _UnsaidError(Exception):
    """A refusal for which TensorFlow Serving sends no body."""


def _parse(method: str, path: str) -> _Call:
    pattern = {"POST": _POST, "GET": _GET}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    malformed = StatusError(Code.INVALID_ARGUMENT, f"Malformed request: {method} {path}")
    if match is None:
        raise malformed
    version = int(match["version"]) if match["version"] else None
    if version is not None and version > _MAX_INT64:
        raise _UnsaidError(f"Failed to convert version: {match['version']} to numeric.")
    api = match["api"] or "status"
    if method == "POST" and api not in _INFERENCES:
        raise malformed
    if method == "GET" and api != "metadata":
        api = "status"
    name = _decoded(match["name"])
    if method == "GET" and not name:
        raise StatusError(Code.INVALID_ARGUMENT, "Missing model name in request.")
    return _Call(name, api, version, _decoded(match["label"]) or None)


def _decoded(text: str | None) -> str:
    return unquote_to_bytes(text or "").decode("utf-8", "replace")


def _predict(manager: Manager, spec: Any, body: bytes) -> bytes:
    def inputs_of(signature: str) -> Mapping[str, Any]:
        name = signature or predict.DEFAULT_SIGNATURE
        with manager.get(spec) as servable:
            if name not in servable.signatures:
                raise StatusError(Code.INVALID_ARGUMENT, f'Serving signature name: "{name}" not found in signature def')
            inputs: Mapping[str, Any] = servable.signatures[name].inputs
            return inputs

    asked = rest_json_inputs.read_predict(body, inputs_of)
    with manager.get(spec) as servable:
        outputs = predict.run(servable, asked.signature, asked.inputs)
    return rest_json_results.predictions(outputs, is_row=asked.is_row)


def _classify(manager: Manager, spec: Any, body: bytes) -> bytes:
    signature, given = rest_json_examples.read_examples(body)
    with manager.get(spec) as servable:
        return rest_json_results.classifications(classify.run(servable, signature, given))


def _regress(manager: Manager, spec: Any, body: bytes) -> bytes:
    signature, given = rest_json_examples.read_examples(body)
    with manager.get(spec) as servable:
        return rest_json_results.regressions(regress.run(servable, signature, given))


_INFERENCES: Final = {"predict": _predict, "classify": _classify, "regress": _regress}


def _metrics_page(shown: metrics.Registry, path: str) -> Answer:
    if path != shown.path:
        return Answer(400, f"Unexpected path: {path}. Should be {shown.path}".encode("latin-1"), _PLAIN)
    return Answer(200, shown.render().encode(), _PLAIN)


def _is_conformant(parts: re.Match[str]) -> bool:
    return bool(_CHARACTERS.fullmatch(parts["path"]) and _REST_CHARACTERS.fullmatch(parts["rest"]))


def error_page(status: int, reason: str = "") -> Answer:
    """The HTML page that says what TensorFlow Serving's HTTP library, not its API, refuses."""
    reason = reason or _REASONS[status]
    page = f"<HTML><HEAD>\n<TITLE>{status} {reason}</TITLE>\n</HEAD><BODY>\n<H1>{reason}</H1>\n</BODY></HTML>\n"
    return Answer(status, page.encode(), HTML, close=True)
