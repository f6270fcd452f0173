"""A conductor for tests: `mini_conductor.py conduct --spec-fd N --host-fd M` runs a flow one task after the other.

It schedules like the engine, keeps everything in memory, prints `[STEP/TASK] line` for the tasks' output, and writes what
the tasks stored to $MINI_CONDUCTOR_OUT: a pickle of {path: {artifact: value}}, with what happened under "".
"""

from __future__ import annotations

import json
import os
import pickle
import select
import socket
import sys
from typing import Any, Dict, List, Tuple

from fake_engine import AttemptServer, FakeStore
import headrace.foreach  # noqa: F401  (makes `__main__.ForeachFrame`)
from headrace.channel import decode_frame

Stack = Tuple[Tuple[str, int, int], ...]


class Conductor:
    def __init__(self, spec: Dict[str, Any], payload: bytes, link: socket.socket) -> None:
        self.spec = spec
        self.steps = {step["name"]: step for step in spec["graph"]["steps"]}
        self.link = link
        self.store = FakeStore()
        self.events: List[Dict[str, Any]] = []
        self.next_task = 1
        self.arrived: Dict[Tuple[str, Stack], Dict[int, str]] = {}
        self.queue: List[Tuple[str, List[str], Stack, Any]] = []
        manifest: Dict[str, Any] = {"objects": {}, "info": {}}
        at = 0
        for head in spec["parameters"]:
            manifest["objects"][head["name"]] = self.store.put(payload[at : at + head["size"]])
            manifest["info"][head["name"]] = {key: head[key] for key in ("type", "encoding", "size")}
            at += head["size"]
        assert at == len(payload)
        self.store.tasks["1/_parameters/0"] = manifest

    def receive(self) -> Dict[str, Any]:
        data = self.link.recv(65536)
        if not data:
            raise SystemExit("the host is gone")
        message = json.loads(data)
        self.events.append(message)
        return message

    def run(self) -> int:
        assert self.receive()["op"] == "ready"
        self.queue.append((self.spec["graph"]["start"], ["1/_parameters/0"], (), None))
        successful = True
        while self.queue and successful:
            successful = self.run_task(*self.queue.pop(0))
        self.link.send(json.dumps({"op": "finish", "run": self.spec["flow"] + "/1", "successful": successful}).encode())
        self.link.recv(1)
        return 0 if successful else 1

    def run_task(self, name: str, inputs: List[str], stack: Stack, index: Any) -> bool:
        step = self.steps[name]
        path = "1/%s/%d" % (name, self.next_task)
        self.next_task += 1
        for attempt in range(step["user_retries"] + step["fallback_retries"] + 1):
            server = AttemptServer(
                self.store, path, inputs, flow=self.spec["flow"], attempt=attempt, split_index=index, join=step["join"],
                max_user_code_retries=step["user_retries"], user=self.spec["user"], namespace=self.spec["namespace"],
                tags=self.spec["tags"],
            )
            code = self.execute(step, path, attempt, server)
            if code == 0 and server.finish is not None and server.finish["ok"]:
                self.follow(step, path, stack, server.finish["transition"])
                return True
        return False

    def execute(self, step: Dict[str, Any], path: str, attempt: int, server: AttemptServer) -> int:
        out, err = os.pipe(), os.pipe()
        message = {"op": "start", "id": self.next_task * 10 + attempt, "step": step["name"], "label": path,
                   "attempt": attempt, "fresh": step["fresh"], "environment": step["environment"]}
        socket.send_fds(self.link, [json.dumps(message).encode()], [server.door_fd, out[1], err[1]])
        os.close(out[1])
        os.close(err[1])
        started = self.receive()
        assert started["op"] == "started", started
        texts = {out[0]: b"", err[0]: b""}
        pending = list(texts)
        while pending:
            for fd in select.select(pending, [], [])[0]:
                data = os.read(fd, 65536)
                texts[fd] += data
                if not data:
                    pending.remove(fd)
                    os.close(fd)
        exited = self.receive()
        assert exited["op"] == "exited" and exited["id"] == message["id"]
        for text in texts.values():
            for line in text.decode().splitlines():
                print("[%s] %s" % (path[2:], line))
        server.close()
        return os.waitstatus_to_exitcode(exited["status"])

    def follow(self, step: Dict[str, Any], path: str, stack: Stack, transition: Any) -> None:
        if transition is None:
            assert step["name"] == self.spec["graph"]["end"]
            return
        targets = transition["next"]
        assert targets and set(targets) <= set(step["next"]), (targets, step["next"])
        if step["kind"] == "foreach":
            for i in range(transition["splits"]):
                self.queue.append((targets[0], [path], stack + ((step["name"], i, transition["splits"]),), i))
            return
        for i, target in enumerate(targets):
            inner = stack + ((step["name"], i, len(targets)),) if step["kind"] == "split" else stack
            if not self.steps[target]["join"]:
                self.queue.append((target, [path], inner, None))
                continue
            _, position, count = inner[-1]
            arrived = self.arrived.setdefault((target, inner[:-1]), {})
            arrived[position] = path
            if len(arrived) == count:
                self.queue.append((target, [arrived[k] for k in range(count)], inner[:-1], None))


def main() -> None:
    assert sys.argv[1:3] == ["conduct", "--spec-fd"] and sys.argv[4] == "--host-fd", sys.argv
    with open(int(sys.argv[3]), "rb") as file:
        _, spec, payload = decode_frame(file.read())
    conductor = Conductor(spec, payload, socket.socket(fileno=int(sys.argv[5])))
    code = conductor.run()
    stored: Dict[str, Any] = {path: conductor.store.values(path) for path in conductor.store.tasks}
    stored[""] = {"spec": spec, "events": conductor.events}
    with open(os.environ["MINI_CONDUCTOR_OUT"], "wb") as out:
        pickle.dump(stored, out)
    sys.exit(code)


if __name__ == "__main__":
    main()
