"""Artifacts through the wire: large arrays in place, damaged blobs, peak memory."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
import textwrap
from typing import Any, Iterator

import pytest

from fake_engine import AttemptServer, FakeStore
from headrace import channel as channel_module
from headrace.artifacts import _WELL_KNOWN, InputArtifacts, OutputArtifacts
from headrace.channel import engine_channel
from headrace.errors import DataException, EngineError, UnpicklableArtifactException

np = pytest.importorskip("numpy")


class Holder:
    """Enough of a flow for `persist`."""

    _EPHEMERAL = {"_EPHEMERAL", "_datastore"}

    def __init__(self, **values: Any) -> None:
        self._datastore = None
        self.__dict__.update(values)


@pytest.fixture
def server() -> Iterator[AttemptServer]:
    store = FakeStore()
    store.add_task("1/_parameters/0", {"name": "F"})
    server = AttemptServer(store, "1/start/1", ["1/_parameters/0"])
    channel_module.attach(server.make_door())
    yield server
    channel_module._engine.close()
    channel_module._engine = None
    server.close()


def save(server: AttemptServer, **values: Any) -> InputArtifacts:
    holder = Holder(**values)
    output = OutputArtifacts(engine_channel, "1/start/1", 0)
    output.persist(holder)
    assert holder.__dict__ == {"_datastore": None}
    return InputArtifacts(engine_channel, "1/start/1", 0, server.saved)


OBJECTS = {
    "int": 1, "none": None, "text": "é\U0001f600", "bytes": b"\x00" * 3000000, "list": list(range(1000)),
    "large_list": [str(i) * 10 for i in range(100000)], "long_text": "x" * 2000000, "array": np.arange(500000.0),
    "small_array": np.arange(10), "fortran": np.asfortranarray(np.arange(600000.0).reshape(1000, 600)),
    "strided": np.arange(1000000.0)[::2], "objects": np.array([{"a": i} for i in range(200000)], dtype=object),
    "nested": {"a": [np.ones(300000), np.zeros((3, 200000), dtype="f4")], "b": "end"}, "bytearray": bytearray(2000000),
    "tuple": (b"a" * 400000, b"b" * 400000, b"c" * 400000), "set": {1, 2}, "readonly": np.frombuffer(b"\x01" * 1500000, "u1"),
}


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("in_place", [True, False])
def test_round_trip(server: AttemptServer, in_place: bool) -> None:
    server.can_reach_memory = in_place
    stored = save(server, **OBJECTS)
    for name, value in OBJECTS.items():
        assert equal(value, stored[name]), name
        data = server.store.blobs[server.saved["objects"][name]]
        assert equal(value, pickle.loads(data)), name
        assert server.saved["info"][name] == {
            "size": len(data), "type": str(type(value)), "encoding": "pickle-v4",
        }
    assert any("address" in fields for fields in server.ops("write"))


def test_small_ones_share_a_message(server: AttemptServer) -> None:
    save(server, **{"x%d" % i: i for i in range(100)})
    assert len(server.ops("save")) == 1 and not server.ops("save_open")


def test_protocols(server: AttemptServer) -> None:
    save(server, small=np.arange(10), large=np.arange(500000.0), plain=["a"] * 500000)
    blobs = {name: server.store.blobs[key] for name, key in server.saved["objects"].items()}
    assert (blobs["small"][1], blobs["large"][1], blobs["plain"][1]) == (4, 5, 4)
    assert blobs["small"] == pickle.dumps(np.arange(10), 4)


def test_loaded_arrays_can_be_written(server: AttemptServer) -> None:
    array = save(server, x=np.zeros(500000))["x"]
    array[0] = 1
    assert array[0] == 1


@pytest.mark.parametrize("name", ["large_list", "array"])
def test_damage_is_found(server: AttemptServer, name: str) -> None:
    stored = save(server, **{name: OBJECTS[name]})
    key = server.saved["objects"][name]
    server.damaged.add(key)
    with pytest.raises(EngineError, match="the blob is damaged"):
        stored[name]
    data = server.store.blobs[key]
    server.store.blobs[key] = b"\xff" + data[1:]
    with pytest.raises(EngineError, match="the blob is damaged"):
        stored[name]


def test_missing_blob(server: AttemptServer) -> None:
    stored = save(server, x="some text")
    server.store.blobs.clear()
    with pytest.raises(EngineError, match="artifact `x` is gone"):
        stored["x"]


def test_encodings(server: AttemptServer) -> None:
    for encoding in ("pickle-v2", "pickle-v4", "gzip+pickle-v2", "gzip+pickle-v4"):
        data = pickle.dumps({"e": encoding}, 2)
        manifest = {"objects": {"x": server.store.put(data)}, "info": {"x": {"size": len(data), "encoding": encoding}}}
        assert InputArtifacts(engine_channel, "1/s/1", 0, manifest)["x"] == {"e": encoding}
    manifest["info"]["x"]["encoding"] = "arrow-v1"
    with pytest.raises(DataException, match="encoding is arrow-v1"):
        InputArtifacts(engine_channel, "1/s/1", 0, manifest)["x"]
    del manifest["info"]["x"]
    assert InputArtifacts(engine_channel, "1/s/1", 0, manifest)["x"] == {"e": encoding}


class Stubborn:
    def __reduce__(self) -> Any:
        raise ValueError("not me")


class LateStubborn:
    def __reduce__(self) -> Any:
        raise TypeError("not me either")


def test_pickling_errors_name_the_artifact(server: AttemptServer) -> None:
    with pytest.raises(DataException, match=r"failed on artifact 'bad' \(type .*Stubborn, step \*start\*\): ValueError: not"):
        save(server, bad=Stubborn())
    with pytest.raises(UnpicklableArtifactException, match='"late" of type builtins.list in step .*not me either'):
        save(server, late=[b"x" * 2000000, LateStubborn()])
    assert server.ops("close"), "the stream of the half-written artifact stays open"
    assert "late" not in server.saved["objects"]


def test_well_known_values_cost_no_request(server: AttemptServer) -> None:
    stored = save(server, a=[], b=None, c=True, d=False)
    assert [stored["a"], stored["b"], stored["c"], stored["d"]] == [[], None, True, False]
    assert stored["a"] is not stored["a"]
    assert not server.ops("load") and set(server.saved["objects"].values()) == set(_WELL_KNOWN)


_PEAK = """
import resource, sys
sys.path.insert(0, %r)
import numpy as np
from headrace import channel
from headrace.artifacts import InputArtifacts, OutputArtifacts
from headrace.channel import Door, engine_channel
channel.attach(Door(int(sys.argv[1])))
import headrace.memory, json
class Holder:
    _EPHEMERAL = {"_EPHEMERAL", "_datastore"}
    _datastore = None
holder = Holder()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
if sys.argv[2] == "save":
    holder.x = np.ones(30_000_000)
    OutputArtifacts(engine_channel, "1/start/1", 0).persist(holder)
else:
    manifest = json.loads(sys.argv[3])
    x = InputArtifacts(engine_channel, "1/start/1", 0, manifest)["x"]
    assert x.sum() == 30_000_000
print((peak() - before) * 1024 / 240_000_000)
"""


def _peak(server: AttemptServer, *arguments: str) -> float:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    os.set_inheritable(server.door_fd, True)
    done = subprocess.run(
        [sys.executable, "-c", _PEAK % root, str(server.door_fd), *arguments],
        pass_fds=[server.door_fd], stdout=subprocess.PIPE, check=True, timeout=300,
    )
    return float(done.stdout)


def test_peak_memory_of_a_large_array(server: AttemptServer) -> None:
    import json

    assert _peak(server, "save") < 1.2
    assert _peak(server, "load", json.dumps(server.saved)) < 1.2
