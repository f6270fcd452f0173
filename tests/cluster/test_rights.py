"""The least rights, as the guide writes them down, and namespaces that enforce the "restricted" standard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable

from api import Namespace
from flows import one_step
from place import PodPlace

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "kubernetes.md"


def test_the_rights_in_the_guide_are_enough(new_place: Any, new_namespace: Callable[..., Namespace], kubeconfig_of: Callable[..., str]) -> None:
    space = new_namespace()
    there: PodPlace = new_place(space, kubeconfig_of(space, rules_of_the_guide()))
    there.flow("work.py", one_step("print('worked')"))
    ran = there.run("work.py")
    assert ran.code == 0, ran
    assert "worked" in ran.stdout
    # Nodes cannot be read with these rights: the run says once which right would help.
    assert len(re.findall(r"(?i)list nodes|nodes.*list", ran.stdout + ran.stderr)) <= 1, ran


def test_a_namespace_that_enforces_restricted(new_place: Any, new_namespace: Callable[..., Namespace]) -> None:
    strict = new_namespace({"pod-security.kubernetes.io/enforce": "restricted"})
    there: PodPlace = new_place(strict)
    there.flow("strict.py", one_step("print('uid', os.getuid(), os.access('.', os.W_OK))"))
    ran = there.run("strict.py")
    assert ran.code == 0, ran
    assert re.search(r"uid [1-9]\d* True", ran.stdout), ran


def test_no_pod_gets_a_token_it_did_not_ask_for(place: PodPlace, namespace: Namespace, live: Any) -> None:
    place.flow("no_token.py", one_step("print('token', os.path.exists('/var/run/secrets/kubernetes.io'))"))
    ran = place.run("no_token.py")
    assert ran.code == 0, ran
    assert "token False" in ran.stdout


def rules_of_the_guide() -> Any:
    """The rules of the Role that the guide shows, from its lines `- {apiGroups: [...], resources: [...], verbs: [...]}`."""
    rules = []
    for groups, resources, verbs in re.findall(r"- \{apiGroups: \[(.*?)\], resources: \[(.*?)\], verbs: \[(.*?)\]\}", GUIDE.read_text()):
        names = [[word.strip().strip('"') for word in text.split(",")] for text in (groups, resources, verbs)]
        rules.append(dict(zip(("apiGroups", "resources", "verbs"), names)))
    assert rules, "the guide shows no rules"
    return rules
