"""The gRPC client: numpy in, numpy out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar, final

import grpc
from google.protobuf.message import DecodeError

from pytest_tfsig import protos, tensors
from pytest_tfsig.clients.answers import Metadata, VersionStatus, metadata_from_proto, statuses_from_proto
from pytest_tfsig.clients.credentials import SYSTEM_CA, Credentials
from pytest_tfsig.clients.error import UNREADABLE, ServingError
from pytest_tfsig.clients.examples import classification, example_input, regression
from pytest_tfsig.clients.inputs import as_arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from pytest_tfsig.savedmodel import SignatureSpec

__all__ = ["GrpcClient"]

_Read = TypeVar("_Read")
_MESSAGE_BYTES = 2**31

_LOOPBACK = ("127.", "localhost:", "[::1]:")
_MODEL_SERVICE = ("GetModelStatus", "HandleReloadConfigRequest")
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A connection of its own, so that a server which takes over a dead one's port does not inherit its back-off.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A request that is repeated behind the caller's back would hide a crash and falsify latencies.
    ("grpc.enable_retries", 0),
)


@final
class GrpcClient:
    """Calls the PredictionService and the ModelService of one server. Safe to share between threads.

    Args:
        address: `HOST:PORT`.
        credentials: TLS and headers; None: neither.
        timeout: Seconds after which a call fails with `DEADLINE_EXCEEDED`, unless the call says otherwise.
        direct: Whether no HTTP proxy of the environment leads there, as to a container's address on this machine; a
            loopback address is always reached directly.
    """

    def __init__(
        self, address: str, *, credentials: Credentials | None = None, timeout: float = 60.0, direct: bool = False
    ) -> None:
        self.address = address
        self.timeout = timeout
        self._credentials = credentials or Credentials()
        self._channel = _channel(address, self._credentials, direct=direct or address.startswith(_LOOPBACK))
        self._calls: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def channel(self) -> Any:
        """The `grpc.Channel`, for stubs of the user's own."""
        return self._channel

    def close(self) -> None:
        """Close the connection; calls that are under way fail with `CANCELLED`."""
        self._channel.close()

    def call(self, method: str, request: bytes, *, timeout: float | None = None) -> bytes:
        """Send the bytes of a request as they are, malformed or not.

        Args:
            method: A method of the PredictionService or ModelService such as `Predict`, or a full path such as
                `/grpc.health.v1.Health/Check`.
            request: The serialized request.
            timeout: Seconds; None: the client's.

        Returns:
            The serialized response.

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        call = self._calls.get(method)
        if call is None:
            call = self._calls[method] = self._channel.unary_unary(_path(method))
        limit = self.timeout if timeout is None else timeout
        try:
            answer: bytes = call(request, timeout=limit, metadata=self._credentials.headers or None)
        except grpc.RpcError as error:
            raise ServingError(error.code().name, error.details() or "", "grpc") from error
        except ValueError as error:
            # grpc says so when the channel was closed by another thread.
            raise ServingError("CANCELLED", "the client is closed", "grpc") from error
        return answer

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
    ) -> dict[str, NDArray[Any]]:
        """Call Predict.

        Args:
            name: The model.
            inputs: Values by input name. Arrays are sent with their own dtype, lists and scalars with the declared.
            signature: The signature's name.
            version: A version; None: the newest.
            label: A version label, instead of `version`.
            output_filter: The outputs wanted; empty: all.
            timeout: Seconds; None: the client's.
            specs: The signature's declaration.

        Returns:
            Arrays by output name; strings are object arrays of bytes. Arrays may be read-only.

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
            UsageError: A value cannot be an array of its declared dtype.
        """
        request = protos.PredictRequest(model_spec=_model_spec(name, signature, version, label))
        for key, array in as_arrays(inputs, specs).items():
            request.inputs[key].CopyFrom(tensors.to_proto(array))
        request.output_filter.extend(output_filter)
        return self._ask("Predict", request, protos.PredictResponse, _outputs, timeout)

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
        """Call Classify for n examples (dicts of features, or `tf.Example` messages).

        Returns:
            `classes`, an object array of bytes, and `scores`, float32; both [n, k].

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        request = protos.ClassificationRequest(
            model_spec=_model_spec(name, signature, version, label), input=example_input(examples, specs)
        )
        return self._ask("Classify", request, protos.ClassificationResponse, _classes_and_scores, timeout)

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
        """Call Regress for n examples (dicts of features, or `tf.Example` messages).

        Returns:
            `outputs`, float32 [n].

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        request = protos.RegressionRequest(
            model_spec=_model_spec(name, signature, version, label), input=example_input(examples, specs)
        )
        return self._ask("Regress", request, protos.RegressionResponse, _values, timeout)

    def multi_inference(
        self,
        name: str,
        examples: Iterable[Any],
        signatures: Mapping[str, str],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
        specs: SignatureSpec | None = None,
    ) -> dict[str, dict[str, NDArray[Any]]]:
        """Call several classify and regress signatures with the same examples in one request.

        Args:
            name: The model.
            examples: Dicts of features, or `tf.Example` messages.
            signatures: `classify` or `regress` by signature name.
            version: A version; None: the newest.
            label: A version label, instead of `version`.
            timeout: Seconds; None: the client's.
            specs: The declaration of one of the signatures; they share their features.

        Returns:
            What `classify` or `regress` returns, by signature name.

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        request = protos.MultiInferenceRequest(input=example_input(examples, specs))
        for signature, method in signatures.items():
            request.tasks.add(
                model_spec=_model_spec(name, signature, version, label), method_name=f"tensorflow/serving/{method}"
            )
        return self._ask("MultiInference", request, protos.MultiInferenceResponse, _by_signature, timeout)

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
        request = protos.GetModelMetadataRequest(
            model_spec=_model_spec(name, "", version, label), metadata_field=["signature_def"]
        )
        return self._ask("GetModelMetadata", request, protos.GetModelMetadataResponse, metadata_from_proto, timeout)

    def status(self, name: str, *, version: int | None = None, timeout: float | None = None) -> list[VersionStatus]:
        """Return the states of a model's versions, newest first.

        Raises:
            ServingError: `NOT_FOUND` if the server has never heard of the model; or no answer came.
        """
        request = protos.GetModelStatusRequest(model_spec=_model_spec(name, "", version, None))
        return self._ask("GetModelStatus", request, protos.GetModelStatusResponse, statuses_from_proto, timeout)

    def reload(self, config: Any, *, timeout: float | None = None) -> None:
        """Have the server serve exactly the models of a `ModelServerConfig`.

        Raises:
            ServingError: A model could not be loaded, the configuration is refused, or no answer came.
        """
        request = protos.ReloadConfigRequest(config=config)
        self._ask("HandleReloadConfigRequest", request, protos.ReloadConfigResponse, lambda _: None, timeout)

    def _ask(
        self, method: str, request: Any, response: Any, read: Callable[[Any], _Read], timeout: float | None
    ) -> _Read:
        answer = self.call(method, request.SerializeToString(), timeout=timeout)
        try:
            return read(response.FromString(answer))
        except (DecodeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            # A TensorError is a ValueError too.
            raise ServingError("INTERNAL", f"{UNREADABLE} the gRPC API promises: {error}", "grpc") from error


def _channel(address: str, credentials: Credentials, *, direct: bool) -> Any:
    options = list(_OPTIONS)
    if direct:
        # gRPC follows http_proxy even to the machine it runs on.
        options.append(("grpc.enable_http_proxy", 0))
    if not credentials.tls:
        return grpc.insecure_channel(address, options)
    read = {
        "root_certificates": _contents(None if credentials.ca == SYSTEM_CA else credentials.ca),
        "private_key": _contents(credentials.client_key),
        "certificate_chain": _contents(credentials.client_certificate),
    }
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(**read), options)


def _contents(path: Any) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:  # noqa: PTH123 - a path given as text or as Path alike
        return file.read()


def _path(method: str) -> str:
    if method.startswith("/"):
        return method
    service = "ModelService" if method in _MODEL_SERVICE else "PredictionService"
    return f"/tensorflow.serving.{service}/{method}"


def _model_spec(name: str, signature: str, version: int | None, label: str | None) -> Any:
    spec = protos.ModelSpec(name=name, signature_name=signature)
    if version is not None:
        spec.version.value = version
    if label is not None:
        # The two are a oneof: of a version and a label given together the label counts.
        spec.version_label = label
    return spec


def _outputs(response: Any) -> dict[str, NDArray[Any]]:
    arrays = {key: tensors.from_proto(response.outputs[key]) for key in sorted(response.outputs)}
    for key, array in arrays.items():
        if array.nbytes > _MESSAGE_BYTES:
            # One value that stands for all: to look at them would take more memory than any real answer.
            raise ValueError(f"output {key!r} of shape {list(array.shape)} is larger than a message can be, 2 GiB")
    return arrays


def _classes_and_scores(response: Any) -> dict[str, NDArray[Any]]:
    rows = response.result.classifications
    return classification([[(entry.label, entry.score) for entry in row.classes] for row in rows])


def _values(response: Any) -> dict[str, NDArray[Any]]:
    return regression([row.value for row in response.result.regressions])


def _by_signature(response: Any) -> dict[str, dict[str, NDArray[Any]]]:
    return {result.model_spec.signature_name: _one_of(result) for result in response.results}


def _one_of(result: Any) -> dict[str, NDArray[Any]]:
    if result.WhichOneof("result") == "classification_result":
        return _classes_and_scores(protos.ClassificationResponse(result=result.classification_result))
    return _values(protos.RegressionResponse(result=result.regression_result))
