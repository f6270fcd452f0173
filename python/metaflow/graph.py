"""`metaflow.graph`: The graph of a flow's steps."""

from headrace.graph import DAGNode, FlowGraph, deindent_docstring  # noqa: F401
