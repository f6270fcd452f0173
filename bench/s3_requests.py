#!/usr/bin/env python3
"""How many requests a run with its data in S3 sends: hello and a foreach, by Headrace and by Metaflow.

    python bench/s3_requests.py [--splits 100]      (or: ./bench/run s3 requests)

The flows are those of bench/flows. Each run goes through a proxy of its own that counts and changes nothing (tests/faults/s3_proxy.py),
into a prefix that is empty. Prints a Markdown table for docs/benchmarks.md. Counts do not depend on the machine, or by a few: who is
first to save a value that several tasks save differs. Needs what bench/s3.py needs.
"""

from __future__ import annotations

import argparse
import collections
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Counter, List, Tuple

ROOT = Path(__file__).resolve().parent.parent
FLOWS = ROOT / "bench" / "flows"
METHODS = ("PUT", "GET", "HEAD", "POST", "DELETE")
TIMEOUT_S = 1800


def count(client: str, flow: str, *options: str) -> Counter[str]:
    """Requests of one run of a flow in bench/flows, by method."""
    sys.path.insert(0, str(ROOT / "tests" / "faults"))
    from s3 import environment
    from s3_proxy import FaultProxy

    python, env = environment(client)
    root = "%s/requests-%s" % (os.environ["METAFLOW_DATASTORE_SYSROOT_S3"].rstrip("/"), uuid.uuid4().hex)
    with FaultProxy(os.environ["METAFLOW_S3_ENDPOINT_URL"]) as proxy, tempfile.TemporaryDirectory() as folder:
        env.update(METAFLOW_S3_ENDPOINT_URL=proxy.url, AWS_ENDPOINT_URL_S3=proxy.url, METAFLOW_USER="bench",
                   METAFLOW_DATASTORE_SYSROOT_S3=root, METAFLOW_DEFAULT_DATASTORE="s3",
                   METAFLOW_DATASTORE_SYSROOT_LOCAL=folder)
        command = [python, str(FLOWS / flow), "--no-pylint", "run", *options]
        ran = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)
        if ran.returncode != 0:
            raise SystemExit("%s failed:\n%s" % (client, ran.stdout))
        return collections.Counter(method for method, _ in proxy.log)


def table(splits: int) -> None:
    width = ("--width", str(splits), "--max-num-splits", str(splits))
    flows: List[Tuple[str, int, Tuple[str, ...]]] = [("hello.py", 2, ()), ("wide.py", splits + 3, width)]
    print("| run | client | requests | a task | %s |\n|---|---|---|---|%s" % (" | ".join(METHODS), "---|" * len(METHODS)))
    for flow, tasks, options in flows:
        for client in ("Headrace", "Metaflow"):
            counted = count(client, flow, *options)
            every = sum(counted.values())
            print("| %s, %d tasks | %s | %d | %.1f | %s |" % (flow, tasks, client, every, every / tasks,
                                                              " | ".join(str(counted[method]) for method in METHODS)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int, default=100)
    table(parser.parse_args().splits)


if __name__ == "__main__":
    main()
