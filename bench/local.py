#!/usr/bin/env python3
"""Local runs: Headrace and Metaflow side by side, one after the other in the same run of this program.

    python bench/local.py [--rounds 5] [--width 1000] [--peer-width 100] [--mb 1000] [ROW...]

rows: hello wide import artifact-random artifact-steps; only when named, without a peer: large (one array of 5 GB, read by both
Clients; needs 16 GB of memory, 6 GB of disk) and resume (10,000 cloned tasks). Prints a Markdown table for docs/benchmarks.md. Needs HEADRACE_ENGINE (a
release build) or the dev build, and HEADRACE_METAFLOW_PYTHON; `./bench/run` sets both. Medians; the spread is (max - min) / 2.
Metaflow's foreach is narrower by default, since a thousand of its tasks take minutes; its cost a task is flat in the width.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FLOWS = ROOT / "bench" / "flows"


class Product(NamedTuple):
    name: str
    python: str
    env: Dict[str, str]


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float
    output: str


def products() -> List[Product]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW_", "PYTHONPATH"))}
    clean.update(METAFLOW_USER="bench", PYTHONDONTWRITEBYTECODE="")
    engine = os.environ.get("HEADRACE_ENGINE", str(ROOT / "build/dev/engine/cli/headrace"))
    ours = dict(clean, HEADRACE_ENGINE=engine, PYTHONPATH=str(ROOT / "python"))
    return [Product("Headrace", sys.executable, ours), Product("Metaflow", os.environ["HEADRACE_METAFLOW_PYTHON"], clean)]


def measure(product: Product, arguments: List[str], folder: str) -> Cost:
    """Runs one command to its end in `folder`; CPU seconds include every process it waited for."""
    began = time.monotonic()
    process = subprocess.Popen([product.python, *arguments], cwd=folder, env=product.env, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit("%s failed at %s:\n%s" % (product.name, " ".join(arguments), output))
    return Cost(time.monotonic() - began, usage.ru_utime + usage.ru_stime, output)


def middle(values: List[float]) -> str:
    return "%.3f ± %.3f" % (statistics.median(values), (max(values) - min(values)) / 2)


def ratio(ours: List[float], theirs: List[float]) -> str:
    return "%.1fx" % (statistics.median(theirs) / statistics.median(ours))


def rounds(count: int, one: Callable[[Product], Cost]) -> Dict[str, List[Cost]]:
    """Alternates the products, so that noise of the machine falls on both."""
    costs: Dict[str, List[Cost]] = {}
    for _ in range(count):
        for product in products():
            costs.setdefault(product.name, []).append(one(product))
    return costs


def row(name: str, unit: str, ours: List[float], theirs: List[float]) -> None:
    print("| %s | %s | %s | %s | %s |" % (name, unit, middle(ours), middle(theirs), ratio(ours, theirs)), flush=True)


def hello(options: argparse.Namespace, folder: str) -> None:
    costs = rounds(options.rounds, lambda p: measure(p, [str(FLOWS / "hello.py"), "--no-pylint", "run"], folder))
    for part, unit in (("wall_s", "s"), ("cpu_s", "CPU s")):
        row("`hello`, 2 steps, whole command", unit, *[[getattr(c, part) for c in costs[n]] for n in ("Headrace", "Metaflow")])


def wide(options: argparse.Namespace, folder: str) -> None:
    per_task: Dict[str, List[float]] = {}
    for product in products():
        width = options.width if product.name == "Headrace" else options.peer_width
        cost = measure(product, [str(FLOWS / "wide.py"), "--no-pylint", "run", "--width", str(width), "--max-num-splits", "1000000",
                                 "--max-workers", "4"], folder)
        per_task[product.name] = [cost.cpu_s / width]
        print("<!-- %s: foreach of %d: %.2f s wall, %.2f CPU s -->" % (product.name, width, cost.wall_s, cost.cpu_s))
    row("foreach + join, a task", "CPU s", per_task["Headrace"], per_task["Metaflow"])


def imports(options: argparse.Namespace, folder: str) -> None:
    code = "import resource, metaflow; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)"
    costs = rounds(options.rounds * 2, lambda p: measure(p, ["-c", code], folder))
    row("`import metaflow`, whole process", "s", *[[c.wall_s for c in costs[n]] for n in ("Headrace", "Metaflow")])
    row("the same, peak memory", "MB", *[[float(c.output) for c in costs[n]] for n in ("Headrace", "Metaflow")])


def stamp_of(output: str, text: str, step: str) -> float:
    """Epoch seconds of the run line of `step` that ends with `text`."""
    line = re.search(r"^(\S+ \S+) \[\d+/%s/.*\] %s$" % (step, re.escape(text)), output, re.M)
    assert line, output
    return datetime.datetime.strptime(line.group(1), "%Y-%m-%d %H:%M:%S.%f").timestamp()


def artifact(content: str) -> Callable[[argparse.Namespace, str], None]:
    def measured(options: argparse.Namespace, folder: str) -> None:
        save: Dict[str, List[float]] = {}
        load: Dict[str, List[float]] = {}
        peak: Dict[str, List[float]] = {}
        for product in products():
            for _ in range(max(1, options.rounds // 2) if product.name == "Headrace" else 1):
                with tempfile.TemporaryDirectory(dir=folder) as place:
                    said = measure(product, [str(FLOWS / "big_artifact.py"), "--no-pylint", "run", "--mb", str(options.mb),
                                             "--content", content], place).output
                saving = float(re.findall(r"saving ([\d.]+)", said)[0])
                save.setdefault(product.name, []).append(stamp_of(said, "Task finished successfully.", "start") - saving)
                load.setdefault(product.name, []).append(float(re.findall(r"loaded ([\d.]+)", said)[0]))
                peak.setdefault(product.name, []).append(max(float(p) for p in re.findall(r"peak (\d+)", said)) / options.mb)
        for name, unit, values in (("save", "s", save), ("load", "s", load), ("peak memory of the tasks / array", "x", peak)):
            row("%d MB array, %s: %s" % (options.mb, content, name), unit, values["Headrace"], values["Metaflow"])

    return measured


def alone(name: str, unit: str, value: float, wanted: str) -> None:
    """A row of Headrace's own; Metaflow has no number there that could be had in reasonable time."""
    print("| %s | %s | %.3f | %s | |" % (name, unit, value, wanted and "(wanted: %s)" % wanted), flush=True)


READ_LARGE = """
import resource, time
from metaflow import Flow, namespace
namespace(None)
began = time.time()
array = Flow("BigArtifactFlow").latest_run["start"].task["array"].data
print("read %.3f" % (time.time() - began))
print("sum %d %r %r" % (len(array), float(array[-1]), float(array.sum())))
print("peak %d" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000))
"""


def large(_: argparse.Namespace, folder: str) -> None:
    ours, theirs = products()
    size = 5000
    said = measure(ours, [str(FLOWS / "big_artifact.py"), "--no-pylint", "run", "--mb", str(size)], folder).output
    saving = float(re.findall(r"saving ([\d.]+)", said)[0])
    alone("5 GB array: save", "s", stamp_of(said, "Task finished successfully.", "start") - saving, "works")
    alone("5 GB array: load", "s", float(re.findall(r"loaded ([\d.]+)", said)[0]), "works")
    alone("5 GB array: peak memory of the tasks", "x", max(float(p) for p in re.findall(r"peak (\d+)", said)) / size, "<= 1.2")
    kept = re.findall(r"sum (.*)", said)
    for product in (ours, theirs):
        told = measure(product, ["-c", READ_LARGE], folder).output
        if re.findall(r"sum (.*)", told) != kept:
            raise SystemExit("%s's Client reads another array: %s, not %s" % (product.name, told, kept))
        alone("5 GB array: read by %s's Client" % product.name, "s", float(re.findall(r"read ([\d.]+)", told)[0]), "the same values")
        alone("the same, peak memory", "x", float(re.findall(r"peak (\d+)", told)[0]) / size, "")


def resume(_: argparse.Namespace, folder: str) -> None:
    ours = products()[0]
    width = 10000
    flow = [str(FLOWS / "wide.py"), "--no-pylint"]
    measure(ours, [*flow, "run", "--width", str(width), "--max-num-splits", str(width)], folder)
    cost = measure(ours, [*flow, "resume", "end", "--max-num-splits", str(width)], folder)
    alone("resume of %d cloned tasks, whole command" % width, "s", cost.wall_s, "<= 20")
    alone("the same, a task", "CPU ms", cost.cpu_s / width * 1000, "<= 2")


ROWS: Dict[str, Callable[[argparse.Namespace, str], None]] = {
    "hello": hello,
    "wide": wide,
    "import": imports,
    "artifact-random": artifact("random"),
    "artifact-steps": artifact("steps"),
}


#: Rows that run only when they are named.
ON_REQUEST: Dict[str, Callable[[argparse.Namespace, str], None]] = {"large": large, "resume": resume}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=[], choices=[*ROWS, *ON_REQUEST, []], metavar="ROW")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--peer-width", type=int, default=100)
    parser.add_argument("--mb", type=int, default=1000)
    options = parser.parse_args()
    print("| what | unit | Headrace | Metaflow 2.19.38 | Metaflow / Headrace |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.rows or ROWS:
            (ROWS.get(name) or ON_REQUEST[name])(options, folder)


if __name__ == "__main__":
    main()
