"""A running model server: its manager and its transports, put together as the flags say."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from pytest_tfsig import protos
from pytest_tfsig.model_server import config as configuration
from pytest_tfsig.model_server import grpc_server, metrics, ops, rest, watch, wire
from pytest_tfsig.model_server.batching import Parameters, Scheduler
from pytest_tfsig.model_server.lifecycle import availability_preserving, resource_preserving
from pytest_tfsig.model_server.loading import Loader
from pytest_tfsig.model_server.manager import Manager, Options
from pytest_tfsig.model_server.status import StatusError

if TYPE_CHECKING:
    from pytest_tfsig.model_server.flags import Flags

__all__ = ["Program"]

logger = logging.getLogger(__name__)

_INTRA_OP_THREADS, _INTER_OP_THREADS = 2, 5  # fields of ConfigProto


class Program:
    """Serves until a signal, or the end of the process that is watched.

    Args:
        flags: The command line.

    Raises:
        StatusError: A file that a flag names is missing or malformed.
        ServerError: A library of custom ops cannot be loaded.
    """

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._config = self._read_config()
        ops.load_libraries(name for name in flags.op_library.split(",") if name)
        self._manager = Manager(self._loader().load, self._options())
        self._grpc = grpc_server.Server(
            self._manager,
            max_threads=flags.grpc_max_threads,
            options=_channel_arguments(flags.grpc_channel_arguments),
            health=flags.enable_grpc_healthcheck_service,
            packed=flags.enable_serialization_as_tensor_content,
        )
        self._credentials = _credentials(flags.ssl_config_file)
        self._shown = self._read_monitoring()

    def run(self) -> NoReturn:
        """Serve until a signal ends the process: at once, as nothing is left to save.

        Raises:
            StatusError: A model cannot be loaded at the start, or a port cannot be had.
        """
        if self._flags.tfsig_watch_pid:
            watch.start(self._flags.tfsig_watch_pid)
        if self._flags.tfsig_ports_file and self._config.model_config_list.config:
            # whoever waits for the ports can also see what becomes of the models; a start without any is done first,
            # or it could undo the reload of a client that was quick
            self._listen()
            self._manager.reload(self._config)
        else:
            self._manager.reload(self._config)
            self._listen()
        self._poll_config()
        threading.Event().wait()
        raise AssertionError("nothing sets that event")

    def _read_config(self) -> Any:
        if not self._flags.model_config_file:
            return configuration.single(self._flags.model_name, self._flags.model_base_path)
        return configuration.read_text(self._flags.model_config_file, protos.ModelServerConfig())

    def _read_monitoring(self) -> metrics.Registry | None:
        """The metrics that REST is to show, if any."""
        if not self._flags.monitoring_config_file:
            return None
        message = configuration.read_text(self._flags.monitoring_config_file, protos.MonitoringConfig())
        if not message.prometheus_config.enable:
            return None
        if message.prometheus_config.path:
            metrics.REGISTRY.path = message.prometheus_config.path
        return metrics.REGISTRY

    def _loader(self) -> Loader:
        flags = self._flags
        return Loader(
            tags=tuple(flags.saved_model_tags.split(",")),
            session=_session_config(flags),
            warmup_iterations=max(1, flags.num_request_iterations_for_warmup) if flags.enable_model_warmup else 0,
            batching=_scheduler(flags),
            own_batching=flags.enable_per_model_batching_parameters,
            checks_methods=flags.enable_signature_method_name_check,
        )

    def _options(self) -> Options:
        flags = self._flags
        return Options(
            poll_seconds=flags.file_system_poll_wait_seconds,
            load_threads=max(0, flags.num_load_threads),
            load_retries=flags.max_num_load_retries,
            load_retry_seconds=flags.load_retry_interval_micros / 1e6,
            labels_for_unavailable=flags.allow_version_labels_for_unavailable_models,
            policy=resource_preserving if flags.tfsig_resource_preserving else availability_preserving,
        )

    def _listen(self) -> None:
        flags = self._flags
        any_port = bool(flags.tfsig_ports_file)
        port = None
        if flags.port or any_port:
            address = f"{flags.tfsig_host}:{0 if any_port else flags.port}"
            port = self._grpc.listen(address, self._credentials)
        if flags.grpc_socket_path:
            self._grpc.listen(f"unix:{flags.grpc_socket_path}", self._credentials)
        self._grpc.start()
        if port is not None:
            logger.info("Running gRPC ModelServer at %s:%s ...", flags.tfsig_host, port)
        if flags.grpc_socket_path:
            logger.info("Running gRPC ModelServer at UNIX socket %s ...", flags.grpc_socket_path)
        rest_port = self._listen_rest(any_port=any_port)
        if any_port:
            _write_atomically(Path(flags.tfsig_ports_file), json.dumps({"grpc": port, "rest": rest_port}))

    def _listen_rest(self, *, any_port: bool) -> int | None:
        flags = self._flags
        if not (flags.rest_api_port or any_port):
            return None
        if flags.rest_api_port == flags.port and not any_port:
            logger.error(
                "server_options.http_port cannot be same as grpc_port. Please use a different port for HTTP/REST API. "
                "Skipped exporting HTTP/REST API."
            )
            return None
        try:
            server = rest.Server(
                self._manager,
                flags.tfsig_host,
                0 if any_port else flags.rest_api_port,
                flags.rest_api_timeout_in_ms / 1000,
                self._shown,
                cors=flags.rest_api_enable_cors_support,
            )
        except OSError as error:
            logger.error(  # noqa: TRY400 - the message says it all
                "Failed to start HTTP Server at %s:%s: %s", flags.tfsig_host, flags.rest_api_port, error.strerror
            )
            return None
        server.start()
        logger.info("Exporting HTTP/REST API at:%s:%s ...", flags.tfsig_host, server.port)
        return server.port

    def _poll_config(self) -> None:
        if self._flags.model_config_file_poll_wait_seconds > 0 and self._flags.model_config_file:
            threading.Thread(target=self._reread, name="config", daemon=True).start()

    def _reread(self) -> None:
        wait = threading.Event().wait
        while not wait(self._flags.model_config_file_poll_wait_seconds):
            try:
                config = self._read_config()
            except StatusError as error:
                logger.error("Failed to read ModelServerConfig file: %s", error.message)  # noqa: TRY400 - as above
                continue
            try:
                self._manager.reload(config)
            except StatusError as error:
                logger.error(  # noqa: TRY400 - as above
                    "PollFilesystemAndReloadConfig failed to ReloadConfig: %s", error.message
                )


def _scheduler(flags: Flags) -> Scheduler | None:
    if not flags.enable_batching:
        return None
    if not flags.batching_parameters_file:
        return Scheduler(Parameters())
    message = configuration.read_text(flags.batching_parameters_file, protos.BatchingParameters())
    return Scheduler(Parameters.from_message(message))


def _session_config(flags: Flags) -> bytes:
    """A serialised ConfigProto with the numbers of threads."""
    intra = flags.tensorflow_intra_op_parallelism or flags.tensorflow_session_parallelism
    inter = flags.tensorflow_inter_op_parallelism or flags.tensorflow_session_parallelism
    numbers = ((_INTRA_OP_THREADS, intra), (_INTER_OP_THREADS, inter))
    return b"".join(wire.varint(field << 3) + wire.varint(number) for field, number in numbers if number > 0)


def _channel_arguments(text: str) -> list[tuple[str, int | str]]:
    arguments: list[tuple[str, int | str]] = []
    for argument in filter(None, text.split(",")):
        key, _, value = argument.partition("=")
        try:
            arguments.append((key, int(value)))
        except ValueError:
            arguments.append((key, value))
    return arguments


def _credentials(path: str) -> grpc.ServerCredentials | None:
    if not path:
        return None
    message = configuration.read_text(path, protos.SSLConfig())
    return grpc.ssl_server_credentials(
        [(message.server_key.encode(), message.server_cert.encode())],
        root_certificates=message.custom_ca.encode() or None,
        require_client_auth=message.client_verify,
    )


def _write_atomically(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)
