#!/usr/bin/env python3
"""Objects in S3: `metaflow.S3` of Headrace and of Metaflow, boto3 with threads, and s5cmd, one after the other on one server.

    python bench/s3.py [--rounds 3] [--count 1000] [--gb 2] [ROW...]

rows: many (1 MB objects), small (1 kB objects), large (one object); requests: a table of its own (s3_requests.py). Prints a Markdown
table for docs/benchmarks.md. Needs an S3 server (METAFLOW_S3_ENDPOINT_URL, METAFLOW_DATASTORE_SYSROOT_S3 and credentials:
`testbed/s3-up`) and HEADRACE_METAFLOW_PYTHON; s5cmd runs too where HEADRACE_S5CMD names it; `./bench/run s3` sets all. Medians over the
rounds; the time is that of the transfer alone, the CPU and the memory those of all processes of the client, start included. What is
transferred lies in the page cache. Of one large object there is a row of what the server gives a plain reader of ranges, too.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

ROOT = Path(__file__).resolve().parent.parent
PR_SET_CHILD_SUBREAPER = 36
TIMEOUT_S = 1800


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float
    peak_mb: float


# --- one transfer by one client, in a process of its own: s3.py --do CLIENT DIRECTION FOLDER PREFIX ---

def by_metaflow_s3(direction: str, folder: str, prefix: str, names: List[str]) -> None:
    from metaflow import S3

    s3 = S3(s3root=prefix, tmproot=folder)  # Not closed: removing what came is no part of any client's work here, see `forget`.
    if direction == "put":
        s3.put_files([(name, os.path.join(folder, name)) for name in names])
    else:
        found = s3.get_many(names)
        sizes = sum(os.path.getsize(one.path) for one in found)
        assert len(found) == len(names) and sizes > 0


def by_boto3(direction: str, folder: str, prefix: str, names: List[str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import boto3
    from botocore.config import Config

    client = boto3.client("s3", endpoint_url=os.environ["METAFLOW_S3_ENDPOINT_URL"], config=Config(max_pool_connections=64))
    place = urllib.parse.urlsplit(prefix)

    def one(name: str) -> None:
        key = place.path.strip("/") + "/" + name
        if direction == "put":
            client.upload_file(os.path.join(folder, name), place.netloc, key)
        else:
            client.download_file(place.netloc, key, os.path.join(folder, "boto3." + name))

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(one, names))


def by_s5cmd(direction: str, folder: str, prefix: str, names: List[str]) -> None:
    lines = [("cp %s/%s %s/%s" % (folder, name, prefix, name)) if direction == "put"
             else ("cp %s/%s %s/s5cmd.%s" % (prefix, name, folder, name)) for name in names]
    commands = os.path.join(folder, "s5cmd.commands")
    Path(commands).write_text("\n".join(lines) + "\n")
    subprocess.run([os.environ["HEADRACE_S5CMD"], "--endpoint-url", os.environ["METAFLOW_S3_ENDPOINT_URL"], "--log", "error",
                    "run", commands], check=True, stdout=subprocess.DEVNULL)


def by_ranges(direction: str, folder: str, prefix: str, names: List[str]) -> None:
    """What the server gives: the first object in ranges of 8 MiB over 16 connections, thrown away."""
    import http.client
    from concurrent.futures import ThreadPoolExecutor

    import boto3

    place = urllib.parse.urlsplit(prefix)
    wanted = {"Bucket": place.netloc, "Key": place.path.strip("/") + "/" + names[0]}
    client = boto3.client("s3", endpoint_url=os.environ["METAFLOW_S3_ENDPOINT_URL"])
    size = client.head_object(**wanted)["ContentLength"]
    url = urllib.parse.urlsplit(client.generate_presigned_url("get_object", wanted))
    ranges = iter(range(0, size, RANGE_BYTES))

    def some(_: int) -> None:
        server = http.client.HTTPConnection(url.netloc)
        room = bytearray(1 << 20)
        for begin in ranges:
            server.request("GET", "%s?%s" % (url.path, url.query), headers={"Range": "bytes=%d-%d" % (begin, begin + RANGE_BYTES - 1)})
            answer = server.getresponse()
            while answer.readinto(room):
                pass

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(some, range(16)))


RANGE_BYTES = 8 << 20
#: Not a client, but what one could reach: only of the row of one large object, got.
PLAIN_READER = "plain ranged reader"
CLIENTS = {"Headrace": by_metaflow_s3, "Metaflow": by_metaflow_s3, "boto3, 32 threads": by_boto3, "s5cmd": by_s5cmd}
WAYS = {**CLIENTS, PLAIN_READER: by_ranges}


def do(client: str, direction: str, folder: str, prefix: str) -> None:
    names = json.loads(Path(folder, "names.json").read_text())
    began = time.monotonic()
    WAYS[client](direction, folder, prefix, names)
    print(json.dumps(time.monotonic() - began))


# --- the bench ---

def environment(client: str) -> Tuple[str, Dict[str, str]]:
    """The interpreter and the environment of a client."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if client == "Headrace":
        env.update(PYTHONPATH=str(ROOT / "python"),
                   HEADRACE_ENGINE=os.environ.get("HEADRACE_ENGINE", str(ROOT / "build/dev/engine/cli/headrace")))
        return sys.executable, env
    return os.environ["HEADRACE_METAFLOW_PYTHON"], env


def measure(client: str, direction: str, folder: str, prefix: str) -> Cost:
    """Runs it and waits for every process that it leaves: this process adopts them."""
    python, env = environment(client)
    process = subprocess.Popen([python, __file__, "--do", client, direction, folder, prefix], env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    output, errors = process.stdout.read(), process.stderr.read()
    cpu, peak, code = 0.0, 0.0, 0
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1000)
        if pid == process.pid:
            code = process.returncode = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise SystemExit("%s failed to %s:\n%s\n%s" % (client, direction, output, errors))
    return Cost(json.loads(output.splitlines()[-1]), cpu, peak)


def fill(folder: str, count: int, size: int) -> None:
    names = ["object-%05d" % i for i in range(count)]
    for name in names:
        with open(os.path.join(folder, name), "wb") as out:
            left = size
            while left > 0:
                left -= out.write(os.urandom(min(left, 16 << 20)))
    Path(folder, "names.json").write_text(json.dumps(names))


def forget(folder: str) -> None:
    """What a client downloaded."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith("metaflow.s3."):
            shutil.rmtree(path)
        elif name.startswith(("boto3.", "s5cmd.")):
            os.unlink(path)


def row(title: str, size_gb: float, direction: str, costs: Dict[str, List[Cost]]) -> None:
    ours = statistics.median(cost.wall_s for cost in costs["Headrace"])
    for client, measured in costs.items():
        wall = [cost.wall_s for cost in measured]
        middle = statistics.median(wall)
        print("| %s | %s | %.2f ± %.2f | %.1fx | %.2f | %.0f |"
              % (title + ", " + direction, client, middle, (max(wall) - min(wall)) / 2, middle / ours,
                 statistics.median(cost.cpu_s for cost in measured) / size_gb, max(cost.peak_mb for cost in measured)))
    sys.stdout.flush()


def bench(title: str, count: int, size: int, rounds: int, clients: List[str], root: str) -> None:
    with tempfile.TemporaryDirectory(prefix="headrace-bench-s3-") as folder:
        fill(folder, count, size)
        for direction in ("put", "get"):
            costs: Dict[str, List[Cost]] = {}
            ways = clients + [PLAIN_READER] if direction == "get" and count == 1 else clients
            for number in range(rounds):
                # In turn another one first: it pays for memory that the machine has not used before.
                for client in ways[number % len(ways):] + ways[:number % len(ways)]:
                    whose = "headrace" if client == PLAIN_READER else client.split(",")[0].lower()
                    prefix = "%s/%s-%d-%d" % (root, whose, size, 0 if direction == "get" else number)
                    costs.setdefault(client, []).append(measure(client, direction, folder, prefix))
                    forget(folder)
            row(title, count * size / 1e9, direction, {client: costs[client] for client in ways})


def main() -> None:
    if sys.argv[1:2] == ["--do"]:
        do(*sys.argv[2:6])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--gb", type=float, default=2)
    parser.add_argument("--without", action="append", default=[], help="a client not to run")
    parser.add_argument("rows", nargs="*", help="many small large, or requests")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    clients = [name for name in CLIENTS if name not in options.without]
    if not os.environ.get("HEADRACE_S5CMD") and "s5cmd" in clients:
        clients.remove("s5cmd")
    root = os.environ["METAFLOW_DATASTORE_SYSROOT_S3"] + "/bench-%d" % os.getpid()
    rows = {"many": ("%d x 1 MB" % options.count, options.count, 1_000_000),
            "small": ("%d x 1 kB" % options.count, options.count, 1_000),
            "large": ("one of %g GB" % options.gb, 1, int(options.gb * 1e9))}
    if options.rows == ["requests"]:
        from s3_requests import table

        table(splits=100)
        return
    print("| what | client | s | Headrace is faster | CPU s / GB | peak MB |\n|---|---|---|---|---|---|")
    for name in options.rows or rows:
        title, count, size = rows[name]
        bench(title, count, size, options.rounds, clients, root)


if __name__ == "__main__":
    main()
