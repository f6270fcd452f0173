"""`metaflow.S3` without a server: what goes to the engine."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Callable

import pytest

from headrace.s3 import S3, MetaflowS3InsufficientDiskSpace, MetaflowS3InvalidObject, client, transfers, values


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


LARGE = bytes(9 << 20)


@pytest.mark.parametrize("put", [
    lambda s3: s3.put("large", bytes(30 << 20)),
    lambda s3: s3.put_many([("one", LARGE), ("two", LARGE), ("large", LARGE)]),
], ids=["put", "put_many"])
def test_values_without_room_are_an_error_and_leave_nothing(small_disk: Callable[[int], Path], put: Callable[[S3], object]) -> None:
    disk = small_disk(20 << 20)
    with S3(s3root="s3://b/p", tmproot=str(disk)) as s3:
        with pytest.raises(MetaflowS3InsufficientDiskSpace) as error:
            put(s3)
        assert "the key 'large'" in str(error.value) and str(disk) in str(error.value)
        assert "No space left on device. Give S3(tmproot=...)" in str(error.value)
        (folder,) = disk.iterdir()
        assert list(folder.iterdir()) == []


def test_a_value_that_is_refused_leaves_nothing_of_those_before(tmp_path: Path) -> None:
    with S3(s3root="s3://b/p", tmproot=str(tmp_path)) as s3:
        with pytest.raises(MetaflowS3InvalidObject):
            s3.put_many([("large", LARGE), ("number", 1)])  # type: ignore[list-item]
        (folder,) = tmp_path.iterdir()
        assert list(folder.iterdir()) == []


def test_large_values_are_sent_from_files_that_are_gone_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {}

    def ask(self: object, op: str, items: list, payload: bytes, **fields: object) -> list:
        for item in items:
            sent[item["url"]] = os.path.getsize(item["path"]) if "path" in item else item["size"]
        return [{"written": True}] * len(items)

    monkeypatch.setattr(transfers.Transfers, "ask", ask)
    with S3(s3root="s3://b/p", tmproot=str(tmp_path)) as s3:
        s3.put_many([("large", LARGE), ("small", "12")])
        assert sent == {"s3://b/p/large": 9 << 20, "s3://b/p/small": 2}
        (folder,) = tmp_path.iterdir()
        assert list(folder.iterdir()) == []
