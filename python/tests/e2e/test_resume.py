"""`resume`: what is cloned, what runs again, what is stored."""

from __future__ import annotations

import json

from e2e_place import Place

WIDE = """
import os
from metaflow import FlowSpec, Parameter, current, step

class Wide(FlowSpec):
    alpha = Parameter("alpha", default=1)

    @step
    def start(self):
        self.items = [0, 1, 2]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        if self.input == 1 and not os.path.exists("ok"):
            raise ValueError("not yet")
        self.value = (self.input * 10, self.alpha, current.origin_run_id)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.values = [i.value for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(self.values)

if __name__ == "__main__":
    Wide()
"""


def test_only_what_failed_runs_again(place: Place) -> None:
    place.flow("wide.py", WIDE)
    # One at a time, so that the siblings before the failure have ended.
    first = place.run("wide.py", "--alpha", "7", "--max-workers", "1")
    assert first.code == 1, first
    (place.folder / "ok").touch()
    again = place.resume("wide.py")
    assert again.code == 0, again
    lines = again.lines
    origin, new = first.run_id, again.run_id
    assert lines[0] == "Gathering required information to resume run (this may take a bit of time)..."
    assert lines[1] == "Workflow starting (run-id %s):" % new
    assert lines[2] == "Cloning Wide/%s" % origin
    assert sorted(line.split("Cloning previously run task ")[1] for line in lines if "previously" in line) == sorted(
        "%s/%s" % (origin, task) for task in ("start/1", "work/2"))
    assert "Wide/%s cloned!" % origin in lines
    assert sum("Task is starting." in line for line in lines) == 4
    end = [line for line in again.plain if "Task finished" in line][-1]
    task = end.split("/end/")[1].split(" ")[0]
    assert place.artifact("Wide", new, "end", task, "values") == [(0, 7, None), (10, 7, origin), (20, 7, origin)]
    # The next resume goes on from the first run.
    assert (place.root / "Wide" / "latest_run").read_text() == origin
    parameters = place.root / "Wide" / new / "_parameters" / "0"
    assert (parameters / "_resume_done").read_text() == "true"
    clone = place.root / "Wide" / new / "start" / "1"
    assert {path.name for path in clone.iterdir()} == {"0.attempt.json", "0.data.json", "0.DONE.lock", "_meta"}
    fields = {json.loads(path.read_text())["field_name"] for path in (clone / "_meta").glob("sysmeta_*.json")}
    assert {"origin-run-id", "origin-task-id", "attempt_ok", "attempt-done"} <= fields


def test_a_named_step_and_its_descendants_run_again(place: Place) -> None:
    place.flow("wide.py", WIDE)
    (place.folder / "ok").touch()
    first = place.run("wide.py")
    assert first.code == 0, first
    again = place.resume("wide.py", "join", "--origin-run-id", first.run_id)
    assert again.code == 0, again
    assert sum("previously" in line for line in again.lines) == 4
    assert sum("Task is starting." in line for line in again.lines) == 2


def test_a_missing_run_is_named(place: Place) -> None:
    place.flow("wide.py", WIDE)
    ran = place.resume("wide.py", "--origin-run-id", "99")
    assert ran.code == 1
    assert "Flow failed" in ran.stderr and "99" in ran.stderr


def test_resume_of_a_resumed_run(place: Place) -> None:
    place.flow("wide.py", WIDE)
    first = place.run("wide.py", "--max-workers", "1")
    assert first.code == 1
    (place.folder / "ok").touch()
    second = place.resume("wide.py")
    assert second.code == 0, second
    third = place.resume("wide.py", "end", "--origin-run-id", second.run_id)
    assert third.code == 0, third
    assert "[(0, 1, None), (10, 1, '%s'), (20, 1, '%s')]" % (first.run_id, first.run_id) in third.stdout


def test_parallel_nodes_are_cloned_with_their_control_task(place: Place) -> None:
    first = place.run("parallel_nodes.py")
    assert first.code == 0, first
    again = place.resume("parallel_nodes.py", "join", "--origin-run-id", first.run_id)
    assert again.code == 0, again
    assert "[(0, 3), (1, 3), (2, 3)]" in again.stdout
