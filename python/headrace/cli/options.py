"""Options: what several commands share, and those that a flow's Parameters and decorators add."""

from __future__ import annotations

from typing import Any, Callable, Iterable, List, Tuple

import click

from ..parameters import Parameter


class _ForeignType(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A type of ours or of the user, anything with `convert`, as a type of click."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.name = str(getattr(inner, "name", type(inner).__name__))

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return self._inner.convert(value, param, ctx)

    def __repr__(self) -> str:
        return repr(self._inner)


def click_type(declared: Any) -> Any:
    """The click type for a Parameter's `type`."""
    if isinstance(declared, type) and not isinstance(declared, click.ParamType) and hasattr(declared, "convert"):
        declared = declared()
    if not isinstance(declared, (click.ParamType, type)) and hasattr(declared, "convert"):
        return _ForeignType(declared)
    if declared in (list, dict):
        # The default tells this type; a text of that kind can only be JSON.
        from ..parameters import JSONType

        return _ForeignType(JSONType)
    return declared


class ParameterOption(click.Option):
    """The option of a Parameter. A default that a function computes goes through the option's type, as a text does."""

    def get_default(self, ctx: click.Context, call: bool = True) -> Any:
        from ..parameters import DeployTimeField

        if isinstance(self.default, DeployTimeField):
            return self.default() if call else self.default
        return super().get_default(ctx, call=call)


def parameter_option(parameter: Parameter, deploy_mode: bool) -> click.Option:
    """The option of a Parameter. deploy_mode: whether functions that compute its fields are called."""
    kwargs = dict(parameter.option_kwargs(deploy_mode))
    kwargs["type"] = click_type(kwargs.get("type"))
    if kwargs.get("default") is None:
        # No default and a default of None are one thing to a Parameter.
        kwargs.pop("default", None)
    return ParameterOption(("--" + parameter.name,), **kwargs)


class ParameterCommand(click.Command):
    """A command that has, before its own options, those of the Parameters of the flow that it is used for."""

    def get_params(self, ctx: click.Context) -> List[click.Parameter]:
        key = "headrace.parameters.%d" % id(self)
        if key not in ctx.meta:
            parameters = [p for _, p in ctx.obj.flow._get_parameters() if not p.IS_CONFIG_PARAMETER]
            ctx.meta[key] = [parameter_option(p, deploy_mode=True) for p in parameters]
        return list(ctx.meta[key]) + super().get_params(ctx)


def decorator_options(flow_cls: Any) -> List[click.Option]:
    """The options that the flow's decorators add to the top level."""
    from ..decorators.attach import decorator_options as declared

    options = []
    for name, info in declared(flow_cls):
        options.append(click.Option(("--" + name,), **info))
    return options


def _stack(options: Iterable[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def apply(command: Any) -> Any:
        for option in reversed(list(options)):
            command = option(command)
        return command

    return apply


def _with_default_decospecs(ctx: Any, param: Any, value: Tuple[str, ...]) -> Tuple[str, ...]:
    from .. import settings

    return tuple(value or ()) + tuple(settings.DEFAULT_DECOSPECS.split())


run_options = _stack(
    [
        click.option(
            "--tag",
            "tags",
            multiple=True,
            help="Annotate this run with the given tag. You can specify this option multiple times to attach multiple "
            "tags in the run.",
        ),
        click.option(
            "--max-workers", default=16, show_default=True, help="Maximum number of parallel processes."
        ),
        click.option(
            "--max-num-splits",
            default=100,
            show_default=True,
            help="Maximum number of splits allowed in a foreach. This is a safety check preventing bugs from "
            "triggering thousands of steps inadvertently.",
        ),
        click.option(
            "--max-log-size",
            default=10,
            show_default=True,
            help="Maximum size of stdout and stderr captured in megabytes. If a step outputs more than this to "
            "stdout/stderr, its output will be truncated.",
        ),
        click.option(
            "--with",
            "decospecs",
            multiple=True,
            help="Add a decorator to all steps. You can specify this option multiple times to attach multiple "
            "decorators in steps.",
            callback=_with_default_decospecs,
        ),
    ]
)
"""Options of `run` and `resume`."""

runner_options = _stack(
    [
        click.option("--run-id-file", help="Write the ID of this run to the file specified."),
        click.option(
            "--runner-attribute-file",
            help="Write the metadata and pathspec of this run to the file specified. Used internally for Metaflow's "
            "Runner API.",
        ),
    ]
)
"""Options of `run`, `resume` and `spin`: files that tell another program about the run."""
