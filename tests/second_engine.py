"""A Docker Engine of a test's own, which it may stop and start as it likes: the machine's engine is never touched.

It has its own folder, socket and bridge, and lets the kernel's packet filter be: its proxy alone publishes ports.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_tfsig.serving.process import wait_until
from tests.leftovers import processes_with
from tests.needs import need_commands, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 60


class SecondEngine:
    """Starts and stops a dockerd.

    Args:
        folder: Where it keeps everything; its path must be short enough for a socket's.
        bridge: The name of its network bridge.
    """

    def __init__(self, folder: Path, bridge: str) -> None:
        self._folder = folder
        self._bridge = bridge
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What DOCKER_HOST says to use it."""
        return f"unix://{self._folder}/docker.sock"

    def start(self) -> None:
        """Start it and return when it answers."""
        words = ["dockerd", f"--bridge={self._bridge}", f"--host={self.address}"]
        words += [f"--data-root={self._folder}/data", f"--exec-root={self._folder}/exec"]
        words += [f"--pidfile={self._folder}/docker.pid", "--iptables=false", "--ip6tables=false", "--ip-masq=false"]
        with (self._folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        answers = wait_until(lambda: self._daemon.poll() is not None or self._ask("info").returncode == 0, _SECONDS)
        if not answers or self._daemon.poll() is not None:
            unavailable(f"No second Docker Engine runs here: {(self._folder / 'log').read_text()[-500:]}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal; killed, it leaves its containers running."""
        if self._daemon is not None:
            self._daemon.send_signal(number)
            self._daemon.wait(_SECONDS)
            self._daemon = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal that it outlives: SIGSTOP has it hang, SIGCONT go on."""
        self._daemon.send_signal(number)

    def containers(self) -> list[str]:
        """Return the ids of all containers that it holds."""
        return self._ask("ps", "-aq").stdout.split()

    def delete(self) -> None:
        """Remove it with all that it holds."""
        if self._daemon is not None:
            self.signal(signal.SIGCONT)
        for name in self.containers() if self._daemon is not None else ():
            self._ask("rm", "-f", name)
        self.stop()
        # A daemon that was killed leaves its containerd; the next one adopts it, and so it is gone with that one.
        for pid in processes_with(f"{self._folder}/exec"):
            os.kill(pid, signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((mount for mount in mounts if mount.startswith(f"{self._folder}/")), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        subprocess.run(["ip", "link", "delete", self._bridge], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "--host", self.address, *words], capture_output=True, text=True, check=False, timeout=_SECONDS
        )


@pytest.fixture
def second_engine() -> Iterator[SecondEngine]:
    """Starts an engine beside the machine's; skips where that cannot be."""
    if os.getuid() != 0:
        pytest.skip("a second Docker Engine needs root")
    need_commands("dockerd", "containerd", "runc", "ip")
    number = os.getpid() % 2**16
    bridge = f"tfsig{number:x}"
    folder = Path(f"/tmp/tfsig-engine-{number:x}")  # noqa: S108 - a socket's path must be short
    folder.mkdir(mode=0o700)
    engine = SecondEngine(folder, bridge)
    try:
        subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
        # Of 198.18.0.0/15, which is for tests of networks and routed nowhere.
        address = f"198.{18 + number % 2}.{number // 2 % 256}.1"
        subprocess.run(["ip", "address", "add", f"{address}/24", "dev", bridge], check=True)
        subprocess.run(["ip", "link", "set", bridge, "up"], check=True)
        engine.start()
        yield engine
    finally:
        engine.delete()
