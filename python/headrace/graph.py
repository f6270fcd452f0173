"""The graph of a flow, read from the source text of its steps.

A step's last statement says where it goes; nothing is executed. Each source file is parsed once, whatever the
number of its steps. `FlowGraph` and `DAGNode` have the attributes that Metaflow's classes of these names have.
"""

from __future__ import annotations

import _ast as ast
import sys
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from .graph_export import output_dot, output_steps, to_pod

__all__ = ["DAGNode", "FlowGraph", "deindent_docstring", "to_pod"]

_TYPES_WITH_BRANCHES = ("split", "foreach")


def deindent_docstring(doc: Optional[str]) -> str:
    """`doc` without the indentation of its lines; the first indented line says how much that is."""
    if not doc:
        return ""
    indent = ""
    seen = 0
    for line in doc.splitlines():
        if not line:
            continue
        indent = line[: len(line) - len(line.lstrip("\t "))]
        seen += 1
        if indent or seen == 2:
            break
    if not indent:
        return doc
    return doc.replace("\n" + indent, "\n").strip()


# --- source of a step ------------------------------------------------------------------------------------------


def _read_source(filename: str, module_globals: Dict[str, Any]) -> Optional[Any]:
    try:
        with open(filename, "rb") as f:
            return f.read()
    except OSError:
        # A notebook cell, or a module in an archive: its text is where tracebacks find it.
        import linecache

        return "".join(linecache.getlines(filename, module_globals)) or None


def _functions_by_line(tree: Any) -> Dict[Tuple[str, int], Any]:
    """(name, line of the first decorator or of `def`) -> definition."""
    found = {}
    todo = [tree]
    while todo:
        node = todo.pop()
        for field in ("body", "orelse", "finalbody", "handlers"):
            todo.extend(child for child in getattr(node, field, None) or () if isinstance(child, ast.AST))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[node.name, min([node.lineno] + [d.lineno for d in node.decorator_list])] = node
    return found


class _Sources:
    """Definitions in the source files of one flow's steps."""

    def __init__(self) -> None:
        self._files: Dict[str, Dict[Tuple[str, int], Any]] = {}

    def definition(self, func: Any) -> Any:
        """The `def` of `func`. Raises OSError when its source cannot be read, as `inspect` does."""
        while hasattr(func, "__wrapped__"):
            func = func.__wrapped__
        code = func.__code__
        filename = code.co_filename
        if filename not in self._files:
            text = _read_source(filename, func.__globals__)
            if text is None:
                raise _no_source(func)
            tree = compile(text, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
            self._files[filename] = _functions_by_line(tree)
        try:
            return self._files[filename][code.co_name, code.co_firstlineno]
        except KeyError:
            raise _no_source(func) from None


def _no_source(func: Any) -> OSError:
    return OSError(
        "could not get source code of step %s (%s): the graph of a flow is read from its source, so a flow must be in "
        "a file or in a notebook's cell" % (func.__name__, func.__code__.co_filename)
    )


def _source_file(func: Any) -> str:
    while hasattr(func, "__wrapped__"):
        func = func.__wrapped__
    return str(func.__code__.co_filename)


# --- one step --------------------------------------------------------------------------------------------------


class DAGNode(object):
    """One step.

    type: `start`, `linear`, `join`, `end`, `split`, `foreach`, `split-switch`, or None if it cannot be told.
    """

    def __init__(
        self,
        func_ast: Any,
        decos: List[Any],
        wrappers: List[Any],
        config_decorators: List[Any],
        doc: Optional[str],
        source_file: str,
        lineno: int,
        is_start_step: bool = False,
        is_end_step: bool = False,
        node_info: Optional[Dict[str, Any]] = None,
        name: Optional[str] = None,
        num_args: Optional[int] = None,
    ) -> None:
        if func_ast is None and name is None:
            raise ValueError("name is required when func_ast is None")
        self.name: str = name if name is not None else func_ast.name
        self.source_file = source_file
        self.func_lineno: int = lineno if func_ast is None else func_ast.lineno
        self.decorators = decos
        self.wrappers = wrappers
        self.config_decorators = config_decorators
        self.doc = deindent_docstring(doc)
        self.parallel_step = any(getattr(deco, "IS_PARALLEL", False) for deco in decos)
        self.is_start_step = is_start_step
        self.is_end_step = is_end_step
        self.node_info = node_info or {}
        # From the last statement.
        self.tail_next_lineno = 0
        self.type: Optional[str] = None
        self.out_funcs: List[str] = []
        self.has_tail_next = False
        self.invalid_tail_next = False
        self.num_args = num_args or 0
        self.switch_cases: Dict[Any, str] = {}
        self.condition: Optional[str] = None
        self.foreach_param: Optional[str] = None
        self.num_parallel: Any = 0
        self.parallel_foreach = False
        if func_ast is not None:
            self._parse(func_ast)
        # From the graph.
        self.in_funcs: Any = set()
        self.split_parents: List[str] = []
        self.split_branches: List[str] = []
        self.matching_join: Optional[str] = None
        self.is_inside_foreach = False

    def _parse(self, func_ast: Any) -> None:
        self.num_args = len(func_ast.args.args)
        tail = func_ast.body[-1]
        if not isinstance(tail, ast.Expr) or not _is_self_next(tail.value):
            return
        call: Any = tail.value
        self.has_tail_next = True
        self.invalid_tail_next = True
        self.tail_next_lineno = tail.lineno
        keywords = {k.arg: _literal(k.value) for k in call.keywords}
        if len(call.args) == 1 and isinstance(call.args[0], ast.Dict) and "condition" in keywords:
            self._parse_switch(call.args[0], keywords["condition"])
            return
        if not all(isinstance(arg, ast.Attribute) for arg in call.args):
            return
        self.out_funcs = [arg.attr for arg in call.args]
        self._parse_transition(keywords)

    def _parse_switch(self, cases: Any, condition: Any) -> None:
        found = _switch_cases(cases)
        if found and condition and isinstance(condition, str):
            self.type = "split-switch"
            self.condition = condition
            self.switch_cases = found
            self.out_funcs = list(found.values())
            self.invalid_tail_next = False

    def _parse_transition(self, keywords: Dict[Optional[str], Any]) -> None:
        targets = len(self.out_funcs)
        if len(keywords) == 1 and "foreach" in keywords:
            self.type = "foreach"
            if targets == 1:
                self.foreach_param = keywords["foreach"]
                self.invalid_tail_next = False
        elif len(keywords) == 1 and "num_parallel" in keywords:
            self.type = "foreach"
            self.parallel_foreach = True
            if targets == 1:
                self.num_parallel = keywords["num_parallel"]
                self.invalid_tail_next = False
        elif not keywords and targets > 1:
            self.type = "split"
            self.invalid_tail_next = False
        elif not keywords and targets == 1:
            self.type = "join" if self.num_args > 1 else "linear"
            self.invalid_tail_next = False

    def __str__(self) -> str:
        def names(items: Any) -> str:
            return ", ".join("[%s]" % x for x in items)

        return "\n    ".join(
            [
                "*[%s %s (%s line %s)]*" % (self.name, self.type, self.source_file, self.func_lineno),
                "in_funcs=" + names(self.in_funcs),
                "out_funcs=" + names(self.out_funcs),
                "split_parents=" + names(self.split_parents),
                "split_branches=" + names(self.split_branches),
                "matching_join=%s" % (self.matching_join and "[%s]" % self.matching_join),
                "is_inside_foreach=%s" % self.is_inside_foreach,
                "decorators=" + " | ".join(map(str, self.decorators)),
                "num_args=%s" % self.num_args,
                "has_tail_next=%s (line %s)" % (self.has_tail_next, self.tail_next_lineno),
                "invalid_tail_next=%s" % self.invalid_tail_next,
                "foreach_param=%s" % self.foreach_param,
                "condition=%s" % self.condition,
                "parallel_step=%s" % self.parallel_step,
                "parallel_foreach=%s" % self.parallel_foreach,
                "-> " + names(self.out_funcs),
            ]
        )


def _is_self_next(call: Any) -> bool:
    if not isinstance(call, ast.Call):
        return False
    func = call.func
    return (
        isinstance(func, ast.Attribute)
        and isinstance(func.value, ast.Name)
        and func.value.id == "self"
        and func.attr == "next"
    )


def _literal(node: Any) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def _switch_cases(node: Any) -> Optional[Dict[Any, str]]:
    """{key: step} of the literal dict, None if a key or a value is of no known form. A config's key is a text."""
    cases: Dict[Any, str] = {}
    for key, value in zip(node.keys, node.values):
        name = _literal(key)
        if isinstance(key, ast.Attribute):
            # self.<config>.<key>
            middle = key.value
            if isinstance(middle, ast.Attribute) and isinstance(middle.value, ast.Name) and middle.value.id == "self":
                name = "config:%s.%s" % (middle.attr, key.attr)
        if name is None:
            return None
        if not (isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and value.value.id == "self"):
            return None
        cases[name] = value.attr
    return cases or None


# --- the graph -------------------------------------------------------------------------------------------------


class FlowGraph(object):
    """The steps of a flow class and how they lead to each other.

    start_step, end_step: names, None if the flow has not exactly one (lint says so).
    sorted_nodes: names in topological order, depth first; a step met again moves to the end.
    """

    def __init__(self, flow: Any) -> None:
        self.name: str = flow.__name__
        self.nodes: Dict[str, DAGNode] = self._create_nodes(flow)
        self.doc = deindent_docstring(flow.__doc__)
        self.sorted_nodes: List[str] = []
        self.start_step: Optional[str] = None
        self.end_step: Optional[str] = None
        self._identify_start_end()
        if self.start_step and self.start_step in self.nodes:
            _Traversal(self).visit(self.nodes[self.start_step])
        for node in self.nodes.values():
            node.in_funcs = sorted(node.in_funcs)
        self._postprocess()

    def _create_nodes(self, flow: Any) -> Dict[str, DAGNode]:
        nodes = {}
        sources = _Sources()
        for element in dir(flow):
            func = getattr(flow, element)
            if callable(func) and hasattr(func, "is_step"):
                nodes[element] = self._create_node(element, func, sources)
        return nodes

    def _create_node(self, element: str, func: Any, sources: _Sources) -> DAGNode:
        is_start = getattr(func, "is_start_step", False)
        is_end = getattr(func, "is_end_step", False)
        num_args = None
        try:
            func_ast = sources.definition(func)
        except OSError:
            # A step made by `exec` has no source; alone in its flow it needs none, as it leads nowhere.
            if not (is_start and is_end):
                raise
            func_ast = None
            num_args = func.__code__.co_argcount
        return DAGNode(
            func_ast,
            getattr(func, "decorators", []),
            getattr(func, "wrappers", []),
            getattr(func, "config_decorators", []),
            func.__doc__,
            _source_file(func),
            func.__code__.co_firstlineno,
            is_start_step=is_start,
            is_end_step=is_end,
            node_info=getattr(func, "node_info", None),
            name=element,
            num_args=num_args,
        )

    def _identify_start_end(self) -> None:
        def only(attribute: str, usual: str) -> Optional[str]:
            annotated = [name for name, node in self.nodes.items() if getattr(node, attribute)]
            if not annotated:
                return usual if usual in self.nodes else None
            return annotated[0] if len(annotated) == 1 else None

        self.start_step = only("is_start_step", "start")
        self.end_step = only("is_end_step", "end")
        if len(self.nodes) == 1:
            self.start_step = self.end_step = next(iter(self.nodes))
        if self.start_step and self.start_step != self.end_step:
            node = self.nodes[self.start_step]
            # An entry step that splits keeps its type: the balance of splits and joins needs it.
            if node.type in (None, "linear"):
                node.type = "start"
        if self.end_step:
            self.nodes[self.end_step].type = "end"

    def _postprocess(self) -> None:
        for node in self.nodes.values():
            node.is_inside_foreach = any(
                self.nodes[parent].type == "foreach" and self.nodes[parent].matching_join != node.name
                for parent in node.split_parents
            )

    def __getitem__(self, name: str) -> DAGNode:
        return self.nodes[name]

    def __contains__(self, name: object) -> bool:
        return name in self.nodes

    def __iter__(self) -> Iterator[DAGNode]:
        return iter(self.nodes.values())

    def __str__(self) -> str:
        return "\n".join(str(self[name]) for name in self.sorted_nodes)

    def descendants(self, step: str) -> Set[str]:
        """`step` and every step that can come after it."""
        seen: Set[str] = set()
        todo = [step]
        while todo:
            name = todo.pop()
            if name not in seen and name in self.nodes:
                seen.add(name)
                todo.extend(self.nodes[name].out_funcs)
        return seen

    def output_dot(self) -> str:
        """The graph as Graphviz text."""
        return output_dot(self)

    def output_steps(self) -> Tuple[Dict[str, Any], List[Any]]:
        """(`steps`, `graph_structure`) as stored in the `_graph_info` artifact."""
        return output_steps(self)


class _Traversal:
    """Visits every path from the entry, and notes order, callers, enclosing splits and the joins that end them.

    A step is visited again for each path that leads to it, except where the visit would repeat an earlier one: same
    enclosing splits and branches. Without this a flow of 30 two-way switches in a row would take 2**30 visits. What a
    repeated visit changes is the order only: the step and all its descendants move to the end.
    """

    def __init__(self, graph: FlowGraph) -> None:
        self._graph = graph
        self._order: Dict[str, None] = {}

    def visit(self, start: DAGNode) -> None:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, 20 * len(self._graph.nodes) + 1000))
        try:
            self._enter(start, {}, (), (), {})
        finally:
            sys.setrecursionlimit(limit)
        self._graph.sorted_nodes = list(self._order)

    def _enter(
        self,
        node: DAGNode,
        on_path: Dict[str, None],
        parents: Tuple[str, ...],
        branches: Tuple[str, ...],
        done: Dict[Any, List[str]],
    ) -> None:
        graph = self._graph
        self._order.pop(node.name, None)
        self._order[node.name] = None
        opens = node.type in _TYPES_WITH_BRANCHES
        if node.type == "join":
            if parents:
                graph[parents[-1]].matching_join = node.name
                node.split_parents = list(parents)
                node.split_branches = list(branches[:-1])
                parents, branches = parents[:-1], branches[:-1]
        else:
            node.split_parents = list(parents)
            node.split_branches = list(branches)
        if opens:
            parents = parents + (node.name,)
        for name in node.out_funcs:
            if name in on_path or name not in graph:
                continue
            child = graph[name]
            child.in_funcs.add(node.name)
            below = branches + (name,) if opens else branches
            self._enter_once(child, on_path, parents, below, done)

    def _enter_once(self, child: DAGNode, on_path: Any, parents: Any, branches: Any, done: Any) -> None:
        key = (child.name, parents, branches)
        path = dict(on_path)
        path[child.name] = None
        earlier = done.get(key)
        if earlier is not None and not any(name in path for name in earlier[1:]):
            # Same visit as before, and no step of it is on the path now: only the order changes.
            for name in earlier:
                self._order.pop(name, None)
            for name in earlier:
                self._order[name] = None
            return
        self._enter(child, path, parents, branches, done)
        order = list(self._order)
        done[key] = order[order.index(child.name):]
