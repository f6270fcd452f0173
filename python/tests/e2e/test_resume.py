"""`resume`: what is cloned, what runs again, what is stored."""

from __future__ import annotations

import json
import shutil
from typing import Any, Dict

from e2e_place import Place, finish

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


def clones(place: Place, run: str) -> Dict[str, int]:
    """Tasks of a run that have their DONE, each with how many metadata records it has."""
    return {
        "/".join(done.parts[-3:-1]): len(list((done.parent / "_meta").glob("sysmeta_*.json")))
        for done in (place.root / "Wide" / run).glob("*/*/0.DONE.lock")
    }


def reentrant(place: Place, who: str, origin: str) -> Any:
    return place.start(
        "wide.py", "--no-pylint", "resume", "--reentrant", "--clone-only", "--run-id", "again", "--resume-identifier", who,
        "--origin-run-id", origin,
    )


def test_several_commands_clone_one_run_together(place: Place) -> None:
    place.flow("wide.py", WIDE)
    (place.folder / "ok").touch()
    first = place.run("wide.py")
    assert first.code == 0, first
    together = [finish(process) for process in [reentrant(place, "who-%d" % i, first.run_id) for i in range(4)]]
    assert [ran.code for ran in together] == [0] * 4, together
    leaders = [ran for ran in together if any("Selected as the reentrant clone leader." in line for line in ran.lines)]
    assert len(leaders) == 1
    said = {line.split("] ")[1] for ran in together for line in ran.lines if "Resume leader is" in line}
    assert len(said) == 1
    for ran in together:
        assert any("previously run task" in line for line in ran.lines) == (ran is leaders[0])
        assert any("Resume already complete" in line for line in ran.lines) == (ran is not leaders[0])
    # As Metaflow's, such clones have the ids of what they are made of.
    cloned = clones(place, "again")
    assert set(cloned) == set(clones(place, first.run_id))


def test_a_leader_that_was_killed_goes_on(place: Place) -> None:
    place.flow("wide.py", WIDE)
    (place.folder / "ok").touch()
    first = place.run("wide.py")
    assert finish(reentrant(place, "a", first.run_id)).code == 0
    before = clones(place, "again")
    # As if it had been killed before the last clone.
    (place.root / "Wide" / "again" / "_parameters" / "0" / "_resume_done").unlink()
    shutil.rmtree(place.root / "Wide" / "again" / "end")
    waiting = reentrant(place, "b", first.run_id)
    while "Waiting for resume leader" not in waiting.stdout.readline():
        assert waiting.poll() is None
    again = finish(reentrant(place, "a", first.run_id))
    assert again.code == 0, again
    assert sum("Skipping cloning of previously run task" in line for line in again.lines) == len(before) - 2
    assert finish(waiting).code == 0
    assert set(clones(place, "again")) == set(before)


def test_reentrant_needs_names(place: Place) -> None:
    place.flow("wide.py", WIDE)
    (place.folder / "ok").touch()
    first = place.run("wide.py")
    ran = place.resume("wide.py", "--reentrant", "--origin-run-id", first.run_id)
    assert ran.code == 1 and "needs --clone-only, --run-id and --resume-identifier" in ran.stderr
