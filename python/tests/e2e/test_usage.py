"""What a newcomer gets wrong: one clear message each, and never a traceback of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest
from e2e_place import Place, engine_path, finish


def message(place: Place, *arguments: str, **env: str) -> str:
    """What the command says on stderr; it must fail, and not with a traceback."""
    ran = place(place.path("hello.py"), "--no-pylint", *arguments, env=env)
    assert ran.code in (1, 2), ran
    assert "Traceback" not in ran.stderr + ran.stdout, ran
    return ran.stderr


@pytest.mark.parametrize(
    ["spec", "wanted"],
    [
        ("retry:times=many", "@retry(times=...) takes a whole number, 0 or more, not 'many'."),
        ("retry:times=-1", "@retry(times=...) takes a whole number, 0 or more, not -1."),
        ("timeout:seconds=soon", "@timeout(seconds=...) takes a whole number, 0 or more, not 'soon'."),
        ("catch:var=1", "@catch(var=...) takes the name of an artifact, not 1."),
        ("retry:times", "The attribute 'times' of decorator 'retry' has no value."),
        ("retry:time=3", "does not support the attribute 'time'"),
        ("retri", "Unknown step decorator retri."),
    ],
)
def test_a_wrong_decorator_is_named(place: Place, spec: str, wanted: str) -> None:
    assert wanted in message(place, "run", "--with", spec)
    assert not (place.root / "HelloFlow").exists()


def test_a_setting_of_the_wrong_type_is_named(place: Place) -> None:
    said = message(place, "run", METAFLOW_S3_RETRY_COUNT="often")
    assert "Invalid configuration:\n    Expected a <class 'int'> for METAFLOW_S3_RETRY_COUNT, got: often\n" in said


def test_a_missing_profile_is_named(place: Place) -> None:
    assert "Unable to locate METAFLOW_PROFILE 'work' in '~/.metaflowconfig'\n" in message(
        place, "run", METAFLOW_PROFILE="work"
    )


def test_a_file_for_artifacts_that_cannot_be_made(place: Place) -> None:
    run = place.run("hello.py").run_id
    assert "The artifacts cannot be written to /no/where: No such file or directory." in message(
        place, "dump", run + "/start", "--file", "/no/where"
    )


def test_a_port_that_does_not_exist(place: Place) -> None:
    place.run("hello.py")
    assert "cannot listen on port 70000: a port is a number from 0 to 65535" in message(
        place, "card", "server", "--port", "70000"
    )


def test_an_engine_that_is_none(place: Place) -> None:
    no_program = place.folder / "engine"
    no_program.write_text("nothing")
    for path in (place.folder / "missing", place.folder, no_program):
        said = message(place, "run", HEADRACE_ENGINE=str(path))
        assert "the Headrace engine cannot be started\n    where: %s\n" % path in said
        assert "next: " in said
    no_program.chmod(0o755)
    assert "Exec format error" in message(place, "run", HEADRACE_ENGINE=str(no_program))


def test_another_program_is_not_taken_for_the_engine(place: Place) -> None:
    said = message(place, "run", HEADRACE_ENGINE="/bin/true")
    assert "the Headrace engine cannot be started\n    where: /bin/true\n    why: it is another program\n" in said
    assert not (place.root / "HelloFlow").exists()


def test_an_engine_of_another_wire_version(place: Place) -> None:
    page = bytearray(engine_path().open("rb").read(4096))
    page[page.index(b"Headrace\0\0\0\0") + 12] += 1
    other = place.folder / "engine"
    other.write_bytes(page)
    other.chmod(0o755)
    assert "the engine speaks version 2 of the wire, this SDK version 1" in message(place, "run", HEADRACE_ENGINE=str(other))


def test_a_deleted_folder(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    gone = tmp_path_factory.mktemp("gone")
    command = [sys.executable, place.path("hello.py"), "run"]
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *command], cwd=gone, env=place.env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    ran = finish(process)
    assert ran.code == 1 and "The current directory has been deleted" in ran.stderr, ran
    assert "Traceback" not in ran.stderr, ran


def test_a_flow_without_a_file(place: Place) -> None:
    ran = place("-c", Path(place.path("hello.py")).read_text())
    assert ran.code == 1, ran
    assert "(<string>): the graph of a flow is read from its source, so a flow must be in a file" in ran.stderr, ran


MODULE = """
import os
from metaflow import FlowSpec, step, environment
from .helper import NAME

class Inside(FlowSpec):
    @step
    def start(self):
        print("start of", NAME)
        self.next(self.end)

    @environment(vars={"PLACE": "fresh"})
    @step
    def end(self):
        print("end of", NAME, os.environ["PLACE"])

if __name__ == "__main__":
    Inside()
"""


def test_a_flow_in_a_package_is_run_as_a_module(place: Place) -> None:
    package = place.folder / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("NAME = 'helper'\n")
    (package / "flow.py").write_text(MODULE)
    # The second step runs in an interpreter of its own, which must find the package, too.
    ran = place("-m", "package.flow", "--no-pylint", "run")
    assert ran.code == 0, ran
    assert "start of helper" in ran.stdout and "end of helper fresh" in ran.stdout, ran


def in_shell(place: Place, line: str, *arguments: str) -> int:
    command = ["/bin/sh", "-c", '"$@" ' + line, "sh", sys.executable, place.path("hello.py"), "--no-pylint", *arguments]
    return subprocess.run(command, cwd=place.folder, env=place.env, timeout=120, check=False).returncode


@pytest.mark.parametrize("line", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_run_that_nobody_can_hear_is_a_run(place: Place, line: str) -> None:
    assert in_shell(place, line, "run") == 0
    run = (place.root / "HelloFlow" / "latest_run").read_text()
    assert place.artifact("HelloFlow", run, "end", "2", "greeting") == "hello"


@pytest.mark.parametrize("command", [["show"], ["help"], ["output-dot"], ["logs", "RUN/end"], ["dump", "RUN/end"]])
def test_results_that_cannot_be_written_are_an_error(place: Place, command: List[str]) -> None:
    run = place.run("hello.py").run_id
    arguments = [place.path("hello.py"), "--no-pylint"] + [word.replace("RUN", run) for word in command]
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, *arguments], cwd=place.folder, env=place.env, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=120, check=False,
        )
    assert ran.returncode == 1, ran
    assert "Results cannot be written to stdout: No space left on device." in ran.stderr, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr


def test_an_attribute_file_that_cannot_be_written_fails_the_command(place: Place) -> None:
    os.symlink("/dev/full", place.folder / "attributes")
    ran = place.run("hello.py", "--runner-attribute-file", "attributes")
    assert ran.code == 1, ran
    wanted = "the attribute file `%s` cannot be written:\n    why:   No space left on device\n    next:  nothing is missing"
    assert wanted % (place.folder / "attributes") in ran.stderr, ran


def test_a_configuration_file_that_cannot_be_read_is_named(place: Place) -> None:
    (place.folder / ".metaflowconfig" / "config.json").mkdir(parents=True)
    assert "/.metaflowconfig/config.json cannot be read: Is a directory." in message(place, "run")


@pytest.mark.parametrize("end", ["return", "sys.exit(0)"])
def test_a_step_without_a_next_step_is_named(place: Place, end: str) -> None:
    place.flow("early.py", """
import sys
from metaflow import FlowSpec, step

class Early(FlowSpec):
    @step
    def start(self):
        if self.name:
            END
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Early()
""".replace("END", end))
    ran = place.run("early.py")
    assert ran.code == 1, ran
    assert "step start goes on to end; when it was executed, it ended without self.next()." in ran.stderr, ran
