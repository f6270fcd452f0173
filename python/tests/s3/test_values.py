"""`metaflow.S3` without a server: what goes to the engine."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from headrace.s3 import client, transfers, values


def test_a_plain_file_goes_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "plain"
    file.write_bytes(b"x" * 1000)
    with file.open("rb") as opened:
        path = values._path_of_open(opened)
        assert path is not None and Path(path).read_bytes() == b"x" * 1000
    with file.open("rb", buffering=0) as raw:
        assert values._path_of_open(raw) is not None
    with file.open("rb") as opened:
        opened.seek(3)
        assert values._path_of_open(opened) is None, "what comes from its position is meant"


def test_what_reads_through_a_file_goes_by_what_it_gives(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "packed.gz", "wb") as packed:
        packed.write(b"x" * 1000)
    with gzip.open(tmp_path / "packed.gz", "rb") as packed:
        assert values._path_of_open(packed) is None
    with tarfile.open(tmp_path / "archive.tar", "w") as archive:
        member = tarfile.TarInfo("member")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"data"))
    with tarfile.open(tmp_path / "archive.tar") as archive:
        assert values._path_of_open(archive.extractfile("member")) is None


def test_names_of_local_files_are_short_whatever_the_key() -> None:
    name = client._local_name("s3://bucket/" + "文" * 200 + ".csv", "key")
    assert len(name.encode()) < 200 and name.endswith(".csv")


def test_many_objects_are_asked_for_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Answer:
        payload = b"[null, null]"

    class FakeChannel:
        def request(self, op: str, payload: bytes, items: list, **fields: object) -> Answer:
            asked.append(len(items))
            return Answer()

    monkeypatch.setattr(transfers, "ITEMS_MAX", 2)
    monkeypatch.setattr(transfers, "_channel_for", lambda changes: FakeChannel())
    assert transfers.Transfers({}).ask("s3_info", [{"url": "s3://b/k"}] * 4) == [None] * 4
    assert asked == [2, 2]
