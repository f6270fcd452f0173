"""Makes the page of a card and stores it, in a child of the task; nothing here makes the task fail."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, Dict, List

from ..errors import MetaflowException
from ..stdio import flush_stdio
from .exception import (
    CARD_ID_PATTERN,
    CardClassFoundException,
    CardTimeout,
    IncorrectCardArgsException,
    UnrenderableCardException,
)
from .resolver import get_card_class

#: Seconds that a child may take beyond the card's own `timeout`: to load, and to store.
_GRACE_S = 10


def card_file(card: Dict[str, Any]) -> str:
    """The name of a card's file, without its ending. A type that is no name is stored as `error`."""
    kind = card["type"] if CARD_ID_PATTERN.match(str(card["type"])) else "error"
    return "-".join(part for part in (kind, card["id"], card["uuid"]) if part)


def _instance(card: Dict[str, Any], cls: Any, flow: Any, components: List[Any]) -> Any:
    """The card. Raises IncorrectCardArgsException if its type does not take what cards are given."""
    import inspect

    graph = getattr(flow, "_graph", None)
    steps = graph.output_steps()[0] if graph is not None else {}
    arguments: Dict[str, Any] = {"components": components, "graph": steps, "flow": flow}
    if card["options"]:
        # A type may have default options of its own.
        arguments["options"] = card["options"]
    try:
        if "graph_info" in inspect.signature(cls).parameters:
            arguments["graph_info"] = {
                "steps": steps,
                "start_step": getattr(graph, "start_step", None),
                "end_step": getattr(graph, "end_step", None),
            }
        return cls(**arguments)
    except TypeError as error:
        raise IncorrectCardArgsException(card["type"], card["options"]) from error


def render(card: Dict[str, Any], mode: str, task: Any, flow: Any, components: List[Any], data: Dict[str, Any]) -> Any:
    """What a card type makes: HTML, or for mode `refresh` something JSON can hold; None if its type has no such mode.

    Raises CardClassFoundException, IncorrectCardArgsException, UnrenderableCardException, CardTimeout.
    """
    cls = get_card_class(card["type"])
    if cls is None:
        raise CardClassFoundException(card["type"])
    made = _instance(card, cls, flow, components)
    try:
        if mode == "refresh":
            value = made.refresh(task, data)
            token = None if value is None else content_token(made, task, data)
            return None if value is None else {"reload_token": token, "data": value, "created_on": time.time()}
        if mode == "render":
            setattr(cls, "runtime_data", property(lambda _: data))
            page = made.render(task)
        else:
            try:
                page = made.render_runtime(task, data)
            except NotImplementedError:
                raise MetaflowException(
                    "Card of type %s is a runtime time card with no `render_runtime` implemented. Please implement "
                    "`render_runtime` method to allow rendering this card at runtime." % card["type"]
                ) from None
        if page is None:
            raise MetaflowException("No information rendered from card of type %s" % card["type"])
        return str(page).replace(made.RELOAD_POLICY_TOKEN, content_token(made, task, data))
    except (CardTimeout, MetaflowException):
        raise
    except Exception as error:
        raise UnrenderableCardException(card["type"], card["options"]) from error


def content_token(made: Any, task: Any, data: Dict[str, Any]) -> str:
    """A text that is another when a page that is shown must be loaded again; `final` when it will not change."""
    from .card import MetaflowCard

    if data.get("render_seq", "final") == "final":
        return "final"
    if made.RELOAD_POLICY == MetaflowCard.RELOAD_POLICY_ALWAYS:
        return "render-seq-%s" % data["render_seq"]
    if made.RELOAD_POLICY == MetaflowCard.RELOAD_POLICY_ONCHANGE:
        return str(made.reload_content_token(task, data))
    return "never"


def store_file(card_root: str, pathspec: str, file: str, content: bytes) -> None:
    """Stores a file of a task's cards. pathspec: Flow/run/step/task."""
    from ..channel import store_channel

    store_channel().request("put_card", content, root=card_root, path=pathspec.split("/"), file=file)


def make_and_store(card: Dict[str, Any], mode: str, pathspec: str, flow: Any, card_root: str, components: List[Any],
                   data: Dict[str, Any]) -> None:
    """Makes a page, or its data, and stores it. With `save_errors` a page that cannot be made is one that says why.

    Without, raises why.
    """
    from ..client import Task

    task = Task(pathspec, _namespace_check=False)
    name = card_file(card)
    try:
        with _time_limit(card["timeout"]):
            made = render(card, mode, task, flow, components, data)
    except Exception as error:
        if not card["save_errors"] or mode == "refresh":
            raise
        from .types import ErrorCard

        made = ErrorCard().render(task, stack_trace=_explain(error, card))
    if made is None:
        return
    if mode == "refresh":
        store_file(card_root, pathspec, "runtime/%s.data.json" % name, json.dumps(made).encode("utf-8"))
    else:
        store_file(card_root, pathspec, name + ".html", made.encode("utf-8"))


def _explain(error: Exception, card: Dict[str, Any]) -> str:
    if not isinstance(error, CardTimeout):
        return str(error)
    import traceback

    return (
        "\nCard rendering timed out after %s seconds. To increase the timeout duration for card rendering, please set the "
        "`timeout` parameter in the @card decorator. \nStack Trace : \n%s"
        % (card["timeout"], "".join(traceback.format_exception(type(error), error, error.__traceback__)))
    )


class _time_limit:
    """Raises CardTimeout in a block that takes longer. seconds: None for no limit."""

    def __init__(self, seconds: Any) -> None:
        self._seconds = None if seconds is None else float(seconds)

    def __enter__(self) -> None:
        if self._seconds:
            import signal

            signal.signal(signal.SIGALRM, self._over)
            signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *exc: Any) -> None:
        if self._seconds:
            import signal

            signal.setitimer(signal.ITIMER_REAL, 0)

    def _over(self, signum: int, frame: Any) -> None:
        raise CardTimeout("the card took longer than %s seconds" % self._seconds)


class CardCreator:
    """Makes the pages of a task's cards, each in a child process, so that a card cannot harm the task.

    pathspec: of the task. card_root: where cards are kept. logger: told when a page cannot be made.
    """

    def __init__(self, flow: Any, pathspec: str, card_root: str, logger: Any) -> None:
        self._flow = flow
        self._pathspec = pathspec
        self._root = card_root
        self._logger = logger
        self._running: Dict[str, int] = {}
        self._deadline: Dict[str, float] = {}

    def create(self, card: Dict[str, Any], manager: Any, mode: str, wait: bool = False, final: bool = False) -> None:
        """mode: `render`, `render_runtime` or `refresh`.

        wait: until the page is stored; else a page that is still being made is left alone and this one is not made.
        """
        if mode != "render" and not card["runtime"]:
            return
        key = "%s %s" % (card["uuid"], mode)
        if not self._may_start(card["uuid"], key, wait):
            return
        data = manager.latest_data(mode, final)
        components = [] if mode == "refresh" else manager.rendered()
        output = os.memfd_create("headrace-card-output")
        child = _fork(output, lambda: make_and_store(card, mode, self._pathspec, self._flow, self._root, components, data))
        deadline = time.monotonic() + float(card["timeout"] or 45) + _GRACE_S
        if not wait:
            os.close(output)
            self._running[key] = child
            self._deadline[key] = deadline
            return
        failed = _wait(child, deadline)
        text = _read_all(output)
        os.close(output)
        if failed:
            self._logger("Card render failed with error : \n\n %s" % (failed + text), timestamp=False, bad=True)

    def _may_start(self, uuid: str, key: str, wait: bool) -> bool:
        """Looks after children that were not waited for: an older page must not be stored after a newer one."""
        for other in [name for name in self._running if name.startswith(uuid)]:
            if not wait and other != key:
                continue
            child = self._running[other]
            if not wait and os.waitpid(child, os.WNOHANG)[0] == 0:
                if time.monotonic() < self._deadline[other]:
                    return False
                _kill(child)
            elif wait:
                _wait(child, self._deadline[other])
            del self._running[other], self._deadline[other]
        return True


def _fork(output: int, work: Any) -> int:
    """A child that does `work` with its output in the file `output`; it ends with 0, or 1 if `work` raises."""
    flush_stdio()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        # The step may have put something else in their place.
        sys.stdout = sys.stderr = open(1, "w", buffering=1, closefd=False, errors="backslashreplace")
        work()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        flush_stdio()
        os._exit(code)


def _wait(child: int, deadline: float) -> str:
    """"" if the child ended well in time, else what happened."""
    pause = 0.001
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            if status == 0:
                return ""
            if os.WIFSIGNALED(status):
                return "the process that made the card was ended by signal %d\n" % os.WTERMSIG(status)
            return "the card could not be made\n"
        if time.monotonic() > deadline:
            _kill(child)
            return "the card took too long and was stopped\n"
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def _kill(child: int) -> None:
    import signal

    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _read_all(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read().decode("utf-8", "replace")
