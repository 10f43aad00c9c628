"""Container engines of a user without rights, as rootless Podman and rootless Docker are: real ones, of a test's own.

Where root runs the tests, the user is an account that only a mount namespace knows: there it has an entry in
/etc/passwd and /etc/subuid, may open the device of virtual networks, and reaches this Python and clone wherever they
are, as below root's own home. Nothing of the machine is changed. Any other user's engines are that user's own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_tfsig.serving.availability import why_no_connection
from pytest_tfsig.serving.process import wait_until
from tests.leftovers import processes_with
from tests.needs import need_commands, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 60
_ROOT = Path(__file__).parent.parent
_READ = (Path(sys.base_prefix), Path(sys.prefix), _ROOT)
_TOOLS = {
    "podman": ("podman", "slirp4netns", "newuidmap"),
    "docker": ("dockerd", "rootlesskit", "slirp4netns", "newuidmap"),
}


class RootlessEngine:
    """An engine, and the account to which it belongs.

    Args:
        kind: `podman` or `docker`.
        folder: Where it keeps everything; its path must be short enough for a socket's.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind = kind
        self._folder = folder
        # Its own for each process: tests may run beside one another.
        self._user = 1_000_000 + os.getpid() if os.getuid() == 0 else None
        self._service: subprocess.Popen[bytes] | None = None
        for name in ("home", "run", "tmp"):
            (folder / name).mkdir(mode=0o700)
            self.own(folder / name)
        if self._user is not None:
            ids = f"{self._user}:{self._user}"
            (folder / "passwd").write_text(f"{Path('/etc/passwd').read_text()}tfsig:x:{ids}::{folder}/home:/bin/sh\n")
            (folder / "group").write_text(f"{Path('/etc/group').read_text()}tfsig:x:{self._user}:\n")
            (folder / "subuid").write_text("tfsig:2000000:65536\n")
        self._environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",  # where Debian has what users rarely need
            "HOME": f"{folder}/home",
            "XDG_RUNTIME_DIR": f"{folder}/run",
            "TMPDIR": str(self.temporary),
            "DOCKER_HOST": self.address,
        }

    @property
    def address(self) -> str:
        """What DOCKER_HOST says to use it."""
        return f"unix://{self._folder}/run/engine.sock"

    @property
    def temporary(self) -> Path:
        """The account's folder for temporary files."""
        return self._folder / "tmp"

    def own(self, path: Path) -> None:
        """Give a file or folder to the account."""
        if self._user is not None:
            os.chown(path, self._user, self._user)

    def start(self) -> None:
        """Start it and return when it answers."""
        words = ["podman", "system", "service", "--time=0", self.address]
        if self._kind == "docker":
            # What Docker's own script does, which distributions keep at different places.
            words = ["rootlesskit", "--net=slirp4netns", "--mtu=65520", "--disable-host-loopback"]
            words += ["--port-driver=builtin", "--copy-up=/etc", "--copy-up=/run", "sh", "-c"]
            daemon = f"dockerd --host={self.address} --iptables=false --ip6tables=false"
            words += [f"rm -f /run/docker /run/containerd && exec {daemon}"]
        with (self._folder / "log").open("wb") as log:
            self._service = service = subprocess.Popen(
                self._as_account(words), env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: service.poll() is not None or why_no_connection(self.address) is None, _SECONDS)
        if service.poll() is not None or why_no_connection(self.address) is not None:
            unavailable(f"No rootless {self._kind} runs here: {(self._folder / 'log').read_text()[-500:]}")

    def run(self, words: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the account, where it finds the engine, and return what came of it."""
        return subprocess.run(
            self._as_account(words),
            cwd=folder,
            env={**self._environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=240,
        )

    def end(self) -> None:
        """End it with all that it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._processes():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            if wait_until(lambda: not self._processes(), 10):
                break
        if self._service is not None:
            self._service.wait(_SECONDS)

    def _processes(self) -> list[int]:
        return processes_with(f"XDG_RUNTIME_DIR={self._folder}/run", "environ")

    def _as_account(self, words: list[str]) -> list[str]:
        if self._user is None:
            return words
        drop = ["setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups", *words]
        script = "\n".join(["set -e", *_mounts(self._folder), f"exec {shlex.join(drop)}"])
        return ["unshare", "--mount", "--propagation=private", "sh", "-c", script]


def _mounts(folder: Path) -> list[str]:
    """Return the commands that make the account's view of the machine."""
    lines = [f"mount --bind {folder}/{name} /etc/{name}" for name in ("passwd", "group", "subuid")]
    lines += [f"mount --bind {folder}/subuid /etc/subgid"]
    lines += [f"mkdir -p {folder}/device", f"mount -t tmpfs tmpfs {folder}/device"]
    lines += [f"mknod -m 666 {folder}/device/tun c 10 200", f"mount --bind {folder}/device/tun /dev/net/tun"]
    closed = {path: parent for path in _READ if (parent := _closed_above(path)) is not None}
    for number, path in enumerate(closed):
        lines += [f"mkdir -p {folder}/read/{number}", f"mount --rbind {shlex.quote(str(path))} {folder}/read/{number}"]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(parent))}" for parent in sorted(set(closed.values()))]
    for number, path in enumerate(closed):
        quoted = shlex.quote(str(path))
        lines += [f"mkdir -p {quoted}", f"mount --rbind {folder}/read/{number} {quoted}"]
    return lines


def _closed_above(path: Path) -> Path | None:
    """Return the first folder above a path through which not everybody may go."""
    return next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)


@contextmanager
def rootless_engine(kind: str) -> Iterator[RootlessEngine]:
    """Start an engine; skips where that cannot be, unless this is CI, which must have what it takes.

    Args:
        kind: `podman` or `docker`.
    """
    need_commands(*_TOOLS[kind])
    folder = Path(tempfile.mkdtemp(prefix="tfsig-rootless-", dir="/tmp"))  # a socket's path must be short
    folder.chmod(0o755)
    engine = RootlessEngine(kind, folder)
    try:
        engine.start()
        yield engine
    finally:
        engine.end()
        shutil.rmtree(folder, ignore_errors=True)
