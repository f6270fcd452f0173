"""The test bed for Python tests and benchmarks: an S3 server and a Kubernetes cluster, found or started.

`s3_server()` and `cluster()` are context managers. What the environment names already is used as it is; else the bed of
this folder is built (once, cached), started, and taken down at the end if it was started here. `Unavailable` says in one
line why there is none.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Dict, Iterator, NamedTuple

HERE = Path(__file__).resolve().parent
STATE = Path(os.environ.get("HEADRACE_TEST_STATE")
             or Path(os.environ.get("HEADRACE_TEST_CACHE") or Path.home() / ".cache/headrace-testbed") / "state")
S3_VARIABLES = ("METAFLOW_S3_ENDPOINT_URL", "METAFLOW_DATASTORE_SYSROOT_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                "AWS_DEFAULT_REGION")
BUILD_S_MAX = 2400


class Unavailable(Exception):
    """This machine cannot host the bed; the text is one line."""


class BedError(Exception):
    """It should be there, yet did not come up: a fault, not a reason to skip."""


class Cluster(NamedTuple):
    kubeconfig: str
    ours: bool  # the bed of this folder, whose servers tests may restart, and whose images are known


def tool(name: str, *arguments: str, timeout_s: float = 180) -> str:
    """Runs a script of this folder; returns its stdout."""
    done = subprocess.run([str(HERE / name), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout_s)
    if done.returncode != 0:
        raise BedError("testbed/%s %s: exit code %d\n%s%s"
                       % (name, " ".join(arguments), done.returncode, done.stdout, done.stderr))
    return done.stdout


def require(what: str) -> None:
    """Builds `s3` or `cluster` if that is not done; Unavailable where the machine cannot host it."""
    asked = subprocess.run([str(HERE / "why-not"), what], stdout=subprocess.PIPE, text=True)
    if asked.returncode != 0:
        raise Unavailable(asked.stdout.strip())
    tool("build", what, timeout_s=BUILD_S_MAX)


def _alive(server: str) -> bool:
    """Whether `server` was started by the scripts and has not ended."""
    try:
        pid, born = (STATE / "pid" / server).read_text().split()
        stat = Path("/proc/%s/stat" % pid).read_text()
    except (OSError, ValueError):
        return False
    fields = stat.rsplit(")", 1)[1].split()
    return fields[0] != "Z" and fields[19] == born


@contextlib.contextmanager
def s3_server() -> Iterator[Dict[str, str]]:
    """The variables that lead to an S3 server; those of this process when they name one already."""
    if os.environ.get("METAFLOW_S3_ENDPOINT_URL") and os.environ.get("METAFLOW_DATASTORE_SYSROOT_S3"):
        yield {name: os.environ[name] for name in S3_VARIABLES if os.environ.get(name)}
        return
    require("s3")
    found = _alive("s3")
    printed = tool("s3-up")
    try:
        yield dict(line.split("=", 1) for line in printed.splitlines())
    finally:
        if not found:
            tool("down", "s3")


@contextlib.contextmanager
def cluster(*options: str) -> Iterator[Cluster]:
    """The cluster that KUBECONFIG names, else the bed's; `options` are those of `up`."""
    if os.environ.get("KUBECONFIG"):
        kubeconfig = os.environ["KUBECONFIG"]
        ours = Path(kubeconfig).resolve().parent == STATE.resolve()
        yield Cluster(kubeconfig, ours)
        return
    require("cluster")
    found = _alive("kube-apiserver")
    if not found:
        tool("up", *options)
    try:
        yield Cluster(str(STATE / "admin.kubeconfig"), True)
    finally:
        if not found:
            tool("down")
