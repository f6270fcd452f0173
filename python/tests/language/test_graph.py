"""The graph read from source: what the comparison with Metaflow does not reach."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.flowspec import FlowSpec, step
from headrace.graph import FlowGraph, deindent_docstring
from headrace.lint import linter


def _flow_of_switches(count: int) -> Any:
    """Switches in a row, each with two ways to the next one: 2**count paths."""
    lines = ["class Wide(FlowSpec):"]
    for i in range(count):
        name, following = ("start" if i == 0 else "s%d" % i), ("end" if i == count - 1 else "s%d" % (i + 1))
        lines += ["    @step", "    def %s(self):" % name]
        lines += ["        self.next({'a': self.a%d, 'b': self.b%d}, condition='k')" % (i, i)]
        for branch in "ab":
            lines += ["    @step", "    def %s%d(self):" % (branch, i), "        self.next(self.%s)" % following]
    lines += ["    @step", "    def end(self):", "        pass"]
    return "\n".join(lines) + "\n"


def _load(source: str, tmp_path: Any) -> Any:
    path = tmp_path / "generated.py"
    path.write_text("from headrace.flowspec import FlowSpec, step\n" + source)
    namespace: dict = {"__name__": "generated"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    return next(v for v in namespace.values() if isinstance(v, type) and issubclass(v, FlowSpec) and v is not FlowSpec)


def test_a_row_of_switches_costs_no_exponential_time(tmp_path: Any) -> None:
    flow = _load(_flow_of_switches(40), tmp_path)
    linter.run_checks(flow._graph)
    assert flow._graph.sorted_nodes[0] == "start" and flow._graph.sorted_nodes[-1] == "end"
    steps, structure = flow._graph.output_steps()
    assert len(steps) == 121 and structure[0] == "start" and structure[-1] == "end"
    assert set(flow._graph["end"].in_funcs) == {"a39", "b39"}


def test_a_long_chain_needs_no_deep_stack(tmp_path: Any) -> None:
    lines = ["class Long(FlowSpec):"]
    count = 1500
    for i in range(count):
        lines += ["    @step", "    def %s(self):" % ("start" if i == 0 else "s%d" % i)]
        lines += ["        self.next(self.%s)" % ("end" if i == count - 1 else "s%d" % (i + 1))]
    lines += ["    @step", "    def end(self):", "        pass"]
    flow = _load("\n".join(lines) + "\n", tmp_path)
    linter.run_checks(flow._graph)
    assert len(flow._graph.sorted_nodes) == count + 1


def test_lines_are_those_of_the_file_with_decorators_and_comments_between() -> None:
    def plain(f: Any) -> Any:
        return f

    class Lines(FlowSpec):
        """A flow.

        With a doc.
        """

        @plain
        # a comment
        @step
        def start(
            self,
        ):
            self.x = 1
            self.next(
                self.end
            )

        @step
        def end(self) -> None:
            """The end.
            More."""

    code = Lines.start.__code__
    assert Lines._graph["start"].func_lineno == code.co_firstlineno + 3
    assert Lines._graph["start"].tail_next_lineno == code.co_firstlineno + 7
    assert Lines._graph["end"].doc == "The end.\nMore."
    assert Lines._graph.doc == "A flow.\n\nWith a doc."


def test_a_step_without_source_may_only_stand_alone() -> None:
    namespace: dict = {"FlowSpec": FlowSpec, "step": step}
    exec(compile("class Alone(FlowSpec):\n    @step(start=True, end=True)\n    def one(self):\n        pass\n", "<made>", "exec"), namespace)
    graph = namespace["Alone"]._graph
    assert graph.start_step == graph.end_step == "one" and graph["one"].num_args == 1
    with pytest.raises(OSError, match="could not get source code"):
        exec(compile("class Two(FlowSpec):\n    @step\n    def start(self):\n        pass\n", "<made>", "exec"), namespace)


def test_inherited_steps_are_of_their_own_file(tmp_path: Any) -> None:
    (tmp_path / "base.py").write_text(
        "from headrace.flowspec import FlowSpec, step\nclass Base(FlowSpec):\n    @step\n    def start(self):\n"
        "        self.next(self.end)\n    @step\n    def end(self):\n        pass\n"
    )
    namespace: dict = {"__name__": "base"}
    exec(compile((tmp_path / "base.py").read_text(), str(tmp_path / "base.py"), "exec"), namespace)

    class Derived(namespace["Base"]):  # type: ignore[misc]
        @step
        def end(self) -> None:
            self.y = 1

    assert Derived._graph["start"].source_file == str(tmp_path / "base.py")
    assert Derived._graph["end"].source_file == __file__


def test_descendants_are_what_resume_runs_again() -> None:
    class Diamond(FlowSpec):
        @step
        def start(self) -> None:
            self.next(self.a, self.b)

        @step
        def a(self) -> None:
            self.next(self.j)

        @step
        def b(self) -> None:
            self.next(self.j)

        @step
        def j(self, inputs: Any) -> None:
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    graph: FlowGraph = Diamond._graph
    assert graph.descendants("a") == {"a", "j", "end"}
    assert graph.descendants("start") == set(graph.nodes)


@pytest.mark.parametrize(
    "doc, text",
    [
        (None, ""),
        ("one line", "one line"),
        ("first\n    second\n    third\n    ", "first\nsecond\nthird"),
        ("\n    first\n      second\n", "first\n  second"),
    ],
)
def test_docs_lose_their_indentation(doc: Any, text: str) -> None:
    assert deindent_docstring(doc) == text
