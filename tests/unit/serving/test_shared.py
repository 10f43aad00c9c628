from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import shared
from pytest_tfsig.serving.shared import Shared, claim


class Started:
    kind = "embedded"

    def __init__(self, folder):
        self.folder = folder / "session"
        self.folder.mkdir()


@pytest.fixture
def attached(monkeypatch):
    """The folders that were attached to, and the servers there that were stopped."""
    from pytest_tfsig.serving import managed

    seen, stopped = [], []

    class Attached:
        def __init__(self, runner, folder, *, owner, timeout=60.0):
            seen.append((runner, folder, owner, timeout))
            self.stop = lambda: stopped.append(folder)

    monkeypatch.setattr(managed, "attach", Attached)
    return seen, stopped


def test_one_process_starts_the_server_and_the_others_find_it(tmp_path, attached):
    launches = []

    def launch(folder, owner):
        launches.append(owner)
        return Started(folder)

    run = tmp_path / "run"
    first = Shared(run, owner=7).server(launch, lambda kind: f"a runner of {kind}", 5)
    Shared(run, owner=7).server(launch, lambda kind: f"a runner of {kind}", 5)
    assert launches == [7]
    assert attached[0] == [("a runner of embedded", first.folder, 7, 5)]


def test_however_many_ask_at_once_one_starts_it(tmp_path, attached):
    launches = []

    def launch(folder, owner):
        launches.append(owner)
        return Started(folder)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: Shared(tmp_path / "run", owner=1).server(launch, str, 5), range(8)))
    assert len(launches) == 1
    assert len(attached[0]) == 7


def test_a_server_that_cannot_start_is_tried_once_for_all(tmp_path):
    launches = []

    def launch(folder, owner):
        launches.append((folder, owner))
        raise ServerError("no port is free")

    for _ in range(3):
        with pytest.raises(ServerError, match="no port is free"):
            Shared(tmp_path / "run", owner=1).server(launch, str, 5)
    assert len(launches) == 1


def test_the_owner_s_stop_leaves_nothing(tmp_path, attached):
    run = Shared(tmp_path / "run", owner=os.getpid())
    started = run.server(lambda folder, _: Started(folder), str, 5)
    run.stop()
    assert attached[1] == [started.folder]
    assert not run.folder.exists()


def test_a_run_in_which_nothing_was_served_is_only_deleted(tmp_path, attached):
    run = Shared(tmp_path / "run", owner=1)
    run.claim("m", Path("m/1"))
    run.stop()
    assert attached[1] == []
    assert not run.folder.exists()


def test_two_processes_name_two_models_of_one_name_apart(tmp_path):
    one, other = (Shared(tmp_path / "run", owner=1) for _ in range(2))
    assert one.claim("m", Path("a/m/1")) == "m"
    assert other.claim("m", Path("b/m/1")) == "m-2"
    assert other.claim("m", Path("a/m/1")) == "m"
    assert one.claim("m-2", Path("c/m-2/1")) == "m-2-2"


@given(st.lists(st.tuples(st.sampled_from(["m", "m-2", "n"]), st.sampled_from("abcd"))))
def test_no_two_directories_ever_have_one_name(asked):
    names: dict[str, str] = {}
    given_names: dict[tuple[str, str], str] = {}
    for wanted, directory in asked:
        name = claim(names, wanted, Path(directory))
        assert given_names.setdefault((wanted, directory), name) == name
        assert names[name] == directory


def test_what_is_half_written_is_never_read(tmp_path):
    file = tmp_path / "names.json"
    shared._write(file, {"a": "b"})
    (tmp_path / "names.new").write_text('{"a": ')
    assert shared._read(file) == {"a": "b"}
