"""A pod that does not run says why, within two seconds of the cluster knowing, and again when the reason changes."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Tuple

import pytest

from api import Namespace
from flows import one_step
from place import PodPlace
from webhook import InitContainer

SAID_WITHIN_S = 2.0


def condition_time(pod: Dict[str, Any], kind: str) -> float:
    (found,) = [c for c in pod["status"]["conditions"] if c["type"] == kind]
    return datetime.strptime(found["lastTransitionTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


def test_a_pod_that_no_node_takes_says_what_the_scheduler_says(place: PodPlace, namespace: Namespace, live: Any) -> None:
    """A selector that no node has, where somebody said that a node may come."""
    place.flow("picky.py", one_step("pass", pods="@kubernetes(node_selector={'colour': 'none-has-it'})"))
    run = live("picky.py", env={"HEADRACE_KUBERNETES_UNPLACEABLE": "warning"})
    when, _ = run.wait_for(r"(?i)unschedulable|node\(s\) didn't match")
    pod = namespace.wait_for_pod(lambda pod: bool(pod["status"].get("conditions")), "an unschedulable pod", run.run_id)
    # The cluster's times are whole seconds.
    assert when - condition_time(pod, "PodScheduled") < SAID_WITHIN_S + 1
    assert re.search(r"\[pod hr-start-\S+\].*node", run.text), run.text


def test_a_request_that_no_node_could_hold_is_an_error_at_once(place: PodPlace) -> None:
    place.flow("huge.py", one_step("pass", pods="@kubernetes(memory=60000000)"))
    ran = place.run("huge.py")
    assert ran.code == 1
    assert re.search(r"60000000\S* MB", ran.stderr) and re.search(r"\d+ MB of memory allocatable", ran.stderr), ran
    assert "[pod " not in ran.stdout


def test_a_request_that_no_node_could_hold_may_be_a_warning(place: PodPlace, live: Any) -> None:
    place.flow("huge.py", one_step("pass", pods="@kubernetes(memory=60000000)"))
    run = live("huge.py", env={"HEADRACE_KUBERNETES_UNPLACEABLE": "warning"})
    run.wait_for(r"60000000")
    run.wait_for(r"(?i)unschedulable|insufficient memory")


def test_a_missing_secret_is_named(place: PodPlace, live: Any) -> None:
    place.flow("secret.py", one_step("pass", pods="@kubernetes(secrets='no-such-secret')"))
    run = live("secret.py")
    run.wait_for(r"no-such-secret")


def test_a_missing_volume_claim_is_named(place: PodPlace, live: Any) -> None:
    place.flow("claim.py", one_step("pass", pods="@kubernetes(persistent_volume_claims={'no-such-claim': '/data'})"))
    run = live("claim.py")
    run.wait_for(r"no-such-claim")


def test_a_quota_that_is_used_up_is_named(place: PodPlace, new_namespace: Callable[..., Namespace], new_place: Any) -> None:
    tight = new_namespace()
    tight.apply("resourcequotas", {"metadata": {"name": "tight"}, "spec": {"hard": {"pods": "0"}}})
    there: PodPlace = new_place(tight)
    there.flow("refused.py", one_step("pass"))
    ran = there.run("refused.py")
    assert ran.code == 1
    assert "quota" in ran.stdout + ran.stderr and "tight" in ran.stdout + ran.stderr, ran


@pytest.mark.usefixtures("our_bed")
def test_an_init_container_is_waited_for_and_named(new_namespace: Callable[..., Namespace], new_place: Any, live: Any,
                                                           certificate: Tuple[str, str]) -> None:
    there = new_namespace()
    place: PodPlace = new_place(there)
    place.flow("prepared.py", one_step("print('prepared')"))
    with InitContainer(there, "import time; time.sleep(8)", certificate):
        run = live("prepared.py", at=place)
        run.wait_for(r"Init container prepare is running")
        ran = run.end()
    assert ran.code == 0, ran
    assert re.search(r"\[pod hr-start-\S+\] prepared", ran.stdout), ran


@pytest.mark.usefixtures("our_bed")
def test_an_init_container_that_fails_is_the_cause(new_namespace: Callable[..., Namespace], new_place: Any,
                                                         certificate: Tuple[str, str]) -> None:
    there = new_namespace()
    place: PodPlace = new_place(there)
    place.flow("unprepared.py", one_step("print('never')"))
    with InitContainer(there, "raise SystemExit(3)", certificate):
        ran = place.run("unprepared.py")
    assert ran.code == 1
    assert re.search(r"(?i)init container `?prepare`?.*exit code 3", ran.stdout + ran.stderr), ran
    assert "] never" not in ran.stdout
