"""Commands that say something about the flow and run nothing."""

from __future__ import annotations

from typing import Any

import click

from .echo import echo_always, echo_dev_null, secho
from .validate import _check, flow_file


@click.command(help="Check that the flow is valid (default).")
@click.option(
    "--warnings/--no-warnings", default=False, show_default=True, help="Show all Pylint warnings, not just errors."
)
@click.pass_obj
def check(obj: Any, warnings: bool = False) -> None:
    echo = echo_dev_null if obj.is_quiet else echo_always
    _check(echo, obj.graph, obj.flow, obj.environment, pylint=obj.pylint, warnings=warnings)
    echo(
        "\n*'{0} show'* shows a description of this flow.\n"
        "*'{0} run'* runs the flow locally.\n"
        "*'{0} help'* shows all available commands and options.\n".format(flow_file(obj.flow)),
        highlight="magenta",
        highlight_bold=False,
    )


@click.command(help="Show structure of the flow.")
@click.pass_obj
def show(obj: Any) -> None:
    echo_always("\n%s" % obj.graph.doc)
    for name in obj.graph.sorted_nodes:
        node = obj.graph[name]
        echo_always("")
        for deco in node.decorators:
            echo_always("@%s" % deco.name, err=False)
        for deco in node.wrappers:
            echo_always("@%s" % deco.decorator_name, err=False)
        echo_always("Step *%s*" % node.name, err=False)
        echo_always(node.doc or "?", indent=True, err=False)
        if node.type != "end":
            echo_always(
                "*=>* %s" % ", ".join("*%s*" % step for step in node.out_funcs),
                indent=True,
                highlight="magenta",
                highlight_bold=False,
                err=False,
            )
    echo_always("")


@click.command(help="Show all available commands.")
@click.pass_context
def help(ctx: click.Context) -> None:
    assert ctx.parent is not None
    secho(ctx.parent.get_help())


@click.command(help="Print the Metaflow version")
@click.pass_obj
def version(obj: Any) -> None:
    echo_always(obj.version)


@click.command("output-raw", help="Output internal state of the flow graph.")
@click.option("--json", "as_json", is_flag=True, help="Output the flow graph in JSON format.")
@click.pass_obj
def output_raw(obj: Any, as_json: bool) -> None:
    if as_json:
        import json

        steps, structure = obj.graph.output_steps()
        heading = "Internal representation of the flow in JSON format:"
        text = json.dumps({"graph": steps, "graph_structure": structure}, indent=4)
    else:
        heading = "Internal representation of the flow:"
        text = str(obj.graph)
    echo_always(heading, fg="magenta", bold=False)
    echo_always(text, err=False)


@click.command("output-dot", help="Visualize the flow with Graphviz.")
@click.pass_obj
def output_dot(obj: Any) -> None:
    echo_always("Visualizing the flow as a GraphViz graph", fg="magenta", bold=False)
    echo_always("Try piping the output to 'dot -Tpng -o graph.png' to produce an actual image.", indent=True)
    echo_always(obj.graph.output_dot(), err=False)
