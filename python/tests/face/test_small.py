"""Small things behind the names: parsers of package lists, log lines, `profile`, `metaflow.util`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from metaflow import profile
from metaflow import conda_environment_yml_parser, namespaced_event_name, pyproject_toml_parser, requirements_txt_parser
from metaflow.exception import MetaflowException, MetaflowInternalError
from metaflow.mflog import mflog
from metaflow.util import (
    cached_property,
    compress_list,
    decompress_list,
    get_object_package_version,
    to_bytes,
    to_camelcase,
    to_pascalcase,
    to_unicode,
)


@pytest.mark.parametrize(
    "line, package",
    [
        ("numpy", {"numpy": ""}),
        ("numpy==1.0", {"numpy": "1.0"}),
        ("numpy >=1 , <2", {"numpy": "<2,>=1"}),
        ("x[b,a]~=1.4", {"x[a,b]": "~=1.4"}),
        ("x @ git+https://e.org/x.git", {"x@git+https://e.org/x.git": ""}),
        ("numpy==1 # why", {"numpy": "1"}),
        ("# nothing", {}),
        ("-e file:.", {}),
    ],
)
def test_requirements(line: str, package: Any) -> None:
    assert requirements_txt_parser(line) == {"packages": package, "python": None}


@pytest.mark.parametrize(
    "content, text",
    [
        ("not a requirement", "Not a valid PEP 508 requirement: 'not a requirement'"),
        ("x; python_version>'3'", "Environment markers"),
        ("python==3.9\npython>=3", "Multiple Python version specs not allowed: 'python>=3'"),
    ],
)
def test_requirements_refused(content: str, text: str) -> None:
    with pytest.raises(MetaflowException) as error:
        requirements_txt_parser(content)
    assert text in str(error.value) and error.value.headline == "Value error"


def test_pyproject() -> None:
    pytest.importorskip("tomllib")
    found = pyproject_toml_parser("[project]\nrequires-python='>=3.9'\ndependencies=['numpy>=1', 'pandas']\n")
    assert found == {"packages": {"numpy": ">=1", "pandas": ""}, "python": ">=3.9"}


def test_conda_environment() -> None:
    content = "name: x\nchannels:\n - c\ndependencies:\n - python=3.9\n - numpy==1.2\n - scipy >=1\n"
    assert conda_environment_yml_parser(content) == {"packages": {"numpy": "1.2", "scipy": ">=1"}, "python": "3.9"}
    with pytest.raises(MetaflowException) as error:
        conda_environment_yml_parser("dependencies:\n - pip:\n")
    assert "Unsupported subsection 'pip:'" in str(error.value)


def test_event_names() -> None:
    with pytest.raises(ValueError):
        namespaced_event_name(None)
    assert namespaced_event_name("e")().startswith("mfns.") and namespaced_event_name("e")().endswith(".e")


def test_log_lines() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 678901)
    line = mflog.decorate("task", "text]", now=now, lineid="id")
    assert line == b"[MFLOG|0|2026-01-02T03:04:05.678901Z|task|id]text]"
    parts = mflog.parse(line)
    assert (parts.logsource, parts.msg, parts.utc_tstamp) == (b"task", b"text]", now)
    assert mflog.parse(b"plain") is None and not mflog.is_structured(b"plain")
    marked = mflog.set_should_persist(line)
    assert marked.startswith(b"[![MFLOG") and mflog.unset_should_persist(marked) == line
    assert mflog.refine(line, prefix=b"> ").endswith(b"id]> text]")


def test_logs_are_merged_by_time_and_loose_lines_come_last() -> None:
    def at(second: int, text: str) -> bytes:
        return mflog.decorate("task", text, now=datetime(2026, 1, 1, 0, 0, second))

    merged = mflog.merge_logs([at(3, "c") + b"\nloose\n" + at(1, "a"), at(2, "b")])
    assert [line.msg for line in merged] == [b"a", b"b", b"c", b"loose"]


def test_profile_prints_or_adds_up(capsys: Any) -> None:
    with profile("load"):
        pass
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PROFILE: load starting" and lines[1].startswith("PROFILE: load completed in ")
    stats: Any = {"load": 5}
    with profile("load", stats_dict=stats):
        pass
    assert stats["load"] >= 5 and capsys.readouterr().out == ""


@pytest.mark.parametrize("items", [["a"], ["run/1", "run/2"], ["x", "y"], ["p%d" % n for n in range(1000)]])
def test_lists_are_compressed_and_back(items: Any) -> None:
    assert decompress_list(compress_list(items)) == items


def test_compressing_refuses_delimiters() -> None:
    assert compress_list(["1/a/1", "1/a/2"]) == "1/a/:1,2"
    with pytest.raises(MetaflowInternalError):
        compress_list(["a,b"])


def test_conversions() -> None:
    assert to_bytes("ä") == "ä".encode("utf-8") and to_bytes(1.5) == b"1.5" and to_unicode(b"x") == "x"
    assert to_camelcase({"a_bc": [{"d_e": 1}]}) == {"aBc": [{"dE": 1}]}
    assert to_pascalcase({"abc": 1}) == {"Abc": 1}
    assert get_object_package_version(pytest.raises(ValueError))[0] == "_pytest"

    class Once:
        count = 0

        @cached_property
        def value(self) -> int:
            self.count += 1
            return self.count

    once = Once()
    assert (once.value, once.value) == (1, 1)
