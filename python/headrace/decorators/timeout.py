"""`@timeout`: a step that takes too long fails."""

from __future__ import annotations

from typing import Any, Iterable, Optional

from ..errors import MetaflowException, TimeoutException
from ..unbounded import UBF_CONTROL
from .base import StepDecorator, whole_number


class TimeoutDecorator(StepDecorator):
    """Raises TimeoutException in a step that runs longer than seconds + minutes + hours (more than 0 together).

    It is a failure like any other: `@retry` tries again, `@catch` catches it. Python code is stopped by a signal; the
    engine ends a task whose C code does not return. Also the run-time limit of remote tasks.
    """

    name = "timeout"
    defaults = {"seconds": 0, "minutes": 0, "hours": 0}

    def init(self) -> None:
        #: The limit in seconds.
        self.secs = sum(whole_number(self, unit) * size for unit, size in
                        (("hours", 3600), ("minutes", 60), ("seconds", 1)))

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        self.logger = logger
        if self.secs <= 0:
            raise MetaflowException("Specify a duration for @timeout.")

    def task_pre_step(self, step_name: str, task_datastore: Any, metadata: Any, run_id: Any, task_id: Any, flow: Any,
                      graph: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any,
                      inputs: Any) -> None:
        # The control task of a parallel step waits for the others, each of which has its own limit.
        if ubf_context == UBF_CONTROL or retry_count > max_user_code_retries:
            return
        import signal

        self.step_name = step_name
        signal.signal(signal.SIGALRM, self._sigalrm_handler)
        signal.alarm(self.secs)

    def _stop(self) -> None:
        import signal

        signal.alarm(0)

    def task_post_step(self, step_name: str, flow: Any, graph: Any, retry_count: int,
                       max_user_code_retries: int) -> None:
        self._stop()

    def task_exception(self, exception: BaseException, step_name: str, flow: Any, graph: Any, retry_count: int,
                       max_user_code_retries: int) -> Optional[bool]:
        # The alarm must not go off while the failed attempt is being saved.
        self._stop()
        return None

    def _sigalrm_handler(self, signum: int, frame: Any) -> None:
        import time
        import traceback

        from ..user_decorators import run_wrapped

        message = "Step {step_name} timed out after {hours} hours, {minutes} minutes, {seconds} seconds".format(
            step_name=self.step_name, **self.attributes
        )
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        print("%s.%03d %s" % (stamp, int(now * 1000) % 1000, message), flush=True)
        # From the call of the step on: what is above it is the same for every step.
        frames = traceback.extract_stack(frame)
        calls = [i for i, each in enumerate(frames) if each.filename == run_wrapped.__code__.co_filename]
        shown = traceback.format_list(frames[calls[-1] + 1:] if calls else frames)
        stack = [">  %s" % line for entry in shown for line in entry.splitlines()]
        raise TimeoutException("%s\nStack when the timeout was raised:\n%s" % (message, "\n".join(stack)))


TimeoutDecorator.__module__ = "metaflow.plugins.timeout_decorator"


def get_run_time_limit_for_task(step_decos: Iterable[Any]) -> int:
    """The time limit of a remote task in seconds: that of `@timeout`, else the configured default (5 days)."""
    from .. import settings

    limit: int = settings.DEFAULT_RUNTIME_LIMIT
    for deco in step_decos:
        if isinstance(deco, TimeoutDecorator):
            limit = deco.secs
    return limit
