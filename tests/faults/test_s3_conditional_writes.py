"""Services without conditional writes, where two tries of one task could both publish a result: nothing begins, the bucket is named."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import List, Tuple

import pytest
from products import FLOWS, Product


class Careless:
    """Takes every object and keeps none: with status 200, whatever the condition, or with 501 where there is one. `asked`: what came."""

    def __init__(self, status: int) -> None:
        self.asked: List[str] = []
        careless = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                careless.asked.append("PUT %s" % self.headers.get("If-None-Match", ""))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                refused = status != 200 and "If-None-Match" in self.headers
                self.answer(status if refused else 200, "<Error><Code>NotImplemented</Code></Error>" if refused else "")

            def do_GET(self) -> None:
                careless.asked.append(self.command)
                self.answer(404, "<Error><Code>NoSuchKey</Code></Error>")

            do_HEAD = do_POST = do_GET

            def answer(self, status: int, body: str) -> None:
                self.send_response(status)
                self.send_header("ETag", '"0"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """The test looks at `asked`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = "http://127.0.0.1:%d" % self._server.server_port

    def __enter__(self) -> "Careless":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.mark.parametrize("status, why", [(200, "it does not heed `If-None-Match: *`"), (501, "S3 answered 501 NotImplemented")])
@pytest.mark.parametrize("words", [("run",), ("init", "--run-id", "17", "--task-id", "1")])
def test_a_bucket_without_conditional_writes_is_refused(headrace: Product, status: int, why: str, words: Tuple[str, ...]) -> None:
    with Careless(status) as service:
        env = {"METAFLOW_S3_ENDPOINT_URL": service.url, "METAFLOW_DATASTORE_SYSROOT_S3": "s3://careless-bucket/x",
               "AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
        ran = headrace(str(FLOWS / "hello.py"), "--no-pylint", "--datastore", "s3", *words, env=env)
    assert ran.code == 1 and ran.stdout == ""
    assert "the bucket `careless-bucket` cannot hold runs" in ran.stderr and why in ran.stderr, ran.stderr
    assert set(service.asked) == {"PUT *"}  # nothing else was asked, and nothing written without a condition
    assert not list(headrace.folder.glob(".metaflow/*"))  # nothing says that there was a run
