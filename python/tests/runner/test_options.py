"""From arguments of Runner to the words of a command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from headrace.runner.options import FlowCommands, extract_flow_class_from_file  # noqa: E402

FLOW = '''
from metaflow import FlowSpec, JSONType, Parameter, step, project

@project(name="p")
class OptionsFlow(FlowSpec):
    alpha = Parameter("alpha", type=int, default=1)
    rate = Parameter("rate", default=0.5)
    flag = Parameter("flag", default=False)
    words = Parameter("words", required=True)
    data = Parameter("data", type=JSONType, default={"a": 1})

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    OptionsFlow()
'''


@pytest.fixture
def commands(tmp_path: Path) -> FlowCommands:
    file = tmp_path / "options_flow.py"
    file.write_text(FLOW)
    return FlowCommands(str(file))


def words(commands: FlowCommands, command: str = "run", top: Any = None, **arguments: Any) -> Any:
    return commands.command_line(top or {}, command, arguments)[1:]


def test_options_before_and_after_the_command(commands: FlowCommands) -> None:
    found = words(commands, top={"metadata": "local", "pylint": False, "quiet": True, "decospecs": ["retry", "catch"]},
                  words="w", max_workers=4, tags=["a", "b"])
    assert found == ["--metadata", "local", "--no-pylint", "--quiet", "--with", "retry", "--with", "catch", "run",
                     "--words", "w", "--max-workers", "4", "--tag", "a", "--tag", "b"]


def test_options_that_decorators_add(commands: FlowCommands) -> None:
    assert words(commands, top={"branch": "b"}, words="w")[:2] == ["--branch", "b"]


def test_parameters_by_type(commands: FlowCommands) -> None:
    found = words(commands, words="-w", alpha=5, rate=2, flag=True, data={"b": [1]})
    assert found == ["run", "--words", "-w", "--alpha", "5", "--rate", "2", "--flag", "True", "--data", '{"b": [1]}']


@pytest.mark.parametrize("value, word", [("text", '"text"'), ('{"a": 1}', '"{\\"a\\": 1}"'), (True, "true"), ((1, "b"), '[1, "b"]')])
def test_values_of_json_parameters_are_values(commands: FlowCommands, value: Any, word: str) -> None:
    assert words(commands, words="w", data=value) == ["run", "--words", "w", "--data", word]


def test_none_is_as_if_not_given(commands: FlowCommands) -> None:
    assert words(commands, words="w", alpha=None) == ["run", "--words", "w"]


def test_positional_arguments_come_last(commands: FlowCommands) -> None:
    found = words(commands, "resume", step_to_rerun="end", origin_run_id="7")
    assert found == ["resume", "--origin-run-id", "7", "end"]


@pytest.mark.parametrize(
    "arguments, error, text",
    [
        ({"words": "w", "beta": 1}, ValueError, "Unknown argument: 'beta', possible args are: .*alpha"),
        ({}, ValueError, "Missing argument: words is required"),
        ({"words": "w", "alpha": "5"}, TypeError, "'alpha'.*int.*'5'"),
        ({"words": "w", "alpha": True}, TypeError, "'alpha'"),
        ({"words": 5}, TypeError, "'words'.*str"),
        ({"words": "w", "tags": "abc"}, TypeError, "'tags'.*list of str"),
        ({"words": "w", "max_workers": 1.5}, TypeError, "'max_workers'"),
    ],
)
def test_arguments_that_cannot_be(commands: FlowCommands, arguments: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        words(commands, **arguments)


def test_unknown_options_of_the_top_level(commands: FlowCommands) -> None:
    with pytest.raises(ValueError, match="Unknown argument: 'metadatas'"):
        commands.top_level({"metadatas": "local"})


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "changing.py"
    file.write_text(FLOW)
    first = extract_flow_class_from_file(str(file))
    assert extract_flow_class_from_file(str(file)) is first
    file.write_text(FLOW.replace("OptionsFlow", "OtherFlow"))
    os.utime(file, ns=(1, 1))
    assert extract_flow_class_from_file(str(file)).__name__ == "OtherFlow"


def test_files_that_define_no_flow(tmp_path: Path) -> None:
    from metaflow.exception import MetaflowException

    with pytest.raises(FileNotFoundError, match="Flow file not present at"):
        extract_flow_class_from_file(str(tmp_path / "none.py"))
    file = tmp_path / "empty.py"
    file.write_text("x = 1\n")
    with pytest.raises(MetaflowException, match="No FlowSpec class found"):
        extract_flow_class_from_file(str(file))
    file = tmp_path / "two.py"
    file.write_text(FLOW + FLOW.replace("OptionsFlow", "OtherFlow"))
    with pytest.raises(MetaflowException, match="Multiple FlowSpec classes"):
        extract_flow_class_from_file(str(file))


def test_any_command_by_attribute(tmp_path: Path) -> None:
    from metaflow.runner.click_api import MetaflowAPI

    file = tmp_path / "options_flow.py"
    file.write_text(FLOW)
    api = MetaflowAPI.from_cli(str(file))
    assert api(quiet=True).run(words="w", max_workers=2) == [str(file), "--quiet", "run", "--words", "w", "--max-workers", "2"]
    assert api().tag().add(run_id="1", tags=["a", "b"]) == [str(file), "tag", "add", "--run-id", "1", "a", "b"]
    assert api().output_dot() == [str(file), "output-dot"]
    with pytest.raises(AttributeError, match="no command 'fly'"):
        api().fly()
