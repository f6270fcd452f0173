#!/usr/bin/env python3
"""Runs on a real cluster: bare pods, Headrace and Metaflow, one after the other in the same run of this program.

    bench/run pods [--rounds 3] [--peer-rounds 1] [ROW...]

rows: hello foreach running. Prints a Markdown table for docs/benchmarks.md. `bench/run pods` brings what it needs and starts the bed of testbed/
(the controllers fast, which Metaflow's jobs need). Requests are counted in the API server's audit log: all that the
launcher asked. Memory is the highest sum of resident sets of the launcher's processes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import IO, Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "testbed"), str(ROOT / "tests" / "cluster")]

import bed  # noqa: E402
from api import Api, Namespace, running, wait_until  # noqa: E402

FLOWS = ROOT / "bench" / "flows"
IMAGE = "python-metaflow:3.11"
AGENT = "headrace-bench"
AT_ONCE = 16
WIDTH = 32
SAMPLE_S = 0.1
RUNNING = 100
RUNNING_S = 30


class Product(NamedTuple):
    name: str
    python: str
    env: Dict[str, str]


class Cost(NamedTuple):
    wall_s: float
    rss_mb: float
    processes: int
    writes: int
    reads: int


def processes_of(root: int) -> List[int]:
    """`root` and all below it."""
    parents: Dict[int, List[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc/%s/stat" % entry).read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def resident_mb(pids: List[int]) -> float:
    total = 0
    for pid in pids:
        try:
            total += int(Path("/proc/%d/statm" % pid).read_text().split()[1])
        except (OSError, IndexError):
            pass
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6


def requests_since(offset: int) -> Tuple[int, int]:
    """Writes and reads in the audit log from `offset` on that this program did not make itself."""
    writes = reads = 0
    with open(bed.STATE / "log" / "audit", "rb") as log:
        log.seek(offset)
        for line in log:
            told = json.loads(line)
            if told.get("userAgent", "").startswith((AGENT, "kubectl")):
                continue
            if told["verb"] in ("get", "list", "watch"):
                reads += 1
            else:
                writes += 1
    return writes, reads


def start(product: Product, flow: str, options: Sequence[str], folder: str, output: IO[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([product.python, str(FLOWS / flow), "--no-pylint", "run", "--with", "kubernetes", *options],
                            cwd=folder, env=product.env, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def failed(product: Product, flow: str, output: IO[str]) -> SystemExit:
    output.seek(0)
    return SystemExit("%s failed at %s:\n%s" % (product.name, flow, output.read()))


def measure(product: Product, flow: str, *options: str) -> Cost:
    """One run to its end."""
    offset = (bed.STATE / "log" / "audit").stat().st_size
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as output:
        began = time.monotonic()
        process = start(product, flow, options, folder, output)
        peak_mb, most = 0.0, 0
        while process.poll() is None:
            pids = processes_of(process.pid)
            peak_mb, most = max(peak_mb, resident_mb(pids)), max(most, len(pids))
            try:
                process.wait(SAMPLE_S)
            except subprocess.TimeoutExpired:
                pass
        wall = time.monotonic() - began
        if process.returncode != 0:
            raise failed(product, flow, output)
    time.sleep(0.5)  # the audit log is written in batches of 0.1 s
    return Cost(wall, peak_mb, most, *requests_since(offset))


def cpu_s(pids: List[int]) -> float:
    """Of living processes, so far."""
    ticks = 0
    for pid in pids:
        ticks += sum(int(field) for field in Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def watch_running(product: Product, namespace: Namespace) -> None:
    """What the launcher takes while RUNNING pods run and say nothing; they are removed by an interrupt."""
    small = dict(product.env, METAFLOW_KUBERNETES_CPU="0.01", METAFLOW_KUBERNETES_MEMORY="100", METAFLOW_KUBERNETES_DISK="30")
    product = product._replace(env=small)
    wide = ["--width", str(RUNNING), "--max-workers", str(RUNNING), "--max-num-splits", str(RUNNING)]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as output:
        process = start(product, "sleepers.py", wide, folder, output)

        def all_run() -> bool:
            if process.poll() is not None:
                raise failed(product, "sleepers.py", output)
            return sum(map(running, namespace.pods())) >= RUNNING

        try:
            wait_until(all_run, "%d running pods" % RUNNING, 600)
            time.sleep(5)
            pids = processes_of(process.pid)
            before, peak_mb = cpu_s(pids), 0.0
            for _ in range(RUNNING_S):
                time.sleep(1)
                peak_mb = max(peak_mb, resident_mb(pids))
            share = (cpu_s(pids) - before) / RUNNING_S
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)
    row("%d pods running, memory of the launcher" % RUNNING, "MB", {"Headrace": [peak_mb]})
    row("the same, its CPU", "% of a core", {"Headrace": [share * 100]})


class BarePods:
    """Pods of one image that run `python3 -c pass`, made with plain requests: what the cluster alone costs."""

    def __init__(self, api: Api, namespace: Namespace) -> None:
        self.api, self.namespace = api, namespace

    def run(self, count: int, at_once: int) -> None:
        """Until all have succeeded; `at_once` of them at a time."""
        names = ["bare-" + uuid.uuid4().hex[:8] for _ in range(count)]
        waiting, live = list(names), set()
        path = self.namespace.path + "/pods"
        while waiting or live:
            while waiting and len(live) < at_once:
                name = waiting.pop()
                live.add(name)
                self.api.call("POST", path, self._pod(name))
            for pod in self.api.call("GET", path)["items"]:
                if pod["metadata"]["name"] in live and pod["status"]["phase"] in ("Succeeded", "Failed"):
                    assert pod["status"]["phase"] == "Succeeded", pod["status"]
                    live.discard(pod["metadata"]["name"])
            time.sleep(0.05)

    def seconds(self, *groups: int) -> float:
        """Groups of pods one after the other, each as wide as its number, AT_ONCE at a time."""
        began = time.monotonic()
        for count in groups:
            self.run(count, AT_ONCE)
        took = time.monotonic() - began
        self.api.call("DELETE", self.namespace.path + "/pods")
        return took

    @staticmethod
    def _pod(name: str) -> Dict[str, Any]:
        resources = {"cpu": "0.1", "memory": "200M"}
        return {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [
            {"name": "bare", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["python3", "-c", "pass"],
             "resources": {"requests": resources}}]}}


def products(namespace: Namespace, kubeconfig: str, s3: Dict[str, str]) -> List[Product]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW_", "PYTHONPATH"))}
    clean.update(s3, KUBECONFIG=kubeconfig, METAFLOW_USER="bench", METAFLOW_DEFAULT_DATASTORE="s3",
                 METAFLOW_KUBERNETES_NAMESPACE=namespace.name, METAFLOW_KUBERNETES_SECRETS="s3",
                 METAFLOW_KUBERNETES_CONTAINER_IMAGE=IMAGE, METAFLOW_KUBERNETES_IMAGE_PULL_POLICY="IfNotPresent",
                 METAFLOW_KUBERNETES_CPU="0.1", METAFLOW_KUBERNETES_MEMORY="200", METAFLOW_KUBERNETES_DISK="100")
    ours = dict(clean, HEADRACE_ENGINE=os.environ["HEADRACE_ENGINE"], PYTHONPATH=str(ROOT / "python"))
    peer = os.environ["HEADRACE_METAFLOW_PYTHON"]
    theirs = dict(clean, PATH="%s:%s" % (os.path.dirname(peer), clean["PATH"]))
    return [Product("Headrace", sys.executable, ours), Product("Metaflow", peer, theirs)]


def middle(values: List[float]) -> str:
    spread = "" if len(values) < 2 else " ± %.1f" % ((max(values) - min(values)) / 2)
    return "%.1f%s" % (statistics.median(values), spread)


def row(name: str, unit: str, values: Dict[str, List[float]]) -> None:
    columns = [middle(values[who]) if values.get(who) else "" for who in ("bare", "Headrace", "Metaflow")]
    ratio = ""
    if values.get("Metaflow") and values.get("Headrace"):
        ratio = "%.1fx" % (statistics.median(values["Metaflow"]) / statistics.median(values["Headrace"]))
    print("| %s | %s | %s | %s |" % (name, unit, " | ".join(columns), ratio), flush=True)


def compare(title: str, options: argparse.Namespace, bare: Callable[[], float], run: Callable[[Product], Cost],
            two: List[Product]) -> None:
    walls: Dict[str, List[float]] = {}
    costs: Dict[str, List[Cost]] = {}
    for number in range(options.rounds):
        walls.setdefault("bare", []).append(bare())
        for product in two:
            if product.name == "Headrace" or number < options.peer_rounds:
                cost = run(product)
                costs.setdefault(product.name, []).append(cost)
                walls.setdefault(product.name, []).append(cost.wall_s)
    row(title, "s", walls)
    row("the same, memory of the launcher", "MB", {who: [c.rss_mb for c in costs[who]] for who in costs})
    row("the same, its processes", "", {who: [float(c.processes) for c in costs[who]] for who in costs})
    row("the same, writes to the API", "", {who: [float(c.writes) for c in costs[who]] for who in costs})
    row("the same, reads", "", {who: [float(c.reads) for c in costs[who]] for who in costs})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=[], choices=["hello", "foreach", "running", []], metavar="ROW")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-rounds", type=int, default=1)
    options = parser.parse_args()
    rows = options.rows or ["hello", "foreach", "running"]
    with bed.s3_server() as s3, bed.cluster("--fast-controllers") as cluster:
        api = Api(cluster.kubeconfig)
        api.headers["User-Agent"] = AGENT
        namespace = Namespace(api, "hr-bench-" + uuid.uuid4().hex[:8]).make()
        try:
            namespace.secret("s3", {name: value for name, value in s3.items() if name.startswith("AWS_")})
            bare, two = BarePods(api, namespace), products(namespace, cluster.kubeconfig, s3)
            bare.run(1, 1)  # the first pod unpacks the image
            measure(two[0], "hello.py")  # and the first run brings the agent
            print("| what | unit | bare pods | Headrace | Metaflow 2.19.38 | Metaflow / Headrace |\n|---|---|---|---|---|---|")
            if "hello" in rows:
                compare("2 steps, both pods", options, lambda: bare.seconds(1, 1), lambda p: measure(p, "hello.py"), two)
            if "foreach" in rows:
                wide = ("--width", str(WIDTH), "--max-workers", str(AT_ONCE))
                compare("foreach of %d, %d pods" % (WIDTH, WIDTH + 3), options, lambda: bare.seconds(1, WIDTH, 1, 1),
                        lambda p: measure(p, "wide.py", *wide), two)
            if "running" in rows:
                watch_running(two[0], namespace)
        finally:
            namespace.remove()


if __name__ == "__main__":
    main()
