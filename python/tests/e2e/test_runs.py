"""Runs that succeed: transcript, records, artifacts."""

from __future__ import annotations

import json
import os
from typing import Any

from e2e_place import Place, finish


def test_hello_prints_metaflows_lines(place: Place) -> None:
    place.flow("hello.py", """
from metaflow import FlowSpec, step

class HelloFlow(FlowSpec):
    @step
    def start(self):
        self.x = 3
        print("hello")
        self.next(self.end)

    @step
    def end(self):
        print("x is", self.x)

if __name__ == "__main__":
    HelloFlow()
""")
    ran = place.run("hello.py")
    assert ran.code == 0, ran
    assert ran.plain == [
        "Workflow starting (run-id RUN):",
        "[RUN/start/1 (pid N)] Task is starting.",
        "[RUN/start/1 (pid N)] hello",
        "[RUN/start/1 (pid N)] Task finished successfully.",
        "[RUN/end/2 (pid N)] Task is starting.",
        "[RUN/end/2 (pid N)] x is 3",
        "[RUN/end/2 (pid N)] Task finished successfully.",
        "Done!",
    ]
    assert (place.root / "HelloFlow" / "latest_run").read_text() == ran.run_id
    assert place.artifact("HelloFlow", ran.run_id, "end", "2", "x") == 3
    start = place.root / "HelloFlow" / ran.run_id / "start" / "1"
    assert {path.name for path in start.iterdir()} == {
        "0.attempt.json", "0.task_begin", "0.data.json", "0.DONE.lock", "0.task_end", "0.runtime",
        "0.runtime_stdout.log", "0.runtime_stderr.log", "_meta",
    }
    assert json.loads((start / "0.runtime").read_text()) == {"return_code": 0, "killed": False, "success": True}
    log = (start / "0.runtime_stdout.log").read_text()
    assert log.startswith("[MFLOG|0|") and log.endswith("]hello\n")


def test_parameters_are_read_by_every_task(place: Place) -> None:
    place.flow("p.py", """
from metaflow import FlowSpec, Parameter, step

class P(FlowSpec):
    alpha = Parameter("alpha", default=0.5)
    kind = "constant"

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        print(self.alpha, self.kind)

if __name__ == "__main__":
    P()
""")
    ran = place.run("p.py", "--alpha", "0.25")
    assert ran.code == 0, ran
    assert "[RUN/end/2 (pid N)] 0.25 constant" in ran.plain
    assert place.artifact("P", ran.run_id, "_parameters", "0", "alpha") == 0.25
    assert place.artifact("P", ran.run_id, "end", "2", "alpha") == 0.25
    meta = {path.name.split("_", 1)[1].rsplit("_", 1)[0] for path in
            (place.root / "P" / ran.run_id / "_parameters" / "0" / "_meta").glob("sysmeta_*")}
    assert {"start_step", "end_step", "attempt-done", "user", "script-name"} <= meta


def test_static_branches_join(place: Place) -> None:
    ran = place.run("branch.py")
    assert ran.code == 0, ran
    assert ran.lines[-1] == "Done!"


def test_a_foreach_joins_in_split_order(place: Place) -> None:
    ran = place.run("foreach.py")
    assert ran.code == 0, ran
    assert "[RUN/start/1 (pid N)] Foreach yields 3 child steps." in ran.plain
    seen = place.artifact("ForeachFlow", ran.run_id, "end", "6", "all")
    assert [item[0] for item in seen] == [0, 1, 2]
    assert [item[1] for item in seen] == ["a", "b", "c"]


def test_nested_foreach(place: Place) -> None:
    ran = place.run("nested.py")
    assert ran.code == 0, ran


def test_switch_and_recursion(place: Place) -> None:
    ran = place.run("switching.py")
    assert ran.code == 0, ran


def test_parallel_nodes_share_the_control_tasks_output(place: Place) -> None:
    ran = place.run("parallel_nodes.py")
    assert ran.code == 0, ran
    assert "[RUN/end/4 (pid N)] [(0, 3), (1, 3), (2, 3)]" in ran.plain
    train = place.root / "ParallelNodesFlow" / ran.run_id / "train"
    assert {path.name for path in train.iterdir() if path.name != "_meta"} == {"2", "2_node_1", "2_node_2"}
    assert not (train / "2_node_1" / "0.runtime").exists()
    assert not list((train / "2_node_1").glob("*.log"))
    assert (train / "2_node_1" / "0.DONE.lock").exists()


def test_the_run_id_file_and_the_attribute_file(place: Place) -> None:
    ran = place.run("hello.py", "--run-id-file", "id", "--runner-attribute-file", "attributes.json")
    assert ran.code == 0, ran
    assert (place.folder / "id").read_text() == ran.run_id
    attributes: Any = json.loads((place.folder / "attributes.json").read_text())
    assert attributes["run_id"] == ran.run_id
    assert attributes["metadata"] == "local@" + str(place.folder)


def test_the_attribute_file_may_be_a_fifo(place: Place) -> None:
    fifo = place.folder / "attributes"
    os.mkfifo(fifo)
    process = place.start(place.path("hello.py"), "--no-pylint", "run", "--runner-attribute-file", str(fifo))
    with open(fifo) as file:
        attributes: Any = json.loads(file.read())
    ran = finish(process)
    assert ran.code == 0, ran
    assert attributes == {"run_id": ran.run_id, "flow_name": "HelloFlow", "metadata": "local@" + str(place.folder)}


def test_a_wide_foreach_runs_within_max_workers(place: Place) -> None:
    place.flow("wide.py", """
import os
from metaflow import FlowSpec, step

class Wide(FlowSpec):
    @step
    def start(self):
        self.items = list(range(60))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        open("%d" % os.getpid(), "w").close()
        self.most = len([name for name in os.listdir(".") if name.isdigit()])
        self.value = self.input ** 2
        os.unlink("%d" % os.getpid())
        self.next(self.join)

    @step
    def join(self, inputs):
        inputs = list(inputs)
        self.values = [i.value for i in inputs]
        self.most = max(i.most for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Wide()
""")
    ran = place.run("wide.py", "--max-workers", "3")
    assert ran.code == 0, ran
    assert place.artifact("Wide", ran.run_id, "end", "63", "values") == [i ** 2 for i in range(60)]
    assert place.artifact("Wide", ran.run_id, "end", "63", "most") <= 3


def test_output_of_a_daemon_left_behind_does_not_hold_up_the_run(place: Place) -> None:
    place.flow("daemon.py", """
import subprocess
from metaflow import FlowSpec, step

class Daemon(FlowSpec):
    @step
    def start(self):
        self.pid = subprocess.Popen(["sleep", "1000"], start_new_session=True).pid
        print("started")
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Daemon()
""")
    ran = place.run("daemon.py")
    assert ran.code == 0, ran
    assert "[RUN/start/1 (pid N)] started" in ran.plain
    import os
    import signal
    os.kill(place.artifact("Daemon", ran.run_id, "end", "2", "pid"), signal.SIGKILL)


def test_binary_output_and_long_lines(place: Place) -> None:
    place.flow("noisy.py", """
import os
from metaflow import FlowSpec, step

class Noisy(FlowSpec):
    @step
    def start(self):
        os.write(1, b"\\xff\\xfe bytes\\n")
        os.write(1, b"y" * 1000000 + b"\\n")
        os.write(2, b"no newline at the end")
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Noisy()
""")
    ran = place.run("noisy.py")
    assert ran.code == 0, ran
    texts = [line.split("] ", 1)[-1] for line in ran.lines]
    assert "\ufffd\ufffd bytes" in texts
    assert "y" * 1000000 in texts
    assert "no newline at the end" in texts


def test_spin_runs_one_step_with_the_inputs_of_an_earlier_task(place: Place) -> None:
    flow = place.path("foreach.py")
    ran = place.run("foreach.py")
    assert ran.code == 0, ran
    spun = place(flow, "--no-pylint", "spin", "%s/work/3" % ran.run_id)
    assert spun.code == 0, spun
    assert spun.plain == [
        "[RUN/work/0 (pid N)] Task is starting.",
        "[RUN/work/0 (pid N)] working on b <flow ForeachFlow step work[1] (input: b)>",
        "[RUN/work/0 (pid N)] Task finished successfully.",
        "Task finished successfully.",
    ]
    new = (place.root / "ForeachFlow" / "latest_run").read_text()
    assert new != ran.run_id
    assert (place.folder / ".metaflow_spin" / "ForeachFlow" / new / "work" / "0" / "0.DONE.lock").exists()


def test_a_failing_spin_says_so(place: Place) -> None:
    place.flow("once.py", """
import os
from metaflow import FlowSpec, step

class Once(FlowSpec):
    @step
    def start(self):
        if os.path.exists("broken"):
            raise ValueError("broken")
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Once()
""")
    assert place.run("once.py").code == 0
    (place.folder / "broken").touch()
    spun = place("once.py", "--no-pylint", "spin", "start")
    assert spun.code == 1, spun
    assert spun.plain[-2:] == ["[RUN/start/0 (pid N)] Task failed.", "Task failed."]
    assert "Step start (task-id 0) failed: Task failed with return code 1" in spun.stderr
