"""`check`, and the same checks before a run: the graph's rules, then pylint if it is installed."""

from __future__ import annotations

import os
import sys
from typing import Any, Callable, Iterable, List, Tuple

from ..errors import PyLintWarn
from ..lint import linter
from .echo import echo_always


def _check(
    echo: Callable[..., None], graph: Any, flow: Any, environment: Any, pylint: bool = True, warnings: bool = False,
    **kwargs: Any,
) -> None:
    """Raises LintWarn or PyLintWarn. pylint: whether to run it. warnings: let it report more than errors."""
    echo("Validating your flow...", fg="magenta", bold=False)
    linter.run_checks(graph, **kwargs)
    echo("The graph looks good!", fg="green", bold=True, indent=True)
    if pylint:
        _check_with_pylint(echo, flow, environment, warnings)


def _check_with_pylint(echo: Callable[..., None], flow: Any, environment: Any, warnings: bool) -> None:
    echo("Running pylint...", fg="magenta", bold=False)
    if not has_pylint():
        echo("Pylint not found, so extra checks are disabled.", fg="green", indent=True, bold=False)
        return
    options = [] if warnings else ["--errors-only"]
    failed, output = _run_pylint([flow_file(flow)] + options + list(environment.pylint_config() or []))
    findings = [] if failed else list(_findings(output))
    for line in findings:
        echo_always(line, indent=True)
    if findings:
        raise PyLintWarn("*Fix Pylint warnings listed above or say --no-pylint.*")
    if failed:
        echo(
            "Pylint couldn't analyze your code.\n\tPylint exception: %s" % output, fg="red", bold=True, indent=True
        )
        echo("Skipping Pylint checks.", fg="red", bold=True, indent=True)
    else:
        echo("Pylint is happy!", fg="green", bold=True, indent=True)


def flow_file(flow: Any) -> str:
    """The file that defines the flow's class."""
    module = sys.modules.get(flow.__class__.__module__)
    return str(getattr(module, "__file__", None) or sys.argv[0])


def has_pylint() -> bool:
    if "pylint" in sys.modules:
        return sys.modules["pylint"] is not None
    from importlib.machinery import PathFinder

    return PathFinder.find_spec("pylint") is not None


def _run_pylint(args: List[str]) -> Tuple[bool, str]:
    """(whether pylint itself failed, what it printed). It runs in a child: its memory is of no use to tasks."""
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _pylint_child(args, write)
    os.close(write)
    with open(read, encoding="utf-8", errors="replace") as f:
        output = f.read()
    _, status = os.waitpid(pid, 0)
    return status != 0, output


def _pylint_child(args: List[str], write: int) -> None:
    import io

    code = 0
    sys.stdout = text = io.StringIO()
    sys.stderr = io.StringIO()
    try:
        from pylint.lint import Run  # type: ignore[import-not-found, unused-ignore]

        Run(args, None, False)
        output = text.getvalue()
    except BaseException as e:
        code, output = 1, repr(e)
    with open(write, "w", encoding="utf-8") as f:
        f.write(output)
    os._exit(code)


#: What pylint cannot know about flows.
_IGNORED = (
    "***",
    "(no-name-in-module)",
    "Instance of 'Parameter' has no",
    "Instance of 'IncludeFile' has no",
    "Instance of 'Current' has no",
    "self.next is not callable",
)


def _findings(output: str) -> Iterable[str]:
    return (line for line in output.splitlines() if not any(text in line for text in _IGNORED))
