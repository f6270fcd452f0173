"""Commands that run nothing: what they print, and on which stream, as the real Metaflow does."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, List

import pytest

from cli_harness import HELLO, environment

FLOW = '''
from metaflow import FlowSpec, step, retry, Config

class ShownFlow(FlowSpec):
    """What it is.

    And more.
    """
    cfg = Config("cfg", default_value={"a": 1})

    @retry(times=2)
    @step
    def start(self):
        "The first step."
        self.next(self.a, self.b)

    @step
    def a(self):
        self.next(self.j)

    @step
    def b(self):
        """
        Two
          lines
        """
        self.next(self.j)

    @step
    def j(self, inputs):
        self.next(self.choose)

    @step
    def choose(self):
        self.next({"x": self.end, "y": self.k}, condition="w")

    @step
    def k(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    ShownFlow()
'''


def _without_product(text: str) -> List[str]:
    lines = text.split("\n")
    return [" ".join(["PRODUCT"] + line.split(" ")[2:]) if " executing " in line else line for line in lines]


@pytest.mark.parametrize(
    "words",
    [["show"], ["--quiet", "show"], ["check"], ["--no-pylint", "check"], ["--quiet", "check"], [], ["output-dot"],
     ["output-raw"], ["output-raw", "--json"], ["--with", "timeout:hours=1", "show"]],
    ids=" ".join,
)
def test_the_same_text_as_metaflow(command: Any, real: Any, words: Any) -> None:
    ours, theirs = command(FLOW, *words), real(FLOW, *words)
    assert (ours.code, ours.out) == (theirs.code, theirs.out)
    assert _without_product(ours.err) == _without_product(theirs.err)


def test_no_command_is_check(command: Any) -> None:
    ran = command(FLOW)
    assert ran.code == 0 and ran.out == ""
    assert ran.err.endswith("flow.py help' shows all available commands and options.\n\n")


def test_help_needs_no_user_and_names_every_command(command: Any) -> None:
    from headrace.cli.start import COMMANDS

    ran = command(FLOW, "--help", METAFLOW_USER="")
    assert ran.code == 0 and ran.err == ""
    for name in COMMANDS:
        assert ("  %s " % name in ran.out) == (name not in ("step", "spin-step", "init")), name
    assert command(FLOW, "help").out == ran.out


def test_version_is_said_even_when_quiet(command: Any) -> None:
    from headrace._version import METAFLOW_FULL_VERSION

    assert command(FLOW, "--quiet", "version").err == METAFLOW_FULL_VERSION + "\n"


@pytest.mark.parametrize("name", ["run", "resume", "spin", "step", "package", "kubernetes", "logs", "dump", "tag", "card"])
def test_every_command_explains_itself(command: Any, name: str) -> None:
    ran = command(FLOW, name, "--help")
    assert ran.code == 0 and ran.out.startswith("Usage: flow.py %s" % name)


def _on_a_terminal(python: str, folder: Path, *words: str) -> str:
    """What a command writes on a terminal that is both its streams."""
    master, slave = pty.openpty()
    env = dict(environment(), TERM="xterm")
    if python != sys.executable:
        del env["PYTHONPATH"]
    process = subprocess.Popen([python, "flow.py", *words], cwd=folder, env=env, stdout=slave, stderr=slave, stdin=slave)
    os.close(slave)
    text = b""
    try:
        while True:
            piece = os.read(master, 65536)
            if not piece:
                break
            text += piece
    except OSError:
        # The last process that had the terminal has ended.
        pass
    process.wait()
    os.close(master)
    return text.decode()


@pytest.mark.parametrize("words", [["check"], ["show"], ["run", "--with", "nosuch"]], ids=" ".join)
def test_the_same_colours_on_a_terminal(real: Any, folder: Path, words: Any) -> None:
    from cli_harness import REAL

    (folder / "flow.py").write_text(FLOW)
    ours, theirs = _on_a_terminal(sys.executable, folder, *words), _on_a_terminal(REAL, folder, *words)

    def comparable(text: str) -> List[str]:
        # The banner names the product; the list of decorators has no order.
        return [line for line in text.split("\r\n") if " executing " not in line and "are supported" not in line]

    assert comparable(ours) == comparable(theirs)
    assert "\x1b[35m\x1b[1mHeadrace" in ours


def test_asterisks_highlight_and_vanish(capsys: Any) -> None:
    from headrace.cli.echo import echo_always

    echo_always("a *b* c(*d)", indent=True)
    echo_always("plain", err=False, nl=False)
    echo_always("kept *as* is", no_bold=True)
    out, err = capsys.readouterr()
    assert err == "    a b c(d)\nkept *as* is\n" and out == "plain"


def test_a_stream_that_cannot_say_everything(command: Any) -> None:
    ran = command(HELLO.replace("def end(self):\n", 'def end(self):\n        "caf\\u00e9"\n'), "show", PYTHONIOENCODING="ascii")
    assert ran.code == 0 and "caf?" in ran.out


def test_the_package_is_the_same_for_the_same_files(command: Any, folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "mod.py").write_text("x = 1\n")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "no.py").write_text("")
    (folder / "data.csv").write_text("1")
    os.symlink(folder, folder / "lib" / "loop")
    ran = command(FLOW, "package", "save", "p1.tgz")
    assert ran.code == 0, ran.err
    assert 'Code package saved in p1.tgz with metadata: {"version": 0, "archive_format": "tgz", "mfcontent_version": 1}' in ran.err
    os.utime(folder / "lib" / "mod.py", (1, 1))
    command(FLOW, "package", "save", "p2.tgz")
    first, second = (hashlib.sha1((folder / name).read_bytes()).hexdigest() for name in ("p1.tgz", "p2.tgz"))
    assert first == second
    with tarfile.open(folder / "p1.tgz") as archive:
        names = archive.getnames()
        info = json.load(archive.extractfile(".mf_meta/INFO"))  # type: ignore[arg-type]
        config = json.load(archive.extractfile(".mf_meta/CONFIG"))  # type: ignore[arg-type]
        assert {member.mtime for member in archive.getmembers()} == {1575360000}
    assert {"flow.py", "lib/mod.py", ".mf_install", ".mf_code/headrace/graph.py", ".mf_code/metaflow/__init__.py"} <= set(names)
    assert not [n for n in names if "hidden" in n or "loop" in n or n.endswith(".csv")]
    assert all(n.startswith(".mf_code/headrace/") for n in names if n.endswith(".pyc"))
    assert info["script"] == "flow.py" and info["environment_type"] == "local" and config == {"user_configs": {"cfg": [{"a": 1}, False]}}
    ran = command(FLOW, "--package-suffixes", ".csv", "package", "list", "--archive")
    assert "\ndata.csv\n" in ran.err and "\nflow.py\n" in ran.err
    ran = command(FLOW, "package", "save", "/nowhere/p.tgz")
    assert ran.code == 1 and "cannot be saved in /nowhere/p.tgz" in ran.err


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the compiled form is not the same each time")
def test_modules_of_the_package_are_compiled(command: Any, folder: Path) -> None:
    """Python imports them without compiling, and says where they are, not where they were compiled."""
    assert command(FLOW, "package", "save", "p.tgz").code == 0
    away = folder / "away"
    with tarfile.open(folder / "p.tgz") as archive:
        archive.extractall(away)
    source = away / ".mf_code" / "headrace" / "tags.py"
    source.write_text(source.read_text() + "raise ImportError('compiled anew')\n")
    asked = subprocess.run([sys.executable, "-B", "-c", "import headrace.tags as t; print(t.__file__, t.validate_tag.__code__.co_filename)"],
                           env={"PYTHONPATH": str(away / ".mf_code")}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert asked.stdout.split() == [str(source), str(source)], asked.stderr


def test_info_about_the_package(command: Any) -> None:
    ran = command(FLOW, "package", "info")
    assert ran.code == 0 and "Package size: " in ran.err and "Filtered by suffixes: .R, .RDS, .py" in ran.err


def test_pylint_findings_stop_a_run(command: Any, folder: Path) -> None:
    fake = folder / "fake"
    (fake / "pylint").mkdir(parents=True)
    (fake / "pylint" / "__init__.py").write_text("")
    (fake / "pylint" / "lint.py").write_text(
        "import os\ndef Run(args, reporter, exit):\n    print('************* Module flow')\n    print(os.environ['FINDING'])\n"
    )
    from cli_harness import PYTHON

    path = "%s:%s" % (PYTHON, fake)
    ran = command(HELLO, "run", FINDING="flow.py:3: E1101: broken", PYTHONPATH=path)
    assert ran.code == 1 and ran.spec is None
    assert "    flow.py:3: E1101: broken\n    Pylint is not happy:\n    Fix Pylint warnings listed above or say --no-pylint." in ran.err
    ran = command(HELLO, "run", FINDING="x: Instance of 'Parameter' has no 'y' member", PYTHONPATH=path)
    assert ran.code == 7 and "    Pylint is happy!\n" in ran.err
