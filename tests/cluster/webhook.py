"""A mutating admission webhook, as a service mesh or a policy has: it puts an init container into every pod of one namespace."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Optional, Tuple, Type

from api import Namespace

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


class InitContainer:
    """While it is entered, each new pod has the init container `prepare`, of the task's own image, that runs `code` with python3.

    The API server must be on this machine: it calls a server on loopback.
    """

    def __init__(self, namespace: Namespace, code: str, certificate: Tuple[str, str]) -> None:
        self.namespace, self.name = namespace, namespace.name + "-prepare"
        path, key = certificate
        self.certificate = Path(path).read_bytes()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
                (image, *_) = [container["image"] for container in asked["object"]["spec"]["containers"]]
                prepare = {"name": "prepare", "image": image, "command": ["python3", "-c", code], "imagePullPolicy": "IfNotPresent"}
                patch = json.dumps([{"op": "add", "path": "/spec/initContainers", "value": [prepare]}]).encode()
                answer = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
                    "uid": asked["uid"], "allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def __enter__(self) -> "InitContainer":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        webhook: Dict[str, Any] = {
            "name": "prepare.headrace.test", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
            "clientConfig": {"url": "https://127.0.0.1:%d/" % self.server.server_address[1],
                             "caBundle": base64.b64encode(self.certificate).decode()},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace.name}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}
        self.namespace.api.create(CONFIGURATIONS, {"metadata": {"name": self.name}, "webhooks": [webhook]})
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.namespace.api.call("DELETE", "%s/%s" % (CONFIGURATIONS, self.name))
        self.server.shutdown()
        self.server.server_close()
