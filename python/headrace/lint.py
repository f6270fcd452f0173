"""Checks of a flow's graph before anything runs. Each rule is a function; the first that fails raises LintWarn."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from .errors import LintWarn
from .graph import DAGNode, FlowGraph

__all__ = ["FlowLinter", "LintWarn", "linter"]

_Check = Callable[[FlowGraph], None]


class FlowLinter:
    """The rules, in order. `require_*`: which kinds of rule are checked unless `run_checks` is told otherwise."""

    def __init__(self) -> None:
        self.require_static_graph = True
        self.require_fundamentals = True
        self.require_acyclicity = True
        self.require_non_nested_foreach = False
        self._checks: List[Any] = []

    def _decorate(self, setting: str, f: Any) -> Any:
        f.attrs.append(setting)
        return f

    def ensure_static_graph(self, f: Any) -> Any:
        return self._decorate("require_static_graph", f)

    def ensure_fundamentals(self, f: Any) -> Any:
        return self._decorate("require_fundamentals", f)

    def ensure_acyclicity(self, f: Any) -> Any:
        return self._decorate("require_acyclicity", f)

    def ensure_non_nested_foreach(self, f: Any) -> Any:
        return self._decorate("require_non_nested_foreach", f)

    def check(self, f: Any) -> Any:
        """Adds a rule; its kinds are added by the `ensure_*` decorators above."""
        self._checks.append(f)
        f.attrs = []
        return f

    def run_checks(self, graph: FlowGraph, **kwargs: Any) -> None:
        """Raises LintWarn for the first rule that does not hold. kwargs: `require_*=True` to check more kinds."""
        for check in self._checks:
            if any(getattr(self, kind) or kwargs.get(kind) for kind in check.attrs):
                check(graph)


linter = FlowLinter()


def _fail(message: str, node: Optional[DAGNode] = None, at_next: bool = False) -> None:
    if node is None:
        raise LintWarn(message)
    raise LintWarn(message, node.tail_next_lineno if at_next else node.func_lineno, node.source_file)


@linter.ensure_fundamentals
@linter.check
def check_reserved_words(graph: FlowGraph) -> None:
    for node in graph:
        if node.name in ("name", "next", "input", "index", "cmd"):
            _fail("Step name *%s* is a reserved word. Choose another name for the step." % node.name, node)


@linter.ensure_fundamentals
@linter.check
def check_basic_steps(graph: FlowGraph) -> None:
    for which, found in (("start", graph.start_step), ("end", graph.end_step)):
        if found is not None:
            continue
        annotated = sorted(node.name for node in graph if getattr(node, "is_%s_step" % which))
        if len(annotated) > 1:
            _fail(
                "Multiple steps annotated with @step(%s=True): %s. Exactly one is allowed."
                % (which, ", ".join(annotated))
            )
        _fail(
            "Your flow must have exactly one %s step. Either name a step '%s' or use @step(%s=True)."
            % (which, which, which)
        )


@linter.ensure_fundamentals
@linter.check
def check_annotation_name_conflict(graph: FlowGraph) -> None:
    for which, found in (("start", graph.start_step), ("end", graph.end_step)):
        if found is not None and found != which and which in graph:
            _fail(
                "Ambiguous {0} step: step '{1}' is annotated with @step({0}=True) but a step named '{0}' also exists. "
                "Remove the '{0}' name or the @step({0}=True) annotation.".format(which, found)
            )


@linter.ensure_static_graph
@linter.check
def check_start_end_degree(graph: FlowGraph) -> None:
    if graph.start_step is None or graph.end_step is None:
        return
    start = graph[graph.start_step]
    if start.in_funcs:
        _fail(
            "The start step *%s* has incoming transitions from %s. A start step must have no incoming transitions."
            % (start.name, ", ".join(start.in_funcs)),
            start,
        )
    end = graph[graph.end_step]
    if end.out_funcs:
        _fail(
            "The end step *%s* has outgoing transitions. An end step must have no outgoing transitions "
            "(no self.next())." % end.name,
            end,
        )


@linter.ensure_static_graph
@linter.check
def check_that_end_is_end(graph: FlowGraph) -> None:
    if graph.end_step is None:
        return
    node = graph[graph.end_step]
    if node.has_tail_next or node.invalid_tail_next:
        _fail("The terminal step *%s* should not have a self.next() transition. Just remove it." % node.name, node, True)
    if node.num_args > 1:
        _fail(
            "The terminal step *%s* should not be a join step (it gets an extra argument). Add a join step before it."
            % node.name,
            node,
            True,
        )


@linter.ensure_fundamentals
@linter.check
def check_step_names(graph: FlowGraph) -> None:
    allowed = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
    for node in graph:
        if node.name.startswith("_") or not allowed.issuperset(node.name):
            _fail(
                "Step *%s* has an invalid name. Only lowercase ascii characters, underscores, and digits are allowed."
                % node.name,
                node,
            )


@linter.ensure_fundamentals
@linter.check
def check_num_args(graph: FlowGraph) -> None:
    for node in graph:
        if node.num_args > 2:
            _fail(
                "Step %s has too many arguments. Normal steps take only 'self' as an argument. Join steps take 'self' "
                "and 'inputs'." % node.name,
                node,
            )
        elif node.num_args == 2 and node.type != "join":
            _fail(
                "Step *%s* is both a join step (it takes an extra argument) and a split step (it transitions to "
                "multiple steps). This is not allowed. Add a new step so that split and join become separate steps."
                % node.name,
                node,
            )
        elif node.num_args == 0:
            _fail("Step *%s* is missing the 'self' argument." % node.name, node)


@linter.ensure_static_graph
@linter.check
def check_static_transitions(graph: FlowGraph) -> None:
    for node in graph:
        if node.type != "end" and not node.has_tail_next:
            _fail(
                "Step *%s* is missing a self.next() transition to the next step. Add a self.next() as the last line in "
                "the function." % node.name,
                node,
            )


@linter.ensure_static_graph
@linter.check
def check_valid_transitions(graph: FlowGraph) -> None:
    for node in graph:
        if node.type != "end" and node.has_tail_next and node.invalid_tail_next:
            _fail(
                "Step *%s* specifies an invalid self.next() transition. Make sure the self.next() expression matches "
                "with one of the supported transition types:\n"
                "  • Linear: self.next(self.step_name)\n"
                "  • Fan-out: self.next(self.step1, self.step2, ...)\n"
                "  • Foreach: self.next(self.step, foreach='variable')\n"
                "  • Switch: self.next({\"key\": self.step, ...}, condition='variable')\n\n"
                "For switch statements, keys must be string literals, numbers or config expressions "
                "(self.config.key_name), not variables." % node.name,
                node,
                True,
            )


@linter.ensure_static_graph
@linter.check
def check_unknown_transitions(graph: FlowGraph) -> None:
    for node in graph:
        for step in node.out_funcs:
            if step not in graph:
                _fail(
                    "Step *%s* specifies a self.next() transition to an unknown step, *%s*." % (node.name, step),
                    node,
                    True,
                )


def _next_steps(graph: FlowGraph, node: DAGNode) -> List[str]:
    """Where `node` leads; a switch to itself is a loop by intention and left out."""
    if node.type == "split-switch":
        return [name for name in node.out_funcs if name != node.name]
    return node.out_funcs


def _without_loop(graph: FlowGraph) -> Set[str]:
    """The steps from which no loop can be reached."""
    left = {node.name: {name for name in _next_steps(graph, node) if name in graph} for node in graph}
    callers: Dict[str, List[str]] = {}
    for name, steps in left.items():
        for step in steps:
            callers.setdefault(step, []).append(name)
    free = [name for name, steps in left.items() if not steps]
    for name in free:
        for caller in callers.get(name, []):
            left[caller].discard(name)
            if not left[caller]:
                free.append(caller)
    return set(free)


@linter.ensure_acyclicity
@linter.ensure_static_graph
@linter.check
def check_for_acyclicity(graph: FlowGraph) -> None:
    free = _without_loop(graph)

    def walk(node: DAGNode, seen: List[str]) -> None:
        for name in _next_steps(graph, node):
            if name in seen:
                _fail(
                    "There is a loop in your flow: *%s*. Break the loop by fixing self.next() transitions."
                    % "->".join(seen + [name]),
                    node,
                    True,
                )
            if name not in free:
                walk(graph[name], seen + [name])

    for node in graph:
        if node.name not in free:
            walk(node, [])


@linter.ensure_static_graph
@linter.check
def check_for_orphans(graph: FlowGraph) -> None:
    if graph.start_step is None:
        return
    reached = graph.descendants(graph.start_step)
    for node in graph:
        if node.name not in reached:
            _fail(
                "Step *{0}* is unreachable from the entry step *{1}*. Add self.next({0}) in another step or remove "
                "*{0}*.".format(node.name, graph.start_step),
                node,
            )


_Stack = Tuple[Tuple[str, ...], ...]


class _Balance:
    """Follows every path from the entry with the stack of open splits; a step is visited once for each stack."""

    def __init__(self, graph: FlowGraph) -> None:
        self._graph = graph
        self._seen: Set[Tuple[str, _Stack]] = set()

    def walk(self, start: DAGNode) -> None:
        todo: List[Tuple[DAGNode, _Stack]] = [(start, ())]
        while todo:
            node, stack = todo.pop()
            if (node.name, stack) in self._seen:
                continue
            self._seen.add((node.name, stack))
            below = self._stack_after(node, stack)
            # Last in, first out: the first branch is followed to its end before the next one.
            todo.extend((self._graph[name], below) for name in reversed(_next_steps(self._graph, node)))

    def _stack_after(self, node: DAGNode, stack: _Stack) -> _Stack:
        if node.type in ("split", "foreach"):
            return stack + (tuple(node.out_funcs),)
        if node.type == "end" and stack:
            _fail(
                "The terminal step *{0}* was reached before a split started at step(s) *{1}* were joined. Add a join "
                "step before *{0}*.".format(node.name, ", ".join(stack[-1])),
                node,
            )
        if node.type == "join":
            self._check_join(node, stack)
            return stack[:-1]
        return stack

    def _check_join(self, node: DAGNode, stack: _Stack) -> None:
        if not stack:
            _fail(
                "Step *%s* seems like a join step (it takes an extra input argument) but it is not preceded by a split. "
                "Ensure that there is a matching split for every join." % node.name,
                node,
            )
        roots = stack[-1]
        branches = {self._branch(name) for name in node.in_funcs}
        if branches != set(roots) or len(branches) != len(roots):
            _fail(
                "Step *%s* seems like a join step (it takes an extra input argument) but an incorrect number of steps "
                "(*%s*) lead to it. This join was expecting %d incoming paths, starting from split step(s) *%s*."
                % (node.name, ", ".join(sorted(filter(None, branches))), len(roots), ", ".join(roots)),
                node,
            )
        if len({self._lineage(name) for name in node.in_funcs}) > 1:
            _fail(
                "Step *%s* joins steps from unrelated splits. Ensure that there is a matching join for every split."
                % node.name,
                node,
            )

    def _branch(self, name: str) -> Optional[str]:
        """The branch of the innermost split that `name` belongs to, None if it is a foreach's or split's own step."""
        branches = self._graph[name].split_branches
        return branches[-1] if branches else None

    def _lineage(self, name: str) -> Tuple[str, ...]:
        node = self._graph[name]
        return tuple(node.split_parents[:-1] if node.type == "join" else node.split_parents)


@linter.ensure_static_graph
@linter.check
def check_empty_foreaches(graph: FlowGraph) -> None:
    for node in graph:
        if node.type != "foreach":
            continue
        joins = [name for name in node.out_funcs if graph[name].type == "join"]
        if joins:
            _fail(
                "Step *%s* is a foreach split that has no children: it is followed immediately by a join step, *%s*. "
                "Add at least one step between the split and the join." % (node.name, joins[0]),
                node,
            )


@linter.ensure_static_graph
@linter.check
def check_split_join_balance(graph: FlowGraph) -> None:
    if graph.start_step is not None and graph.end_step is not None:
        _Balance(graph).walk(graph[graph.start_step])


@linter.ensure_static_graph
@linter.check
def check_switch_splits(graph: FlowGraph) -> None:
    for node in graph:
        if node.type != "split-switch":
            continue
        if len(node.out_funcs) < 2:
            _fail(
                "Step *%s* is a switch split but defines %d transitions. Switch splits must define at least 2 "
                "transitions." % (node.name, len(node.out_funcs)),
                node,
            )
        if not node.condition:
            _fail("Step *%s* is a switch split but has no condition variable." % node.name, node)
        if not node.switch_cases:
            _fail("Step *%s* is a switch split but has no switch cases defined." % node.name, node)


@linter.ensure_static_graph
@linter.check
def check_parallel_step_after_next(graph: FlowGraph) -> None:
    for node in graph:
        if node.parallel_foreach and not all(graph[name].parallel_step for name in node.out_funcs):
            _fail(
                "Step *%s* is called as a parallel step with self.next(num_parallel=..) but does not have a @parallel "
                "decorator." % node.name,
                node,
            )


@linter.ensure_static_graph
@linter.check
def check_join_followed_by_parallel_step(graph: FlowGraph) -> None:
    for node in graph:
        if not node.parallel_step:
            continue
        following = node.out_funcs[0] if node.out_funcs else None
        if following is None:
            _fail(
                "Step *%s* has a @parallel decorator but is the last step of the flow. Add a join step after it."
                % node.name,
                node,
            )
        elif graph[following].type != "join":
            _fail(
                "An @parallel step should be followed by a join step. Step *%s* is called after an @parallel step but "
                "is not a join step. Please add an extra `inputs` argument to the step." % following,
                node,
            )


@linter.ensure_static_graph
@linter.check
def check_parallel_foreach_calls_parallel_step(graph: FlowGraph) -> None:
    for node in graph:
        if not node.parallel_step:
            continue
        for caller in graph:
            if node.name in caller.out_funcs and not caller.parallel_foreach:
                _fail(
                    "Step *%s* has a @parallel decorator, but is not called with self.next(num_parallel=...) from step "
                    "*%s*." % (node.name, caller.name),
                    node,
                )


@linter.ensure_non_nested_foreach
@linter.check
def check_nested_foreach(graph: FlowGraph) -> None:
    for node in graph:
        if node.type == "foreach" and any(graph[parent].type == "foreach" for parent in node.split_parents):
            _fail(
                "Nested foreaches are not allowed: Step *%s* is a foreach split that is nested under another foreach "
                "split." % node.name,
                node,
            )


@linter.ensure_static_graph
@linter.check
def check_ambiguous_joins(graph: FlowGraph) -> None:
    for node in graph:
        if node.type != "join":
            continue
        switches = [name for name in node.in_funcs if graph[name].type == "split-switch"]
        if switches:
            _fail(
                "A conditional path cannot lead directly to a join step.\n"
                "In your conditional step(s) %s, one or more of the possible paths transition directly to the join step "
                "*%s*.\n"
                "As a workaround, please introduce an intermediate, unconditional step on that specific path before "
                "joining." % (", ".join("*%s*" % name for name in switches), node.name),
                node,
            )
