#!/usr/bin/env python3
"""A stand-in for `headrace store`, for tests that do not need the engine.

It serves the requests of `docs/formats/wire.md`, section 5, on directories as `datastore.md` describes them, and is
strict: an unknown request, a missing or a surplus field ends it with a message.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import json
import os
import re
import socket
import struct
import sys
import threading
import time

_HEADER = struct.Struct("<QQQ")
_LINE = re.compile(rb"\[MFLOG\|0\|(.+?)Z\|(.+?)\|(.+?)\](.*)")
# op -> (required fields, optional fields)
_FIELDS = {
    "list": ({"meta", "path"}, {"attempt"}),
    "get": ({"meta", "path"}, {"attempt"}),
    "task_metadata": ({"meta", "path"}, set()),
    "tags": ({"meta", "path", "add", "remove"}, set()),
    "manifest": ({"root", "path"}, {"attempt"}),
    "load": ({"root", "flow", "key", "size", "name", "path"}, {"raw"}),
    "read": ({"stream", "length"}, {"address"}),
    "close": ({"stream"}, set()),
    "logs": ({"root", "path", "attempt", "stream"}, set()),
    "log_size": ({"root", "path", "attempt", "stream"}, set()),
    "scrub_logs": ({"root", "path", "attempt", "stream"}, {"force"}),
    "attempts": ({"root", "path"}, set()),
    "latest_run": ({"root", "flow"}, set()),
    "cards": ({"root", "path"}, set()),
    "card": ({"root", "path", "file"}, set()),
    "put_card": ({"root", "path", "file"}, set()),
    "include": ({"flow", "sha"}, {"root", "size", "name", "path", "url"}),
}
_SMALL = 1 << 20


class Refusal(Exception):
    def __init__(self, kind, what):
        self.error = {"kind": kind, "what": what, "where": "", "why": "", "next": ""}


def _json(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (FileNotFoundError, NotADirectoryError):
        raise Refusal("missing", "there is no %s" % path) from None


def _replace(path, data):
    with open(path + ".tmp", "wb") as f:
        f.write(data)
    os.rename(path + ".tmp", path)


class Store:
    """The answers. streams: open streams of blobs."""

    def __init__(self):
        self.streams = {}

    def _last_done(self, meta):
        done = sorted(glob.glob(os.path.join(glob.escape(meta), "sysmeta_attempt-done_*.json")))
        return int(_json(done[-1])["value"]) if done else None

    def list(self, meta, path, attempt=None):
        here = os.path.join(meta, *path)
        if len(path) == 4:
            attempt = self._last_done(os.path.join(here, "_meta")) if attempt is None else attempt
            found = [_json(p) for p in glob.glob(os.path.join(glob.escape(here), "_meta", "%s_artifact_*.json" % attempt))]
        else:
            found = [_json(p) for p in glob.glob(os.path.join(glob.escape(here), "*", "_meta", "_self.json"))]
        return {}, json.dumps(sorted(found, key=lambda o: o["ts_epoch"], reverse=True)).encode()

    def get(self, meta, path, attempt=None):
        if len(path) == 5:
            here = os.path.join(meta, *path[:4], "_meta")
            attempt = self._last_done(here) if attempt is None else attempt
            return {"object": _json(os.path.join(here, "%s_artifact_%s.json" % (attempt, path[4])))}
        return {"object": _json(os.path.join(meta, *path, "_meta", "_self.json"))}

    def task_metadata(self, meta, path):
        files = glob.glob(os.path.join(glob.escape(os.path.join(meta, *path)), "_meta", "sysmeta_*.json"))
        return {"records": sorted(map(_json, files), key=lambda o: o["ts_epoch"])}

    def tags(self, meta, path, add, remove):
        file = os.path.join(meta, *path, "_meta", "_self.json")
        record = _json(file)
        record["tags"] = sorted((set(record["tags"]) - set(remove)) | set(add))
        if len(record["tags"]) > 50:
            raise Refusal("misuse", "a run may have at most 50 user tags")
        record["ts_epoch"] = int(time.time() * 1000)
        _replace(file, json.dumps(record).encode())
        return {"object": record}

    def _numbers(self, root, path):
        here = os.path.join(root, *path)
        numbers = []
        while os.path.exists(os.path.join(here, "%d.attempt.json" % len(numbers))):
            numbers.append(os.path.exists(os.path.join(here, "%d.DONE.lock" % len(numbers))))
        return numbers

    def attempts(self, root, path):
        return {"attempts": [{"attempt": i, "done": done} for i, done in enumerate(self._numbers(root, path))]}

    def manifest(self, root, path, attempt=None):
        done = self._numbers(root, path)
        attempt = len(done) - 1 if attempt is None else attempt
        if not 0 <= attempt < len(done) or not done[attempt]:
            raise Refusal("missing", "attempt %s of %s is not done" % (attempt, "/".join(path)))
        return {"manifest": _json(os.path.join(root, *path, "%d.data.json" % attempt)), "attempt": attempt}

    def load(self, root, flow, key, size, name, path, raw=False):
        file = os.path.join(root, flow, "data", key[:2], key)
        if not os.path.exists(file):
            raise Refusal("missing", "the artifact `%s` of %s is missing: no blob %s" % (name, path, key))
        with open(file, "rb") as f:
            data = f.read()
        marker = file + "_meta"
        if not raw and not (os.path.exists(marker) and _json(marker)["cas_raw"]):
            data = gzip.decompress(data)
        if hashlib.sha1(data).hexdigest() != key:
            raise Refusal("failed", "the artifact `%s` of %s is damaged" % (name, path))
        return self._given(data)

    def include(self, flow, sha, root="", size=-1, name="", path="", url=""):
        file = url[len("local://"):] if url else os.path.join(root, "data", flow, sha)
        if not os.path.exists(file):
            raise Refusal("missing", "the included file %s is missing" % sha)
        with gzip.open(file) as f:
            return self._given(f.read())

    def _given(self, data):
        if len(data) < _SMALL:
            return {}, data
        number = len(self.streams) + 1
        self.streams[number] = memoryview(data)
        return {"stream": number}

    def read(self, stream, length, address=None):
        data = self.streams[stream][:length]
        self.streams[stream] = self.streams[stream][length:]
        return {"length": len(data)}, bytes(data)

    def close(self, stream):
        del self.streams[stream]
        return {}

    def _log_files(self, root, path, attempt, stream):
        for source in ("runtime", "task"):
            file = os.path.join(root, *path, "%d.%s_%s.log" % (attempt, source, stream))
            if os.path.exists(file):
                yield source, file

    def logs(self, root, path, attempt, stream):
        lines = []
        for _, file in self._log_files(root, path, attempt, stream):
            with open(file, "rb") as f:
                for line in f:
                    match = _LINE.match(line)
                    text = match.group(4) if match else line.rstrip(b"\n")
                    lines.append((match.group(1).decode() if match else "3000-01-01T00:00:00.000000", text))
        lines.sort(key=lambda line: line[0])
        return {"lines": [[at, len(text)] for at, text in lines]}, b"".join(text for _, text in lines)

    def log_size(self, root, path, attempt, stream):
        return {"size": sum(os.path.getsize(file) for _, file in self._log_files(root, path, attempt, stream))}

    def scrub_logs(self, root, path, attempt, stream, force=False):
        done = self._numbers(root, path)
        if not force and not (attempt < len(done) and done[attempt]):
            raise Refusal("misuse", "attempt %d of %s is not done" % (attempt, "/".join(path)))
        scrubbed = []
        for source, file in self._log_files(root, path, attempt, stream):
            _replace(file, b"[REDACTED %s %s]" % (source.encode(), stream.encode()))
            scrubbed.append(source)
        return {"scrubbed": scrubbed}

    def latest_run(self, root, flow):
        file = os.path.join(root, flow, "latest_run")
        if not os.path.exists(file):
            return {"run_id": None}
        with open(file) as f:
            return {"run_id": f.read()}

    def _cards(self, root, path):
        flow, run, step, task = path
        return os.path.join(root, flow, "runs", run, "steps", step, "tasks", task)

    def cards(self, root, path):
        here = os.path.join(self._cards(root, path), "cards")
        found = []
        for name in sorted(os.listdir(here)) if os.path.isdir(here) else []:
            kind, *id, uuid = name[: -len(".html")].split("-")
            found.append(
                {"type": kind, "id": id[0] if id else None, "hash": uuid, "path": os.path.relpath(os.path.join(here, name), root),
                 "size": os.path.getsize(os.path.join(here, name))}
            )
        return {"cards": found}

    def card(self, root, path, file):
        name = file if "/" in file else os.path.join("cards", file)
        try:
            with open(os.path.join(self._cards(root, path), name), "rb") as f:
                return {}, f.read()
        except FileNotFoundError:
            raise Refusal("missing", "there is no card %s" % file) from None


def _read(stream, size):
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            return None
        data += more
    return data


def _answer(store, fields):
    op = fields.pop("op")
    required, optional = _FIELDS[op]
    if not required <= set(fields) <= required | optional:
        sys.stderr.write("fake store: `%s` has the fields %s\n" % (op, sorted(fields)))
        os._exit(1)
    try:
        result = getattr(store, op)(**fields)
    except Refusal as refusal:
        return {"ok": False, "error": refusal.error}, b""
    answer, payload = result if isinstance(result, tuple) else (result, b"")
    return dict(answer, ok=True), payload


def _serve(stream, store):
    while True:
        head = _read(stream, _HEADER.size)
        if head is None:
            return
        json_size, payload_size, number = _HEADER.unpack(head)
        fields = json.loads(_read(stream, json_size))
        _read(stream, payload_size)
        answer, payload = _answer(store, fields)
        text = json.dumps(answer).encode()
        stream.sendall(_HEADER.pack(len(text), len(payload), number) + text + payload)


def main():
    if sys.argv[1:3] != ["store", "--door-fd"]:
        sys.exit("fake store: only `store --door-fd N`")
    door = socket.socket(fileno=int(sys.argv[3]))
    store = Store()
    while True:
        message, descriptors, _, _ = socket.recv_fds(door, 4096, 1)
        if not message:
            return
        assert json.loads(message)["op"] == "connect", message
        stream = socket.socket(fileno=descriptors[0])
        threading.Thread(target=_serve, args=(stream, store), daemon=True).start()


if __name__ == "__main__":
    main()
