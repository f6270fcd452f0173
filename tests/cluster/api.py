"""The Kubernetes API, as far as tests ask it: plain HTTPS, with the credentials of a kubeconfig."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

WAIT_S = 150.0


def kubectl() -> str:
    cache = Path(os.environ.get("HEADRACE_TEST_CACHE") or Path.home() / ".cache/headrace-testbed")
    found = shutil.which("kubectl") or str(cache / "bin" / "kubectl")
    assert Path(found).exists(), "no kubectl in PATH and none in the test bed"
    return found


class ApiError(Exception):
    def __init__(self, status: int, body: Any) -> None:
        super().__init__("%d %s" % (status, body.get("message") if isinstance(body, dict) else body))
        self.status = status


class Api:
    """One connection a call: tests make few, and a broken one says nothing about the next."""

    def __init__(self, kubeconfig: str) -> None:
        shown = subprocess.run([kubectl(), "--kubeconfig", kubeconfig, "config", "view", "--raw", "--minify", "--flatten", "-o", "json"],
                               stdout=subprocess.PIPE, check=True).stdout
        self.config: Dict[str, Any] = json.loads(shown)
        config = self.config
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server = urllib.parse.urlsplit(cluster["server"])
        self.context = ssl.create_default_context()
        if "certificate-authority-data" in cluster:
            self.context.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        if cluster.get("insecure-skip-tls-verify"):
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        if "client-certificate-data" in user:
            with tempfile.TemporaryDirectory() as place:
                paths = []
                for name in ("client-certificate-data", "client-key-data"):
                    paths.append(os.path.join(place, name))
                    Path(paths[-1]).write_bytes(base64.b64decode(user[name]))
                self.context.load_cert_chain(*paths)
        self.headers = {"Content-Type": "application/json", "Connection": "close"}
        if "token" in user:
            self.headers["Authorization"] = "Bearer " + user["token"]

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The answer's JSON, or its text where it is none. ApiError unless 2xx."""
        connection = http.client.HTTPSConnection(self.server.hostname or "", self.server.port or 443, context=self.context, timeout=60)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {**self.headers, "Content-Type": content_type})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        told = json.loads(text) if answer.headers.get_content_type() == "application/json" else text
        if answer.status >= 300:
            raise ApiError(answer.status, told)
        return told

    def find(self, path: str) -> Optional[Any]:
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def create(self, path: str, body: Any) -> Any:
        """Made, or already there."""
        try:
            return self.call("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise
            return None


class Namespace:
    """One namespace, as a test sees it."""

    def __init__(self, api: Api, name: str) -> None:
        self.api, self.name = api, name
        self.path = "/api/v1/namespaces/%s" % name

    def make(self, labels: Dict[str, str] = {}) -> "Namespace":
        self.api.create("/api/v1/namespaces", {"metadata": {"name": self.name, "labels": labels}})
        wait_until(lambda: self.api.find(self.path + "/serviceaccounts/default") is not None, "a default service account")
        return self

    def remove(self) -> None:
        """Asks for it; the cluster does it in its own time."""
        self.api.call("DELETE", self.path)

    def secret(self, name: str, values: Dict[str, str]) -> None:
        self.api.create(self.path + "/secrets", {"metadata": {"name": name}, "stringData": values})

    def apply(self, kind: str, body: Dict[str, Any], group: str = "") -> Any:
        base = "/apis/%s/namespaces/%s" % (group, self.name) if group else self.path
        return self.api.create("%s/%s" % (base, kind), body)

    def pods(self, run_id: str = "") -> List[Dict[str, Any]]:
        """Those of a run, oldest first; all without."""
        items = self.api.call("GET", self.path + "/pods")["items"]
        found = [pod for pod in items if not run_id or annotation(pod, "run_id") == run_id]
        return sorted(found, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def jobs(self) -> List[Dict[str, Any]]:
        found: List[Dict[str, Any]] = self.api.call("GET", "/apis/batch/v1/namespaces/%s/jobs" % self.name)["items"]
        return found

    def evict(self, pod: Dict[str, Any]) -> None:
        """As a drain of the node does: the pod's end is a disruption, not the task's fault."""
        name = pod["metadata"]["name"]
        self.api.call("POST", "%s/pods/%s/eviction" % (self.path, name),
                      {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}})

    def wait_for_pod(self, test: Callable[[Dict[str, Any]], bool], what: str, run_id: str = "") -> Dict[str, Any]:
        found: List[Dict[str, Any]] = []

        def look() -> bool:
            found[:] = [pod for pod in self.pods(run_id) if test(pod)]
            return bool(found)

        wait_until(look, what)
        return found[0]


def annotation(pod: Dict[str, Any], name: str) -> str:
    return str(pod["metadata"].get("annotations", {}).get("metaflow/" + name, ""))


def running(pod: Dict[str, Any]) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def task_container(pod: Dict[str, Any]) -> Dict[str, Any]:
    found: Dict[str, Any] = pod["spec"]["containers"][0]
    return found


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "%s: not within %d s" % (what, timeout_s)
        time.sleep(0.2)
