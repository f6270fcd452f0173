"""The engine's S3 tests through a service that misbehaves, by seed: slower is allowed, wrong is not.

HEADRACE_FAULT_SEEDS is how many seeds are tried, from HEADRACE_FAULT_FIRST on (one here; `./test nightly`: 1,000).
"""

from __future__ import annotations

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Dict, Protocol

import pytest
from products import engine_path
from s3_proxy import KINDS, FaultProxy
from s3_work import NewPlace

SEEDS = int(os.environ.get("HEADRACE_FAULT_SEEDS", "1"))
FIRST = int(os.environ.get("HEADRACE_FAULT_FIRST", "0"))
# Faults that the network and the service really have; 20 % of all requests meet one.
USUAL = {"reset": 4, "lost": 3, "truncate": 3, "slow": 2, "throttle": 5, "internal": 3}
# Changing an object is repeated when its answer was lost, and then happens twice: counting is for a service that answers.
ANSWERED = {kind: percent for kind, percent in USUAL.items() if kind not in ("lost", "reset", "truncate")}


def program(module: str) -> str:
    """The unit tests of a module, built beside the engine."""
    found = Path(engine_path()).parents[1] / module / ("%s_test" % module)
    if not found.exists():
        pytest.skip("%s is not built" % found)
    return str(found)


class Reached(Protocol):
    """Something that answers as S3 at `url`."""

    url: str


def run(module: str, tests: str, s3: Dict[str, str], proxy: Reached, **more: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, **s3, "AWS_EC2_METADATA_DISABLED": "true", "METAFLOW_S3_ENDPOINT_URL": proxy.url,
           "HEADRACE_TEST_S3_ROOT": s3["METAFLOW_DATASTORE_SYSROOT_S3"] + "/faults", **more}
    return subprocess.run([program(module), "--gtest_filter=" + tests], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)


def passed(done: "subprocess.CompletedProcess[str]") -> bool:
    return done.returncode == 0 and bool(re.search(r"\[  PASSED  \] [1-9]", done.stdout)) and "SKIPPED" not in done.stdout


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_a_datastore_behind_faults_does_what_it_says(s3: Dict[str, str], seed: int) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], seed, USUAL) as proxy:
        done = run("store", "S3BackendTest.*-*Updates*", s3, proxy)
        assert passed(done), "seed %d: %s\n%s" % (seed, dict(proxy.spoiled), done.stdout)
        assert sum(proxy.spoiled.values()) > proxy.requests / 20


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_transfers_behind_faults_are_whole(s3: Dict[str, str], seed: int) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], seed + 1000, USUAL) as proxy:
        done = run("s3", "ClientTest.*-*Stop*", s3, proxy)
        assert passed(done), "seed %d: %s\n%s" % (seed, dict(proxy.spoiled), done.stdout)
        assert sum(proxy.spoiled.values()) > proxy.requests / 20


def test_no_update_is_lost_while_the_service_is_slow(s3: Dict[str, str]) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], 5, ANSWERED) as proxy:
        done = run("store", "S3BackendTest.*Updates*", s3, proxy)
        assert passed(done), "%s\n%s" % (dict(proxy.spoiled), done.stdout)
        assert proxy.spoiled["throttle"] > 0


def test_stale_answers_do_not_undo_updates(s3: Dict[str, str]) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], 6, {"stale": 20}) as proxy:
        done = run("store", "S3BackendTest.UpdatesLoseNothing", s3, proxy)
        assert proxy.spoiled["stale"] > 0
        # Four threads count to 200 together: what S3 has taken is each number once.
        numbers = sorted(int(body) for path, body in proxy.written if path.endswith("/u/n"))
        assert numbers == list(range(201)), done.stdout
        # The test's own looks at the number, at the end, may be stale too; nothing else may fail.
        failed = re.findall(r": Failure\n.*\n  (.*)\n", done.stdout)
        assert passed(done) or (failed and set(failed) == {'text(backend, "u/n")'}), done.stdout


def test_an_outage_is_waited_for(s3: Dict[str, str], quiet: FaultProxy) -> None:
    quiet.outage(6)
    began = time.monotonic()
    done = run("s3", "ClientTest.WhatIsPutIsReadWithItsInfo", s3, quiet)
    assert passed(done), done.stdout
    assert time.monotonic() - began >= 6
    assert quiet.spoiled["throttle"] >= 2


def test_an_outage_that_outlasts_the_patience_is_told(s3: Dict[str, str], quiet: FaultProxy) -> None:
    quiet.outage(600)
    done = run("s3", "ClientTest.WhatIsPutIsReadWithItsInfo", s3, quiet, HEADRACE_S3_PATIENCE_S="3")
    assert done.returncode != 0
    assert "error: cannot write `s3://" in done.stdout
    assert "503" in done.stdout and "next:" in done.stdout


READ_FOUR = """
import os, time
from metaflow import S3

began = time.monotonic()
with S3(s3root=os.environ["ROOT"]) as s3:
    for name in ("one", "two", "three", "four"):
        try:
            s3.get(name)
        except Exception as error:
            assert os.environ["ROOT"] + "/" + name in str(error) and "503" in str(error), error
        else:
            raise SystemExit(name)
print(time.monotonic() - began)
"""


def test_an_outage_is_waited_for_once(s3: Dict[str, str], quiet: FaultProxy, new_place: NewPlace) -> None:
    """Who asks when it has outlasted somebody's patience is told soon: a run over a service that is gone must end."""
    quiet.outage(600)
    assert 6 <= float(new_place(HEADRACE_S3_PATIENCE_S="6").script(READ_FOUR, quiet.url)) < 18


READ_SMALL = """
import collections, os
from faults_flow import noise
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception

told = collections.Counter()
with S3(s3root=os.environ["ROOT"]) as s3:
    s3.put_many([(str(i), noise(i, 1000)) for i in range(400)])
    for i in range(400):
        try:
            told["right" if s3.get(str(i)).blob == noise(i, 1000) else "wrong"] += 1
        except MetaflowS3Exception as error:
            told["error" if "%s/%d" % (os.environ["ROOT"], i) in str(error) else str(error)] += 1
print(*(word for pair in sorted(told.items()) for word in pair))
"""


@pytest.mark.parametrize("kind", ["short", "flip"])
def test_altered_objects_are_fetched_again(s3: Dict[str, str], new_place: NewPlace, kind: str) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], 3, {kind: 20}) as proxy:
        told = new_place().script(READ_SMALL, proxy.url).split()
        # Of 400 reads about 80 are altered, and of their repeats about 16 again: these are errors, and never wrong bytes.
        assert told[0::2] in (["error", "right"], ["right"]) and int(told[-1]) > 350, told
        assert proxy.spoiled[kind] > 50


def test_objects_that_are_always_altered_are_named(s3: Dict[str, str]) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], 3, {"flip": 100}) as proxy:
        done = run("s3", "ClientTest.WhatIsPutIsReadWithItsInfo", s3, proxy)
        assert done.returncode != 0
        assert "error: cannot read `s3://" in done.stdout
        assert proxy.spoiled["flip"] == 2  # once, and once more


def test_a_wrong_clock_is_named_at_once(s3: Dict[str, str]) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], 1, {"skewed": 100}) as proxy:
        began = time.monotonic()
        done = run("s3", "ClientTest.WhatIsPutIsReadWithItsInfo", s3, proxy)
        assert done.returncode != 0
        assert "the clock of this machine" in done.stdout
        assert time.monotonic() - began < 60


def test_expired_credentials_are_renewed_then_named(s3: Dict[str, str]) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], 2, {"expired": 20}) as proxy:
        assert passed(run("s3", "ClientTest.ConditionsDecide*", s3, proxy))
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], 2, {"expired": 100}) as proxy:
        done = run("s3", "ClientTest.WhatIsPutIsReadWithItsInfo", s3, proxy)
        assert "ExpiredToken" in done.stdout and "credentials from the environment" in done.stdout
        assert "renew the credentials" in done.stdout


def test_missing_credentials_tell_what_was_tried(s3: Dict[str, str], quiet: FaultProxy, tmp_path: Path) -> None:
    without = {name: value for name, value in s3.items() if not name.startswith("AWS_")}
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path),
           "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    done = run("s3", "ClientTest.WhatIsPutIsReadWithItsInfo", without, quiet, **env)
    assert "there are no credentials for S3" in done.stdout
    for source in ("the environment", "profile `default`", "SSO", "web identity", "the container", "instance metadata"):
        assert source + ": " in done.stdout or source + " of" in done.stdout, source
    assert quiet.requests == 0  # anonymous is no way out


def test_a_profile_gives_credentials(s3: Dict[str, str], quiet: FaultProxy, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[bed]\naws_access_key_id = %s\naws_secret_access_key = %s\n"
                                          % (s3["AWS_ACCESS_KEY_ID"], s3["AWS_SECRET_ACCESS_KEY"]))
    without = {name: value for name, value in s3.items() if not name.startswith("AWS_")}
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "bed",
           "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    assert passed(run("s3", "ClientTest.WhatIsPutIsReadWithItsInfo", without, quiet, **env))


def test_the_proxy_is_a_plain_one_without_faults(s3: Dict[str, str], quiet: FaultProxy) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(quiet.url + "/")
    assert refused.value.code == 403  # S3's own answer
    assert quiet.requests == 1 and not quiet.spoiled
    with pytest.raises(ValueError):
        FaultProxy(quiet.url, 0, {"fire": 1})
    assert set(USUAL) < set(KINDS)
