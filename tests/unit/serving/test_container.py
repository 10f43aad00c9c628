from __future__ import annotations

import pytest

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import container


class Ending:
    """A container that ends after its first look."""

    id = "c"
    attrs = {"State": {"Running": False, "OOMKilled": False, "ExitCode": 1}}  # noqa: RUF012 - as docker's has it

    def __init__(self):
        self.states = ["running", "exited"]

    def reload(self):
        self.status = self.states.pop(0)

    def logs(self, **_):
        return b"unknown argument: --no_such_flag"


class Box:
    def __init__(self, error):
        self.error = error

    def get_container_host_ip(self):
        return "127.0.0.1"

    def get_exposed_port(self, _):
        raise self.error


@pytest.mark.parametrize(
    "error", [TimeoutError("container did not become running"), ConnectionError("Port mapping is not available")]
)
def test_a_container_that_ends_while_its_ports_are_asked_for_says_how_it_ended(error):
    with pytest.raises(ServerError, match=r"(?s)ended at once \(exit code 1\).*no_such_flag"):
        container._await(Box(error), Ending(), 10, copied=False)
