"""An engine for tests: keeps state, speaks the wire over real sockets, and refuses what a real one would refuse."""

from __future__ import annotations

import array
import hashlib
import json
import os
import pickle
import socket
import struct
import threading
from typing import Any, Dict, List, Optional, Tuple

from headrace.channel import Door, decode_frame, encode_frame

HEADER = struct.Struct("<QQQ")
SMALL = 1 << 20


class Refusal(Exception):
    def __init__(self, what: str, kind: str = "misuse", why: str = "") -> None:
        self.error = {"kind": kind, "what": what, "where": "fake engine", "why": why, "next": ""}


class Connection:
    """One channel: frames in, answers out."""

    def __init__(self, owner: "Server", stream: socket.socket, pid: int) -> None:
        self.owner = owner
        self.stream = stream
        self.pid = pid
        self.streams: Dict[int, Any] = {}
        self.next_stream = 1
        self.write_lock = threading.Lock()

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.stream.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise EOFError
            data += piece
        return data

    def serve(self) -> None:
        try:
            while True:
                head = self._read(HEADER.size)
                json_size, payload_size, request_id = HEADER.unpack(head)
                text = self._read(json_size)
                payload = self._read(payload_size)
                _, fields, payload = decode_frame(head + text + payload)
                if fields["op"] in self.owner.in_background:
                    threading.Thread(target=self._answer, args=(request_id, fields, payload), daemon=True).start()
                else:
                    self._answer(request_id, fields, payload)
        except (EOFError, ConnectionError):
            self.stream.close()

    def _answer(self, request_id: int, fields: Dict[str, Any], payload: bytes) -> None:
        self.owner.requests.append(fields)
        try:
            handler = getattr(self.owner, "op_" + fields["op"], None)
            if handler is None:
                raise Refusal("unknown op %s" % fields["op"])
            answer, data = handler(self, fields, payload)
            answer = dict(answer, ok=True)
        except Refusal as refusal:
            answer, data = {"ok": False, "error": refusal.error}, b""
        with self.write_lock:
            self.stream.sendall(encode_frame(request_id, answer, len(data)) + data)


class Server:
    """Serves one door."""

    def __init__(self) -> None:
        self.requests: List[Dict[str, Any]] = []
        self.connected_pids: List[int] = []
        self.in_background: "set[str]" = set()
        self.door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.door_fd = theirs.detach()
        threading.Thread(target=self._accept, daemon=True).start()

    def make_door(self) -> Door:
        return Door(os.dup(self.door_fd))

    def _accept(self) -> None:
        while True:
            try:
                data, ancillary, _, _ = self.door.recvmsg(4096, socket.CMSG_SPACE(64))
            except OSError:
                return
            if not data:
                return
            message = json.loads(data)
            assert message["op"] == "connect"
            fds = array.array("i")
            fds.frombytes(ancillary[0][2][:4])
            self.connected_pids.append(message["pid"])
            connection = Connection(self, socket.socket(fileno=fds[0]), message["pid"])
            threading.Thread(target=connection.serve, daemon=True).start()

    def ops(self, name: str) -> List[Dict[str, Any]]:
        return [fields for fields in self.requests if fields["op"] == name]

    def close(self) -> None:
        self.door.close()
        os.close(self.door_fd)


class FakeStore:
    """Blobs and manifests of one run."""

    def __init__(self) -> None:
        self.blobs: Dict[str, bytes] = {}
        self.tasks: Dict[str, Dict[str, Any]] = {}

    def put(self, data: bytes) -> str:
        key = hashlib.sha1(data).hexdigest()
        self.blobs[key] = data
        return key

    def add_task(self, path: str, values: Dict[str, Any]) -> None:
        manifest: Dict[str, Any] = {"objects": {}, "info": {}}
        for name, value in values.items():
            data = pickle.dumps(value, 4)
            manifest["objects"][name] = self.put(data)
            manifest["info"][name] = {"size": len(data), "type": str(type(value)), "encoding": "pickle-v4"}
        self.tasks[path] = manifest

    def value(self, path: str, name: str) -> Any:
        return pickle.loads(self.blobs[self.tasks[path]["objects"][name]])

    def values(self, path: str) -> Dict[str, Any]:
        return {name: self.value(path, name) for name in self.tasks[path]["objects"]}


class AttemptServer(Server):
    """Serves one attempt, as section 4 of wire.md says."""

    def __init__(self, store: FakeStore, path: str, inputs: List[str], **more: Any) -> None:
        self.store = store
        self.path = path
        run_id, step, task_id = path.split("/")
        self.assignment = {
            "wire": 1, "flow": "F", "run_id": run_id, "step": step, "task_id": task_id, "attempt": 0,
            "max_user_code_retries": 0, "split_index": None, "join": len(inputs) > 1, "inputs": inputs,
            "manifest": store.tasks[inputs[0]] if len(inputs) == 1 else None,
            "parameters": store.tasks[run_id + "/_parameters/0"], "ubf": None, "num_parallel": 0, "node_index": 0,
            "control_task": "", "origin_run_id": None, "user": "ann", "namespace": "user:ann", "tags": ["t"],
            "sys_tags": [], "datastore": {"type": "local", "root": "/r"}, "metadata_root": "/r",
        }
        self.assignment.update(more)
        self.saved: Dict[str, Any] = {"objects": {}, "info": {}}
        self.metadata: List[Dict[str, Any]] = []
        self.finish: Optional[Dict[str, Any]] = None
        self.can_reach_memory = True
        self.damaged: "set[str]" = set()
        self.workers: List[str] = []
        super().__init__()

    def op_begin(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        if fields["wire"] != 1:
            raise Refusal("wrong wire")
        return self.assignment, b""

    def op_manifest(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        asked = self.assignment["inputs"][fields["input"] : fields["input"] + fields["count"]]
        return {"manifests": [self.store.tasks[path] for path in asked]}, b""

    def op_load(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        for name in ("size", "name", "path"):
            assert name in fields
        data = self.store.blobs.get(fields["key"])
        if data is None:
            raise Refusal("artifact `%s` is gone" % fields["name"], "missing")
        if len(data) < SMALL:
            return {}, data
        number = connection.next_stream
        connection.next_stream += 1
        connection.streams[number] = [memoryview(data), fields["key"] in self.damaged]
        return {"stream": number}, b""

    def op_read(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        stream = connection.streams[fields["stream"]]
        data = bytes(stream[0][: fields["length"]])
        stream[0] = stream[0][fields["length"] :]
        if not data and stream[1]:
            # Told once, as by the engine.
            stream[1], told = "told", stream[1] == "told"
            raise Refusal("it was found damaged before" if told else "the blob is damaged", "failed")
        if "address" not in fields or not data or not self.can_reach_memory:
            return {"length": len(data)}, data
        with open("/proc/%d/mem" % connection.pid, "r+b", buffering=0) as memory:
            memory.seek(fields["address"])
            assert memory.write(data) == len(data)
        return {"length": len(data), "in_place": True}, b""

    def op_close(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        del connection.streams[fields["stream"]]
        return {}, b""

    def _record(self, name: str, type_text: str, encoding: str, data: bytes) -> str:
        if self.finish is not None:
            raise Refusal("the attempt is finished")
        if name in self.saved["objects"]:
            raise Refusal("`%s` is saved twice" % name)
        key = self.store.put(data)
        self.saved["objects"][name] = key
        self.saved["info"][name] = {"size": len(data), "type": type_text, "encoding": encoding}
        return key

    def op_save(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        keys = []
        at = 0
        for head in fields["artifacts"]:
            data = payload[at : at + head["size"]]
            at += head["size"]
            keys.append(self._record(head["name"], head["type"], head["encoding"], data))
        assert at == len(payload)
        return {"keys": keys}, b""

    def op_save_open(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        number = connection.next_stream
        connection.next_stream += 1
        connection.streams[number] = [fields, bytearray()]
        return {"stream": number}, b""

    def op_write(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        data = payload
        if "address" in fields:
            assert not payload
            if not self.can_reach_memory:
                raise Refusal("memory", "retry")
            with open("/proc/%d/mem" % connection.pid, "rb", buffering=0) as memory:
                memory.seek(fields["address"])
                data = memory.read(fields["length"])
            assert len(data) == fields["length"]
        else:
            assert fields["length"] == len(payload)
        connection.streams[fields["stream"]][1] += data
        return {}, b""

    def op_save_close(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        head, data = connection.streams.pop(fields["stream"])
        key = self._record(head["name"], head["type"], head["encoding"], bytes(data))
        return {"key": key, "size": len(data)}, b""

    def op_metadata(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        for record in fields["fields"]:
            assert set(record) >= {"field", "type", "value"}
        self.metadata += fields["fields"]
        return {}, b""

    def op_finish(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        if self.finish is not None:
            raise Refusal("finished twice")
        if fields["artifacts"]:
            self.op_save(connection, fields, payload)
        manifest: Dict[str, Any] = {"objects": {}, "info": {}}
        for group in fields["inherit"]:
            source = self.assignment["inputs"][group["from"]] if group["from"] != "parameters" else (
                self.assignment["run_id"] + "/_parameters/0"
            )
            for name in group["names"]:
                for part in ("objects", "info"):
                    manifest[part][name] = self.store.tasks[source][part][name]
        for part in ("objects", "info"):
            manifest[part].update(self.saved[part])
        self.store.tasks[self.path] = manifest
        self.finish = fields
        return {}, b""

    def op_start_workers(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        assert fields["count"] > 0
        self.workers = ["%s_node_%d" % (self.path, i + 1) for i in range(fields["count"])]
        return {"tasks": self.workers}, b""

    def op_wait_workers(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        return {"failed": []}, b""
