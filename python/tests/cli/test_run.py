"""`run`: what reaches the engine, and what stops a run before there is one."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cli_harness import HELLO, error_block

DECORATED = """
from metaflow import FlowSpec, step, retry, catch, timeout, environment, resources, parallel

class F(FlowSpec):
    @retry(times=2)
    @timeout(minutes=1, seconds=5)
    @step
    def start(self):
        self.items = [1]
        self.next(self.work, foreach="items")

    @environment(vars={"A": 1})
    @resources(cpu=2, memory=8000)
    @step
    def work(self):
        self.next(self.gather)

    @retry(times=4)
    @catch
    @step
    def gather(self, inputs):
        self.next(self.spread)

    @step
    def spread(self):
        self.next(self.many, num_parallel=3)

    @parallel
    @step
    def many(self):
        self.next(self.join2)

    @step
    def join2(self, inputs):
        self.next(self.choose)

    @step
    def choose(self):
        self.k = "x"
        self.next({"x": self.a, "y": self.b}, condition="k")

    @step
    def a(self):
        self.next(self.end)

    @step
    def b(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    F()
"""


def test_a_run_becomes_the_engine_with_the_spec(command: Any, folder: Path) -> None:
    ran = command(HELLO, "--no-pylint", "run", "--tag", "b", "--tag", "a", "--max-workers", "3", "--max-num-splits", "7",
                  "--max-log-size", "2", "--run-id-file", "id.txt")
    assert ran.code == 7, ran.err  # The exit code is the engine's.
    spec = ran.spec
    assert (spec["command"], spec["flow"], spec["script"], spec["user"]) == ("run", "HelloFlow", "flow.py", "ann")
    assert spec["namespace"] == "user:ann" and spec["tags"] == ["a", "b"]
    assert {"user:ann", "runtime:dev"} <= set(spec["sys_tags"])
    assert spec["limits"] == {"max_workers": 3, "max_num_splits": 7, "max_log_bytes": 2 << 20}
    assert spec["datastore"] == {"type": "local", "root": str(folder / ".metaflow")}
    assert spec["run_id_file"] == str(folder / "id.txt")
    assert [s["name"] for s in spec["graph"]["steps"]] == ["start", "end"]
    assert ran.err == "Headrace %s executing HelloFlow for user:ann\nValidating your flow...\n    The graph looks good!\n" % (
        ran.err.split()[1]
    )
    assert ran.out == ""
    assert ran.parameters["name"] == "'HelloFlow'" and ran.parameters["_task_ok"] == "True"


def test_decorators_become_limits_of_the_steps(command: Any) -> None:
    ran = command(DECORATED, "--no-pylint", "run")
    assert ran.spec is not None, ran.err
    start, work, gather = ran.step("start"), ran.step("work"), ran.step("gather")
    assert (start["kind"], start["foreach_var"], start["matching_join"]) == ("foreach", "items", "gather")
    assert (start["user_retries"], start["fallback_retries"], start["timeout_s"]) == (2, 0, 65)
    assert work["environment"] == {"A": "1"} and work["fresh"] is True
    assert work["resources"] == {"cpu": 2, "memory_mb": 8000} and work["split_parents"] == ["start"]
    assert gather["join"] is True and gather["kind"] == "linear" and ran.step("spread")["kind"] == "parallel"
    # Six attempts in all.
    assert gather["user_retries"] + gather["fallback_retries"] + 1 == 6
    assert ran.step("choose")["kind"] == "switch" and ran.step("choose")["next"] == ["a", "b"]
    assert ran.step("end")["kind"] == "end"


def test_with_adds_decorators_and_the_first_of_a_name_wins(command: Any) -> None:
    ran = command(HELLO, "--no-pylint", "--with", "retry:times=1", "run", "--with", "retry:times=3", METAFLOW_DEFAULT_DECOSPECS="timeout:hours=1 retry:times=2")
    assert ran.step("end")["user_retries"] == 3 and ran.step("end")["timeout_s"] == 3600


def test_namespace_is_what_the_client_sees(command: Any) -> None:
    assert command(HELLO, "--no-pylint", "run", "--namespace", "user:bo").spec["namespace"] == "user:bo"
    assert command(HELLO, "--no-pylint", "run", "--namespace=").spec["namespace"] == ""


def test_production_token_is_the_identity(command: Any) -> None:
    spec = command(HELLO, "--no-pylint", "run", METAFLOW_PRODUCTION_TOKEN="tok").spec
    assert spec["namespace"] == "production:tok" and "production:tok" in spec["sys_tags"]


def test_the_datastore_is_made_and_said(command: Any, folder: Path, tmp_path_factory: Any) -> None:
    empty = tmp_path_factory.mktemp("empty")
    ran = command(HELLO, "--no-pylint", "run", METAFLOW_DATASTORE_SYSROOT_LOCAL=str(empty))
    assert ran.spec["datastore"]["root"] == str(empty / ".metaflow")
    ran = command(HELLO, "--no-pylint", "--datastore-root", "elsewhere", "run")
    assert ran.spec["datastore"]["root"] == str(folder / "elsewhere") == ran.spec["metadata_root"]
    (folder / ".metaflow").rmdir()
    ran = command(HELLO, "--no-pylint", "run")
    assert error_block(ran.err)[0] == "Creating local datastore in current directory (%s)" % (folder / ".metaflow")


def test_quiet_keeps_errors(command: Any) -> None:
    ran = command(HELLO, "--quiet", "--no-pylint", "run")
    assert ran.spec is not None and ran.err == ""
    ran = command(HELLO, "--quiet", "run", "--with", "nosuch")
    assert ran.err.startswith("    Unknown step decorator:\n    Unknown step decorator nosuch.")


def test_options_from_the_environment(command: Any) -> None:
    ran = command(HELLO, "--no-pylint", "run", METAFLOW_QUIET="1", METAFLOW_RUN_MAX_WORKERS="5", METAFLOW_RUN_TAGS="x y")
    assert ran.err == "" and ran.spec["limits"]["max_workers"] == 5 and ran.spec["tags"] == ["x", "y"]


def test_git_is_asked_about_the_flow(command: Any, folder: Path) -> None:
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(git + ["init", "-q", "-b", "trunk"], check=True)
    (folder / "x").write_text("x")
    subprocess.run(git + ["add", "x"], check=True)
    subprocess.run(git + ["commit", "-qm", "x"], check=True)
    subprocess.run(git + ["remote", "add", "origin", "git@host.example:who/what.git"], check=True)
    (info,) = [m for m in command(HELLO, "--no-pylint", "run").spec["sysmeta"] if m["field"] == "git-info"]
    value = json.loads(info["value"])
    head = subprocess.run(git + ["rev-parse", "HEAD"], check=True, stdout=subprocess.PIPE).stdout.decode().strip()
    assert value == {
        "repo_url": "https://host.example/who/what.git", "branch_name": "trunk", "commit_sha": head, "has_uncommitted_changes": False,
    }
    (folder / "x").write_text("y")
    (info,) = [m for m in command(HELLO, "--no-pylint", "run").spec["sysmeta"] if m["field"] == "git-info"]
    assert json.loads(info["value"])["has_uncommitted_changes"] is True


@pytest.mark.parametrize(
    "words, code, headline, part",
    [
        (["run", "--tag", ""], 1, "Tagging error:", "empty"),
        (["run", "--with", "retry:times=9"], 1, "Flow failed:", "The maximum number of retries is @retry(times=4)"),
        (["run", "--with", "retry:tim=1"], 1, "Unknown decorator attribute:", "tim"),
        (["run", "--with", "retry:times"], 1, "Invalid command:", "times"),
        (["run", "--with", "kubernetes"], 1, "Kubernetes error:", "--datastore s3"),
        (["run", "--with", "conda"], 1, "Incompatible environment:", "environment"),
        (["--metadata", "service", "run"], 1, "Invalid command:", "--metadata local"),
        (["--datastore", "s3", "run"], 1, "Invalid command:", "METAFLOW_DATASTORE_SYSROOT_S3"),
        (["--environment", "uv", "run"], 1, "Incompatible environment:", "--environment local"),
        (["argo-workflows", "create"], 1, "Invalid command:", "Argo Workflows"),
        (["argo-workflows", "--name", "x", "trigger", "--alpha", "3"], 1, "Invalid command:", "Argo Workflows"),
        (["kubernetes", "list", "--my-runs", "--user", "bob"], 1, "Invalid command:", "--user and --my-runs"),
        (["kubernetes", "kill", "--my-runs", "--run-id", "1"], 1, "Invalid command:", "--my-runs"),
        (["kubernetes", "step", "start", "x"], 1, "Invalid command:", "run --with kubernetes"),
        (["batch", "kill"], 1, "Invalid command:", "Batch"),
        (["step-functions", "create"], 1, "Invalid command:", "Step Functions"),
        (["run", "--run-id-file", "no/such"], 1, "Invalid command:", "--run-id-file cannot be written: there is no directory"),
        (["run", "--runner-attribute-file", "."], 1, "Invalid command:", "it is a directory"),
        (["airflow", "create", "x.py"], 1, "Invalid command:", "Airflow"),
        (["spin-step", "start"], 1, "Engine error:", "HEADRACE_DOOR"),
        (["step", "start", "--run-id", "r", "--task-id", "1"], 1, "Invalid command:", "r/_parameters/TASK"),
        (["step", "nowhere"], 1, "Invalid command:", "nowhere"),
    ],
)
def test_failures_are_one_block(command: Any, words: Any, code: int, headline: str, part: str) -> None:
    ran = command(HELLO, "--no-pylint", *words)
    assert ran.code == code and ran.spec is None
    block = ran.err[ran.err.index("    " + headline):]
    assert part in block and block.endswith("\n\n") and "Traceback" not in ran.err


@pytest.mark.parametrize(
    "words, part",
    [
        (["nothing"], "No such command"),
        (["--nothing", "run"], "--nothing"),
        (["run", "--nothing"], "--nothing"),
        (["run", "--max-workers", "x"], "--max-workers"),
        (["run", "--max-workers", "0"], "--max-workers"),
        (["--datastore", "x", "run"], "--datastore"),
        (["run", "--no-pylint"], "--no-pylint"),
        (["resume", "a", "b"], "unexpected extra argument"),
    ],
)
def test_usage_errors_end_with_two(command: Any, words: Any, part: str) -> None:
    ran = command(HELLO, *words)
    assert ran.code == 2 and ran.spec is None
    assert "Usage: flow.py" in ran.err and "\nError: " in ran.err and part in ran.err


@pytest.mark.parametrize("group", ["tag", "card", "package", "kubernetes", "argo-workflows"])
def test_a_group_without_a_command_shows_its_commands(command: Any, group: str) -> None:
    ran = command(HELLO, "--quiet", group)
    assert (ran.code, ran.err) == (0, "") and "Usage: flow.py %s " % group in ran.out and "\nCommands:\n" in ran.out


def test_a_datastore_that_there_is_not_is_refused_once_the_flow_is_checked(command: Any) -> None:
    env = {"METAFLOW_DATASTORE_SYSROOT_GS": "gs://b/p"}
    ran = command(HELLO, "--no-pylint", "--datastore", "gs", "run", **env)
    assert ran.code == 1 and "The graph looks good!" in ran.err and "--datastore local" in ran.err
    assert command(HELLO, "--datastore", "gs", "show", **env).code == 0


def test_s3_reaches_the_engine(command: Any) -> None:
    ran = command(HELLO, "--no-pylint", "--datastore", "s3", "run", **S3)
    assert ran.spec is not None and ran.spec["datastore"] == {"type": "s3", "root": "s3://b/p"}
    assert ran.spec["metadata_root"].endswith("/.metaflow")


S3 = {"METAFLOW_DATASTORE_SYSROOT_S3": "s3://b/p"}


def test_kubernetes_is_validated(command: Any) -> None:
    ran = command(HELLO, "--no-pylint", "--datastore", "s3", "run", "--with", "kubernetes:qos=bad", **S3)
    assert ran.code == 1 and ran.spec is None and "bad" in ran.err.split("looks good!")[1]


def test_a_step_with_kubernetes_is_a_pod_for_the_engine(command: Any) -> None:
    source = HELLO.replace("import FlowSpec, step", "import FlowSpec, step, kubernetes, resources, retry, environment").replace(
        "    @step\n    def end",
        "    @environment(vars={'A': 1})\n    @retry(minutes_between_retries=3)\n    @resources(memory=6000)\n"
        "    @kubernetes(cpu=4, memory=1000, gpu=2, secrets='k1,k2', image='i', use_tmpfs=True)\n    @step\n    def end",
    )
    ran = command(source, "--no-pylint", "--datastore", "s3", "run", METAFLOW_KUBERNETES_SECRETS="k2,k3",
                  METAFLOW_KUBERNETES_LABELS="team=a", METAFLOW_DEBUG_S3CLIENT="1", METAFLOW_S3_ENDPOINT_URL="http://s3", **S3)
    assert ran.spec is not None, ran.err
    start, end = ran.step("start"), ran.step("end")
    assert (start["backend"], start["kubernetes"], start["retry_wait_s"]) == ("local", None, 0)
    assert (end["backend"], end["retry_wait_s"], end["environment"]) == ("kubernetes", 180, {"A": "1"})
    assert end["kubernetes"] == {
        "image": "i", "image_pull_policy": "", "namespace": "default", "service_account": "", "cpu": "4.0", "memory_mb": "6000.0",
        "disk_mb": "10240.0", "gpu": "2", "gpu_vendor": "nvidia", "qos": "burstable", "executable": "", "image_pull_secrets": [],
        "secrets": ["k1", "k2", "k3"], "labels": {"team": "a"}, "annotations": {}, "node_selector": {},
        "persistent_volume_claims": {}, "tolerations": [], "extended_resources": {}, "security_context": None,
        "tmpfs_size_mib": 500, "tmpfs_path": "/metaflow_temp", "tmpfs_tempdir": True, "shared_memory_mib": None, "port": None,
        "time_limit_s": 432000,
    }
    pods = ran.spec["pods"]
    assert pods["command"][:3] == ["flow.py", "--quiet", "--no-pylint"] and pods["configs"] == ""
    assert pods["command"][pods["command"].index("--datastore-root") + 1] == "s3://b/p"
    found = pods["environment"]
    assert found["METAFLOW_DATASTORE_SYSROOT_S3"] == "s3://b/p" and found["METAFLOW_DATATOOLS_S3ROOT"] == "s3://b/p/data"
    assert found["METAFLOW_S3_ENDPOINT_URL"] == "http://s3" and found["METAFLOW_DEBUG_S3CLIENT"] == "True"
    assert found["METAFLOW_DEFAULT_DATASTORE"] == "s3" and found["METAFLOW_USER"] == "ann"
    assert found["METAFLOW_KUBERNETES_WORKLOAD"] == "1" and found["METAFLOW_FLOW_FILENAME"] == "flow.py"
    assert "METAFLOW_DATASTORE_SYSROOT_LOCAL" not in found and "METAFLOW_DEBUG_CONDA" not in found
    assert not any(name.startswith("AWS_") for name in found), "credentials come from the pod's own place"


def test_a_pod_gets_the_endpoint_of_the_client_parameters_and_no_key(command: Any) -> None:
    params = {"endpoint_url": "http://data", "aws_access_key_id": "secret-key"}
    ran = command(HELLO, "--no-pylint", "--datastore", "s3", "run", "--with", "kubernetes", METAFLOW_S3_ENDPOINT_URL="http://s3",
                  METAFLOW_DATATOOLS_CLIENT_PARAMS=json.dumps(params), **S3)
    assert ran.spec is not None, ran.err
    assert ran.spec["pods"]["environment"]["METAFLOW_S3_ENDPOINT_URL"] == "http://data"
    assert "secret-key" not in json.dumps(ran.spec)


def test_a_pod_reaches_s3_as_the_launcher_does(command: Any) -> None:
    passed_on = {
        "HEADRACE_S3_PATH_STYLE": "0", "HEADRACE_S3_ANONYMOUS": "1", "HEADRACE_S3_PATIENCE_S": "60", "HEADRACE_S3_STALL_S": "5",
        "HEADRACE_S3_MAX_GBPS": "0.5", "HEADRACE_S3_MAX_CONNECTIONS": "8", "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    }
    words = ("--no-pylint", "--datastore", "s3", "run", "--with", "kubernetes")
    ran = command(HELLO, *words, HEADRACE_S3_MEMORY_MB="4096", AWS_SECRET_ACCESS_KEY="k", **passed_on, **S3)
    assert ran.spec is not None, ran.err
    found = ran.spec["pods"]["environment"]
    assert {name: found[name] for name in found if name.startswith(("HEADRACE_", "AWS_"))} == passed_on
    assert "METAFLOW_S3_ENDPOINT_URL" not in found and "METAFLOW_S3_VERIFY_CERTIFICATE" not in found


@pytest.mark.parametrize("metaflow, s3, general, expected", [
    ("http://metaflow", "http://s3", "http://general", "http://metaflow"), ("", "http://s3", "http://general", "http://s3"),
    ("", "", "http://general", "http://general"), ("", "", "", None),
])
def test_a_pod_gets_the_endpoint_that_the_launcher_uses(command: Any, metaflow: str, s3: str, general: str, expected: Any) -> None:
    """Under Metaflow's name: what names an endpoint for all AWS clients is not the pod's business."""
    words = ("--no-pylint", "--datastore", "s3", "run", "--with", "kubernetes")
    ran = command(HELLO, *words, METAFLOW_S3_ENDPOINT_URL=metaflow, AWS_ENDPOINT_URL_S3=s3, AWS_ENDPOINT_URL=general, **S3)
    assert ran.spec is not None, ran.err
    found = ran.spec["pods"]["environment"]
    assert found.get("METAFLOW_S3_ENDPOINT_URL") == expected
    assert not any(name.startswith("AWS_") for name in found)


@pytest.mark.parametrize("value, expected", [("False", "False"), ("0", "False"), ("True", None), ("/etc/our-ca.pem", None)])
def test_a_pod_is_told_not_to_verify_and_of_no_file(command: Any, value: str, expected: Any) -> None:
    """As in Metaflow, a file of certificates must be one of the image, which names it."""
    words = ("--no-pylint", "--datastore", "s3", "run", "--with", "kubernetes")
    ran = command(HELLO, *words, METAFLOW_S3_VERIFY_CERTIFICATE=value, **S3)
    assert ran.spec is not None, ran.err
    assert ran.spec["pods"]["environment"].get("METAFLOW_S3_VERIFY_CERTIFICATE") == expected


def test_client_parameters_that_cannot_be_heeded_end_a_command_that_uses_s3(command: Any) -> None:
    odd = {"METAFLOW_DATATOOLS_CLIENT_PARAMS": '{"nonsense": 1}'}
    ran = command(HELLO, "--no-pylint", "--datastore", "s3", "run", **S3, **odd)
    assert ran.code == 1 and ran.spec is None
    assert "S3 access failed:\n    METAFLOW_DATATOOLS_CLIENT_PARAMS={'nonsense': ...} cannot be used with Headrace. It knows" in ran.err
    assert command(HELLO, "--no-pylint", "run", **S3, **odd).code == 7


def test_the_code_package_goes_with_a_run_that_has_pods(command: Any) -> None:
    ran = command(HELLO, "--no-pylint", "--datastore", "s3", "run", "--with", "kubernetes", **S3)
    assert ran.spec is not None, ran.err
    metadata = ran.spec["pods"]["code_package"]["metadata"]
    assert json.loads(metadata) == {"version": 0, "archive_format": "tgz", "mfcontent_version": 1}
    with tarfile.open(fileobj=io.BytesIO(ran.package), mode="r:gz") as archive:
        names = archive.getnames()
    assert "flow.py" in names and ".mf_code/metaflow/__init__.py" in names and ".mf_meta/INFO" in names
    assert ["--with", "kubernetes"] == ran.spec["pods"]["command"][-2:]
    assert command(HELLO, "--no-pylint", "run").spec["pods"] is None


def test_pods_are_listed_and_killed_by_the_engine(command: Any) -> None:
    source = HELLO.replace("import FlowSpec, step", "import FlowSpec, step, kubernetes").replace(
        "    @step\n    def end", "    @kubernetes(namespace='ml')\n    @step\n    def end")
    ran = command(source, "--datastore", "s3", "kubernetes", "kill", "--run-id", "17", **S3)
    assert ran.code == 7, ran.err
    assert ran.out == "pods kill --flow HelloFlow --run-id 17 --namespace default --namespace ml\n"
    ran = command(HELLO, "kubernetes", "list", "--my-runs", METAFLOW_KUBERNETES_NAMESPACE="mine")
    assert ran.out == "pods list --flow HelloFlow --user ann --namespace mine\n"


def test_nodes_of_a_parallel_step_are_pods(command: Any) -> None:
    source = HELLO.replace("import FlowSpec, step", "import FlowSpec, step, parallel, kubernetes").replace(
        "self.next(self.end)", "self.next(self.work, num_parallel=2)").replace(
        "    @step\n    def end",
        "    @kubernetes\n    @parallel\n    @step\n    def work(self):\n        self.next(self.join)\n\n    @step\n"
        "    def join(self, inputs):\n        self.next(self.end)\n\n    @step\n    def end")
    ran = command(source, "--no-pylint", "--datastore", "s3", "run", **S3)
    assert ran.spec is not None, ran.err
    assert ran.step("work")["backend"] == "kubernetes"


def test_an_unknown_exception_shows_its_traceback(command: Any) -> None:
    source = HELLO.replace(
        "class HelloFlow(FlowSpec):", "from metaflow import Parameter\ndef broken(ctx): return ctx.nothing\n\nclass HelloFlow(FlowSpec):\n    p = Parameter('p', default=broken)"
    )
    ran = command(source, "--no-pylint", "run")
    assert ran.code == 1
    assert "    Parameter field failed:\n    When evaluating the field default for the Parameter p" in ran.err
    assert "AttributeError" in ran.err
