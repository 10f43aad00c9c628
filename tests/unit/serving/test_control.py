from __future__ import annotations

import pytest

from pytest_tfsig import protos
from pytest_tfsig.serving.control import Control
from pytest_tfsig.serving.protocol import Instance
from pytest_tfsig.serving.roster import Roster
from tests.fake_server import FakeServer


@pytest.fixture
def fake():
    with FakeServer() as server:
        server.grpc_answers["HandleReloadConfigRequest"] = lambda _: protos.ReloadConfigResponse().SerializeToString()
        yield server


@pytest.mark.parametrize("change", [{"process": 2}, {"process": None, "container": "b"}])
def test_what_was_started_again_at_its_old_address_gets_a_new_connection(fake, change):
    """The old one would wait before it tries again: a request in that time fails though the server is there."""
    control = Control(lambda name: f"/models/{name}", timeout=5)
    control.tell(Instance(fake.grpc_address, None, process=1), Roster())
    first = control._client
    control.tell(Instance(fake.grpc_address, None, process=1, capacity=3), Roster())
    assert control._client is first
    control.tell(Instance(fake.grpc_address, None, **change), Roster())
    assert control._client is not first
    control.close()
