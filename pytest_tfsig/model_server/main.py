"""The command: tensorflow_model_server's command line on top of this package."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

from pytest_tfsig import requirements
from pytest_tfsig.errors import TfsigError
from pytest_tfsig.model_server import c_api, heap
from pytest_tfsig.model_server import flags as command_line
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_tfsig.model_server.flags import Flags

__all__ = ["main"]

logger = logging.getLogger(__name__)

_PROGRAM: Final = "tfsig-model-server"
_MODEL_SERVER: Final = "2.20.0"
_FAILED: Final = 255
_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the model server until a signal ends it.

    Args:
        arguments: The command line; None takes the process's own.

    Returns:
        The exit code: 0 for --version, 255 when the server could not start. A signal ends the whole process.
    """
    try:
        flags = command_line.parse(sys.argv[1:] if arguments is None else arguments)
    except command_line.UsageProblem as problem:
        _print(f"{problem}\n".lstrip() + command_line.usage(_PROGRAM))
        return _FAILED
    _log_to_stderr()
    try:
        if flags.version:
            _print(f"TensorFlow ModelServer: {_MODEL_SERVER}\nTensorFlow Library: {c_api.load().version}\n")
            return 0
        for name in flags.without_effect:
            logger.warning("--%s is accepted and has no effect here", name)
        _refuse_contradictions(flags)
        _serve(flags)
    except (StatusError, TfsigError) as error:
        _print(f"Failed to start server. Error: {error}\n")
        # threads may be loading models: waiting for them would only delay the bad news
        os._exit(_FAILED)
    except (ImportError, AttributeError):
        if (unmet := requirements.unmet()) is None:
            raise
        _print(f"Failed to start server. Error: {unmet}\n")
        os._exit(_FAILED)


def _serve(flags: Flags) -> NoReturn:
    heap.limit_arenas()
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # in this thread and in all that it starts
    threading.Thread(target=_end_by_signal, name="signals", daemon=True).start()
    # TensorFlow's libraries take as long to load as everything else takes to import
    threading.Thread(target=_preload, name="preload", daemon=True).start()
    from pytest_tfsig.model_server.program import Program

    Program(flags).run()


def _end_by_signal() -> None:
    """Wait for a signal in a thread of its own: a handler would have to wait for the main thread."""
    signal.sigwait(_ENDING)
    os._exit(0)


def _preload() -> None:
    with suppress(TfsigError):  # whoever needs the libraries meets the error, and tells it
        c_api.load()


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _log_to_stderr() -> None:
    # a descriptor of its own: the process's is silenced while TensorFlow loads
    stream = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter())
    package = logging.getLogger("pytest_tfsig.model_server")
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    package.propagate = False


class _Formatter(logging.Formatter):
    """One line a record, in the manner of TensorFlow's logs: time, severity's first letter, source, message."""

    def format(self, record: logging.LogRecord) -> str:
        when = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')}.{int(record.msecs * 1000):06}"
        line = f"{when}: {record.levelname[0]} {record.module}.py:{record.lineno}] {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _refuse_contradictions(flags: Flags) -> None:
    for wrong, message in (
        (
            not (flags.port or flags.grpc_socket_path or flags.tfsig_ports_file),
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.",
        ),
        (
            not (flags.model_base_path or flags.model_config_file),
            "Both server_options.model_base_path and server_options.model_config_file are empty!",
        ),
        (
            flags.batching_parameters_file and not flags.enable_batching,
            "server_options.batching_parameters_file is set without setting server_options.enable_batching to true.",
        ),
        (
            flags.tensorflow_session_parallelism > 0
            and flags.tensorflow_intra_op_parallelism > 0
            and flags.tensorflow_inter_op_parallelism > 0,
            (
                "Either configure server_options.tensorflow_session_parallelism or "
                "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
                "separately. You cannot configure all."
            ),
        ),
    ):
        if wrong:
            raise StatusError(Code.INVALID_ARGUMENT, message)
