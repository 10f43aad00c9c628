from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.serving.roster import Roster, Version

CHANGES = st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(1, 3)), max_size=12)


def rosters(changes):
    roster, expected = Roster(), set()
    for adding, name, version in changes:
        if adding:
            roster = roster.adding(name, version, Version(Path(f"/{name}/{version}")), {f"v{version}": version})
            expected.add((name, version))
        else:
            roster = roster.removing(name, version)
            expected.discard((name, version))
    return roster, expected


@given(CHANGES)
def test_the_configuration_names_exactly_what_was_added_and_not_removed(changes):
    roster, expected = rosters(changes)
    config = roster.config(lambda name: f"/models/{name}").model_config_list
    assert {(m.name, v) for m in config.config for v in m.model_version_policy.specific.versions} == expected
    assert {(m.name, v) for m in config.config for v in m.version_labels.values()} == expected
    assert all(model.base_path == f"/models/{model.name}" for model in config.config)


@given(CHANGES)
def test_plain_data_gives_the_roster_back(changes):
    roster, _ = rosters(changes)
    assert Roster.from_json(roster.to_json()) == roster


def two_versions(labels=None):
    return Roster().adding("m", 1, Version(Path("/m/1")), labels or {}).adding("m", 2, Version(Path("/m/2")), {})


def test_labels_move_and_the_others_stay():
    roster = two_versions({"stable": 1, "old": 1})
    [model] = roster.labelling("m", {"stable": 2}).config(str).model_config_list.config
    assert dict(model.version_labels) == {"stable": 2, "old": 1}


def test_an_empty_roster_is_an_empty_list_and_not_no_configuration():
    assert Roster().config(str).WhichOneof("config") == "model_config_list"


def test_a_process_holds_a_version_until_it_lets_it_go():
    roster = two_versions().holding("m", 1, 7).holding("m", 1, 8)
    assert roster.models["m"].versions[1].holders == {7, 8}
    roster = roster.releasing("m", 1, 7, now=5.0)
    assert roster.models["m"].versions[1] == Version(Path("/m/1"), 0, frozenset({8}), 5.0)


@pytest.mark.parametrize(("name", "version", "holder"), [("n", 1, 7), ("m", 3, 7), ("m", 1, 8)])
def test_what_nobody_holds_is_not_let_go(name, version, holder):
    roster = two_versions().holding("m", 1, 7)
    assert roster.releasing(name, version, holder, now=5.0) is roster


VERSIONS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.integers(1, 3)),
    st.builds(
        Version,
        directory=st.just(Path("/m")),
        size=st.integers(0, 10),
        holders=st.frozensets(st.integers(1, 4)),
        released=st.integers(0, 5).map(float),
    ),
)


def of(versions):
    roster = Roster()
    for (name, version), row in versions.items():
        roster = roster.adding(name, version, row, {})
    return roster


def lives(process):
    return process <= 2


@given(VERSIONS, st.integers(0, 10), st.integers(0, 40))
def test_room_is_made_by_the_longest_idle_and_by_no_more_than_needed(versions, size, capacity):
    left = of(versions).with_room(size, capacity, lives).versions
    idle = {key for key, row in versions.items() if not any(map(lives, row.holders))}
    gone = versions.keys() - left
    assert gone <= idle
    taken = size + sum(versions[key].size for key in left)
    assert taken <= capacity or gone == idle
    if gone:
        last = max(gone, key=lambda key: (versions[key].released, *key))
        assert taken + versions[last].size > capacity
        assert all(versions[last].released <= versions[key].released for key in idle - gone)


@given(VERSIONS)
def test_what_is_held_is_what_a_living_process_needs(versions):
    assert of(versions).held(lives).versions == {key for key, row in versions.items() if any(map(lives, row.holders))}


@given(VERSIONS)
def test_plain_data_keeps_who_holds_what(versions):
    assert Roster.from_json(json.loads(json.dumps(of(versions).to_json()))) == of(versions)
