"""What goes wrong around a run: kill -9, a full disk, damaged blobs, odd user code."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Callable

import pytest
from e2e_place import Place, alive, finish, wait_until

BRANCHES = """
import os
from metaflow import FlowSpec, step

class Crash(FlowSpec):
    @step
    def start(self):
        self.items = list(range(6))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.value = self.input ** 2
        print("working on", self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(i.value for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("total", self.total)

if __name__ == "__main__":
    Crash()
"""


def all_whole(root: Path) -> None:
    """Every visible JSON file parses, every finished attempt has its parts."""
    for path in root.rglob("*.json"):
        if not any(part.startswith(".") for part in path.relative_to(root).parts):
            json.loads(path.read_text())
    for done in root.rglob("*.DONE.lock"):
        number = done.name.split(".")[0]
        data = json.loads((done.parent / (number + ".data.json")).read_text())
        for key in data["objects"].values():
            blob = done.parents[3] / "data" / key[:2] / key
            assert blob.exists(), (done, key)


@pytest.mark.parametrize("point", range(8))
def test_kill_9_at_any_point_leaves_whole_records(place: Place, point: int) -> None:
    """point: how many of the run's records have been stored when the conductor is killed."""
    place.flow("crash.py", BRANCHES)
    process = place.start("crash.py", "--no-pylint", "run")
    flow = place.root / "Crash"

    def records() -> int:
        # os.walk: the tree changes meanwhile.
        return sum(name.endswith(".attempt.json") for _, _, names in os.walk(flow) for name in names)

    wait_until(lambda: records() > point or process.poll() is not None, "the run does not go on")
    process.kill()
    finish(process)
    all_whole(flow)
    if not list(flow.glob("*/_parameters/0/0.DONE.lock")):
        return
    again = place.resume("crash.py")
    assert again.code == 0, again
    assert "total 55" in again.stdout
    all_whole(flow)


def test_a_full_disk_is_named(place: Place, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(3 << 20)
    place.flow("big.py", """
import os
from metaflow import FlowSpec, step

class Big(FlowSpec):
    @step
    def start(self):
        self.blob = os.urandom(8 << 20)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Big()
""")
    ran = place.run("big.py", env={"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(disk)})
    assert ran.code == 1
    assert "No space left on device" in ran.stdout + ran.stderr, ran
    all_whole(disk / ".metaflow" / "Big")


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_a_damaged_blob_is_named(place: Place, damage: str) -> None:
    place.flow("d.py", """
import glob, json, os
from metaflow import FlowSpec, current, step

class Damaged(FlowSpec):
    @step
    def start(self):
        self.precious = os.urandom(10_000).hex()  # more than the run keeps in memory of what it has just saved
        self.next(self.end)

    @step
    def end(self):
        task = glob.glob(".metaflow/Damaged/%s/start/*/0.data.json" % current.run_id)[0]
        key = json.load(open(task))["objects"]["precious"]
        path = ".metaflow/Damaged/data/%s/%s" % (key[:2], key)
        data = open(path, "rb").read()
        os.unlink(path)
        if DAMAGE == "truncated":
            open(path, "wb").write(data[:-20])
        elif DAMAGE == "flipped":
            open(path, "wb").write(data[:500] + bytes([data[500] ^ 1]) + data[501:])
        print(self.precious)

DAMAGE = "%s"
if __name__ == "__main__":
    Damaged()
""".replace('DAMAGE = "%s"', 'DAMAGE = "' + damage + '"'))
    ran = place.run("d.py")
    assert ran.code == 1, ran
    said = ran.stdout + ran.stderr
    assert "precious" in said and "data/" in said, ran


def test_threads_at_import_get_fresh_interpreters(place: Place) -> None:
    place.flow("t.py", """
import queue, threading
from metaflow import FlowSpec, step

jobs, answers = queue.Queue(), queue.Queue()
def work():
    while True:
        answers.put(jobs.get() + 1)
threading.Thread(target=work, daemon=True).start()

class Threads(FlowSpec):
    @step
    def start(self):
        jobs.put(1)
        self.answer = answers.get(timeout=60)
        self.next(self.end)

    @step
    def end(self):
        print("answer", self.answer)

if __name__ == "__main__":
    Threads()
""")
    ran = place.run("t.py")
    assert ran.code == 0, ran
    assert "answer 2" in ran.stdout


def test_chdir_and_closed_stdout(place: Place) -> None:
    place.flow("c.py", """
import os, sys
from metaflow import FlowSpec, step

class Odd(FlowSpec):
    @step
    def start(self):
        os.chdir("/")
        sys.stdout.close()
        os.close(1)
        self.x = 1
        self.next(self.end)

    @step
    def end(self):
        print("x", self.x, os.getcwd() != "/")

if __name__ == "__main__":
    Odd()
""")
    ran = place.run("c.py")
    assert ran.code == 0, ran
    assert "x 1 True" in ran.stdout


def test_lazy_loads_from_threads_and_forked_children(place: Place) -> None:
    place.flow("l.py", """
import multiprocessing, threading
from metaflow import FlowSpec, parallel_map, step

class Lazy(FlowSpec):
    @step
    def start(self):
        for n in range(8):
            setattr(self, "x%d" % n, [n] * 1000)
        self.next(self.end)

    @step
    def end(self):
        seen = []
        threads = [threading.Thread(target=lambda n=n: seen.append(sum(getattr(self, "x%d" % n)))) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.sums = parallel_map(lambda n: sum(getattr(self, "x%d" % n)), range(4, 8))
        print(sorted(seen), self.sums)

if __name__ == "__main__":
    Lazy()
""")
    ran = place.run("l.py")
    assert ran.code == 0, ran
    assert "[0, 1000, 2000, 3000] [4000, 5000, 6000, 7000]" in ran.stdout


def test_two_runs_at_once_get_different_ids(place: Place) -> None:
    flow = place.path("foreach.py")
    processes = [place.start(flow, "--no-pylint", "run") for _ in range(3)]
    ran = [finish(process) for process in processes]
    assert [each.code for each in ran] == [0, 0, 0], ran
    assert len({each.run_id for each in ran}) == 3


def test_large_artifacts_travel_in_place(place: Place) -> None:
    place.flow("large.py", """
import os
from metaflow import FlowSpec, step

class Large(FlowSpec):
    @step
    def start(self):
        self.noise = os.urandom(30 << 20)
        self.same = b"a" * (20 << 20)
        self.next(self.end)

    @step
    def end(self):
        import hashlib
        print(len(self.noise), len(self.same), self.same == b"a" * (20 << 20))

if __name__ == "__main__":
    Large()
""")
    ran = place.run("large.py")
    assert ran.code == 0, ran
    assert "31457280 20971520 True" in ran.stdout


def test_a_kill_of_one_task_is_retried(place: Place) -> None:
    place.flow("k.py", """
import os, signal
from metaflow import FlowSpec, current, retry, step

class Killed(FlowSpec):
    @retry(times=1)
    @step
    def start(self):
        if current.retry_count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Killed()
""")
    ran = place.run("k.py")
    assert ran.code == 0, ran
    task = place.root / "Killed" / ran.run_id / "start" / "1"
    assert (task / "0.attempt.json").exists() and not (task / "0.DONE.lock").exists()
    assert (task / "1.DONE.lock").exists()


def test_a_signal_to_the_host_while_tasks_run_ends_them(place: Place) -> None:
    place.flow("h.py", """
import os, subprocess, time
from metaflow import FlowSpec, step

class Host(FlowSpec):
    @step
    def start(self):
        child = subprocess.Popen(["sleep", "600"])
        open("child", "w").write(str(child.pid))
        os.rename("child", "pid")
        time.sleep(600)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Host()
""")
    process = place.start("h.py", "--no-pylint", "run")
    wait_until(lambda: (place.folder / "pid").exists(), "the task never began")
    child = int((place.folder / "pid").read_text())
    host = int(Path("/proc/%d/task/%d/children" % (process.pid, process.pid)).read_text().split()[0])
    os.kill(host, signal.SIGTERM)
    ran = finish(process)
    assert ran.code == 1
    assert "the task host has ended" in ran.stderr, ran
    wait_until(lambda: not alive(child), "what a task started outlives the run")
