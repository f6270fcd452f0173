"""Services that answer otherwise than S3 does: what is read is right, or an error that names the object, and what is stored is told."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import List, Tuple, Type

import pytest
from http_service import Answerer, HttpService
from products import headrace_in
from s3_work import Place

SIZE = (20 << 20) + 5
MADE = bytes(range(251)) * (SIZE // 251 + 2)
OLD, NEW = MADE[:SIZE], MADE[100:SIZE + 100]
#: Of an object in parts: no checksum of the whole.
ETAG, NEW_ETAG = '"0123456789abcdef0123456789abcdef-3"', '"fedcba9876543210fedcba9876543210-3"'

READ = """
import hashlib, json, os
from metaflow import S3
from metaflow.plugins.datatools.s3 import S3GetObject

what = json.loads(os.environ["WHAT"])
try:
    with S3(s3root="s3://bucket/place") as s3:
        came = s3.get(S3GetObject(*what) if isinstance(what, list) else what).blob
        print(json.dumps([len(came), hashlib.sha1(came).hexdigest()]))
except Exception as error:
    print(json.dumps(str(error)))
"""


class Service(Answerer):
    """One object, by every key. A subclass spoils the answers to ranges."""

    protocol_version = "HTTP/1.1"
    asked = 0
    lock = threading.Lock()

    def number(self) -> int:
        with type(self).lock:
            type(self).asked += 1
            return type(self).asked

    def do_GET(self) -> None:
        try:
            asked = self.headers.get("Range")
            if asked is None:
                self.whole()
            else:
                first, last = asked[len("bytes="):].split("-")
                self.range(self.number(), int(first), min(int(last), SIZE - 1))
        except ConnectionError:
            self.close_connection = True  # The client has what it wanted.

    def whole(self) -> None:
        self.answer(200, OLD, {"ETag": ETAG})

    def range(self, number: int, first: int, last: int) -> None:
        self.part(OLD, first, last)

    def part(self, content: bytes, first: int, last: int, etag: str = ETAG, total: str = str(SIZE), place: int = 0) -> None:
        self.answer(206, content[first:last + 1], {"ETag": etag, "Content-Range": "bytes %d-%d/%s" % (first + place, last + place, total)})


class WholeOnce(Service):
    def range(self, number: int, first: int, last: int) -> None:
        self.whole() if number == 2 else self.part(OLD, first, last)


class WholeAlways(Service):
    def range(self, number: int, first: int, last: int) -> None:
        self.whole()


class Elsewhere(Service):
    def range(self, number: int, first: int, last: int) -> None:
        self.part(NEW, first, last, place=100 if first else 0)


class AnotherVersion(Service):
    """Takes no notice of If-Match."""

    def range(self, number: int, first: int, last: int) -> None:
        self.part(NEW, first, last, etag=NEW_ETAG)


class ShorterVersion(Service):
    def range(self, number: int, first: int, last: int) -> None:
        self.answer(416, b"<Error><Code>InvalidRange</Code></Error>")


class UnknownSize(Service):
    def range(self, number: int, first: int, last: int) -> None:
        self.part(OLD, first, last, total="*")


class UntilItHangsUp(Service):
    def whole(self) -> None:
        self.send_response(200)
        self.send_header("ETag", ETAG)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(OLD[:1000])


class InChunks(Service):
    chunks = [OLD[:400], OLD[400:1000]]

    def whole(self) -> None:
        self.send_response(200)
        self.send_header("ETag", ETAG)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in self.chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")


class InManyChunks(InChunks):
    chunks = [OLD]


#: What reading the whole gives, and a part: `right`, or what the error says.
RIGHT, MORE, PLACE, REPLACED, LENGTH = ("right", "more than the range", "came in the place of", "it was replaced while it was read",
                                        "does not say how long")
ANSWERS = {WholeOnce: (RIGHT, RIGHT), WholeAlways: (MORE, MORE), Elsewhere: (PLACE, PLACE), AnotherVersion: (REPLACED, RIGHT),
           ShorterVersion: (REPLACED, "InvalidRange"), UnknownSize: (RIGHT, LENGTH), UntilItHangsUp: (LENGTH, RIGHT),
           InChunks: (RIGHT, RIGHT), InManyChunks: (LENGTH, RIGHT)}


@pytest.fixture()
def place(tmp_path: Path) -> Place:
    server = {"METAFLOW_DATASTORE_SYSROOT_S3": "s3://bucket", "METAFLOW_S3_ENDPOINT_URL": "", "AWS_ACCESS_KEY_ID": "key",
              "AWS_SECRET_ACCESS_KEY": "secret"}
    return Place(headrace_in(tmp_path / "headrace"), server)


@pytest.mark.parametrize("service", ANSWERS, ids=lambda service: service.__name__)
def test_what_comes_is_right_or_an_error(place: Place, service: Type[Service]) -> None:
    whole = OLD[:1000] if service is InChunks else OLD
    part = (NEW if service is AnotherVersion else OLD)[1000:]
    wanted: List[Tuple[object, bytes, str]] = [("key", whole, ANSWERS[service][0]), (["key", 1000, None], part, ANSWERS[service][1])]
    for what, content, outcome in wanted:
        with HttpService(type(service.__name__, (service,), {"asked": 0})) as http:
            told = json.loads(place.script(READ, http.url, WHAT=json.dumps(what)))
        if outcome == RIGHT:
            assert told == [len(content), hashlib.sha1(content).hexdigest()], told
        else:
            assert outcome in told and "s3://bucket/place/key" in told, told


STORE = """
import os
from metaflow import S3

with S3(s3root="s3://bucket/place") as s3:
    print(s3.put_files([("key", os.environ["WHAT"])])[0][0])
"""


class BreaksOff(Answerer):
    """Completes an upload, but breaks off the answer that says so."""

    protocol_version = "HTTP/1.1"
    begun = 0
    crc = ""

    def do_POST(self) -> None:
        service = type(self)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads=" in self.path:
            service.begun += 1
            self.answer(200, b"<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
        elif service.crc:
            self.answer(404, b"<Error><Code>NoSuchUpload</Code></Error>")
        else:
            service.crc = self.headers["x-amz-checksum-crc32c"]
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"<CompleteMultipartUploadResult>")
            self.close_connection = True

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, b"", {"ETag": '"part"'})

    def do_HEAD(self) -> None:
        self.send_response(200 if self.crc else 404)
        self.send_header("x-amz-checksum-crc32c", self.crc)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()


def test_an_upload_whose_completion_broke_off_is_not_begun_again(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    with HttpService(BreaksOff) as http:
        assert place.script(STORE, http.url, WHAT=str(tmp_path / "file")) == "key\n"
    assert BreaksOff.begun == 1 and BreaksOff.crc


class RefusesParts(Answerer):
    """Does not take the parts of an upload, and is too busy to take it back when it is asked first."""

    taken_back = 0

    def do_POST(self) -> None:
        self.answer(200, b"<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")

    def do_DELETE(self) -> None:
        service = type(self)
        service.taken_back += 1
        assert "uploadId=id" in self.path
        self.answer(503 if service.taken_back == 1 else 204, b"")


def test_an_upload_that_failed_is_taken_back_even_if_that_fails_at_first(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    with HttpService(RefusesParts) as http:
        with pytest.raises(AssertionError, match="AccessDenied|denied"):
            place.script(STORE, http.url, WHAT=str(tmp_path / "file"))
    assert RefusesParts.taken_back == 2
