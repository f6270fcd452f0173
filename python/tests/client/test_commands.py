"""`logs`, `dump`, `tag` and `card` on a hand-written datastore: streams, texts, exit codes."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, List, NamedTuple

import pytest

HERE = Path(__file__).resolve().parent
LINE = "[MFLOG|0|2026-01-02T03:04:0%d.678901Z|runtime|id]%s\n"
CARD = "0123456789abcdef0123456789abcdef"

FLOW = """
from metaflow import FlowSpec, step

class HandFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    HandFlow()
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: List[str]


@pytest.fixture
def command(directory: Any, tmp_path: Path) -> Any:
    (tmp_path / "hand.py").write_text(FLOW)
    directory.run("1", tags=["mine"])
    out = [LINE % (5, "  one"), LINE % (6, "two *stars*")]
    directory.task("1", "start", "1", 0, {"x": 1}, ok=False, logs={"stdout": [LINE % (1, "failing")], "stderr": []})
    directory.task("1", "start", "1", 1, {"x": "a*b*c", "big": "y" * 2000, "_private": 3}, logs={"stdout": out, "stderr": [LINE % (7, "err")]})
    directory.task("1", "start", "2", done=False, logs={"stdout": [LINE % (5, "early")], "stderr": []})

    def run(*words: str, quiet: bool = False) -> Ran:
        env = dict(os.environ, PYTHONPATH=str(HERE.parents[1]), TZ="UTC")
        options = ["--quiet"] if quiet else []
        done = subprocess.run([sys.executable, "hand.py", *options, *words], cwd=tmp_path, env=env, capture_output=True, text=True)
        err = done.stderr.splitlines()
        return Ran(done.returncode, done.stdout, err if quiet else err[1:])

    return run


def test_logs_of_a_task(command: Any) -> None:
    ran = command("logs", "1/start/1")
    assert (ran.code, ran.out) == (0, "  one\ntwo *stars*\nerr\n")
    assert ran.err == ["Dumping logs of run_id=1 step=start task_id=1", "stdout", "stderr"]


def test_logs_of_a_step_also_while_a_task_runs(command: Any) -> None:
    ran = command("logs", "show", "1/start", "--stdout")
    assert ran.out == "  one\ntwo *stars*\nearly\n"
    assert [line for line in ran.err if line.startswith("std")] == ["stdout", "stdout"]


def test_logs_of_an_attempt_with_times(command: Any) -> None:
    ran = command("logs", "--timestamps", "--attempt", "0", "1/start/1")
    assert ran.out == "2026-01-02 03:04:01.678 failing\n"


def test_quiet_logs_are_the_lines_alone(command: Any) -> None:
    assert command("logs", "1/start/1", "--stderr", quiet=True) == Ran(0, "err\n", [])


@pytest.mark.parametrize(
    "words, message",
    [
        (("logs", "1/zz"), "No Tasks found at the given path -- either none exist or none have started yet"),
        (("logs", "1/start/9"), "No Tasks found at the given path -- either none exist or none have started yet"),
        (("logs", "1"), "input_path should either be run_id/step_name or run_id/step_name/task_id"),
        (("dump", "1"), "input_path should either be run_id/step_name or run_id/step_name/task_id"),
        (("dump", "1/start/9"), "No finished Task found at 1/start/9 -- either it does not exist or it has not stored its artifacts yet"),
        (("dump", "1/start/2"), "No finished Task found at 1/start/2 -- either it does not exist or it has not stored its artifacts yet"),
        (("tag", "add", "x"), "Please specify a run-id using --run-id.\n    HandFlow's latest run in namespace user:ann has id 1."),
        (("tag", "add", "--run-id", "7", "x"), "No run HandFlow/7 found for flow HandFlow"),
        (("tag", "add", "--run-id", "HandFlow/1", "x"), "Run-id HandFlow/1 is not a valid run-id"),
        (("tag", "replace", "--run-id", "1", "--add", "x"), "Specify at least one tag to remove; else please use tag add."),
        (("tag", "list", "--all", "--my-runs"), "Option --all cannot be used together with --my-runs."),
    ],
)
def test_what_cannot_be_done(command: Any, words: Any, message: str) -> None:
    ran = command(*words)
    assert (ran.code, ran.out, "\n".join(ran.err)) == (1, "", "    Invalid command:\n    %s\n" % message)


def test_scrubbing(command: Any) -> None:
    ran = command("logs", "scrub", "1/start", "--stdout")
    assert (ran.code, ran.err) == (0, ["Logs have been scrubbed for 1/start/1 - attempt 1"])
    assert command("logs", "1/start/1", "--stdout").out == "[REDACTED runtime stdout]\n"
    assert command("logs", "1/start/1", "--stderr").out == "err\n"
    assert command("logs", "1/start/1", "--stdout", "--attempt", "0").out == "failing\n"
    assert command("logs", "scrub", "1/start/2").code == 1
    assert command("logs", "scrub", "1/start/2", "--include-not-done").code == 0
    assert "scrubbed for 1/start/1 - attempt 0" in "\n".join(command("logs", "scrub", "1/start/1", "--all").err)


def test_dump(command: Any) -> None:
    ran = command("dump", "1/start/1")
    assert ran.out.splitlines() == [
        "big [size: 2018 type: <class 'str'>] = < artifact too large >",
        "name [size: 23 type: <class 'str'>] = HandFlow",
        "x [size: 20 type: <class 'str'>] = a*b*c",
    ]
    assert (ran.code, ran.err) == (0, ["Dumping output of run_id=1 step=start task_id=1"])


def test_dump_of_some_names(command: Any) -> None:
    assert command("dump", "1/start", "--private", "--include", "_private,x", "--max-value-size", "10").out.splitlines() == [
        "_private [size: 5 type: <class 'int'>] = 3",
        "x [size: 20 type: <class 'str'>] = < artifact too large >",
    ]


class NotHere:
    """Its pickle asks for what does not exist when it is loaded."""

    def __reduce__(self) -> Any:
        return getattr, (0, "nowhere")


def test_dump_goes_on_after_what_cannot_be_loaded(command: Any, directory: Any) -> None:
    directory.task("1", "start", "3", 0, {"a": NotHere(), "b": 2})
    ran = command("dump", "1/start/3")
    first, second, _ = ran.out.splitlines()
    assert first.startswith("a [size: ") and first.endswith("= < AttributeError: 'int' object has no attribute 'nowhere' >")
    assert second == "b [size: 5 type: <class 'int'>] = 2"
    assert (ran.code, ran.err[-2].strip()) == (1, "These artifacts could not be loaded or printed here: a")


def test_dump_of_a_step_without_tasks(command: Any) -> None:
    assert command("dump", "1/zz") == Ran(0, "", [])


def test_dump_to_a_file(command: Any, tmp_path: Path) -> None:
    ran = command("dump", "1/start", "--file", "all.pkl")
    assert (ran.code, ran.out, ran.err[-1]) == (0, "", "Artifacts written to all.pkl")
    values = pickle.loads((tmp_path / "all.pkl").read_bytes())
    assert values == {"1/start/1": {"name": "HandFlow", "x": "a*b*c", "big": "y" * 2000}}


def test_tags(command: Any) -> None:
    ran = command("tag", "add", "--run-id", "1", "b", "a")
    assert ran.code == 0 and ran.out.startswith("Operation successful. New tags:\n\nSystem tags and tags; only tags can be modified\n---")
    table = ran.out.rstrip("\n").splitlines()[-1]
    assert table.split() == ["a", "b", "metaflow_version:2.19.38", "mine", "python_version:3.11.7", "runtime:dev", "user:ann"] or (
        sorted(" ".join(ran.out.splitlines()[4:]).split())[:2] == ["a", "b"])
    ran = command("tag", "remove", "--run-id", "1", "b")
    assert ran.err == ["Operation successful. New tags:"]
    assert command("tag", "replace", "--run-id", "1", "--add", "c", "--remove", "a").code == 0
    assert command("tag", "list", "--run-id", "1", "--hide-system-tags", "--flat").err == ["c", "mine"]
    refused = command("tag", "remove", "--run-id", "1", "user:ann")
    assert refused.code == 1 and refused.err[0] == "    Tagging error:"


def test_a_datastore_of_another_name(command: Any, directory: Any, tmp_path: Path) -> None:
    moved = directory.root.rename(tmp_path / "data")
    options = ("--datastore-root", str(moved))
    assert command(*options, "logs", "1/start/1", "--stdout").out == "  one\ntwo *stars*\n"
    assert command(*options, "tag", "list", "--hide-system-tags", "--flat").err == ["mine"]


def test_quiet_tag_lists_are_for_programs(command: Any) -> None:
    system = "metaflow_version:2.19.38,python_version:3.11.7,runtime:dev,user:ann"
    assert command("tag", "list", quiet=True).err == ["HandFlow/1 ; %s ; mine" % system]
    assert command("tag", "list", "--group-by-tag", "--hide-system-tags", quiet=True).err == ["user:mine ; HandFlow/1"]


@pytest.fixture
def cards(command: Any, directory: Any) -> Any:
    here = directory.root / "mf.cards/HandFlow/runs/1/steps/start/tasks/1"
    (here / "cards").mkdir(parents=True)
    (here / "runtime").mkdir()
    (here / "cards" / ("default-%s.html" % CARD)).write_text("<html>default</html>")
    (here / "cards" / ("blank-named-%s.html" % CARD[::-1])).write_text("<html>named</html>")
    (here / "runtime" / ("default-%s.data.json" % CARD)).write_text('{"x": 1}')
    return command


def test_cards_are_listed(cards: Any) -> None:
    ran = cards("card", "list", "1/start/1", "--as-json")
    assert (ran.code, ran.err) == (0, [])
    assert json.loads(ran.out) == {
        "pathspec": "HandFlow/1/start/1",
        "cards": [
            {"id": "named", "hash": CARD[::-1], "type": "blank", "filename": "blank-named-%s.html" % CARD[::-1]},
            {"id": None, "hash": CARD, "type": "default", "filename": "default-%s.html" % CARD},
        ],
    }
    ran = cards("card", "list", "1/start/1")
    assert ran.out == "" and "Card Hash: %s" % CARD in "\n".join(ran.err)
    assert [len(task["cards"]) for task in json.loads(cards("card", "list", "--as-json").out)] == [2]


def test_a_card_is_got(cards: Any, tmp_path: Path) -> None:
    ran = cards("card", "get", "1/start/1", "--type", "default")
    assert (ran.code, ran.out) == (0, "<html>default</html>\n")
    assert ran.err == ["Resolving card: HandFlow/1/start/1"]
    assert cards("card", "get", "1/start/1", "--hash", CARD[::-1][:5]).out == "<html>named</html>\n"
    assert cards("card", "get", "1/start/1", "sub/a.html", "--id", "named").out == ""
    assert (tmp_path / "sub" / "a.html").read_text() == "<html>named</html>"
    assert "Example access from CLI" in "\n".join(cards("card", "get", "1/start/1").err)


@pytest.mark.parametrize(
    "words, headline, message",
    [
        (("get", "1/start/1", "--id", "no"), "Card not found in datastore", "Card with id 'no' not found for pathspec HandFlow/1/start/1"),
        (("get", "1/start/2"), "Card not found in datastore", "Card not found for pathspec HandFlow/1/start/2"),
        (("get", "1/start/7"), "Cannot resolve task for pathspec", "Task pathspec 1/start/7 not found."),
        (("get", "1/zz"), "Cannot resolve task for pathspec", "Step pathspec 1/zz not found."),
        (("get", "zz"), "Cannot resolve task for pathspec", "Step zz not found for Run('HandFlow/1')."),
        (("server", "--run-id", "7"), "Invalid command", "No run (7) found for HandFlow."),
    ],
)
def test_cards_that_are_not_there(cards: Any, words: Any, headline: str, message: str) -> None:
    ran = cards("card", *words)
    assert ran.code == 1 and ran.err[-3:] == ["    %s:" % headline, "    " + message, ""]


def test_get_cards(cards: Any, client: Any) -> None:
    found = client.cards.get_cards("HandFlow/1/start/1")
    assert len(found) == 2 and [card.type for card in found] == ["blank", "default"]
    assert (found[0].id, found[1].get(), found[1].get_data(), found[0].get_data()) == ("named", "<html>default</html>", {"x": 1}, None)
    assert found[1].path == "HandFlow/runs/1/steps/start/tasks/1/cards/default-%s.html" % CARD
    assert len(client.cards.get_cards(client.Task("HandFlow/1/start/1"), type="default")) == 1
    for wrong in ("HandFlow/1/start", 7):
        with pytest.raises(client.exception.MetaflowException):
            client.cards.get_cards(wrong)


def test_the_card_server(cards: Any, client: Any, directory: Any) -> None:
    import threading
    import urllib.error
    import urllib.request

    from headrace.cli.card_server import CardServer

    server = CardServer("HandFlow", client.Run("HandFlow/1"), "%s/mf.cards" % directory.root).listen(0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def get(path: str) -> str:
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (server.server_address[1], path)) as answer:
            return answer.read().decode()

    try:
        info = json.loads(get("/runinfo"))
        assert (info["status"], info["run_id"], len(info["cards"])) == ("ok", "1", 2)
        assert get("/card/HandFlow/1/start/1/" + CARD) == "<html>default</html>"
        data = json.loads(get("/data/HandFlow/1/start/1/" + CARD))
        assert data == {"status": "ok", "payload": {"x": 1}, "is_complete": True}
        assert "/runinfo" in get("/")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get("/card/HandFlow/1/start/1/beef")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
