from __future__ import annotations

import os

import pytest

from pytest_tfsig.serving import memory

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path):
    """A root directory, with files of /proc and /sys in it."""

    def write(files):
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


MEMINFO = {"proc/meminfo": f"MemTotal: 33554432 kB\nMemAvailable: {16 * GIB // 1024} kB\n"}


@pytest.mark.parametrize(
    ("files", "gib"),
    [
        pytest.param({}, 16, id="nothing limits it"),
        pytest.param(
            {
                "proc/self/cgroup": "0::/jobs/one\n",
                "sys/fs/cgroup/jobs/one/memory.max": "max\n",
                "sys/fs/cgroup/jobs/one/memory.current": f"{GIB}\n",
            },
            16,
            id="a cgroup without a limit",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/jobs/one\n",
                "sys/fs/cgroup/jobs/one/memory.max": f"{4 * GIB}\n",
                "sys/fs/cgroup/jobs/one/memory.current": f"{GIB}\n",
            },
            3,
            id="its cgroup's limit",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/jobs/one\n",
                "sys/fs/cgroup/jobs/one/memory.max": f"{8 * GIB}\n",
                "sys/fs/cgroup/jobs/one/memory.current": f"{GIB}\n",
                "sys/fs/cgroup/jobs/memory.max": f"{6 * GIB}\n",
                "sys/fs/cgroup/jobs/memory.current": f"{5 * GIB}\n",
                "sys/fs/cgroup/jobs/memory.stat": f"anon 7\ninactive_file {GIB}\n",
            },
            2,
            id="the limit of a cgroup above, whose cached files count as free",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "5:memory:/x\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
                "sys/fs/cgroup/memory/memory.stat": f"inactive_file 0\ntotal_inactive_file {GIB // 2}\n",
            },
            1.5,
            id="cgroups of version 1",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": f"{GIB}\n",
                "sys/fs/cgroup/memory.current": f"{2 * GIB}\n",
            },
            0,
            id="more in use than is allowed",
        ),
    ],
)
def test_free_is_what_the_tightest_limit_leaves(machine, files, gib):
    assert memory.available(machine(MEMINFO | files)) == gib * GIB


def test_a_machine_without_proc_is_taken_to_be_half_free(tmp_path):
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory.available(tmp_path) == total // 2


def test_this_machine_has_memory():
    assert memory.available() > 0


def test_a_model_takes_its_files_and_something_for_itself(tmp_path):
    bare = memory.footprint(tmp_path)
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "data").write_bytes(bytes(1000))
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert memory.footprint(tmp_path) == bare + 1000
    assert bare > 0
