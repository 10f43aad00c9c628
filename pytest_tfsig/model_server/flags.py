"""The command line: tensorflow_model_server's flags, and the few of our own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Flags", "UsageProblem", "parse", "usage"]

_CPUS: Final = os.cpu_count() or 1
_TRUE: Final = {"": True, "true": True, "1": True, "t": True, "y": True, "yes": True}
_FALSE: Final = {"false": False, "0": False, "f": False, "n": False, "no": False}
_INTEGER_LIMITS: Final = {"int32": 1 << 31, "int64": 1 << 63}


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Args:
        name: As written after the two dashes.
        kind: "int32", "int64", "bool", "string" or "float".
        default: Its value when it is not given.
        help: What it does; empty for a flag that is accepted without effect.
    """

    name: str
    kind: str
    default: Any
    help: str = ""


class UsageProblem(Exception):  # noqa: N818 - what is wrong with a command line, not with the program
    """A flag is unknown or has a value that it cannot have, and the text says which; or help is asked for: no text."""


def _table() -> tuple[Flag, ...]:
    return (
        Flag("port", "int32", 8500, "TCP port of the gRPC API; 0 for none"),
        Flag("grpc_socket_path", "string", "", "path of a UNIX socket on which the gRPC API listens too"),
        Flag("rest_api_port", "int32", 0, "TCP port of the REST API; 0 for none"),
        Flag("rest_api_num_threads", "int32", 4 * _CPUS, "REST requests answered at once"),
        Flag("rest_api_timeout_in_ms", "int32", 30000, "how long a REST request may run"),
        Flag("rest_api_enable_cors_support", "bool", default=False, help="send CORS headers"),
        Flag("enable_batching", "bool", default=False, help="run concurrent requests together"),
        Flag("batching_parameters_file", "string", "", "BatchingParameters in text format"),
        Flag(
            "enable_per_model_batching_parameters",
            "bool",
            default=False,
            help="batch the models that have a batching_params.pbtxt, each by its own",
        ),
        Flag("model_config_file", "string", "", "ModelServerConfig in text format: the models to serve"),
        Flag("model_config_file_poll_wait_seconds", "int32", 0, "read that file again so often; 0: never"),
        Flag("model_name", "string", "default", "name of the one model, without a --model_config_file"),
        Flag("model_base_path", "string", "", "directory of that model's version directories"),
        Flag("num_load_threads", "int32", 0, "versions loaded at once; 0 chooses"),
        Flag("max_num_load_retries", "int32", 5, "further attempts after a load failed"),
        Flag("load_retry_interval_micros", "int64", 60_000_000, "time between these attempts"),
        Flag("file_system_poll_wait_seconds", "int32", 1, "time between looks for versions; 0: once; < 0: never"),
        Flag(
            "allow_version_labels_for_unavailable_models",
            "bool",
            default=False,
            help="a new label may name a version that is not loaded yet",
        ),
        Flag("ssl_config_file", "string", "", "SSLConfig in text format: the gRPC API is served over TLS"),
        Flag("saved_model_tags", "string", "serve", "tags of the graph to load, with commas between them"),
        Flag("grpc_channel_arguments", "string", "", "key=value,key=value for the gRPC server"),
        Flag("grpc_max_threads", "int32", 4 * _CPUS, "threads of the gRPC server, the listening one included"),
        Flag("enable_model_warmup", "bool", default=True, help="replay a version's warmup records when it is loaded"),
        Flag("num_request_iterations_for_warmup", "int32", 0, "how often each of them is replayed, if > 0"),
        Flag("version", "bool", default=False, help="print versions and exit"),
        Flag("monitoring_config_file", "string", "", "MonitoringConfig in text format: Prometheus metrics over REST"),
        Flag("enable_grpc_healthcheck_service", "bool", default=False, help="serve grpc.health.v1"),
        Flag(
            "enable_serialization_as_tensor_content",
            "bool",
            default=False,
            help="answer Predict with tensor_content instead of repeated fields",
        ),
        Flag(
            "enable_signature_method_name_check",
            "bool",
            default=False,
            help="refuse a signature whose method_name is not that of the request",
        ),
        Flag("tensorflow_session_parallelism", "int64", 0, "threads in and between operations; 0 chooses"),
        Flag("tensorflow_intra_op_parallelism", "int64", 0, "threads within an operation; 0 chooses"),
        Flag("tensorflow_inter_op_parallelism", "int64", 0, "operations run at once; 0 chooses"),
        Flag("op_library", "string", "", "file, or installed package, with custom ops to load first; commas between"),
        Flag("tfsig_host", "string", "127.0.0.1", "address to listen on"),
        Flag("tfsig_watch_pid", "int32", 0, "exit when this process is gone"),
        Flag("tfsig_ports_file", "string", "", "let the system choose both ports and write them there as JSON"),
        Flag("tfsig_resource_preserving", "bool", default=False, help="unload a version before its successor loads"),
        # real flags that are not followed here
        Flag("num_unload_threads", "int32", 0),
        Flag("flush_filesystem_caches", "bool", default=True),
        Flag("tensorflow_session_config_file", "string", ""),
        Flag("use_alts_credentials", "bool", default=False),
        Flag("platform_config_file", "string", ""),
        Flag("per_process_gpu_memory_fraction", "float", 0.0),
        Flag("remove_unused_fields_from_bundle_metagraph", "bool", default=True),
        Flag("prefer_tflite_model", "bool", default=False),
        Flag("num_tflite_pools", "int32", _CPUS),
        Flag("num_tflite_interpreters_per_pool", "int32", 1),
        Flag("xla_cpu_compilation_enabled", "bool", default=False),
        Flag("xla_gpu_compilation_enabled", "bool", default=False),
        Flag("enable_profiler", "bool", default=True),
        Flag("thread_pool_factory_config_file", "string", ""),
        Flag("mixed_precision", "string", ""),
        Flag("skip_initialize_tpu", "bool", default=False),
    )


_FLAGS: Final[Mapping[str, Flag]] = MappingProxyType({flag.name: flag for flag in _table()})


@dataclass(frozen=True, slots=True)
class Flags:
    """A parsed command line; each flag's value is an attribute.

    Args:
        values: Flag name -> value, defaults included.
        without_effect: Flags of the real server that were given and do nothing here.
    """

    values: Mapping[str, Any]
    without_effect: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


def parse(arguments: Sequence[str]) -> Flags:
    """Parse `--name=value` arguments; `--name` alone sets a boolean.

    Raises:
        UsageProblem: A flag is unknown or its value cannot be read, or it is --help.
    """
    values: dict[str, Any] = {name: flag.default for name, flag in _FLAGS.items()}
    without_effect = []
    for argument in arguments:
        if argument == "--help":
            raise UsageProblem("")
        name, equals, text = argument.removeprefix("--").partition("=")
        flag = _FLAGS.get(name)
        if flag is None or not argument.startswith("--") or not (equals or flag.kind == "bool"):
            raise UsageProblem(f"unknown argument: {argument}")
        values[name] = _value(flag, text)
        if not flag.help:
            without_effect.append(name)
    return Flags(MappingProxyType(values), tuple(without_effect))


def _value(flag: Flag, text: str) -> Any:
    complaint = UsageProblem(f"Couldn't interpret value {text} for flag {flag.name}.")
    if flag.kind == "string":
        return text
    if flag.kind == "bool":
        known = _TRUE | _FALSE
        if text.lower() not in known:
            raise complaint
        return known[text.lower()]
    try:
        if flag.kind == "float":
            return float(text)
        number = int(text.replace("_", " "))  # Python's own grouping is nobody else's
    except ValueError:
        raise complaint from None
    limit = _INTEGER_LIMITS[flag.kind]
    if not -limit <= number < limit:
        raise complaint
    return number


def usage(program: str) -> str:
    """All flags with their kinds, defaults and meanings."""
    lines = [f"usage: {program}", "Flags:"]
    for flag in _FLAGS.values():
        shown = f'"{flag.default}"' if flag.kind == "string" else str(flag.default).lower()
        meaning = flag.help or "accepted, without effect here"
        lines.append(f"\t--{flag.name + '=' + shown:<60}\t{flag.kind}\t{meaning}")
    return "\n".join(lines) + "\n"
