"""What an agent does for one attempt: its records, its log, its report, its end."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

import pytest
from agent_kit import kill_task
from products import Product, engine_path

READ = """
import json, sys
from metaflow import Run, Task, namespace
namespace(None)
task = Task(sys.argv[1] + "/work/77")
print(json.dumps([task.successful, task.finished, sorted(a.id for a in task if not a.id.startswith("_") and a.id != "name"),
                  task["y"].data if "y" in task else None, task.stdout, task.stderr, sorted(task.metadata_dict)]))
"""


def read(product: Product, pod: Any) -> Any:
    """What a product's client tells of the attempt."""
    got = product("-c", READ, "PodFlow/" + pod.run_id)
    assert got.code == 0, got.stderr
    return json.loads(got.stdout)


def test_a_task_runs_and_both_clients_read_it(pod: Any, headrace: Product, metaflow: Product) -> None:
    ended = pod.run("print('hello from', current.pathspec); sys.stderr.write('careful\\n')")
    assert ended.code == 0, ended
    assert ended.texts("o") == ["hello from PodFlow/%s/work/77" % pod.run_id]
    assert "careful" in ended.texts("e")
    assert ended.report["stage"] == "done" and ended.report["exit_code"] == 0 and ended.report["signal"] == 0
    assert ended.report["committed"] == {"ok": True, "transition": {"next": ["end"], "splits": None}}
    assert ended.report["lines_stored"] == len(ended.lines)
    assert ended.report["python_version"] == sys.version.split()[0] and "trouble" not in ended.report
    assert pod.stored_log("stdout") == ended.texts("o") and pod.stored_log("stderr") == ended.texts("e")
    assert json.loads((pod.task / "0.data.json").read_text())["python_version"] == sys.version
    assert (pod.task / "0.DONE.lock").stat().st_mtime_ns <= (pod.task / "0.local_metadata").stat().st_mtime_ns
    assert not (pod.task / "_meta").exists(), "the agent wrote metadata into the run's own"

    pod.unpack_metadata()
    ours = read(headrace, pod)
    assert ours[:4] == [True, True, ["alpha", "x", "y"], [1, 2, 3]]
    assert ours[4] == "hello from PodFlow/%s/work/77\n" % pod.run_id
    assert {"attempt", "attempt-done", "attempt_ok", "ds-type", "ds-root", "script-name", "python_version"} <= set(ours[6])
    # The same folder, read by Metaflow.
    beside = Product("metaflow", metaflow.python, metaflow.env, headrace.folder)
    assert read(beside, pod) == ours


def test_a_failing_task_is_stored_and_its_code_is_the_agents(pod: Any, headrace: Product) -> None:
    ended = pod.run("raise ValueError('no good')")
    assert ended.code == 1
    assert "ValueError: no good" in "\n".join(ended.texts("e"))
    assert ended.report["committed"] == {"ok": False, "transition": None} and ended.report["exit_code"] == 1
    assert (pod.task / "0.DONE.lock").exists()
    pod.unpack_metadata()
    assert read(headrace, pod)[:2] == [False, False]


def test_exit_without_a_result_is_no_success(pod: Any) -> None:
    ended = pod.run("os._exit(0)")
    assert ended.code == 1
    assert ended.report["exit_code"] == 0 and "committed" not in ended.report
    assert (pod.task / "0.task_begin").exists() and not (pod.task / "0.data.json").exists()
    assert (pod.task / "0.local_metadata").exists(), "that it has begun is known"


def test_an_exit_code_is_passed_on(pod: Any) -> None:
    assert pod.run("os._exit(202)").code == 202


def test_a_killed_task_keeps_its_lines_and_has_a_report(pod: Any) -> None:
    running = pod.start("print('a line without an end', end=''); sys.stdout.flush(); print('\\nready'); time.sleep(60)")
    running.wait_for_line("ready")
    kill_task(running)
    ended = running.end()
    assert ended.code == 137 and ended.report["signal"] == 9 and ended.report["exit_code"] == 137
    assert pod.stored_log("stdout") == ["a line without an end", "ready"]
    assert not (pod.task / "0.DONE.lock").exists()


def test_sigterm_is_for_the_task(pod: Any) -> None:
    running = pod.start("import signal\n"
                        "def stop(*_):\n print('cleaning up'); sys.exit(4)\n"
                        "signal.signal(signal.SIGTERM, stop); print('ready'); time.sleep(60)")
    running.wait_for_line("ready")
    running.process.send_signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 4 and ended.texts("o")[-1] == "cleaning up"
    assert pod.stored_log("stdout")[-1] == "cleaning up"


def test_a_task_that_ignores_sigterm_is_killed_after_its_grace(pod: Any) -> None:
    running = pod.start("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(60)",
                        spec=pod.spec(grace_s=1))
    running.wait_for_line("ready")
    running.process.send_signal(signal.SIGTERM)
    ended = running.end()
    assert ended.code == 137 and ended.report["signal"] == 9
    assert pod.stored_log("stdout") == ["ready"]


def test_the_report_and_the_stored_lines_of_a_killed_agent_are_of_the_last_second(pod: Any) -> None:
    """Agent and task killed together, as version 2 of control groups does it: the pod's log has what the datastore lacks."""
    running = pod.start("print('first')\n"
                        "while '\"lines_stored\": 0' in open('%s').read(): time.sleep(0.05)\n"
                        "print('second'); time.sleep(60)" % pod.report_file)
    running.wait_for_line("second")
    running.process.kill()
    ended = running.end()
    assert ended.code == -signal.SIGKILL and ended.texts("o") == ["first", "second"]
    assert ended.report["stage"] == "running" and ended.report["lines_stored"] >= 1
    assert 0 < ended.report["peak_kb"] or not Path("/sys/fs/cgroup").exists()
    stored = pod.stored_log("stdout")
    assert stored == ended.texts("o")[:len(stored)]


def test_a_full_disk_is_named(pod: Any, small_disk: Callable[[int], Path]) -> None:
    """Of the datastore: what the task prints is in the pod's log all the same."""
    disk = small_disk(6 << 20)
    for name in ("data", pod.run_id):
        (disk / "PodFlow").mkdir(exist_ok=True)
        shutil.copytree(pod.root / "PodFlow" / name, disk / "PodFlow" / name)
    pod.root, pod.task = disk, disk / "PodFlow" / pod.run_id / "work" / "77"
    ended = pod.run("print('big'); self.big = os.urandom(8 << 20)")
    assert ended.code == 1 and ended.texts("o") == ["big"]
    assert "No space left on device" in "\n".join(ended.texts("e"))
    assert "No space left on device" in json.dumps(ended.report["trouble"]), ended.report
    assert not (pod.task / "0.DONE.lock").exists()


def test_a_full_working_folder_is_named(pod: Any, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(6 << 20)
    subprocess.run(["dd", "if=/dev/zero", "of=%s" % (disk / "fill"), "bs=1k"], capture_output=True)
    ended = pod.run(HEADRACE_WORK=str(disk))
    assert ended.code == 1 and "committed" not in ended.report
    assert "No space left on device" in json.dumps(ended.report["trouble"])
    assert str(disk) in ended.report["trouble"]["where"]


def test_another_minor_version_is_warned_of(pod: Any) -> None:
    ended = pod.run(spec=pod.spec(sys_version="2.7.18 (default)"))
    assert ended.code == 0
    minor = "%d.%d" % sys.version_info[:2]
    assert "this pod runs Python %s, and the run was started with Python 2.7" % minor in ended.texts("e")[0]
    assert ended.texts("e")[0] in pod.stored_log("stderr")
    assert json.loads((pod.task / "0.data.json").read_text())["python_version"] == sys.version


def test_environment_of_the_task(pod: Any) -> None:
    spec = pod.spec(environment={"FROM_DECORATOR": "a=b"})
    ended = pod.run("print(os.getcwd()); print(os.environ['METAFLOW_EXTRACTED_ROOT']); print(os.environ['FROM_DECORATOR']);"
                    "print('HEADRACE_AGENT_SPEC' in os.environ); import headrace; print(headrace.__file__)", spec=spec, PYTHONPATH="/x")
    folder = str(pod.work / "metaflow")
    assert ended.texts("o") == [folder, folder, "a=b", "False", folder + "/.mf_code/headrace/__init__.py"]


def test_the_task_can_use_a_client(pod: Any) -> None:
    ended = pod.run("from metaflow import Task, namespace; namespace(None); print(Task(current.pathspec).id)")
    assert ended.code == 0 and ended.texts("o") == ["77"], ended


def test_long_inputs_travel_in_pieces(pod: Any) -> None:
    text = json.dumps(dict(pod.spec(), environment={"FILL": "x" * 100_000}))
    env = {"HEADRACE_AGENT_SPEC_0": text[:90_000], "HEADRACE_AGENT_SPEC_1": text[90_000:]}
    environment = {k: v for k, v in pod.environment({}).items() if k != "HEADRACE_AGENT_SPEC"}
    done = subprocess.run([engine_path(), "agent"], env={**environment, **env}, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert json.loads(pod.report_file.read_text())["committed"]["ok"]


@pytest.mark.parametrize("change, part", [
    ({"code": {"sha": "a" * 40, "url": "s3://there/aa", "metadata": ""}}, "s3://there/aa"),
    ({"command": []}, "`command` is empty"),
    ({"wire": 9}, "of different versions"),
    ({"datastore": {"type": "tape", "root": "/x"}}, "tape"),
])
def test_what_keeps_an_agent_from_working_is_said(pod: Any, change: Any, part: str) -> None:
    ended = pod.run(spec=pod.spec(**change))
    assert ended.code == 1 and ended.report["stage"] == "done"
    trouble = ended.report["trouble"]
    assert part in trouble["what"] + trouble["where"] + trouble["why"]
    assert any(part in text for text in ended.texts("e"))


def test_no_python_is_said(pod: Any) -> None:
    ended = pod.run(HEADRACE_PYTHON="no-python-here")
    assert ended.code == 1
    assert ended.report["trouble"]["what"] == "`no-python-here` cannot be started"


def test_a_pod_whose_launcher_is_long_gone_runs_nothing(pod: Any) -> None:
    lease = pod.root / "PodFlow" / pod.run_id / "_headrace" / "lease"
    lease.parent.mkdir()
    lease.write_text("2026-01-02T03:04:05.000000")
    ended = pod.run("print('too late')", spec=pod.spec(lease_s=900))
    assert ended.code == 75 and ended.texts("o") == []
    assert ended.report["trouble"]["what"] == "this pod runs nothing: the launcher of its run is gone"
    assert re.search(r"the launcher of its run is gone.*sign of life is \d+ s old, and 900 s are waited for", ended.texts("e")[0]), ended
    assert not (pod.task / "0.data.json").exists() and not (pod.task / "0.local_metadata").exists()


def test_a_pod_whose_launcher_lives_runs(pod: Any) -> None:
    lease = pod.root / "PodFlow" / pod.run_id / "_headrace" / "lease"
    lease.parent.mkdir()
    lease.write_text(datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f"))
    ended = pod.run("print('in time')", spec=pod.spec(lease_s=900))
    assert ended.code == 0 and ended.texts("o") == ["in time"]


def test_a_signal_ends_an_agent_whose_storage_does_not_answer(pod: Any) -> None:
    """The code package is never sent: without the signal the agent would wait for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "http://127.0.0.1:%d" % silent.getsockname()[1]
        spec = pod.spec(datastore={"type": "s3", "root": "s3://nowhere/x"}, code=dict(pod.spec()["code"], url="s3://nowhere/x/aa"))
        running = pod.start(spec=spec, METAFLOW_S3_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b",
                            AWS_DEFAULT_REGION="us-east-1")
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)  # it asks
            running.process.send_signal(signal.SIGTERM)
            ended = running.end()
    assert ended.code == 128 + signal.SIGTERM
    assert ended.report["trouble"]["what"] == "this pod was told to end, by signal 15, before its task had started"


def test_a_try_after_a_commit_does_not_run_again(pod: Any) -> None:
    assert pod.run("print('once')").code == 0
    (pod.task / "0.local_metadata").unlink()
    kept = (pod.task / "0.data.json").read_bytes()
    again = pod.run("print('twice')", spec=pod.spec(**{"try": 1}))
    assert again.code == 0 and again.texts("o") == []
    assert "it is not run again" in again.texts("e")[0]
    assert again.report["committed"] == {"ok": True, "transition": {"next": ["end"], "splits": None}}
    assert (pod.task / "0.data.json").read_bytes() == kept
    assert not (pod.task / "0.local_metadata").exists(), "the run makes it from the result"


def test_a_try_after_a_loss_runs(pod: Any) -> None:
    pod.run("os._exit(9)")
    again = pod.run("print('now')", spec=pod.spec(**{"try": 1}))
    assert again.code == 0 and again.texts("o") == ["now"]
    assert {"0.DONE.lock", "0.local_metadata"} <= {path.name for path in pod.task.iterdir()}


def test_a_log_has_a_bound_and_the_pods_log_has_not(pod: Any) -> None:
    ended = pod.run("for i in range(200): print('line', i)", spec=pod.spec(log_bytes_max=2000))
    assert len(ended.texts("o")) == 200 and ended.report["lines_stored"] == len(ended.lines)
    stored = pod.stored_log("stdout")
    assert stored[-1] == "[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]" and len(stored) < 30
