"""The served model: a user's handle on one model of one server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pytest_tfsig.errors import ServerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from pytest_tfsig.clients import GrpcClient, Metadata, RestClient, VersionStatus
    from pytest_tfsig.savedmodel import SignatureSpec
    from pytest_tfsig.serving.protocol import Server

__all__ = ["ServedModel"]

Transport = Literal["grpc", "rest"]


class ServedModel:
    """A model as callers meet it: over gRPC or REST, numpy in and numpy out.

    Args:
        server: What serves it.
        name: Its name there.
        signatures: Its signatures, by name; None: the server is asked when they are needed.
        version: The version that requests go to unless they say otherwise; None: the newest.
        timeout: Seconds that an answer may take, unless the call says otherwise.
    """

    def __init__(
        self,
        server: Server,
        name: str,
        *,
        signatures: Mapping[str, SignatureSpec] | None = None,
        version: int | None = None,
        timeout: float = 60.0,
    ) -> None:
        self.server = server
        self.name = name
        self.version = version
        self._signatures = None if signatures is None else dict(signatures)
        self._timeout = timeout
        self._grpc: GrpcClient | None = None
        self._rest: RestClient | None = None
        self._incarnation = ""

    def __repr__(self) -> str:
        return f"ServedModel({self.name!r}, server={self.server.description!r})"

    @property
    def grpc_address(self) -> str:
        """`HOST:PORT` of the server's gRPC APIs."""
        return self.server.grpc_address

    @property
    def rest_url(self) -> str | None:
        """`http://HOST:PORT` of the server's REST API; None where there is none."""
        return self.server.rest_url

    @property
    def signatures(self) -> dict[str, SignatureSpec]:
        """The signatures, by name."""
        if self._signatures is None:
            self._signatures = self.metadata().signatures
        return self._signatures

    @property
    def grpc(self) -> GrpcClient:
        """The gRPC client; a new one when the server was restarted."""
        from pytest_tfsig.clients import GrpcClient

        self._leave_former()
        if self._grpc is None:
            self._grpc = GrpcClient(
                self.grpc_address,
                credentials=self.server.credentials,
                timeout=self._timeout,
                direct=self.server.kind != "remote",
            )
        return self._grpc

    @property
    def rest(self) -> RestClient:
        """The REST client; a new one when the server was restarted.

        Raises:
            ServerError: The server has no REST API.
        """
        from pytest_tfsig.clients import RestClient

        url = self.rest_url
        if url is None:
            raise ServerError(f'{self.server.description} has no REST API: give its address, or use transport="grpc".')
        self._leave_former()
        if self._rest is None:
            self._rest = RestClient(url, credentials=self.server.credentials, timeout=self._timeout)
        return self._rest

    def predict(
        self,
        inputs: Mapping[str, ArrayLike],
        signature: str = "serving_default",
        *,
        transport: Transport = "grpc",
        version: int | None = None,
        label: str | None = None,
        output_filter: Sequence[str] = (),
        timeout: float | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Call a predict signature.

        Args:
            inputs: Values by input name. Arrays are sent with their own dtype, lists and scalars with the declared.
            signature: The signature's name.
            transport: `grpc` or `rest`.
            version: A version; None: the handle's own, or the newest.
            label: A version label, instead of a version.
            output_filter: The outputs wanted (gRPC only); empty: all.
            timeout: Seconds; None: the handle's.

        Returns:
            Arrays by output name; strings are object arrays of bytes.

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
            UsageError: A value cannot be an array of its declared dtype.
        """
        return self._client(transport).predict(
            self.name,
            inputs,
            output_filter=output_filter,
            **self._call(signature, version, label, timeout),
        )

    def classify(
        self,
        examples: Iterable[Any],
        signature: str = "serving_default",
        *,
        transport: Transport = "grpc",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Call a classify signature for n examples (dicts of features, or `tf.Example` messages).

        Returns:
            `classes`, an object array of bytes, and `scores`, float32; both [n, k].

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        call = self._call(signature, version, label, timeout)
        return self._client(transport).classify(self.name, examples, **call)

    def regress(
        self,
        examples: Iterable[Any],
        signature: str = "serving_default",
        *,
        transport: Transport = "grpc",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Call a regress signature for n examples (dicts of features, or `tf.Example` messages).

        Returns:
            `outputs`, float32 [n].

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        call = self._call(signature, version, label, timeout)
        return self._client(transport).regress(self.name, examples, **call)

    def multi_inference(
        self,
        examples: Iterable[Any],
        signatures: Iterable[str],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, dict[str, NDArray[Any]]]:
        """Call several classify and regress signatures with the same examples in one request (gRPC only).

        Returns:
            What `classify` or `regress` returns, by signature name.

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
            UsageError: The model has no such signature.
        """
        methods = {}
        for name in signatures:
            if name not in self.signatures:
                known = ", ".join(sorted(self.signatures)) or "none"
                raise UsageError(f"Model {self.name!r} has no signature {name!r}; it has {known}.")
            methods[name] = self.signatures[name].method
        call = self._call(next(iter(methods), ""), version, label, timeout)
        del call["signature"]
        return self.grpc.multi_inference(self.name, examples, methods, **call)

    def metadata(self, *, transport: Transport = "grpc", timeout: float | None = None) -> Metadata:
        """Return the signatures that the model has according to the server.

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        return self._client(transport).metadata(self.name, version=self.version, timeout=timeout)

    def status(self, *, transport: Transport = "grpc", timeout: float | None = None) -> list[VersionStatus]:
        """Return the states of the model's versions, newest first.

        Raises:
            ServingError: The server answered with an error, or not in time, or cannot be reached.
        """
        return self._client(transport).status(self.name, timeout=timeout)

    def logs(self) -> str:
        """Return the end of the server's log."""
        return self.server.logs()

    def stub(self) -> Any:
        """Return the official client's `PredictionServiceStub` for this server.

        Raises:
            UsageError: It is not installed.
        """
        from pytest_tfsig.serving.stub import prediction_stub

        return prediction_stub(self.grpc.channel)

    def close(self) -> None:
        """Close the connections; the model is served on."""
        for client in (self._grpc, self._rest):
            if client is not None:
                client.close()
        self._grpc = self._rest = None

    def _leave_former(self) -> None:
        """Drop the clients of a server that was started again since: they wait before they try an address again."""
        incarnation = self.server.incarnation
        if self._incarnation != incarnation:
            self.close()
            self._incarnation = incarnation

    def _client(self, transport: Transport) -> GrpcClient | RestClient:
        if transport not in ("grpc", "rest"):
            raise UsageError(f'{transport!r} is no transport: write "grpc" or "rest".')
        return self.grpc if transport == "grpc" else self.rest

    def _call(self, signature: str, version: int | None, label: str | None, timeout: float | None) -> dict[str, Any]:
        if version is not None and label is not None:
            raise UsageError("A request names a version or a label, not both.")
        return {
            "signature": signature,
            "version": self.version if version is None and label is None else version,
            "label": label,
            "timeout": timeout,
            "specs": self.signatures.get(signature),
        }
