"""What the client asks the store process: one function a request of `docs/formats/wire.md`, section 5.

Everything read goes through `headrace.channel.store_channel()`; no file of a datastore is opened here.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from headrace import copies
from headrace.errors import EngineError

if TYPE_CHECKING:
    from headrace.channel import Reply

Json = Dict[str, Any]
Path = Sequence[str]


def _ask(op: str, payload: bytes = b"", **fields: Any) -> "Reply":
    from headrace.channel import store_channel

    return store_channel().request(op, payload, **fields)


def _or_none(op: str, **fields: Any) -> Optional["Reply"]:
    """The answer, or None if what was asked for does not exist."""
    try:
        return _ask(op, **fields)
    except EngineError as error:
        if error.kind == "missing":
            return None
        raise


def _optional(attempt: Optional[int]) -> Json:
    return {} if attempt is None else {"attempt": attempt}


def _in(meta: str) -> Json:
    """The metadata directory, and where else runs are looked for. What `spin` leaves is nowhere else."""
    place = copies.place() if os.path.basename(meta) != ".metaflow_spin" else None
    return {"meta": meta, "copies": place} if place else {"meta": meta}


def list_objects(meta: str, path: Path, attempt: Optional[int] = None) -> List[Json]:
    """The records below `path`, newest first; an empty list if `path` does not exist."""
    answer = _or_none("list", path=list(path), **_in(meta), **_optional(attempt))
    return list(json.loads(bytes(answer.payload))) if answer else []


def get_object(meta: str, path: Path, attempt: Optional[int] = None) -> Optional[Json]:
    """The record at `path`, or None."""
    answer = _or_none("get", path=list(path), **_in(meta), **_optional(attempt))
    return answer["object"] if answer else None


def task_metadata(meta: str, path: Path) -> List[Json]:
    """The metadata records of a task, oldest first."""
    answer = _or_none("task_metadata", path=list(path), **_in(meta))
    return list(answer["records"]) if answer else []


def change_tags(meta: str, path: Path, add: Iterable[str], remove: Iterable[str]) -> Json:
    """Removes, then adds user tags of a run; its record as it is now."""
    record: Json = _ask(
        "tags", path=list(path), add=sorted(add), remove=sorted(remove), **_in(meta)
    )["object"]
    return record


def manifest(root: str, path: Path, attempt: Optional[int] = None) -> Optional[Tuple[Json, int]]:
    """`data.json` of a task and the attempt it is of; None if that attempt is not done."""
    answer = _or_none("manifest", root=root, path=list(path), **_optional(attempt))
    return (answer["manifest"], int(answer["attempt"])) if answer else None


def attempts(root: str, path: Path) -> List[Tuple[int, bool]]:
    """(attempt number, done) of every attempt that began."""
    answer = _or_none("attempts", root=root, path=list(path))
    return [(int(item["attempt"]), bool(item["done"])) for item in answer["attempts"]] if answer else []


def latest_run(root: str, flow: str) -> Optional[str]:
    """The run id that `run` wrote last in this datastore."""
    answer = _or_none("latest_run", root=root, flow=flow)
    return answer["run_id"] if answer else None


def load(root: str, flow: str, key: str, name: str, path: str, size: int = -1) -> Any:
    """The artifact with this blob key. name, path, size: for error texts and to choose how it travels.

    Raises EngineError if it is missing or damaged, else what unpickling raises.
    """
    from headrace import pickling
    from headrace.channel import store_channel

    request = {"op": "load", "root": root, "flow": flow, "key": key, "size": size, "name": name, "path": path}
    return pickling.load(store_channel(), request)


def load_raw(root: str, flow: str, key: str, name: str, path: str = "") -> bytes:
    """The bytes of a blob that was stored as it is, such as a code package."""
    from headrace.channel import store_channel
    from headrace.pickling import LoadStream

    answer = _ask("load", root=root, flow=flow, key=key, size=-1, name=name, path=path, raw=True)
    stream = answer.get("stream")
    return bytes(answer.payload) if stream is None else LoadStream(store_channel(), stream).read()


def loglines(root: str, path: Path, attempt: int, stream: str) -> Iterator[Tuple[str, bytes]]:
    """(UTC time text, bytes of the line without its newline), merged over what was stored, by time."""
    answer = _or_none("logs", root=root, path=list(path), attempt=attempt, stream=stream)
    if answer is None:
        return
    view = memoryview(answer.payload)
    at = 0
    for stamp, length in answer["lines"]:
        yield stamp, bytes(view[at : at + length])
        at += length


def log_size(root: str, path: Path, attempt: int, stream: str) -> int:
    """Stored bytes of a stream, framing included."""
    answer = _or_none("log_size", root=root, path=list(path), attempt=attempt, stream=stream)
    return int(answer["size"]) if answer else 0


def scrub_logs(root: str, path: Path, attempt: int, stream: str, force: bool) -> List[str]:
    """Overwrites what is stored of a stream; the sources that were overwritten. EngineError(misuse) if not done."""
    answer = _ask("scrub_logs", root=root, path=list(path), attempt=attempt, stream=stream, force=force)
    return list(answer["scrubbed"])


def cards(card_root: str, path: Path) -> List[Json]:
    """`type id hash path size` of each card of a task."""
    answer = _or_none("cards", root=card_root, path=list(path))
    return list(answer["cards"]) if answer else []


def card(card_root: str, path: Path, file: str) -> Optional[bytes]:
    """A file of a task's cards, or None. file: `TYPE[-ID]-UUID.html`, or `runtime/TYPE[-ID]-UUID.data.json`."""
    answer = _or_none("card", root=card_root, path=list(path), file=file)
    return bytes(answer.payload) if answer else None
