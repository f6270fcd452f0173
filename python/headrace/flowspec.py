"""`FlowSpec` and `step`: what a user's flow is made of."""

from __future__ import annotations

import os
import sys
from types import FunctionType, MethodType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .errors import InvalidNextException, MetaflowException
from .flow_state import FlowSpecMeta, FlowStateItems, _FlowState
from .foreach import ForeachFrame, item_at
from .inputs import Inputs
from .unbounded import ParallelUBF

__all__ = [
    "FlowSpec", "FlowSpecMeta", "FlowStateItems", "InvalidNextException", "INTERNAL_ARTIFACTS_SET", "Inputs",
    "ForeachFrame", "ParallelUBF", "_FlowState", "step",
]

#: Artifacts that `merge_artifacts` never takes from a branch.
INTERNAL_ARTIFACTS_SET = {
    "_foreach_values",
    "_unbounded_foreach",
    "_control_mapper_tasks",
    "_control_task_is_mapper_zero",
    "_parallel_ubf_iter",
}


class FlowSpec(metaclass=FlowSpecMeta):
    """Base class of all flows.

    A subclass's methods marked with `@step` are its steps, its name is the flow's name. `MyFlow()` runs the command
    line of `sys.argv`; `MyFlow(use_cli=False)` only makes the object.
    """

    #: Attributes that are never artifacts, besides functions, methods, Parameters and names with two underscores.
    _EPHEMERAL = {
        "_EPHEMERAL",
        "_NON_PARAMETERS",
        "_datastore",
        "_cached_input",
        "_graph",
        "_flow_state",
        "_steps",
        "index",
        "input",
    }
    #: Class attributes that are not looked at when Parameters and constants are searched.
    _NON_PARAMETERS = {"cmd", "foreach_stack", "index", "input", "script_name", "name"}

    # Set by the metaclass on every subclass.
    _flow_state: _FlowState
    _graph: Any
    _steps: List[Any]
    _configs_processed: bool

    def __init__(self, use_cli: bool = True) -> None:
        """use_cli: run the command line; False only makes the object."""
        self.name = self.__class__.__name__
        self._datastore: Any = None
        self._transition: Optional[Tuple[List[str], Optional[str]]] = None
        self._cached_input: Dict[int, Any] = {}
        if use_cli:
            from .cli import main

            main(self)

    # What the class declares

    @property
    def script_name(self) -> str:
        """File name of the script that holds the flow; `current` is preferred."""
        import inspect

        name = inspect.getfile(self.__class__)
        return os.path.basename(name[:-1] if name.endswith(".pyc") else name)

    @property
    def _flow_decorators(self) -> Dict[str, List[Any]]:
        decorators: Dict[str, List[Any]] = self._flow_state[FlowStateItems.FLOW_DECORATORS]
        return decorators

    @property
    def _flow_mutators(self) -> List[Any]:
        mutators: List[Any] = self._flow_state[FlowStateItems.FLOW_MUTATORS]
        return mutators

    @classmethod
    def _get_parameters(cls) -> Iterator[Tuple[str, Any]]:
        from .flow_parameters import parameters_of

        return parameters_of(cls)

    @classmethod
    def _check_parameters(cls, config_parameters: bool = False) -> None:
        from .flow_parameters import check_names

        check_names(cls, config_parameters)

    @classmethod
    def _process_config_decorators(
        cls, config_options: Dict[str, Any], process_configs: bool = True
    ) -> Optional[FlowSpecMeta]:
        from .flow_parameters import process_mutators

        return process_mutators(cls, config_options, process_configs)

    def _set_constants(self, graph: Any, kwargs: Dict[str, Any], config_options: Dict[str, Any]) -> None:
        from .flow_parameters import set_constants

        set_constants(self, graph, kwargs, config_options)

    def __iter__(self) -> Iterator[Any]:
        """The steps, in the graph's order (legacy)."""
        return iter(self._steps)

    # Artifacts

    def _set_datastore(self, datastore: Any) -> None:
        self._datastore = datastore

    def __getattr__(self, name: str) -> Any:
        datastore = self.__dict__.get("_datastore")
        if datastore is not None and name in datastore:
            value = datastore[name]
            setattr(self, name, value)
            return value
        raise AttributeError("Flow %s has no attribute '%s'" % (self.__class__.__name__, name))

    def __getstate__(self) -> Any:
        raise MetaflowException(
            "Flows can't be serialized. Maybe you tried to assign *self* or one of the *inputs* to an attribute? "
            "Instead of serializing the whole flow, you should choose specific attributes, e.g. *input.some_var*, "
            "to be stored."
        )

    def merge_artifacts(
        self, inputs: Inputs, exclude: Optional[List[str]] = None, include: Optional[List[str]] = None
    ) -> None:
        """Takes over in a join what its branches have in common.

        inputs: the join's second argument. exclude: names to leave out. include: take these names only; not together
        with exclude. What is set in this step already is left alone.
        Raises UnhandledInMergeArtifactsException when branches have different values for a name (nothing is taken
        over then), MissingInMergeArtifactsException when a name of `include` is in no branch, MetaflowException
        outside a join or when both lists are given.
        """
        from .merge import merge_artifacts

        merge_artifacts(self, inputs, exclude or [], include or [])

    # Foreach

    @property
    def index(self) -> Optional[int]:
        """Index of this task in the innermost foreach; None outside a foreach."""
        stack: List[Any] = self._foreach_stack
        index: Optional[int] = stack[-1].index if stack else None
        return index

    @property
    def input(self) -> Any:
        """Item of the innermost foreach that this task is for; None outside a foreach."""
        return self._find_input()

    def foreach_stack(self) -> List[Tuple[int, Optional[int], Any]]:
        """`(index, number of splits, item)` of each foreach around this task, outermost first."""
        return [
            (frame.index, frame.num_splits, self._find_input(stack_index=i))
            for i, frame in enumerate(self._foreach_stack)
        ]

    def _find_input(self, stack_index: Optional[int] = None) -> Any:
        stack = self._foreach_stack
        if stack_index is None:
            stack_index = len(stack) - 1
        if stack_index in self._cached_input:
            return self._cached_input[stack_index]
        if not stack:
            return None
        frame = stack[stack_index]
        try:
            value = getattr(self, frame.var)
        except AttributeError:
            # After an inner join the outer list is an artifact of the branches only.
            item = None
        else:
            item = item_at(value, frame.index)
        self._cached_input[stack_index] = item
        return item

    # Transitions

    def next(self, *dsts: Callable[..., None], **kwargs: Any) -> None:
        """Says what follows this step; the last statement of every step but the last one.

        `self.next(self.b)`, `self.next(self.b, self.c)`, `self.next(self.b, foreach="items")`,
        `self.next(self.b, num_parallel=4)`, `self.next({"yes": self.b, "no": self.c}, condition="answer")`.
        Raises InvalidNextException when the call has none of these forms.
        """
        from .transition import choose

        choose(self, dsts, kwargs)

    def cmd(self, cmdline: str, input: Optional[Dict[str, Any]] = None, output: Optional[List[Any]] = None) -> Any:
        """Runs a shell command with files as inputs and outputs (legacy)."""
        from .cmd_with_io import cmd

        return cmd(cmdline, input=input or {}, output=output or [])

    def __str__(self) -> str:
        step_name = getattr(self, "_current_step", None)
        if not step_name:
            return "<flow %s>" % self.name
        where = ",".join(str(index) for index, _, _ in self.foreach_stack())
        if not where:
            return "<flow %s step %s>" % (self.name, step_name)
        item = self.input
        if item is None:
            return "<flow %s step %s[%s]>" % (self.name, step_name, where)
        text = str(item)
        if len(text) > 20:
            text = text[:20] + "..."
        return "<flow %s step %s[%s] (input: %s)>" % (self.name, step_name, where, text)


def step(
    f: Optional[Callable[..., None]] = None,
    *,
    start: bool = False,
    end: bool = False,
    node_info: Optional[Dict[str, Any]] = None,
) -> Any:
    """Marks a method of a flow as a step; must be the decorator nearest to `def`.

    start, end: this is the flow's first / last step whatever its name. node_info: data for the step's graph node.
    """

    def mark(function: Any) -> Any:
        function.is_step = True
        function.decorators = []
        function.config_decorators = []
        function.wrappers = []
        function.name = function.__name__
        function.is_start_step = start
        function.is_end_step = end
        function.node_info = node_info or {}
        return function

    return mark(f) if f is not None else mark


def is_constant(value: Any) -> bool:
    """Whether a public class attribute with this value is a constant of the flow (and so an artifact)."""
    return not isinstance(value, (MethodType, FunctionType, property, type))


FlowSpec.__module__ = "metaflow.flowspec"
FlowSpecMeta.__module__ = "metaflow.flowspec"
