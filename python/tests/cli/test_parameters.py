"""Parameters, Configs and included files: from the command line to what `_parameters` holds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

FLOW = '''
from metaflow import FlowSpec, step, Parameter, JSONType, Config, IncludeFile, config_expr, environment, retry

def give_late(ctx):
    return "%s/%s/%s/%s/%s" % (ctx.flow_name, ctx.user_name, ctx.parameter_name, ctx.ds_type, ctx.configs.cfg.n.x)

def give_five(ctx):
    return 5

def a_config(ctx):
    return {"who": ctx.user_name}

class F(FlowSpec):
    zeta = Parameter("alpha", default=0.5, help="the help")
    count = Parameter("count-me", type=int)
    flag = Parameter("Flag", default=True)
    words = Parameter("words", default="a,b", separator=",")
    table = Parameter("table", type=JSONType, default={"a": [1]})
    implied = Parameter("implied", default=[1, 2])
    late = Parameter("late", default=give_late)
    five = Parameter("five", default=give_five, type=int)
    none = Parameter("none")
    cfg = Config("cfg", default_value={"n": {"x": 7}, "s": "T", "retries": {"times": 3}})
    made = Config("made", default_value=a_config)
    raw = Config("raw", default_value="a: 1", plain=True)
    parsed = Config("parsed", default_value="k=v", parser=lambda text: dict([text.split("=")]))
    fromcfg = Parameter("fromcfg", default=cfg.n.x)
    const = 9

    @environment(vars={"X": config_expr("cfg.s.lower()"), "Y": cfg["n"]["x"]})
    @retry(**cfg.retries)
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    F()
'''


def test_defaults(command: Any) -> None:
    ran = command(FLOW, "--no-pylint", "run")
    assert ran.spec is not None, ran.err
    expected = {
        "zeta": "0.5", "count": "None", "flag": "True", "words": "['a', 'b']", "table": "{'a': [1]}", "implied": "[1, 2]",
        "late": "'F/ann/late/local/7'", "five": "5", "none": "None", "fromcfg": "7", "const": "9",
        "cfg": "{'n': {'x': 7}, 's': 'T', 'retries': {'times': 3}}", "made": "{'who': 'ann'}", "raw": "'a: 1'",
        "parsed": "{'k': 'v'}", "name": "'F'", "_foreach_stack": "[]", "_transition": "None", "_success": "True",
    }
    assert {k: ran.parameters.get(k) for k in expected} == expected
    assert ran.types["cfg"] == "<class 'dict'>"
    assert ran.step("start")["environment"] == {"X": "t", "Y": "7"} and ran.step("start")["user_retries"] == 3


def test_the_same_parameters_as_metaflow_stores(command: Any, real: Any, folder: Path) -> None:
    words = ["--no-pylint", "--config-value", "cfg", '{"n": {"x": 8}, "s": "Q", "retries": {"times": 0}}', "run", "--words", "q,r",
             "--count-me", "4", "--Flag", "no", "--table", "[1]"]
    source = FLOW.replace('    implied = Parameter("implied", default=[1, 2])\n', "")  # A FuncParamType of click 7 splits it.
    ran = command(source, *words)
    theirs = real(source, *words)
    assert theirs.code == 0, theirs.err
    (data,) = (folder / ".metaflow").glob("F/*/_parameters/0/0.data.json")
    manifest = json.loads(data.read_text())
    assert set(manifest["objects"]) == set(ran.parameters)
    import pickle

    for name, key in manifest["objects"].items():
        blob = folder / ".metaflow" / "F" / "data" / key[:2] / key
        assert repr(pickle.loads(gzip.decompress(blob.read_bytes()))) == ran.parameters[name], name
        assert manifest["info"][name]["type"] == ran.types[name]


def test_values_of_the_command_line_beat_the_environment(command: Any) -> None:
    env = {"METAFLOW_RUN_ALPHA": "2", "METAFLOW_RUN_COUNT_ME": "3"}
    ran = command(FLOW, "--no-pylint", "run", "--count-me", "4", **env)
    assert (ran.parameters["zeta"], ran.parameters["count"]) == ("2.0", "4")


@pytest.mark.parametrize("text, value", [("1", True), ("no", False), ("T", True), ("off", False), ("Y", True)])
def test_booleans_take_a_value(command: Any, text: str, value: bool) -> None:
    assert command(FLOW, "--no-pylint", "run", "--Flag", text).parameters["flag"] == str(value)


def test_an_empty_text_is_not_split(command: Any) -> None:
    assert command(FLOW, "--no-pylint", "run", "--words", "").parameters["words"] == "''"


@pytest.mark.parametrize(
    "words, part",
    [
        (["run", "--count-me", "x"], "--count-me"),
        (["run", "--table", "{"], "{ is not a valid JSON object"),
        (["run", "--Flag", "maybe"], "--Flag"),
        (["--config-value", "cfg", "{", "run"], "configuration value for 'cfg' is not valid JSON"),
        (["--config-value", "cfg", "3", "run"], "is not a JSON object"),
        (["--config", "cfg", "nofile", "run"], "configuration file 'nofile' could not be read for 'cfg'"),
        (["--config", "nosuch", "x", "run"], "nosuch"),
        (["--config", "cfg", "x", "--config-value", "cfg", "{}", "run"], "Cannot provide both a value and a file"),
        (["--config-value", "cfg", "{}", "resume"], "Cannot specify --config or --config-value with 'resume'"),
    ],
)
def test_bad_values_are_usage_errors(command: Any, words: Any, part: str) -> None:
    ran = command(FLOW, "--no-pylint", *words)
    assert ran.code == 2 and ran.spec is None and part in ran.err and "Usage: " in ran.err


def _with(declaration: str) -> str:
    return FLOW.replace("    const = 9\n", "    const = 9\n    %s\n" % declaration)


@pytest.mark.parametrize(
    "declaration, code, part",
    [
        ("r = Parameter('req', required=True)", 2, "Missing option '--req'"),
        ("r = Parameter('tags')", 1, "Parameter name 'tags' is a reserved word"),
        ("r = Parameter('max_workers')", 1, "is a reserved word"),
        ("r = Parameter('WORDS')", 1, "Parameter words is specified twice"),
        ("r = Parameter('r', type=int, separator=',')", 1, "Separator is only allowed for string parameters"),
        ("r = Parameter('r', required=give_late)", 1, "Field 'required' cannot have a function as its value"),
        ("r = Parameter('r', default=give_five)", 1, "Expected a string."),
        ("r = Parameter('r', type=bool, default=give_five)", 1, "Expected a bool."),
        ("r = Config('r', required=True)", 2, "missing configuration for 'r'"),
        ("r = Config('r', default='nofile.json')", 2, "default configuration file 'nofile.json' could not be read for 'r'"),
        ("r = Parameter('r', default=cfg.no.x)", 1, "'cfg.no.x' could not be evaluated: it has no key 'no', only 'n', 's', 'retries'"),
        ("r = Parameter('r', default=cfg.n.x.y)", 1, "AttributeError: 'int' object has no attribute 'y'"),
        ("r = Parameter('r', default=config_expr('cfg.n +'))", 1, "'cfg.n +' could not be evaluated: SyntaxError: "),
        ("r = Parameter('r', default=config_expr('a_config(3)'))", 1, ", in a_config\n"),
        ("r = IncludeFile('r', default='nofile')", 2, "could not open file 'nofile' for reading"),
    ],
)
def test_declarations_are_checked(command: Any, declaration: str, code: int, part: str) -> None:
    ran = command(_with(declaration), "--no-pylint", "run")
    assert (ran.code, ran.spec) == (code, None) and part in ran.err, ran.err


def test_a_parser_that_fails_shows_its_own_lines(command: Any) -> None:
    ran = command(_with("r = Config('r', default_value='x', parser=lambda text: 1 / 0)"), "--no-pylint", "run")
    assert ran.code == 1 and "    Internal error\nTraceback (most recent call last):\n  File \"" in ran.err
    assert ran.err.count("  File ") == 1 and "ZeroDivisionError" in ran.err


def test_the_same_declarations_fail_in_metaflow(command: Any, real: Any) -> None:
    for declaration in ("r = Parameter('tags')", "r = Parameter('r', type=int, separator=',')", "r = Parameter('r', default=give_five)"):
        ours = command(_with(declaration), "--no-pylint", "run")
        theirs = real(_with(declaration), "--no-pylint", "run")
        assert (ours.code, ours.err.split("\n")[1:]) == (theirs.code, theirs.err.split("\n")[1:])


def test_configs_from_files_and_the_environment(command: Any, folder: Path) -> None:
    (folder / "c.json").write_text('{"n": {"x": 1}, "s": "", "retries": {}}')
    ran = command(FLOW, "--no-pylint", "--config", "cfg", "c.json", "run")
    assert ran.parameters["fromcfg"] == "1" and ran.step("start")["environment"] == {"X": "", "Y": "1"}
    env = {"METAFLOW_FLOW_CONFIG": '{"cfg": "c.json"}', "METAFLOW_FLOW_CONFIG_VALUE": '{"made": {"m": 2}}'}
    ran = command(FLOW, "--no-pylint", "run", **env)
    assert ran.parameters["fromcfg"] == "1" and ran.parameters["made"] == "{'m': 2}"
    ran = command(FLOW, "--no-pylint", "run", METAFLOW_FLOW_CONFIG="no json")
    assert ran.code == 2 and "must be a JSON object" in ran.err


def test_files_are_hashed_for_the_engine(command: Any, folder: Path) -> None:
    (folder / "data.txt").write_bytes(b"x" * 3000)
    flow = _with("r = IncludeFile('data', default='data.txt', is_text=False)")
    ran = command(flow, "--no-pylint", "run")
    assert ran.spec is not None, ran.err
    (included,) = ran.spec["includes"]
    import hashlib

    sha = hashlib.sha1(b"x" * 3000).hexdigest()
    assert included == {
        "path": str(folder / "data.txt"), "sha": sha, "url": "local://%s/data/F/%s" % (folder / ".metaflow", sha),
    }
    assert "Including file data.txt of size 2KB \n" in ran.err
    assert ran.types["r"] == "<class 'metaflow.includefile.IncludedFile'>"
    ran = command(flow, "--no-pylint", "run", "--data", "s3://b/x")
    assert ran.code == 1 and "cloud storage" in ran.err


def test_help_shows_values_and_is_sorted_by_attribute(command: Any) -> None:
    ran = command(FLOW, "run", "--help")
    assert ran.code == 0
    order = [ran.out.index("--" + name + " ") for name in ("count-me", "five", "Flag", "fromcfg", "late", "none", "table", "words", "alpha", "tag")]
    assert order == sorted(order)
    assert "F/ann/late/local/7" in ran.out and "the help" in ran.out
