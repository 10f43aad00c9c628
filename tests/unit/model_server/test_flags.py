from __future__ import annotations

import pytest

from pytest_tfsig.model_server import flags


def test_defaults_are_the_real_servers():
    parsed = flags.parse([])
    assert (parsed.port, parsed.rest_api_port, parsed.model_name) == (8500, 0, "default")
    assert parsed.file_system_poll_wait_seconds == 1
    assert parsed.max_num_load_retries == 5
    assert parsed.load_retry_interval_micros == 60_000_000
    assert parsed.saved_model_tags == "serve"
    assert parsed.enable_model_warmup
    assert parsed.without_effect == ()


@pytest.mark.parametrize(
    ("argument", "name", "value"),
    [
        ("--port=1", "port", 1),
        ("--file_system_poll_wait_seconds=-1", "file_system_poll_wait_seconds", -1),
        ("--enable_batching", "enable_batching", True),
        ("--enable_batching=TRUE", "enable_batching", True),
        ("--enable_model_warmup=0", "enable_model_warmup", False),
        ("--model_name=a=b", "model_name", "a=b"),
        ("--model_name=", "model_name", ""),
    ],
)
def test_values(argument, name, value):
    assert getattr(flags.parse([argument]), name) == value


def test_the_last_one_counts():
    assert flags.parse(["--port=1", "--port=2"]).port == 2


@pytest.mark.parametrize(
    "name", ["num_unload_threads", "flush_filesystem_caches", "enable_profiler", "per_process_gpu_memory_fraction"]
)
def test_real_flags_without_effect_are_accepted(name):
    assert flags.parse([f"--{name}=1"]).without_effect == (name,)


@pytest.mark.parametrize("argument", ["--nosuchflag", "--port", "port=1", "-port=1", "--", ""])
def test_unknown_arguments(argument):
    with pytest.raises(flags.UsageProblem, match=f"^unknown argument: {argument}$"):
        flags.parse([argument])


def test_help_is_nothing_unknown():
    with pytest.raises(flags.UsageProblem, match=r"^$"):
        flags.parse(["--port=1", "--help"])


def test_usage_names_every_flag():
    text = flags.usage("program")
    assert text.startswith("usage: program\n")
    assert '--model_name="default"' in text
    assert "accepted, without effect here" in text
