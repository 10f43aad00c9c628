"""The program: tensorflow_model_server's command line on top of this package."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.errors import TfsigError
from pytest_tfsig.model_server import config as configuration
from pytest_tfsig.model_server import flags as command_line
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_tfsig.model_server.flags import Flags
    from pytest_tfsig.model_server.manager import Manager

__all__ = ["main"]

logger = logging.getLogger(__name__)

MODEL_SERVER: Final = "2.20.0"
FAILED: Final = 255


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the model server until a signal ends it.

    Returns:
        The exit code: 0 for --version and after a signal, 255 when it could not start.
    """
    program = "tfsig-model-server"
    try:
        flags = command_line.parse(sys.argv[1:] if arguments is None else arguments)
    except command_line.UsageProblem as problem:
        print(f"{problem}\n{command_line.usage(program)}", end="", flush=True)  # noqa: T201 - as the real one does
        return FAILED
    _log_to_stderr()
    try:
        if flags.version:
            return _version()
        for name in flags.without_effect:
            logger.warning("--%s is accepted and has no effect: it belongs to tensorflow_model_server", name)
        return _serve(flags)
    except (StatusError, TfsigError) as error:
        print(f"Failed to start server. Error: {error}", flush=True)  # noqa: T201 - as the real one does
        return FAILED


def _version() -> int:
    from pytest_tfsig.model_server import c_api  # noqa: PLC0415 - a wrong flag is told without loading TensorFlow

    print(  # noqa: T201 - as the real one does
        f"TensorFlow ModelServer: {MODEL_SERVER}\nTensorFlow Library: {c_api.version()}", flush=True
    )
    return 0


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    package = logging.getLogger("pytest_tfsig.model_server")
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    package.propagate = False


class _Formatter(logging.Formatter):
    """One line a record, in the manner of TensorFlow's logs: time, severity's first letter, source, message."""

    def format(self, record: logging.LogRecord) -> str:
        when = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')}.{record.msecs * 1000:06.0f}"
        line = f"{when}: {record.levelname[0]} {record.module}.py:{record.lineno}] {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _serve(flags: Flags) -> int:
    _refuse_contradictions(flags)
    config = (
        configuration.read_text(flags.model_config_file, _empty_config())
        if flags.model_config_file
        else configuration.single(flags.model_name, flags.model_base_path)
    )
    return _Program(flags).run(config)


def _empty_config() -> Any:
    from pytest_tfsig import protos  # noqa: PLC0415 - a wrong flag is told without loading messages

    return protos.ModelServerConfig()


def _refuse_contradictions(flags: Flags) -> None:
    def refuse(message: str) -> None:
        raise StatusError(Code.INVALID_ARGUMENT, message)

    if not (flags.port or flags.grpc_socket_path or flags.tfsig_ports_file):
        refuse("At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.")
    if not (flags.model_base_path or flags.model_config_file):
        refuse("Both server_options.model_base_path and server_options.model_config_file are empty!")
    if flags.batching_parameters_file and not flags.enable_batching:
        refuse("server_options.batching_parameters_file is set without setting server_options.enable_batching to true.")


class _Program:
    """A running server: its manager and its two transports."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._ended = threading.Event()

    def run(self, config: Any) -> int:
        from pytest_tfsig.model_server.grpc_server import Server  # noqa: PLC0415 - after the cheap refusals
        from pytest_tfsig.model_server.loading import Loader  # noqa: PLC0415 - as above
        from pytest_tfsig.model_server.manager import Manager, Options  # noqa: PLC0415 - as above

        flags = self._flags
        loader = Loader(flags.saved_model_tags.split(","))
        manager = Manager(
            loader.load,
            Options(
                poll_seconds=flags.file_system_poll_wait_seconds,
                load_retries=flags.max_num_load_retries,
                load_retry_seconds=flags.load_retry_interval_micros / 1e6,
                labels_for_unavailable=flags.allow_version_labels_for_unavailable_models,
            ),
        )
        server = Server(manager, max_threads=flags.grpc_max_threads)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ended.set())
        if flags.tfsig_ports_file:
            self._listen(server, manager)
            manager.reload(config)
        else:
            manager.reload(config)
            self._listen(server, manager)
        self._ended.wait()
        # TensorFlow's threads and destructors need not run: nothing is left to save
        os._exit(0)

    def _listen(self, server: Any, manager: Manager) -> None:
        flags = self._flags
        any_port = bool(flags.tfsig_ports_file)
        port = server.listen(f"{flags.tfsig_host}:{0 if any_port else flags.port}")
        server.start()
        logger.info("Running gRPC ModelServer at %s:%s ...", flags.tfsig_host, port)
        rest = self._listen_rest(manager)
        if any_port:
            path = Path(flags.tfsig_ports_file)
            partial = path.with_name(path.name + ".partial")
            partial.write_text(json.dumps({"grpc": port, "rest": rest}))
            partial.replace(path)

    def _listen_rest(self, manager: Manager) -> int | None:
        return None


if __name__ == "__main__":
    sys.exit(main())
