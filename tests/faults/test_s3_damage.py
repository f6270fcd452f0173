"""Objects over 1 MiB whose bytes are altered on the way, or are fewer than S3 says: they come right or as an error, never wrong.

One spoiled answer is made up for, whichever it is; of many, what comes is right, and if it is an error, asking again helps; when all
are spoiled, the error names the object. Of explicit ranges only shortness can be noticed: S3 gives no checksum of them.
"""

from __future__ import annotations

import json
from typing import Dict, Iterator, List

import pytest
from products import Ran, headrace_in
from s3_proxy import FaultProxy, Piece
from s3_work import Place
from signed import remove_below

FLOW = """
import os

from faults_flow import noise
from metaflow import FlowSpec, step

#: In one request up to 16 MiB, in parts above.
SIZES = {"two": 2_000_000, "five": 5_000_000, "twenty": 20_000_000}


class DamageFlow(FlowSpec):
    @step
    def start(self):
        for name, size in SIZES.items():
            setattr(self, name, noise(name, size))
        self.next(self.end)

    @step
    def end(self):
        for name, size in SIZES.items():
            for left in reversed(range(int(os.environ["TRIES"]))):
                try:
                    print(name, "right" if getattr(self, name) == noise(name, size) else "wrong")
                    break
                except Exception as error:
                    print(error)
                    if left == 0:
                        raise


if __name__ == "__main__":
    DamageFlow()
"""

#: What follows defines `loads`: how something is read, and what its bytes are, by a name. Prints what each try gave.
TRY = """
import json, os
from damage_flow import SIZES, noise
from metaflow import S3, Run

def outcomes(load, expected):
    told = []
    while len(told) < int(os.environ["TRIES"]) and "right" not in told:
        try:
            told.append("right" if load() == expected else "wrong")
        except Exception as error:
            told.append("error: %s" % error)
    return told

s3 = S3(s3root=os.environ["ROOT"])
RUN = os.environ["RUN"]
"""
SAY = """
print(json.dumps({name: outcomes(*one) for name, one in loads.items()}))
s3.close()
"""
WHOLE = TRY + """
loads = {name: (lambda name=name: s3.get(name).blob, noise(name, size)) for name, size in SIZES.items()}
""" + SAY
ARTIFACTS = TRY + """
loads = {name: (lambda name=name: Run(RUN)["start"].task[name].data, noise(name, size)) for name, size in SIZES.items()}
""" + SAY
RANGES = TRY + """
from metaflow.plugins.datatools.s3 import S3GetObject

places = [("two", 10, 600_000), ("two", 500_000, None), ("five", 100_000, 3_000_000), ("twenty", 1_000_000, 15_000_000)]
last = [("two", 600_000), ("five", 3_000_000), ("twenty", 15_000_000)]
loads = {}
for name, first, length in places:
    end = None if length is None else first + length
    read = lambda asked=S3GetObject(name, first, length): s3.get(asked).blob
    loads["%s from %d" % (name, first)] = (read, noise(name, SIZES[name])[first:end])
for name, length in last:
    read = lambda asked=S3GetObject(name, 0, -length): s3.get(asked).blob
    loads["%s at the end" % name] = (read, noise(name, SIZES[name])[-length:])
""" + SAY
STORE = TRY + """
open("twenty", "wb").write(noise("twenty", SIZES["twenty"]))
s3.put_many([(name, noise(name, SIZES[name])) for name in ("two", "five")])
s3.put_files([("twenty", "twenty")])
""" + "s3.close()"


class Stored:
    """The three objects, and a run that has them as artifacts."""

    def __init__(self, place: Place, server: str) -> None:
        self.place, self.server = place, server
        place.add("damage_flow.py", FLOW)
        place.script(STORE)
        ran = self.run("")
        assert ran.code == 0, ran.stdout + ran.stderr
        self.run_id = ran.run_id

    def run(self, url: str, **more: str) -> Ran:
        """What is stored already is not sent again: only the reading of artifacts has large pieces."""
        return self.place(url, "damage_flow.py", "--no-pylint", "--datastore", "s3", "run", **more)

    def outcomes(self, code: str, url: str, tries: int) -> Dict[str, List[str]]:
        """What each try gave, by the name of what was read: `right`, `wrong` or an error."""
        told: Dict[str, List[str]] = json.loads(self.place.script(code, url, TRIES=str(tries), RUN="DamageFlow/" + self.run_id))
        return told

    def walk(self, kind: str) -> Iterator[FaultProxy]:
        """Proxies that spoil the first large piece, then the second, and so on, until one had nothing left to spoil."""
        for number in range(1, 100):
            with FaultProxy(self.server, walk=(kind, number)) as proxy:
                yield proxy
                if not proxy.spoiled:
                    assert number > 3  # otherwise it was no walk
                    return


@pytest.fixture(scope="module")
def stored(s3: Dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    place = Place(headrace_in(tmp_path_factory.mktemp("damage") / "headrace"), s3, RUN="", TRIES="1")
    yield Stored(place, s3["METAFLOW_S3_ENDPOINT_URL"])
    remove_below(s3, place.root)


def assert_well_advised(error: str, pieces: List[Piece]) -> None:
    """Nobody is told to remove an object of which no byte was asked for twice."""
    if "remove" not in error and "delete" not in error:
        return
    named = sorted(piece for piece in pieces if "s3:/" + piece.path in error)
    again = [after for one, after in zip(named, named[1:]) if one.path == after.path and after.first < one.first + one.size]
    assert again, "%s\nafter %s" % (error, pieces)


READS = {"whole": (WHOLE, "flip"), "whole and short": (WHOLE, "short"), "ranges and short": (RANGES, "short"),
         "artifacts": (ARTIFACTS, "flip"), "artifacts and short": (ARTIFACTS, "short")}


@pytest.mark.parametrize("read", READS)
def test_one_spoiled_piece_is_made_up_for(stored: Stored, read: str) -> None:
    code, kind = READS[read]
    for proxy in stored.walk(kind):
        told = stored.outcomes(code, proxy.url, tries=1)
        assert set(map(tuple, told.values())) == {("right",)}, "%s: %s, %s" % (dict(proxy.spoiled), told, proxy.pieces)


@pytest.mark.parametrize("read", READS)
def test_of_many_spoiled_pieces_none_comes_wrong(stored: Stored, read: str) -> None:
    code, kind = READS[read]
    with FaultProxy(stored.server, seed=7, faults={kind: 30}) as proxy:
        told = stored.outcomes(code, proxy.url, tries=20)
        assert proxy.spoiled[kind] > 0
    for outcomes in told.values():
        assert outcomes[-1] == "right" and "wrong" not in outcomes, told
        assert all(stored.place.root in outcome for outcome in outcomes[:-1]), told


@pytest.mark.parametrize("read", READS)
def test_an_object_whose_pieces_are_all_spoiled_is_named(stored: Stored, read: str) -> None:
    code, kind = READS[read]
    with FaultProxy(stored.server, walk=(kind, 0)) as proxy:
        told = stored.outcomes(code, proxy.url, tries=1)
        assert proxy.spoiled[kind] > 0
    for (outcome,) in told.values():
        # Who goes on where a short answer has ended needs no other one.
        assert stored.place.root in outcome or (outcome == "right" and kind == "short"), told
        assert_well_advised(outcome, proxy.pieces)


@pytest.mark.parametrize("kind", ["flip", "short"])
def test_a_task_makes_up_for_one_spoiled_piece(stored: Stored, kind: str) -> None:
    for proxy in stored.walk(kind):
        ran = stored.run(proxy.url)
        assert ran.code == 0 and ran.stdout.count("right") == 3, "%s: %s%s" % (dict(proxy.spoiled), ran.stdout, ran.stderr)


@pytest.mark.parametrize("kind", ["flip", "short"])
def test_a_task_never_gets_wrong_bytes(stored: Stored, kind: str) -> None:
    with FaultProxy(stored.server, seed=4, faults={kind: 20}) as proxy:
        ran = stored.run(proxy.url, TRIES="20")
        assert ran.code == 0 and ran.stdout.count("right") == 3, ran.stdout + ran.stderr
        assert proxy.spoiled[kind] > 0
    with FaultProxy(stored.server, walk=(kind, 0)) as proxy:
        ran = stored.run(proxy.url)
        if kind == "flip" or ran.code != 0:
            assert ran.code != 0 and stored.place.root in ran.stdout + ran.stderr, ran.stdout + ran.stderr
            assert_well_advised(ran.stdout + ran.stderr, proxy.pieces)
        assert "wrong" not in ran.stdout
