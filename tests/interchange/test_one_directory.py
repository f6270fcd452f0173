"""Both products at work in one directory: mixed runs, resume, logs, dump and tags of the other side."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, List

import pytest

HERE = Path(__file__).resolve().parent
FLOWS = HERE.parent / "flows"
OWN = HERE / "flows"

OTHER = {"headrace": "metaflow", "metaflow": "headrace"}


def test_runs_of_both_in_one_flow(both: Any) -> None:
    flow = both.copy(FLOWS / "hello.py")
    name = re.search(r"class (\w+)\(", (FLOWS / "hello.py").read_text()).group(1)  # type: ignore[union-attr]
    ids: List[str] = []
    for writer in ("headrace", "metaflow", "headrace"):
        ran = both[writer](flow, "--no-pylint", "run")
        assert ran.code == 0, ran.stderr
        ids.append(ran.run_id)
        for reader in ("headrace", "metaflow"):
            told = both.describe(reader, name)
            assert told["order"] == ids[::-1] and told["latest_run"] == told["latest_successful_run"] == ids[-1]
    assert both.describe("headrace", name) == both.describe("metaflow", name)


def lines_by_task(text: str) -> List[str]:
    return sorted(text.splitlines())


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
@pytest.mark.parametrize(
    "words",
    [
        ("logs", "{run}/work"),
        ("logs", "{run}/work", "--stderr", "--timestamps"),
        ("logs", "{run}/start", "--stdout"),
        ("dump", "{run}/work"),
        ("dump", "{run}/start", "--private", "--include", "_task_ok,_transition,items,alpha"),
        ("dump", "{run}/_parameters"),
        ("dump", "{run}/work", "--max-value-size", "0"),
        ("logs", "{run}/nothing"),
    ],
)
def test_logs_and_dump_of_the_other_side(written: Any, writer: str, words: Any) -> None:
    both, ran = written(writer, OWN / "broken_once.py")
    words = [word.format(run=ran.run_id) for word in words]
    ours, theirs = (both[reader]("broken_once.py", "--no-pylint", *words) for reader in ("headrace", "metaflow"))
    assert ours.code == theirs.code
    assert lines_by_task(ours.stdout) == lines_by_task(theirs.stdout)
    # The first line of stderr names the product.
    assert lines_by_task(ours.stderr.split("\n", 1)[1]) == lines_by_task(theirs.stderr.split("\n", 1)[1])


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_tags_changed_by_one_and_read_by_the_other(both: Any, writer: str) -> None:
    flow = both.copy(FLOWS / "hello.py")
    ran = both[writer](flow, "--no-pylint", "run", "--tag", "first")
    reader = OTHER[writer]
    assert both[reader](flow, "tag", "add", "--run-id", ran.run_id, "second").code == 0
    assert both[writer](flow, "tag", "remove", "--run-id", ran.run_id, "first").code == 0
    listed = [both[r](flow, "tag", "list", "--run-id", ran.run_id, "--hide-system-tags", "--flat") for r in (writer, reader)]
    assert [one.stderr.split("\n", 1)[1] for one in listed] == ["second\n"] * 2
    tables = [both[r](flow, "tag", "list", "--group-by-run") for r in (writer, reader)]
    assert tables[0].stdout.split()[:-4] == tables[1].stdout.split()[:-4]
    refused = [both[r](flow, "tag", "remove", "--run-id", ran.run_id, "user:ann") for r in (writer, reader)]
    assert [one.code for one in refused] == [1, 1]
    assert refused[0].stderr.split("\n", 1)[1] == refused[1].stderr.split("\n", 1)[1]


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_a_run_of_the_other_side_is_resumed(both: Any, writer: str) -> None:
    flow = both.copy(OWN / "broken_once.py")
    broken = both[writer](flow, "--no-pylint", "run", "--alpha", "2")
    assert broken.code == 1
    resumer = OTHER[writer]
    resumed = both[resumer](flow, "--no-pylint", "resume", "--origin-run-id", broken.run_id, env={"BROKEN": "0"})
    assert resumed.code == 0, resumed.stdout + resumed.stderr
    assert "start runs" not in resumed.stdout and "work on b" in resumed.stdout and "work on a" not in resumed.stdout
    ours, theirs = (both.describe(reader, "BrokenFlow", resumed.run_id) for reader in ("headrace", "metaflow"))
    assert ours == theirs
    run = ours["runs"][resumed.run_id]
    assert run["successful"] and run["origin"] == "BrokenFlow/%s" % broken.run_id
    (end,) = run["steps"]["end"]["tasks"].values()
    assert end["latest"]["artifacts"]["results"]["data"] == "list['aa', 'bb', 'cc']"
    origins = sorted(str(t["latest"]["origin"] is None) for t in run["steps"]["work"]["tasks"].values())
    assert origins == ["False", "False", "True"]


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_a_resumed_run_is_resumed_by_the_other_side(both: Any, writer: str) -> None:
    flow = both.copy(OWN / "broken_once.py")
    first = both[writer](flow, "--no-pylint", "run")
    second = both[OTHER[writer]](flow, "--no-pylint", "resume", "--origin-run-id", first.run_id)
    third = both[writer](flow, "--no-pylint", "resume", "--origin-run-id", second.run_id, env={"BROKEN": "0"})
    assert (first.code, second.code, third.code) == (1, 1, 0), third.stdout + third.stderr
    ours, theirs = (both.describe(reader, "BrokenFlow", third.run_id) for reader in ("headrace", "metaflow"))
    assert ours == theirs


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_steps_named_on_resume_run_again(both: Any, writer: str) -> None:
    flow = both.copy(OWN / "broken_once.py")
    first = both[writer](flow, "--no-pylint", "run", env={"BROKEN": "0"})
    resumed = both[OTHER[writer]](flow, "--no-pylint", "resume", "join", env={"BROKEN": "0"})
    assert (first.code, resumed.code) == (0, 0), resumed.stdout + resumed.stderr
    ours, theirs = (both.describe(reader, "BrokenFlow", resumed.run_id) for reader in ("headrace", "metaflow"))
    assert ours == theirs
    steps = ours["runs"][resumed.run_id]["steps"]
    executed = {name for name, step in steps.items() if any(t["latest"]["stdout_size"] and not t["latest"]["origin"] for t in step["tasks"].values())}
    assert executed <= {"join", "end"} and "end" in executed


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_files_without_serializer_info(both: Any, writer: str) -> None:
    """Older 2.19 did not write it."""
    flow = both.copy(FLOWS / "hello.py")
    ran = both[writer](flow, "--no-pylint", "run")
    manifests = list(both.folder.glob(".metaflow/*/%s/*/*/*.data.json" % ran.run_id))
    assert manifests
    for file in manifests:
        content = json.loads(file.read_text())
        for info in content["info"].values():
            info.pop("serializer_info", None)
        file.write_text(json.dumps(content))
    dumps = [both[reader](flow, "dump", "%s/start" % ran.run_id) for reader in ("headrace", "metaflow")]
    assert [dump.code for dump in dumps] == [0, 0] and dumps[0].stdout == dumps[1].stdout != ""
    resumed = both["headrace"](flow, "--no-pylint", "resume", "end", "--origin-run-id", ran.run_id)
    assert resumed.code == 0, resumed.stdout + resumed.stderr


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_blobs_of_the_other_side_are_shared(both: Any, writer: str) -> None:
    """Equal artifacts have equal keys, so a second run of the other product writes only what is its own."""
    flow = both.copy(FLOWS / "foreach.py")
    assert both[writer](flow, "--no-pylint", "run").code == 0
    blobs = {file.name for file in both.folder.glob(".metaflow/*/data/*/*") if not file.name.endswith("_meta")}
    stamps = {file.name: file.stat().st_mtime_ns for file in both.folder.glob(".metaflow/*/data/*/*")}
    assert both[OTHER[writer]](flow, "--no-pylint", "run").code == 0
    after = {file.name for file in both.folder.glob(".metaflow/*/data/*/*") if not file.name.endswith("_meta")}
    # What names the run itself may be new, such as the path of the source file in `_graph_info`.
    assert blobs <= after and len(after - blobs) <= 3
    for file in both.folder.glob(".metaflow/*/data/*/*"):
        assert stamps.get(file.name, file.stat().st_mtime_ns) == file.stat().st_mtime_ns
