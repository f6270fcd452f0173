"""Runs with pods: mixed with local tasks, foreach, retry, catch, timeout, environment, resume."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from api import Namespace, annotation
from flows import IMPORTS, foreach, one_step
from place import IMAGE, PodPlace

CLIENT = """
import json, sys
from metaflow import Flow, namespace
namespace(None)
run = Flow(sys.argv[1])[sys.argv[2]]
print(json.dumps({"successful": run.successful, "finished": run.finished,
                  "steps": {s.id: [{"id": t.id, "successful": t.successful, "attempts": t.current_attempt + 1,
                                    "stdout": t.stdout, "stderr": t.stderr,
                                    "sysmeta": {m.name: m.value for m in t.metadata}} for t in s] for s in run}}))
"""


def read_run(place: PodPlace, flow: str, run_id: str) -> Any:
    place.flow("read.py", CLIENT)
    read = place("read.py", flow, run_id)
    assert read.code == 0, read
    return json.loads(read.stdout)


def test_artifacts_flow_between_local_tasks_and_pods(place: PodPlace) -> None:
    place.flow("mixed.py", IMPORTS + """

class Mixed(FlowSpec):
    @step
    def start(self):
        self.here = os.environ.get("METAFLOW_KUBERNETES_POD_NAME", "laptop")
        self.big = b"x" * (3 << 20)
        self.next(self.away)

    @kubernetes
    @step
    def away(self):
        assert self.here == "laptop" and len(self.big) == 3 << 20
        self.there = os.environ["METAFLOW_KUBERNETES_POD_NAME"]
        self.next(self.end)

    @step
    def end(self):
        assert "METAFLOW_KUBERNETES_POD_NAME" not in os.environ
        print("was in", self.there)


if __name__ == "__main__":
    Mixed()
""")
    ran = place.run("mixed.py")
    assert ran.code == 0, ran
    assert "was in hr-away-" in ran.stdout, ran


def test_foreach_makes_pods_in_parallel_and_joins_in_split_order(place: PodPlace) -> None:
    place.flow("wide.py", foreach(4, 'self.result = (self.index, os.environ["METAFLOW_KUBERNETES_POD_NAME"])'))
    ran = place.run("wide.py")
    assert ran.code == 0, ran
    (line,) = [line for line in ran.lines if "results [" in line]
    results = eval(line[line.index("["  , line.index("results")):])  # noqa: S307: a list that the flow printed
    assert [index for index, _ in results] == [0, 1, 2, 3]
    assert len({pod for _, pod in results}) == 4


def test_retry_makes_a_new_pod_for_each_attempt(place: PodPlace) -> None:
    place.flow("retrying.py", one_step("""
        print("attempt", current.retry_count, os.environ["METAFLOW_KUBERNETES_POD_NAME"])
        self.count = current.retry_count
        if current.retry_count < 1:
            raise ValueError("not yet")
    """, "@retry(times=2, minutes_between_retries=0)", end="print('count', self.count)"))
    ran = place.run("retrying.py")
    assert ran.code == 0, ran
    assert "ValueError: not yet" in ran.stdout + ran.stderr
    pods = [line.split()[-1] for line in ran.lines if "] attempt " in line]
    assert len(pods) == 2 and pods[0] != pods[1], ran
    assert "count 1" in ran.stdout
    (task,) = read_run(place, "OneStep", ran.run_id)["steps"]["start"]
    assert task["attempts"] == 2 and task["successful"]


def test_catch_goes_on_after_a_pod_that_failed(place: PodPlace) -> None:
    place.flow("catching.py", one_step("raise KeyError('gone')", "@catch(var='problem', print_exception=False)",
                                       end="print('caught', type(self.problem).__name__, self.problem)"))
    ran = place.run("catching.py")
    assert ran.code == 0, ran
    assert "caught" in ran.stdout and "gone" in ran.stdout


def test_catch_goes_on_after_a_pod_that_died(place: PodPlace) -> None:
    place.flow("catching.py", one_step("os.kill(os.getpid(), signal.SIGKILL)", "@catch(var='problem', print_exception=False)",
                                       end="print('caught', self.problem is not None)"))
    ran = place.run("catching.py")
    assert ran.code == 0, ran
    assert "caught True" in ran.stdout


def test_timeout_is_an_error_of_the_task(place: PodPlace) -> None:
    """The pod's deadline is the same number, counted earlier: whichever comes first, the user reads of the time limit."""
    place.flow("slow.py", one_step("time.sleep(600)", "@timeout(seconds=60)"))
    ran = place.run("slow.py")
    assert ran.code == 1
    assert re.search(r"time limit of 1 minute|timed out|Timeout", ran.stdout + ran.stderr), ran


def test_environment_reaches_the_pod(place: PodPlace) -> None:
    place.flow("environment.py", one_step("print('it is', os.environ['COLOUR'])",
                                          "@environment(vars={'COLOUR': 'dark $(HOME) \"green\"'})"))
    ran = place.run("environment.py")
    assert ran.code == 0, ran
    assert "it is dark $(HOME) \"green\"" in ran.stdout


def test_resume_takes_over_what_pods_have_finished(place: PodPlace, namespace: Namespace) -> None:
    place.flow("broken.py", foreach(3, """
        if self.index == 1 and not os.environ.get("FIXED"):
            raise ValueError("split one")
        self.result = self.index * 10
    """, "@environment(vars={'FIXED': os.environ.get('FIXED', '')})"))
    ran = place.run("broken.py")
    assert ran.code == 1 and "ValueError: split one" in ran.stdout + ran.stderr, ran
    resumed = place.resume("broken.py", env={"FIXED": "yes"})
    assert resumed.code == 0, resumed
    assert "results [0, 10, 20]" in resumed.stdout
    assert resumed.stdout.count("Cloning") >= 2, resumed
    assert sum("[pod hr-work-" in line and "Task finished" in line for line in resumed.lines) <= 1


def test_the_client_reads_a_run_of_pods(place: PodPlace) -> None:
    ran = place.run_pods("hello.py")
    assert ran.code == 0, ran
    read = read_run(place, "HelloFlow", ran.run_id)
    assert read["successful"] and read["finished"]
    (start,) = read["steps"]["start"]
    assert start["stdout"] == "hello\n"
    assert start["sysmeta"]["kubernetes-pod-name"].startswith("hr-start-"), start["sysmeta"]
    assert start["sysmeta"]["kubernetes-pod-namespace"] == place.namespace.name


def test_included_files_parameters_and_tags_reach_the_pod(place: PodPlace) -> None:
    (place.folder / "words.txt").write_text("some words")
    place.flow("given.py", """
from metaflow import FlowSpec, IncludeFile, Parameter, current, step

class Given(FlowSpec):
    alpha = Parameter("alpha", type=float)
    words = IncludeFile("words")

    @step
    def start(self):
        print(self.alpha, self.words, sorted(t for t in current.tags if t == "trial"), current.origin_run_id)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Given()
""")
    ran = place.run_pods("given.py", "--alpha", "0.5", "--words", "words.txt", "--tag", "trial")
    assert ran.code == 0, ran
    assert "0.5 some words ['trial'] None" in ran.stdout


def test_modules_beside_the_flow_come_with_it(place: PodPlace) -> None:
    place.flow("beside.py", "def said():\n    return 'from beside'\n")
    place.flow("uses.py", one_step("import beside; print(beside.said())"))
    ran = place.run("uses.py")
    assert ran.code == 0, ran
    assert "from beside" in ran.stdout


def test_labels_and_annotations_of_the_step_are_on_the_pod(place: PodPlace, namespace: Namespace, live: Any) -> None:
    place.flow("labelled.py", one_step("pass", pods="@kubernetes(labels={'team': 'blue'}, annotations={'why': 'a test'})"))
    run = live("labelled.py")
    pod = namespace.wait_for_pod(lambda pod: True, "a pod", run.run_id)
    assert pod["metadata"]["labels"]["team"] == "blue"
    assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "metaflow"
    assert pod["metadata"]["annotations"]["why"] == "a test"
    assert annotation(pod, "user") == "ann" and annotation(pod, "attempt") == "0"
    assert pod["spec"]["containers"][0]["image"] == IMAGE
    assert run.end().code == 0


def test_a_run_works_when_the_folder_is_not_where_the_flow_is(place: PodPlace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.py").write_text(one_step("print('far', os.path.basename(sys.argv[0]))"))
    ran = place(str(elsewhere / "far.py"), "--no-pylint", "run")
    assert ran.code == 0, ran
    assert "far far.py" in ran.stdout
