"""What the scripts of testbed/ do with the remains of a bed that was killed. Network and control groups are the test's own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

COMMON = Path(__file__).resolve().parents[2] / "testbed" / "common"
ALONE = ["unshare", "--net", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec "$0" "$@"']


def _alone() -> bool:
    return subprocess.run([*ALONE, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


pytestmark = pytest.mark.skipif(not _alone(), reason="no network and mount namespace of its own here")


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        (state / "pid").mkdir(parents=True)
        (state / "pki").mkdir()
        yield state


def clear(state: Path) -> str:
    """Returns what it says."""
    done = subprocess.run([*ALONE, "bash", "-c", '. "$1" && clear_remains', "-", str(COMMON)],
                          env={**os.environ, "HEADRACE_TEST_STATE": str(state)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def born(pid: int) -> str:
    return Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[19]


def test_what_a_killed_bed_has_left_is_removed(state: Path) -> None:
    server = subprocess.Popen(["sleep", "60"])
    (state / "pid" / "etcd").write_text("%d %s\n" % (server.pid, born(server.pid)))
    server.kill()  # not waited for: a bed's servers can stay so too, where nobody reaps orphans
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
    assert "removing what a killed test bed has left" in clear(state)
    assert not state.exists()
    server.wait()


def test_another_process_of_that_number_is_not_the_server(state: Path) -> None:
    (state / "pid" / "etcd").write_text("%d %d\n" % (os.getpid(), int(born(os.getpid())) - 1))
    clear(state)
    assert not state.exists()


def test_a_bed_with_a_living_server_stays(state: Path) -> None:
    (state / "pid" / "etcd").write_text("%d %s\n" % (os.getpid(), born(os.getpid())))
    assert clear(state) == ""
    assert (state / "pki").exists()


def test_no_bed_is_nothing_to_remove(state: Path) -> None:
    assert clear(state / "none") == ""
