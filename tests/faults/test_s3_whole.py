"""Whole runs and transfers of many objects behind faults, by seed: all is right, and takes at most twice as long and 10 s more.

That bound is what Headrace promises of an S3 where a fifth of all requests fail, and wide enough for a clock. HEADRACE_FAULT_SEEDS and
HEADRACE_FAULT_FIRST choose the seeds, as in test_s3_faults.py.
"""

from __future__ import annotations

import time
from typing import Callable, Dict, Mapping

import pytest
from s3_proxy import FaultProxy
from s3_work import NewPlace
from test_s3_faults import FIRST, SEEDS, USUAL

#: 1 kB to 3 MB, most of them small: 30 MB in all.
OBJECTS = """
import os, random
from faults_flow import noise
from metaflow import S3

chance = random.Random(os.environ["SEED"])
wanted = {"%d" % i: int(1000 * 3000 ** chance.random() ** 3) for i in range(200)}
"""
PUT = OBJECTS + """
with S3(s3root=os.environ["ROOT"]) as s3:
    put = s3.put_many([(name, noise(name, size)) for name, size in wanted.items()])
    print("right" if [name for name, _ in put] == list(wanted) else put)
"""
GET = OBJECTS + """
with S3(s3root=os.environ["ROOT"]) as s3:
    got = s3.get_many(list(wanted))
    wrong = [object.key for object in got if object.blob != noise(object.key, wanted[object.key])]
    print("right" if not wrong and len(got) == len(wanted) else wrong)
"""


def seconds(work: Callable[[str], None], server: str, seed: int, faults: Mapping[str, float]) -> float:
    """How long it takes behind these faults."""
    with FaultProxy(server, seed, faults) as proxy:
        began = time.monotonic()
        work(proxy.url)
        took = time.monotonic() - began
        assert not faults or sum(proxy.spoiled.values()) > proxy.requests / 20
        return took


@pytest.fixture(scope="module")
def quiet() -> Dict[str, float]:
    """How long each work takes without faults, measured at the first seed: the seeds change the faults, hardly the work."""
    return {}


def assert_not_much_slower(work: Callable[[str], None], server: str, seed: int, quiet: Dict[str, float]) -> None:
    name = work.__name__
    if name not in quiet:
        quiet[name] = seconds(work, server, seed, {})
    spoiled = seconds(work, server, seed, USUAL)
    assert spoiled <= 2 * quiet[name] + 10, "seed %d: %.1f s behind faults, %.1f s without" % (seed, spoiled, quiet[name])


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_a_run_behind_faults_is_right_and_in_time(new_place: NewPlace, s3: Dict[str, str], quiet: Dict[str, float],
                                                  seed: int) -> None:
    runs = []

    def run(url: str) -> None:
        place = new_place()
        ran = place.run(url)
        assert ran.code == 0, "seed %d: %s%s" % (seed, ran.stdout, ran.stderr)
        runs.append((place, ran.run_id))

    assert_not_much_slower(run, s3["METAFLOW_S3_ENDPOINT_URL"], seed, quiet)
    for place, run_id in runs:
        place.read(run_id)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_many_objects_behind_faults_are_right_and_in_time(new_place: NewPlace, s3: Dict[str, str], quiet: Dict[str, float],
                                                          seed: int) -> None:
    places = []

    def move(url: str) -> None:
        places.append(new_place(SEED=str(seed)))
        assert places[-1].script(PUT, url) == "right\n"
        assert places[-1].script(GET, url) == "right\n"

    assert_not_much_slower(move, s3["METAFLOW_S3_ENDPOINT_URL"], seed, quiet)
    for place in places:
        assert place.script(GET) == "right\n"  # what was stored, not what came through the same faults
