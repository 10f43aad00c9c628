"""The REST client: numpy in, numpy out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, final
from urllib.parse import quote

import urllib3
from google.protobuf import json_format

from pytest_tfsig import protos
from pytest_tfsig.clients.answers import Metadata, VersionStatus, metadata_from_proto, statuses_from_proto
from pytest_tfsig.clients.credentials import SYSTEM_CA, Credentials
from pytest_tfsig.clients.deadline import StaleConnectionError, pool_manager
from pytest_tfsig.clients.error import UNREADABLE, ServingError, code_of_http_status
from pytest_tfsig.clients.examples import as_examples, classification, regression
from pytest_tfsig.clients.inputs import as_arrays
from pytest_tfsig.clients.rest_values import (
    array_to_json,
    columns_from_json,
    decode,
    encode,
    example_to_json,
    rows_from_json,
    rows_to_json,
)
from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from pytest_tfsig.savedmodel import SignatureSpec

__all__ = ["RestAnswer", "RestClient"]

_OK = 200
_POOL_SIZE = 64


class RestAnswer(NamedTuple):
    """An HTTP answer as it came."""

    status: int
    content_type: str | None
    body: bytes


@final
class RestClient:
    """Calls the REST API of one server over kept-alive connections. Safe to share between threads.

    Args:
        url: `http://HOST:PORT` or `https://HOST:PORT`.
        credentials: TLS and headers; None: neither.
        timeout: Seconds after which a call fails with `DEADLINE_EXCEEDED`, unless the call says otherwise.
    """

    def __init__(self, url: str, *, credentials: Credentials | None = None, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        credentials = credentials or Credentials()
        self._headers = dict(credentials.headers)
        self._pool = pool_manager(maxsize=_POOL_SIZE, retries=False, **_tls(credentials))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def request(self, method: str, path: str, body: bytes | None = None, *, timeout: float | None = None) -> RestAnswer:
        """Send a request as it is, malformed or not, and return the answer whatever its status.

        Args:
            method: An HTTP method.
            path: The path with its query, such as `/v1/models/NAME`.
            body: The body; None: none.
            timeout: Seconds for the whole answer; None: the client's.

        Raises:
            ServingError: No answer came: `UNAVAILABLE`, or `DEADLINE_EXCEEDED` after the time-out.
        """
        limit = self.timeout if timeout is None else timeout
        try:
            answer = self._answered(method, path, body, limit)
        except urllib3.exceptions.NewConnectionError as error:
            # A refused connection counts as a connection time-out to urllib3.
            raise ServingError("UNAVAILABLE", f"no answer from {self.url}: {error}", "rest") from error
        except urllib3.exceptions.TimeoutError as error:
            message = f"no answer from {self.url} within {limit:g} s"
            raise ServingError("DEADLINE_EXCEEDED", message, "rest") from error
        except urllib3.exceptions.HTTPError as error:
            raise ServingError("UNAVAILABLE", f"no answer from {self.url}: {error}", "rest") from error
        return RestAnswer(answer.status, answer.headers.get("Content-Type"), answer.data)

    def _answered(self, method: str, path: str, body: bytes | None, limit: float) -> urllib3.BaseHTTPResponse:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        timeout = urllib3.Timeout(total=limit)
        while True:
            try:
                return self._pool.request(
                    method, self.url + path, body=body, headers=headers, timeout=timeout, redirect=False
                )
            except urllib3.exceptions.ProtocolError as error:
                # Each such connection is one fewer of those that are kept; on a new one nothing is sent twice.
                if not isinstance(error.args[-1], StaleConnectionError):
                    raise

    def call(self, path: str, body: bytes | None = None, *, timeout: float | None = None) -> bytes:
        """POST a body (or GET, where it is None) and return the body of the answer.

        Raises:
            ServingError: The status is not 200, or no answer came.
        """
        answer = self.request("GET" if body is None else "POST", path, body, timeout=timeout)
        if answer.status != _OK:
            raise ServingError(code_of_http_status(answer.status), _message(answer.body), "rest", answer.status)
        return answer.body

    def predict(
        self,
        name: str,
        inputs: Mapping[str, ArrayLike],
        *,
        signature: str = "serving_default",
        version: int | None = None,
        label: str | None = None,
        output_filter: Sequence[str] = (),
        timeout: float | None = None,
        specs: SignatureSpec | None = None,
        form: Literal["columns", "rows"] = "columns",
    ) -> dict[str, NDArray[Any]]:
        """Call the predict API.

        Args:
            name: The model.
            inputs: Values by input name.
            signature: The signature's name.
            version: A version; None: the newest.
            label: A version label, instead of `version`.
            output_filter: Must be empty: the REST API answers with all outputs.
            timeout: Seconds; None: the client's.
            specs: The signature's declaration, which gives the answer's dtypes; None: the server is asked for it.
            form: `columns` sends `inputs`, `rows` sends `instances`.

        Returns:
            Arrays by output name; strings are object arrays of bytes.

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
            UsageError: The inputs have no form in JSON.
        """
        if output_filter:
            raise UsageError('The REST API has no output_filter: leave it out, or use transport="grpc".')
        if specs is None:
            # An unknown signature has no declaration: the server shall say so itself.
            known = self.metadata(name, version=version, label=label, timeout=timeout).signatures
            specs = known.get(signature)
        arrays = as_arrays(inputs, specs)
        document: dict[str, Any] = {"signature_name": signature}
        if form == "rows":
            document["instances"] = rows_to_json(arrays)
        else:
            document["inputs"] = {key: array_to_json(key, array) for key, array in arrays.items()}
        answer = self._post(_path(name, version, label) + ":predict", document, timeout)
        if form == "rows":
            return _read(rows_from_json, "predictions", answer, specs)
        return _read(columns_from_json, "outputs", answer, specs)

    def classify(
        self,
        name: str,
        examples: Iterable[Any],
        *,
        signature: str = "serving_default",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
        specs: SignatureSpec | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Call the classify API for n examples (dicts of features, or `tf.Example` messages).

        Returns:
            `classes`, an object array of bytes, and `scores`, float32; both [n, k].

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        document = _examples_document(signature, examples, specs)
        answer = self._post(_path(name, version, label) + ":classify", document, timeout)
        return _read(lambda rows, _: classification(rows), "results", answer, specs)

    def regress(
        self,
        name: str,
        examples: Iterable[Any],
        *,
        signature: str = "serving_default",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
        specs: SignatureSpec | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Call the regress API for n examples (dicts of features, or `tf.Example` messages).

        Returns:
            `outputs`, float32 [n].

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        document = _examples_document(signature, examples, specs)
        answer = self._post(_path(name, version, label) + ":regress", document, timeout)
        return _read(lambda values, _: regression(values), "results", answer, specs)

    def metadata(
        self,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Metadata:
        """Return the signatures that a model has according to the server.

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        document = self._get(_path(name, version, label) + "/metadata", timeout)
        response = protos.GetModelMetadataResponse()
        try:
            signatures = json_format.ParseDict(
                document["metadata"]["signature_def"], protos.SignatureDefMap(), ignore_unknown_fields=True
            )
            json_format.ParseDict(document["model_spec"], response.model_spec, ignore_unknown_fields=True)
        except (KeyError, TypeError, json_format.ParseError) as error:
            raise _unreadable(error) from error
        response.metadata["signature_def"].value = signatures.SerializeToString()
        return metadata_from_proto(response)

    def status(self, name: str, *, version: int | None = None, timeout: float | None = None) -> list[VersionStatus]:
        """Return the states of a model's versions, newest first.

        Raises:
            ServingError: `NOT_FOUND` if the server has never heard of the model; or no answer came.
        """
        document = self._get(_path(name, version, None), timeout)
        try:
            response = json_format.ParseDict(document, protos.GetModelStatusResponse(), ignore_unknown_fields=True)
            return statuses_from_proto(response)
        except (TypeError, ValueError, json_format.ParseError) as error:
            raise _unreadable(error) from error

    def _get(self, path: str, timeout: float | None) -> Any:
        return _decoded(self.call(path, timeout=timeout))

    def _post(self, path: str, document: Any, timeout: float | None) -> Any:
        return _decoded(self.call(path, encode(document), timeout=timeout))


def _tls(credentials: Credentials) -> dict[str, Any]:
    if not credentials.tls:
        return {}
    return {
        "cert_reqs": "CERT_REQUIRED",
        "ca_certs": None if credentials.ca == SYSTEM_CA else credentials.ca,
        "cert_file": credentials.client_certificate,
        "key_file": credentials.client_key,
    }


def _path(name: str, version: int | None, label: str | None) -> str:
    path = f"/v1/models/{quote(name, safe='')}"
    if label is not None:
        return f"{path}/labels/{quote(label, safe='')}"
    return path if version is None else f"{path}/versions/{version}"


def _examples_document(signature: str, examples: Iterable[Any], specs: SignatureSpec | None) -> dict[str, Any]:
    return {
        "signature_name": signature,
        "examples": [example_to_json(example) for example in as_examples(examples, specs)],
    }


def _decoded(body: bytes) -> Any:
    try:
        return decode(body)
    except ValueError as error:
        raise _unreadable(error) from error


def _read(
    read: Callable[[Any, SignatureSpec | None], dict[str, NDArray[Any]]],
    key: str,
    answer: Any,
    specs: SignatureSpec | None,
) -> dict[str, NDArray[Any]]:
    try:
        return read(answer[key], specs)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> ServingError:
    return ServingError("INTERNAL", f"{UNREADABLE} the REST API promises: {error!r}", "rest", _OK)


def _message(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        document = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text.strip()
    return str(document.get("error", text)) if isinstance(document, dict) else text.strip()
