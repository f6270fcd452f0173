"""Names in the body of a flow's class."""

from __future__ import annotations

import pytest


def test_a_flow_may_be_defined_in_a_function_that_imports_what_it_needs() -> None:
    from metaflow import FlowSpec, retry, step

    class LocalFlow(FlowSpec):
        @retry
        @step
        def start(self):  # type: ignore[no-untyped-def]
            self.next(self.end)

        @step
        def end(self):  # type: ignore[no-untyped-def]
            pass

    assert sorted(node.name for node in LocalFlow(use_cli=False)._graph) == ["end", "start"]


def test_a_missing_import_is_named() -> None:
    code = "from metaflow import FlowSpec\nclass Lacking(FlowSpec):\n    @kubernetes\n    def start(self): pass\n"
    with pytest.raises(NameError, match="hint: add the import: from metaflow import kubernetes"):
        exec(compile(code, "<flow>", "exec"), {})
