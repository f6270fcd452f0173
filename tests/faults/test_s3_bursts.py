"""A service that is overloaded for a while, or hangs: a run, the upload of a large object and the reading of one outlast it.

HEADRACE_FAULT_OUTAGE_S is how long an outage lasts (8 here; two minutes are a usual one).
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Tuple

import pytest
from s3_proxy import FaultProxy
from s3_work import NewPlace, Place

OUTAGE_S = float(os.environ.get("HEADRACE_FAULT_OUTAGE_S", "8"))
HUGE = 40_000_000

PUT = """
import os
from faults_flow import noise
from metaflow import S3

with S3(s3root=os.environ["ROOT"]) as s3:
    with open("up", "wb") as out:
        out.write(noise("up", %d))
    print(len(s3.put_files([("up", "up")])))
""" % HUGE
GET = """
import os
from faults_flow import noise
from metaflow import S3

with S3(s3root=os.environ["ROOT"]) as s3:
    print(s3.get("up").blob == noise("up", %d))
""" % HUGE
LOAD = """
from faults_flow import noise
from metaflow import Run

print(Run("FaultsFlow/RUN").data.huge == noise("huge", %d))
""" % HUGE
SMALL = """
import os
from metaflow import S3

with S3(s3root=os.environ["ROOT"]) as s3:
    s3.put("one", "of few")
    print(s3.get("one").text)
"""
MANY = """
import os
from faults_flow import noise
from metaflow import S3

sizes = {"%d" % i: 1000 * (i + 1) for i in range(40)}
sizes["large"] = 40_000_000
with S3(s3root=os.environ["ROOT"]) as s3:
    s3.put_many([(name, noise(name, size)) for name, size in sizes.items()])
    print([object.key for object in s3.get_many(list(sizes)) if object.blob != noise(object.key, sizes[object.key])])
"""


def run(place: Place, proxy: FaultProxy) -> None:
    ran = place.run(proxy.url)
    assert ran.code == 0, ran.stdout + ran.stderr
    place.read(ran.run_id)


def put(place: Place, proxy: FaultProxy) -> None:
    assert place.script(PUT, proxy.url) == "1\n"
    assert place.script(GET) == "True\n"


def load(place: Place, proxy: FaultProxy) -> None:
    ran = place.run("")
    assert ran.code == 0, ran.stdout + ran.stderr
    assert place.script(LOAD.replace("RUN", ran.run_id), proxy.url) == "True\n"


#: How many requests are answered before the trouble begins: those of a run whose tasks are at work, two parts of five.
WORKS: Tuple[Tuple[Callable[[Place, FaultProxy], None], int], ...] = ((run, 40), (put, 3), (load, 3))


@pytest.mark.parametrize("percent", [10, 90, 100])
def test_what_is_under_way_outlasts_a_burst_of_503(new_place: NewPlace, s3: Dict[str, str], percent: float) -> None:
    def outlast(work: Callable[[Place, FaultProxy], None], after: int) -> None:
        with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], seed=11) as proxy:
            proxy.outage(OUTAGE_S, percent, after)
            began = time.monotonic()
            work(new_place(HUGE=str(HUGE)), proxy)
            assert proxy.spoiled["throttle"] > 0 or percent == 10
            assert time.monotonic() - began >= OUTAGE_S or percent < 100

    with ThreadPoolExecutor(len(WORKS)) as side_by_side:  # they mostly wait
        list(side_by_side.map(outlast, *zip(*WORKS)))


def test_a_service_that_refuses_nine_of_ten_is_slow_but_nothing_fails(new_place: NewPlace, s3: Dict[str, str]) -> None:
    # A request is tried ten times on average, with pauses that double up to 8 s, of which it waits a random part: 14 s. So it is slow by
    # design, and two requests are enough here: of this seed six tries of each are refused before one is answered.
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], seed=86, faults={"throttle": 90}) as proxy:
        assert new_place().script(SMALL, proxy.url) == "of few\n"
        assert proxy.spoiled["throttle"] == 12 and proxy.requests == 14


def test_answers_that_stop_coming_are_noticed_and_asked_for_again(new_place: NewPlace, s3: Dict[str, str]) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], seed=3, faults={"stall": 20}, stall_s=600) as proxy:
        began = time.monotonic()
        assert new_place(HEADRACE_S3_STALL_S="2").script(MANY, proxy.url) == "[]\n"
        assert proxy.spoiled["stall"] >= 5
        assert time.monotonic() - began < 60  # the proxy would hold each of them for ten minutes
