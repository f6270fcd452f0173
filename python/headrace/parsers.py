"""Parsers that a Config can name: YAML, and files that list packages."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Tuple

from .errors import MetaflowException


class ParserValueError(MetaflowException):
    headline = "Value error"


ParserValueError.__module__ = "metaflow.plugins.pypi.parsers"

Packages = Dict[str, Any]

_COMMENT = re.compile(r"\s+#.*$")
_VERSION_PART = r"(?:===|==|~=|!=|<=|>=|<|>)\s*[^\s,;()]+"
_REQUIREMENT = re.compile(
    r"^(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*"
    r"(?:@\s*(?P<url>\S+)|\(?\s*(?P<spec>" + _VERSION_PART + r"(?:\s*,\s*" + _VERSION_PART + r")*)?\s*\)?)\s*"
    r"(?P<marker>;.*)?$"
)
_CONDA_LINE = re.compile(r"^([A-Za-z0-9_\-\.]+)(\s*[=<>!~].+\s*)?$")


def yaml_parser(content: str) -> Any:
    """What YAML text says. Needs the package `yaml` (PyYAML) in the environment that starts the run."""
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise MetaflowException(
            "The parser `yaml_parser` needs PyYAML, which is not installed: run `python -m pip install pyyaml`, or write "
            "the config as JSON."
        ) from error
    return yaml.safe_load(content)


def _lines(content: str) -> List[str]:
    lines = (_COMMENT.sub("", line.strip()).strip() for line in content.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _requirement(line: str, no_marker: str) -> Tuple[str, str, str]:
    """Name, key and version of a requirement as PEP 508 writes it."""
    match = _REQUIREMENT.match(line)
    if match is None:
        raise ParserValueError("Not a valid PEP 508 requirement: '%s'" % line)
    if match.group("marker"):
        raise ParserValueError(no_marker % line)
    key = match.group("name")
    if match.group("extras"):
        key += "[%s]" % ",".join(sorted(extra.strip() for extra in match.group("extras").split(",")))
    if match.group("url"):
        key += "@%s" % match.group("url")
    # Written in a fixed order, as one set of bounds.
    parts = sorted(re.sub(r"\s+", "", part) for part in (match.group("spec") or "").split(",") if part.strip())
    return match.group("name"), key, ",".join(parts)


def _add(parsed: Packages, name: str, key: str, version: str, line: str) -> None:
    if name.lower() != "python":
        parsed["packages"][key] = version
        return
    if parsed["python"] is not None and version:
        raise ParserValueError("Multiple Python version specs not allowed: '%s'" % line)
    parsed["python"] = version or None


def requirements_txt_parser(content: str) -> Packages:
    """`{"packages": {name: version}, "python": version or None}` of a requirements.txt."""
    parsed: Packages = {"packages": {}, "python": None}
    for line in _lines(content):
        # Rye writes this line for the project itself.
        if line == "-e file:.":
            continue
        name, key, version = _requirement(
            line, "Environment markers (e.g. 'platform_system==\"Linux\"') are not supported for line: '%s'"
        )
        _add(parsed, name, key, version.lstrip(" ="), line)
    return parsed


def _toml() -> Any:
    """A parser of TOML: Python's own from 3.11 on, else the package tomli."""
    from importlib import import_module

    for name in ("tomllib", "tomli"):
        try:
            return import_module(name)
        except ImportError:
            pass
    raise RuntimeError("Could not import a TOML library. For Python <3.11, please install 'tomli'.")


def pyproject_toml_parser(content: str) -> Packages:
    """As `requirements_txt_parser`, from `requires-python` and `dependencies` of `[project]` (PEP 621)."""
    project = _toml().loads(content).get("project", {})
    parsed: Packages = {"packages": {}, "python": None}
    requires: Optional[str] = project.get("requires-python")
    if requires is not None:
        parsed["python"] = requires.lstrip("=").strip()
    for dependency in project.get("dependencies", []):
        line = dependency.strip()
        name, key, version = _requirement(line, "Environment markers not supported for line: '%s'")
        _add(parsed, name, key, version.lstrip("="), line)
    return parsed


def conda_environment_yml_parser(content: str) -> Packages:
    """As `requirements_txt_parser`, from the `dependencies:` of an environment.yml."""
    packages: Dict[str, str] = {}
    python: Optional[str] = None
    inside = False
    for line in _lines(content):
        if line.lower().startswith("dependencies:"):
            inside = True
            continue
        inside = inside and line.startswith("-")
        if not inside:
            continue
        dependency = line.lstrip("-").strip()
        if dependency.endswith(":"):
            raise ParserValueError("Unsupported subsection '%s' in environment.yml." % dependency)
        match = _CONDA_LINE.match(dependency)
        if match is None:
            raise ParserValueError("Line '%s' is not a valid conda package specifier." % dependency)
        name, version = match.group(1), (match.group(2) or "").strip()
        if version.startswith("="):
            version = version.lstrip("=").strip()
        if name.lower() != "python":
            packages[name] = version
        elif python is not None and version:
            raise ParserValueError("Multiple Python version specs detected: '%s'" % dependency)
        else:
            python = version
    return {"packages": packages, "python": python}
