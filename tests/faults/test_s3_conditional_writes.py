"""Services without conditional writes, where two tries of one task could both publish a result: nothing begins, the bucket is named."""

from __future__ import annotations

from typing import List, Tuple

import pytest
from http_service import Answerer, HttpService
from products import FLOWS, Product


class Careless(HttpService):
    """Takes every object and keeps none: with status 200, whatever the condition, or with 501 where there is one. `asked`: what came."""

    def __init__(self, status: int) -> None:
        self.asked: List[str] = []
        careless = self

        class Handler(Answerer):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                careless.asked.append("PUT %s" % self.headers.get("If-None-Match", ""))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                refused = status != 200 and "If-None-Match" in self.headers
                body = b"<Error><Code>NotImplemented</Code></Error>" if refused else b""
                self.answer(status if refused else 200, body, {"ETag": '"0"'})

            def do_GET(self) -> None:
                careless.asked.append(self.command)
                self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

            do_HEAD = do_POST = do_GET

        super().__init__(Handler)


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
