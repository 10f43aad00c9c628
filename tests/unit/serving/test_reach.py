from __future__ import annotations

import pytest
from testcontainers.core.config import ConnectionMode

from pytest_tfsig.serving.reach import Reach


class Client:
    """testcontainers' client in a container, of an engine that describes itself as a test says."""

    def __init__(self, **info):
        self._info = info
        self.client = self.networks = self
        self.attrs = {"IPAM": {"Config": [{"Subnet": "10.88.0.0/16"}]}}

    def get_connection_mode(self):
        return ConnectionMode.gateway_ip

    def info(self):
        return self._info

    def host(self):
        return "localhost"

    def get(self, name):
        assert name == "bridge"
        return self


@pytest.mark.parametrize("info", [{"Rootless": True}, {"SecurityOptions": ["name=seccomp", "name=rootless"]}])
def test_a_rootless_engine_publishes_beside_itself(info):
    """Its bridge's address is in a network of its own."""
    assert Reach(Client(**info)).options([1]) == {"network": None, "ports": {"1/tcp": ("127.0.0.1", None)}}


@pytest.mark.parametrize("info", [{"Rootless": False}, {"SecurityOptions": None}, {}])
def test_from_within_a_container_ports_are_published_at_the_bridge(info):
    assert Reach(Client(**info)).options([1]) == {"network": None, "ports": {"1/tcp": ("10.88.0.1", None)}}
