"""Both clients say the same of what either product has written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from agreement import assert_read_alike, assert_written_alike  # noqa: E402

FLOWS = HERE.parent / "flows"
OWN = HERE / "flows"

RUNS = {
    "hello": (FLOWS, True),
    "branch": (FLOWS, True),
    "foreach": (FLOWS, True),
    "nested": (FLOWS, True),
    "retrying": (FLOWS, True),
    "failing": (FLOWS, False),
    "catching": (FLOWS, True),
    "switching": (FLOWS, True),
    "parallel_nodes": (FLOWS, True),
    "parameters": (FLOWS, True),
    "everything": (OWN, True),
    "broken_once": (OWN, False),
    "with_card": (OWN, True),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_both_clients_read_it_alike(written: Any, writer: str, name: str) -> None:
    folder, succeeds = RUNS[name]
    run = assert_read_alike(written, writer, folder / (name + ".py"), succeeds)
    assert run["user_tags"] == ["mine"]


@pytest.mark.parametrize("name", RUNS)
def test_both_products_write_it_alike(written: Any, name: str) -> None:
    folder, _ = RUNS[name]
    assert_written_alike(written, folder / (name + ".py"))


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_pickled_client_objects_and_classes(written: Any, writer: str) -> None:
    """Artifacts that hold objects of the client, read by the other product."""
    both, _ = written(writer, OWN / "everything.py")
    code = (
        "from metaflow import Flow, namespace; namespace(None); r = Flow('EverythingFlow').latest_run; d = r['start'].task.data;"
        "print(d.me.pathspec == r['start'].task.pathspec, d.run == r or d.run.pathspec == r.pathspec, d.counts['a'],"
        " len(d.large), d.text.encode('utf-8'), d.data, type(d.me).__name__)"
    )
    text = "True True 5 2097152 b'an included file, \\xc3\\xa4\\n' b'an included file, \\xc3\\xa4\\n' Task\n"
    for reader in ("headrace", "metaflow"):
        assert both.python(reader, code) == text


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_cards_are_found_by_both(written: Any, writer: str) -> None:
    both, _ = written(writer, OWN / "with_card.py")
    code = (
        "from metaflow import Flow, namespace; from metaflow.cards import get_cards; namespace(None)\n"
        "t = Flow('CardFlow').latest_run['start'].task\n"
        "for c in sorted(get_cards(t), key=lambda c: c.type): print(c.type, c.id, c.hash, c.path, len(c.get()), c.get()[:100])\n"
        "print(len(get_cards(t, type='blank')), len(get_cards(t, id='named')))"
    )
    ours, theirs = both.python("headrace", code), both.python("metaflow", code)
    assert ours == theirs and ours.endswith("1 1\n")
    lists = [both[reader]("with_card.py", "card", "list", "--as-json") for reader in ("headrace", "metaflow")]
    assert [ran.code for ran in lists] == [0, 0]
    assert sorted(lists[0].stdout.split()) == sorted(lists[1].stdout.split())
