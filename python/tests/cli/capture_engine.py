#!/usr/bin/env python3
"""Stands in for the engine's executable: stores the flow spec it is given as JSON, and answers no task.

Of `pods` it prints the arguments. $CAPTURE: where to. Parameters are stored as `[name, type, repr of the unpickled value]`.
"""

import json
import os
import pickle
import struct
import sys


def main() -> int:
    if sys.argv[1] == "pods":
        print(" ".join(sys.argv[1:]))
        return 7
    spec_fd = int(sys.argv[sys.argv.index("--spec-fd") + 1])
    host_fd = int(sys.argv[sys.argv.index("--host-fd") + 1])
    with open(spec_fd, "rb") as f:
        data = f.read()
    json_size, payload_size, request = struct.unpack("<QQQ", data[:24])
    spec = json.loads(data[24 : 24 + json_size])
    payload = data[24 + json_size :]
    assert len(payload) == payload_size and request == 0
    values, at = [], 0
    for item in spec["parameters"]:
        raw = payload[at : at + item["size"]]
        at += item["size"]
        try:
            value = repr(pickle.loads(raw))
        except Exception as e:
            value = "%s: %s" % (type(e).__name__, e)
        values.append([item["name"], item["type"], value])
    if spec.get("pods"):
        size = spec["pods"]["code_package"]["size"]
        with open(os.environ["CAPTURE"] + ".package", "wb") as out:
            out.write(payload[at : at + size])
        at += size
    assert at == len(payload)
    with open(os.environ["CAPTURE"], "w") as out:
        json.dump({"spec": spec, "parameters": values, "argv": sys.argv[1:], "pid": os.getpid()}, out)
    os.close(host_fd)
    return 7


sys.exit(main())
