"""Versions over time: what is served, and what the status says, as files come and go."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest

from tests.server_process import config_of, copy_version, eventually, model_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

X = np.ones(2, np.float32)
NO_RETRIES = "--max_num_load_retries=0"


@pytest.fixture
def source(models: Callable[[str], Path]) -> Path:
    return models("half_plus_two") / "1"


def served_version(server) -> int:
    return server.predict(x=X)[1].version.value


def test_newest_version_is_served_and_ended_ones_keep_their_row(tmp_path, source):
    base = tmp_path / "m"
    copy_version(source, base, "1")
    with model_server(tmp_path, "--model_name=m", f"--model_base_path={base}", NO_RETRIES) as server:

        def reaches(*states: tuple[int, str]) -> None:
            eventually(lambda: server.states() == list(states), f"{states}, but {server.states()}")

        reaches((1, "AVAILABLE"))
        copy_version(source, base, "2")
        reaches((2, "AVAILABLE"), (1, "END"))
        assert served_version(server) == 2

        broken = tmp_path / "broken"
        shutil.copytree(source, broken)
        (broken / "saved_model.pb").write_bytes(b"garbage")
        broken.rename(base / "3")
        reaches((3, "END"), (2, "AVAILABLE"), (1, "END"))
        assert server.status()[0][2] == "Read less bytes than requested"
        assert served_version(server) == 2

        shutil.rmtree(base / "3")
        shutil.rmtree(base / "2")
        reaches((3, "END"), (2, "END"), (1, "AVAILABLE"))
        assert served_version(server) == 1

        (base / "notanumber").mkdir()
        copy_version(source, base, "05")
        reaches((5, "AVAILABLE"), (3, "END"), (2, "END"), (1, "END"))
        assert served_version(server) == 5

        shutil.rmtree(base / "05")
        shutil.rmtree(base / "1")
        reaches((5, "END"), (3, "END"), (2, "END"), (1, "END"))
        with pytest.raises(grpc.RpcError) as refused:
            server.predict(x=X)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert refused.value.details() == "Servable not found for request: Latest(m)"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", [3]),
        ("latest { num_versions: 2 }", [3, 2]),
        ("all {}", [3, 2, 1]),
        ("specific { versions: 1 versions: 3 }", [3, 1]),
    ],
)
def test_policies_choose_versions(tmp_path, source, policy, expected):
    base = tmp_path / "m"
    for name in ("1", "2", "3"):
        copy_version(source, base, name)
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "m" base_path: "{base}" model_platform: "tensorflow" '
        f"model_version_policy {{ {policy} }} }} }}"
    )
    with model_server(tmp_path, f"--model_config_file={config}") as server:
        wanted = [(version, "AVAILABLE") for version in expected]
        eventually(lambda: server.states() == wanted, f"{wanted}, but {server.states()}")


def test_labels_follow_reloads(tmp_path, source):
    base = tmp_path / "m"
    for name in ("1", "2"):
        copy_version(source, base, name)
    empty = tmp_path / "empty.config"
    empty.write_text("")
    config = config_of(m=base)
    entry = config.model_config_list.config[0]
    entry.model_version_policy.all.SetInParent()
    with model_server(tmp_path, f"--model_config_file={empty}") as server:
        entry.version_labels["stable"] = 1
        with pytest.raises(grpc.RpcError) as refused:
            server.reload(config)
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert refused.value.details() == (
            "Request to assign label to version 1 of model m, which is not currently available for inference"
        )
        del entry.version_labels["stable"]
        server.reload(config)
        eventually(lambda: server.states() == [(2, "AVAILABLE"), (1, "AVAILABLE")], "both are served")
        entry.version_labels["stable"] = 1
        server.reload(config)
        answer = server.call("PredictionService", "Predict", labelled("stable"))
        assert answer.model_spec.version.value == 1


def labelled(label: str):
    from pytest_tfsig import protos, tensors

    request = protos.PredictRequest()
    request.model_spec.name = "m"
    request.model_spec.version_label = label
    request.inputs["x"].CopyFrom(tensors.to_proto(X))
    return request


@pytest.mark.parametrize("preserves", [False, True])
def test_requests_in_flight_are_answered_by_the_version_that_leaves(tmp_path, source, preserves):
    base = tmp_path / "m"
    copy_version(source, base, "1")
    batching = tmp_path / "batching.txt"
    batching.write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 2500000 }")  # every request is slow
    flags = ["--tfsig_resource_preserving"] if preserves else []
    with model_server(
        tmp_path,
        "--model_name=m",
        f"--model_base_path={base}",
        "--enable_batching",
        f"--batching_parameters_file={batching}",
        *flags,
    ) as server:
        eventually(lambda: server.states() == [(1, "AVAILABLE")], "1 is served")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(server.predict(x=X)))
        thread.start()
        eventually(lambda: "m" in server.log, "the server runs")
        copy_version(source, base, "2")
        eventually(lambda: (1, "UNLOADING") in server.states(), "1 waits for its request")
        assert not answers
        thread.join()
        assert answers[0][1].version.value == 1
        eventually(lambda: server.states() == [(2, "AVAILABLE"), (1, "END")], "2 took its place")


def test_a_version_that_fails_is_tried_again(tmp_path, source):
    base = tmp_path / "m"
    version = copy_version(source, base, "1")
    graph = (version / "saved_model.pb").read_bytes()
    (version / "saved_model.pb").write_bytes(b"garbage")
    with model_server(
        tmp_path, "--model_name=m", f"--model_base_path={base}", "--load_retry_interval_micros=200000"
    ) as server:
        eventually(lambda: server.states() == [(1, "LOADING")], "it is LOADING through its retries")
        eventually(lambda: "Retry 1 of 5" in server.log, "the first attempt failed")
        (version / "saved_model.pb").write_bytes(graph)
        eventually(lambda: server.states() == [(1, "AVAILABLE")], "a later attempt succeeds")
