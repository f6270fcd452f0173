"""A mutating admission webhook, as a service mesh or a policy has: it puts an init container into every pod of one namespace."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Dict, Tuple

from api import Namespace
from http_service import Answerer, HttpService

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


class InitContainer(HttpService):
    """While it is entered, each new pod has the init container `prepare`, of the task's own image, that runs `code` with python3.

    The API server must be on this machine: it calls a server on loopback.
    """

    def __init__(self, namespace: Namespace, code: str, certificate: Tuple[str, str]) -> None:
        self.namespace, self.name = namespace, namespace.name + "-prepare"
        self.certificate = Path(certificate[0]).read_bytes()

        class Handler(Answerer):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
                (image, *_) = [container["image"] for container in asked["object"]["spec"]["containers"]]
                prepare = {"name": "prepare", "image": image, "command": ["python3", "-c", code], "imagePullPolicy": "IfNotPresent"}
                patch = json.dumps([{"op": "add", "path": "/spec/initContainers", "value": [prepare]}]).encode()
                answer = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
                    "uid": asked["uid"], "allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}}).encode()
                self.answer(200, answer, {"Content-Type": "application/json"})

        super().__init__(Handler, certificate)

    def __enter__(self) -> "InitContainer":
        super().__enter__()
        webhook: Dict[str, Any] = {
            "name": "prepare.headrace.test", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
            "clientConfig": {"url": self.url + "/", "caBundle": base64.b64encode(self.certificate).decode()},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace.name}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}
        self.namespace.api.create(CONFIGURATIONS, {"metadata": {"name": self.name}, "webhooks": [webhook]})
        return self

    def __exit__(self, *error: object) -> None:
        self.namespace.api.call("DELETE", "%s/%s" % (CONFIGURATIONS, self.name))
        super().__exit__(*error)
