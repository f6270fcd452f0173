"""One attempt of one step: `begin`, the user's code between the decorators' hooks, saving, `finish`."""

from __future__ import annotations

import os
import sys
from typing import Any, Callable, Dict, List, Optional

from . import task_state
from .artifacts import InputArtifacts, OutputArtifacts
from .channel import Bytes, Channel, Door, attach, door_from_environment, engine_channel
from .current import current
from .engine import check_wire
from .errors import EngineError, MetaflowException, MetaflowExceptionWrapper, MetaflowInternalError
from .foreach import stack_metadata
from .identity import resolve_identity
from .unbounded import UBF_CONTROL, UBF_TASK
from ._version import WIRE_VERSION

_UBF_CONTEXTS = {"control": UBF_CONTROL, "worker": UBF_TASK}

#: Of inputs of a join, in one answer.
_MANIFESTS_AT_ONCE = 32

#: The channel of the attempt this process runs.
attempt_channel = engine_channel


class TaskMetadata:
    """Registers metadata of the running attempt; the part of Metaflow's metadata providers that decorators use."""

    TYPE = "local"

    def __init__(self, root: str, tags: List[str], sys_tags: List[str]) -> None:
        self._root = root.rstrip("/")
        self.sticky_tags = set(tags)
        self.sticky_sys_tags = set(sys_tags)

    def metadata_str(self) -> str:
        """As the Client's `metadata` takes it: the directory that holds `.metaflow`."""
        return "%s@%s" % (self.TYPE, os.path.dirname(self._root))

    def register_metadata(self, run_id: str, step_name: str, task_id: str, metadata: Any) -> None:
        """metadata: `MetaDatum`s. They belong to this attempt, whatever the ids say."""
        register_metadata(
            [{"field": m.field, "type": m.type, "value": m.value, "tags": list(m.tags or [])} for m in metadata]
        )


def register_metadata(fields: List[Dict[str, Any]]) -> None:
    """Stores metadata records of the running attempt: `field`, `type`, `value`, optionally `tags`."""
    if fields:
        engine_channel().request("metadata", fields=fields)


class Attempt:
    """One attempt that the engine has told this process to run.

    assignment: the answer to `begin` (wire.md, section 4.1).
    """

    def __init__(self, flow: Any, channel: Channel, assignment: Dict[str, Any], payload: Bytes = b"") -> None:
        """payload: pickles that `ahead` of the assignment describes."""
        self.flow = flow
        self.channel = channel
        self.run_id: str = assignment["run_id"]
        os.environ["METAFLOW_RUN_ID"] = self.run_id
        self.step: str = assignment["step"]
        self.task_id: str = assignment["task_id"]
        self.attempt: int = assignment["attempt"]
        self.max_user_code_retries: int = assignment["max_user_code_retries"]
        self.split_index: Optional[int] = assignment.get("split_index")
        self.ubf_context = _UBF_CONTEXTS.get(assignment.get("ubf") or "")
        self.assignment = assignment
        path = "/".join((self.run_id, self.step, self.task_id))
        self.output = OutputArtifacts(engine_channel, path, self.attempt)
        self.parameters = InputArtifacts(
            engine_channel, "%s/_parameters/0" % self.run_id, "parameters", assignment["parameters"]
        )
        self._manifests: Dict[int, Any] = {}
        self._ahead: Dict[str, Bytes] = {}
        start = 0
        for key, size in assignment.get("ahead") or ():
            self._ahead[key] = payload[start : start + size]
            start += size
        self.inputs = [self._input(i, path) for i, path in enumerate(assignment["inputs"])]
        self.metadata = TaskMetadata(
            assignment.get("metadata_root", ""), assignment.get("tags") or [], assignment.get("sys_tags") or []
        )
        try:
            self.node = flow._graph[self.step]
        except KeyError:
            raise MetaflowInternalError(
                "Step *%s* is not in the flow *%s*: the flow's file has changed since the run started."
                % (self.step, flow.name)
            )
        self.step_func = getattr(flow, self.step)
        self.decorators: List[Any] = list(self.step_func.decorators)
        self.join_type: Optional[str] = None
        if self.node.type == "join":
            self.join_type = flow._graph[self.node.split_parents[-1]].type

    def _input(self, index: int, path: str) -> InputArtifacts:
        manifest: Any = self.assignment.get("manifest") if len(self.assignment["inputs"]) == 1 else None
        if manifest is None:
            manifest = lambda: self._manifest(index)  # noqa: E731
        return InputArtifacts(engine_channel, path, index, manifest, self._ahead)

    def _manifest(self, index: int) -> Any:
        """Inputs of a join are looked at one after another, so the next ones are asked for too."""
        if index not in self._manifests:
            found = engine_channel().request("manifest", input=index, count=_MANIFESTS_AT_ONCE)["manifests"]
            self._manifests = {index + i: manifest for i, manifest in enumerate(found)}
        return self._manifests.pop(index)

    # Before the step

    def prepare(self) -> Any:
        """Gives the flow object its state. Returns the second argument of a join, None for other steps."""
        flow, assignment = self.flow, self.assignment
        if not self.inputs:
            raise MetaflowInternalError("Step *%s* was started without inputs." % self.step)
        task_state.init_foreach(flow, self.step, self.join_type, self.inputs, self.split_index)
        task_state.init_iteration(flow, self.step, self.node, self.inputs)
        register_metadata(stack_metadata(flow._foreach_stack))
        flow._current_step = self.step
        flow._success = False
        flow._task_ok = None
        flow._exception = None
        join = None
        if self.join_type:
            join = task_state.join_inputs(flow, self.node, self.join_type, self.inputs)
            flow._set_datastore(self.output)
        else:
            if len(self.inputs) > 1:
                raise MetaflowInternalError("Step *%s* is not a join step but it gets multiple inputs." % self.step)
            flow._set_datastore(self.inputs[0])
        names = task_state.init_parameters(flow, self.parameters)
        current._set_env(
            flow=flow,
            run_id=self.run_id,
            step_name=self.step,
            task_id=self.task_id,
            retry_count=self.attempt,
            origin_run_id=assignment.get("origin_run_id"),
            namespace=resolve_identity(),
            client_namespace=assignment.get("namespace"),
            username=assignment.get("user"),
            metadata_str=self.metadata.metadata_str(),
            is_running=True,
            tags=self.metadata.sticky_tags,
        )
        current._parameter_names = names
        if self.ubf_context == UBF_TASK:
            from .decorators.parallel import set_environment

            set_environment(assignment["num_parallel"], assignment["node_index"], assignment["control_task"].split("/")[-1])
        return join

    def _context(self) -> None:
        """Tells decorators that use `system_ctx` where they are."""
        from .system_context import ExecutionPhase, system_context

        system_context._update(
            phase=ExecutionPhase.TASK,
            flow=self.flow,
            graph=self.flow._graph,
            metadata=self.metadata,
            run_id=self.run_id,
            input_paths=self.assignment["inputs"],
            task_id=self.task_id,
            task_datastore=self.output,
            ubf_context=self.ubf_context,
            split_index=self.split_index,
            max_user_code_retries=self.max_user_code_retries,
            retry_count=self.attempt,
            inputs=self.inputs,
        )

    # The step and its hooks

    def run_user_code(self, join: Any) -> None:
        """Hooks, wrappers and the step. Raises what was not handled."""
        from .user_decorators import run_wrapped

        flow, graph = self.flow, self.flow._graph
        retries = (self.attempt, self.max_user_code_retries)
        if self.decorators:
            self._context()
        for deco in self.decorators:
            if deco.task_pre_step_ctx is not None:
                deco.task_pre_step_ctx(self.step)
            else:
                deco.task_pre_step(
                    self.step, self.output, self.metadata, self.run_id, self.task_id, flow, graph, *retries,
                    self.ubf_context, self.inputs,
                )
        function: Callable[..., Any] = self.step_func
        for deco in self.decorators:
            if deco.task_decorate_ctx is not None:
                function = deco.task_decorate_ctx(self.step, function)
            else:
                function = deco.task_decorate(function, flow, graph, *retries, self.ubf_context)
        run_wrapped(function, list(self.step_func.wrappers), flow, self.node, join)
        for deco in self.decorators:
            if deco.task_step_completed_ctx is not None:
                deco.task_step_completed_ctx(self.step)
            else:
                deco.task_post_step(self.step, flow, graph, *retries)
        flow._task_ok = True
        flow._success = True

    def is_handled(self, error: Exception) -> bool:
        """Asks every decorator; True if one of them deals with the exception."""
        handled = False
        for deco in self.decorators:
            if deco.task_step_completed_ctx is not None:
                answer = deco.task_step_completed_ctx(self.step, exception=error)
            else:
                answer = deco.task_exception(
                    error, self.step, self.flow, self.flow._graph, self.attempt, self.max_user_code_retries
                )
            handled = bool(answer) or handled
        return handled

    # After the step

    def finish(self) -> None:
        """Saves artifacts and commits the attempt, also a failed one."""
        flow = self.flow
        if self.ubf_context == UBF_CONTROL:
            self._finish_control_task()
        try:
            artifacts, payload = self.output.persist_but_last(flow).take()
            self.channel.request(
                "finish",
                payload,
                artifacts=artifacts,
                ok=bool(flow._task_ok),
                inherit=self.output.inherit(),
                transition=task_state.transition_message(flow),
            )
        except BaseException:
            flow._task_ok = False
            register_metadata([{"field": "attempt_ok", "type": "internal_attempt_status", "value": "False"}])
            raise
        for deco in self.decorators:
            if deco.task_finished_ctx is not None:
                deco.task_finished_ctx(self.step, flow._task_ok)
            else:
                deco.task_finished(
                    self.step, flow, flow._graph, flow._task_ok, self.attempt, self.max_user_code_retries
                )

    def _finish_control_task(self) -> None:
        flow = self.flow
        following = flow._graph[self.step].out_funcs
        flow._transition = (following, None)
        if not flow._task_ok:
            return
        members = getattr(flow, "_control_mapper_tasks", None)
        if not members:
            raise MetaflowInternalError(
                "Step *%s* has a control task which didn't specify the artifact *_control_mapper_tasks* for the "
                "subsequent *%s* step." % (self.step, following[0])
            )
        if not (isinstance(members, list) and isinstance(members[0], str)):
            raise MetaflowInternalError(
                "Step *%s* has a control task which didn't specify the artifact *_control_mapper_tasks* as a list of "
                "strings but instead specified it as %s with elements of %s."
                % (self.step, type(members), type(members[0]) if isinstance(members, list) else None)
            )

    def run(self) -> None:
        """The whole attempt. Raises what makes it fail, after it was stored."""
        process = os.getpid()
        join = self.prepare()
        try:
            self.run_user_code(join)
        except Exception as error:
            if self.is_handled(error):
                self.flow._task_ok = True
            else:
                self.flow._task_ok = False
                self.flow._exception = MetaflowExceptionWrapper(error)
                _say("%s failed:\n" % _description(self.flow, self.step))
                raise
        finally:
            # A process that the step has forked, and that leaves it too, has nothing to store.
            if os.getpid() == process:
                self.finish()


def run_attempt(flow: Any, door: Door) -> int:
    """Runs the attempt behind `door`, prints what makes it fail. Returns the exit code of the process."""
    try:
        channel = attach(door)
        reply = channel.request("begin", wire=WIRE_VERSION)
        check_wire(reply.get("wire"))
        Attempt(flow, channel, reply.fields, reply.payload).run()
        return 0
    except MetaflowException as error:
        _print_failure(error)
        return 1
    except KeyboardInterrupt:
        _say("\nAborted!\n")
        return 1
    except SystemExit as error:
        return _exit_code(error)
    except BaseException:
        _print_traceback()
        return 1


def run_from_door(flow: Any) -> int:
    """For a fresh interpreter: runs the attempt whose door is in the environment. Returns the exit code."""
    door = door_from_environment()
    if door is None:
        raise EngineError(
            "misuse",
            "this command can only be run by the engine",
            why="no task was given to this process: HEADRACE_DOOR is not set",
            next="start a run with `run`, or try one step with `spin`",
        )
    return run_attempt(flow, door)


def _description(flow: Any, step: str) -> str:
    try:
        return str(flow)
    except Exception:
        # It shows the foreach item, which cannot be loaded or printed; the exception to tell about is another one.
        return "<flow %s step %s>" % (flow.name, step)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    _say("%s\n" % error.code)
    return 1


def _say(text: str) -> None:
    stream = sys.stderr or sys.__stderr__
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except (OSError, ValueError):
        # The user's code has closed stderr: there is nowhere to say it.
        pass


def _print_failure(error: MetaflowException) -> None:
    """Headline with its place, and the message; `*` marks what a terminal would highlight."""
    where = ""
    if error.source_file is not None:
        where += " in file %s" % error.source_file
    if error.line_no is not None:
        where += " on line %d" % error.line_no
    lines = "".join("    %s\n" % line for line in str(error.message).replace("*", "").splitlines())
    _say("    %s%s:\n%s\n" % (error.headline, where, lines))


def _print_traceback() -> None:
    """The exception that is being handled, without this package's frames around the user's."""
    import traceback

    _, error, _ = sys.exc_info()
    assert error is not None
    here = os.path.dirname(os.path.abspath(__file__)) + os.sep
    seen = set()
    chained: Optional[BaseException] = error
    while chained is not None and id(chained) not in seen:
        seen.add(id(chained))
        trace = chained.__traceback__
        while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename.startswith(here):
            trace = trace.tb_next
        chained.__traceback__ = trace
        chained = chained.__cause__ or chained.__context__
    _say("    Internal error\n%s\n" % "".join(traceback.format_exception(type(error), error, error.__traceback__)))
