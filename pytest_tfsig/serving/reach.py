"""How a server in a container is reached: beside its engine, from within a container, or from another machine."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, final

from testcontainers.core.config import ConnectionMode

from pytest_tfsig.serving.engine import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Reach"]

# By which address of it an engine is asked says nothing of where it publishes ports.
_LOOPBACK = "127.0.0.1"


@final
class Reach:
    """The way from pytest to the containers of an engine.

    Args:
        client: testcontainers' `DockerClient`, which finds out whether pytest runs in a container itself.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._mode = _mode(client)

    def options(self, ports: Sequence[int]) -> dict[str, Any]:
        """Return what docker is to be told of a new container's network, for ports of it to be reached."""
        # docker takes an address and any free port of it.
        published = None if (address := self._published_at()) is None else (address, None)
        return {"network": self._network(), "ports": {f"{port}/tcp": published for port in ports}}

    def address(self, container: Any, port: int) -> str:
        """Return `HOST:PORT` of a port of a container that runs.

        Raises:
            ConnectionError: It is not published, as where the container has ended.
        """
        host = self._host(container)
        here = port if self._mode == ConnectionMode.bridge_ip else int(self._client.port(container.id, port))
        return f"[{host}]:{here}" if ":" in host else f"{host}:{here}"

    def _host(self, container: Any) -> str:
        if self._mode == ConnectionMode.docker_host:
            host = str(self._client.host())
            return _LOOPBACK if is_loopback(host) else host
        # testcontainers looks into the engine's list of containers, where Podman's does not say.
        network = next(iter(container.attrs["NetworkSettings"]["Networks"].values()))
        return str(network["Gateway" if self._mode == ConnectionMode.gateway_ip else "IPAddress"])

    def _network(self) -> str | None:
        # That of the container that pytest runs in, where the server's container is asked itself.
        return self._client.find_host_network() if self._mode == ConnectionMode.bridge_ip else None

    def _published_at(self) -> str | None:
        """Return the one address on which ports are published, so that nothing listens beyond this machine."""
        if self._mode == ConnectionMode.gateway_ip:
            # pytest runs in a container beside the server's: it reaches the engine's host at the bridge's own address.
            for config in self._client.client.networks.get("bridge").attrs["IPAM"]["Config"]:
                # An engine that was not told a gateway took the subnet's first address, and does not always say so.
                return str(config.get("Gateway") or next(ipaddress.ip_network(config["Subnet"]).hosts()))
            return None
        if self._mode == ConnectionMode.docker_host and not is_loopback(str(self._client.host())):
            return None
        return _LOOPBACK


def _mode(client: Any) -> ConnectionMode:
    mode: ConnectionMode = client.get_connection_mode()
    if mode == ConnectionMode.gateway_ip and _rootless(client.client.info()):
        # Its bridge is in a network of its own, and its ports are published beside it: in the container of pytest.
        return ConnectionMode.docker_host
    return mode


def _rootless(info: Mapping[str, Any]) -> bool:
    """Whether an engine runs without root's rights, as Podman says it or as Docker does."""
    return bool(info.get("Rootless")) or "name=rootless" in (info.get("SecurityOptions") or ())
