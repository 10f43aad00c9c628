from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.serving.roster import Roster

CHANGES = st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(1, 3)), max_size=12)


def rosters(changes):
    roster, expected = Roster(), set()
    for adding, name, version in changes:
        if adding:
            roster = roster.adding(name, version, Path(f"/{name}/{version}"), {f"v{version}": version})
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


def test_labels_move_and_the_others_stay():
    roster = Roster().adding("m", 1, Path("/m/1"), {"stable": 1, "old": 1}).adding("m", 2, Path("/m/2"), {})
    [model] = roster.labelling("m", {"stable": 2}).config(str).model_config_list.config
    assert dict(model.version_labels) == {"stable": 2, "old": 1}


def test_an_empty_roster_is_an_empty_list_and_not_no_configuration():
    assert Roster().config(str).WhichOneof("config") == "model_config_list"
