"""`Parameter`: values that a run is given on the command line, and functions that compute their fields.

Names are those of `metaflow.parameters`; click is imported only where options are made.
"""

from __future__ import annotations

from _thread import _local
from typing import TYPE_CHECKING, Any, Callable, Dict, NamedTuple, Optional

from .errors import MetaflowException, ParameterFieldFailed, ParameterFieldTypeMismatch

if TYPE_CHECKING:
    from .user_configs import ConfigValue


class ParameterContext(NamedTuple):
    """What a deploy-time function is told.

    parameter_name: whose field it computes. logger: prints a line. ds_type: `local`, `s3`, ... configs: the flow's
    configs, None while configs themselves are computed.
    """

    flow_name: str
    user_name: Optional[str]
    parameter_name: Optional[str]
    logger: Callable[..., None]
    ds_type: str
    configs: "Optional[ConfigValue]"


ParameterContext.__module__ = "metaflow.parameters"

# --- whose parameters are meant --------------------------------------------------------------------------------

#: `flow_cls`: the flow whose command line is being made, in this thread; `flow_cls_stack`: also the outer ones.
current_flow: Any = _local()


class flow_context:
    """While in it, `current_flow.flow_cls` is `flow_cls`. May be nested (Runner)."""

    def __init__(self, flow_cls: Any) -> None:
        self._flow_cls = flow_cls

    def __enter__(self) -> None:
        stack = getattr(current_flow, "flow_cls_stack", [])
        current_flow.flow_cls_stack = [self._flow_cls] + stack
        current_flow.flow_cls = self._flow_cls

    def __exit__(self, *exc: Any) -> None:
        stack = current_flow.flow_cls_stack[1:]
        if stack:
            current_flow.flow_cls_stack = stack
            current_flow.flow_cls = stack[0]
        else:
            del current_flow.flow_cls_stack
            del current_flow.flow_cls


def replace_flow_context(flow_cls: Any) -> None:
    """Mutators made another class of the flow: from here on that one is meant."""
    stack = getattr(current_flow, "flow_cls_stack", [])
    current_flow.flow_cls_stack = [flow_cls] + stack[1:]
    current_flow.flow_cls = flow_cls


#: What deploy-time functions of Parameters are told; None before the command line has set it.
context_proto: Optional[ParameterContext] = None


def set_parameter_context(flow_name: str, echo: Callable[..., None], datastore: Any, configs: Dict[str, Any]) -> None:
    """Sets the context of deploy-time functions. datastore: anything with `TYPE`."""
    from .identity import get_username
    from .user_configs import ConfigValue

    global context_proto
    context_proto = ParameterContext(
        flow_name=flow_name,
        user_name=get_username(),
        parameter_name=None,
        logger=echo,
        ds_type=datastore.TYPE,
        configs=ConfigValue(dict(configs)),
    )


# --- types -----------------------------------------------------------------------------------------------------


class JSONTypeClass:
    """The type of a Parameter whose text is JSON."""

    name = "JSON"

    def convert(self, value: Any, param: Any = None, ctx: Any = None) -> Any:
        """The value of a text; anything but a text is its own value."""
        if not isinstance(value, str):
            return value
        import json

        try:
            return json.loads(value)
        except ValueError:
            return self.fail("%s is not a valid JSON object" % value, param, ctx)

    def fail(self, message: str, param: Any = None, ctx: Any = None) -> Any:
        """Ends the command with a usage error."""
        import click

        raise click.BadParameter(message, ctx=ctx, param=param)

    def __call__(self, value: Any, param: Any = None, ctx: Any = None) -> Any:
        return None if value is None else self.convert(value, param, ctx)

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return "JSON"


JSONTypeClass.__module__ = "metaflow.parameters"
JSONType = JSONTypeClass()


# --- fields that are computed ----------------------------------------------------------------------------------


class DeployTimeField:
    """A function of the user as the value of a Parameter's field; called when the field is needed.

    parameter_type: the type that the result must have. return_str: whether numbers are given back as text, for the
    option's own conversion. print_representation: what help shows instead of the value.
    """

    #: Result types that are checked by name; anything else must be a text.
    _CHECKED = {bool: "bool", int: "int", float: "float", list: "list", dict: "dict"}

    def __init__(
        self,
        parameter_name: str,
        parameter_type: Any,
        field: str,
        fun: Callable[..., Any],
        return_str: bool = True,
        print_representation: Optional[str] = None,
    ) -> None:
        self.fun = fun
        self.field = field
        self.parameter_name = parameter_name
        self.parameter_type = parameter_type
        self.return_str = return_str
        self.user_print_representation = print_representation
        self.print_representation = print_representation if print_representation is not None else str(fun)

    def __call__(self, deploy_time: bool = False) -> Any:
        """deploy_time: the value goes to a scheduler as text, instead of to the option's conversion."""
        if context_proto is None:
            raise MetaflowException(
                "The function of the parameter *%s* field *%s* was asked for its value before a command line was made."
                % (self.parameter_name, self.field)
            )
        ctx = context_proto._replace(parameter_name=self.parameter_name)
        try:
            value = _call(self.fun, ctx, deploy_time)
        except Exception:
            raise ParameterFieldFailed(self.parameter_name, self.field) from None
        return self._checked(value, deploy_time)

    def _checked(self, value: Any, deploy_time: bool) -> Any:
        message = (
            "The value returned by the deploy-time function for the parameter *%s* field *%s* has a wrong type. "
            % (self.parameter_name, self.field)
        )
        expected = self.parameter_type
        if isinstance(expected, list):
            if not isinstance(value, tuple(expected)):
                names = ", ".join(self._CHECKED.get(t, str(t)) for t in expected)
                raise ParameterFieldTypeMismatch(message + "Expected one of the following %s." % names)
            return str(value) if self.return_str else value
        if isinstance(expected, type) and expected in self._CHECKED:
            if type(value) is not expected:
                raise ParameterFieldTypeMismatch(message + "Expected a %s." % self._CHECKED[expected])
            return str(value) if self.return_str else value
        if isinstance(value, (str, bytes)):
            return value
        if not deploy_time:
            raise ParameterFieldTypeMismatch(message + "Expected a string.")
        import json

        try:
            return json.dumps(value)
        except TypeError:
            raise ParameterFieldTypeMismatch(message + "Expected a JSON-encodable object or a string.") from None

    @property
    def description(self) -> str:
        return self.print_representation

    def __str__(self) -> str:
        return str(self.user_print_representation or self())

    def __repr__(self) -> str:
        return str(self)


def _call(fun: Callable[..., Any], ctx: ParameterContext, deploy_time: bool) -> Any:
    """Calls with the second argument if the function takes one."""
    try:
        return fun(ctx, deploy_time)
    except TypeError:
        return fun(ctx)


class DelayedEvaluationParameter:
    """A value of the command line whose making has effects (a file is stored); made when a run really starts."""

    def __init__(self, name: str, field: str, fun: Callable[..., Any]) -> None:
        self._name = name
        self._field = field
        self._fun = fun

    def __call__(self, return_str: bool = False) -> Any:
        """return_str: as a text that a scheduler can keep."""
        try:
            return self._fun(return_str=return_str)
        except Exception:
            raise ParameterFieldFailed(self._name, self._field) from None


def deploy_time_eval(value: Any) -> Any:
    """The value that a scheduler is given for a field."""
    if isinstance(value, DeployTimeField):
        return value(deploy_time=True)
    if isinstance(value, DelayedEvaluationParameter):
        return value(return_str=True)
    return value


# --- Parameter -------------------------------------------------------------------------------------------------

_RESERVED = (
    "params", "with", "tag", "namespace", "obj", "tags", "decospecs", "run-id-file", "max-num-splits", "max-workers",
    "max-log-size", "user-namespace", "run-id", "task-id", "runner-attribute-file",
)


class Parameter:
    """A value that a run is given, as an attribute of the flow class: `alpha = Parameter("alpha", default=0.1)`.

    name: of the option `--name`; the artifact is named by the attribute. default: a value, or a function of a
    ParameterContext that is called when a run starts. type: `str`, `float`, `int`, `bool` or `JSONType`; by default
    the type of `default`, else `str`. help: text of `run --help`. required: without default, the user must give a
    value. show_default: whether help shows the default. separator: splits a text into a list. Other keywords are
    arguments of a click option.
    """

    IS_CONFIG_PARAMETER = False

    def __init__(
        self,
        name: str,
        default: Any = None,
        type: Any = None,
        help: Optional[str] = None,
        required: Optional[bool] = None,
        show_default: Optional[bool] = None,
        **kwargs: Any,
    ) -> None:
        self.name = name
        self.kwargs: Dict[str, Any] = kwargs
        self.separator: Optional[str] = None
        self._override_kwargs = {
            "default": default,
            "type": type,
            "help": help,
            "required": required,
            "show_default": show_default,
        }

    def init(self, ignore_errors: bool = False) -> None:
        """Gives the fields their values, now that configs have theirs.

        ignore_errors: a config that cannot be evaluated is None. Raises MetaflowException for a reserved name, a
        function where none is allowed, a separator of a Parameter that is no text.
        """
        from .user_configs import resolve_delayed_evaluator, unpack_delayed_evaluator

        def final(value: Any) -> Any:
            return resolve_delayed_evaluator(value, ignore_errors=ignore_errors, to_dict=True)

        unpacked, _ = unpack_delayed_evaluator(self.kwargs, ignore_errors=ignore_errors)
        self.kwargs = {key: final(value) for key, value in unpacked.items()}
        self.kwargs.update({k: final(v) for k, v in self._override_kwargs.items() if v is not None})
        self.kwargs.setdefault("required", False)
        self.kwargs.setdefault("show_default", True)
        param_type = self.kwargs["type"] = self._get_type(self.kwargs)
        self._check()
        default = self.kwargs.get("default")
        if callable(default) and not isinstance(default, DeployTimeField):
            self.kwargs["default"] = DeployTimeField(self.name, param_type, "default", default, return_str=True)
        self.separator = self.kwargs.pop("separator", self.separator)
        if self.separator and not self.is_string_type:
            raise MetaflowException(
                "Parameter *%s*: Separator is only allowed for string parameters." % self.name
            )

    def _check(self) -> None:
        if self.name in _RESERVED or self.name in [name.replace("-", "_") for name in _RESERVED]:
            raise MetaflowException(
                "Parameter name '%s' is a reserved word. Please use a different name for your parameter." % self.name
            )
        for field in ("show_default", "separator", "required"):
            if callable(self.kwargs.get(field)):
                raise MetaflowException(
                    "Parameter *%s*: Field '%s' cannot have a function as its value" % (self.name, field)
                )

    def _get_type(self, kwargs: Dict[str, Any]) -> Any:
        default = kwargs.get("default")
        implied = str if default is None or callable(default) else type(default)
        return kwargs.get("type", implied)

    def option_kwargs(self, deploy_mode: bool) -> Dict[str, Any]:
        """Arguments of the click option. deploy_mode: whether deploy-time functions are evaluated."""
        if deploy_mode or not isinstance(self.kwargs.get("default"), DeployTimeField):
            return self.kwargs
        kwargs = dict(self.kwargs)
        kwargs["help"] = (kwargs.get("help") or "") + "[default: deploy-time value of '%s']" % self.name
        kwargs["default"] = None
        kwargs["required"] = False
        return kwargs

    def load_parameter(self, v: Any) -> Any:
        """The value that the flow sees, from the one that is stored."""
        return v

    @property
    def is_string_type(self) -> bool:
        return self.kwargs.get("type", str) == str and isinstance(self.kwargs.get("default", ""), str)

    def __repr__(self) -> str:
        return "metaflow.Parameter(name=%s, kwargs=%s)" % (self.name, self.kwargs)

    __str__ = __repr__

    def __getitem__(self, x: Any) -> Any:
        # For code checkers, which see `self.param["key"]` of a Parameter with a JSON type.
        return None


Parameter.__module__ = "metaflow.parameters"


def add_custom_parameters(deploy_mode: bool = False) -> Callable[[Any], Any]:
    """A decorator of a click command: gives it the options of the current flow's Parameters, in their order.

    deploy_mode: whether deploy-time functions are evaluated for this command.
    """

    def wrapper(cmd: Any) -> Any:
        from .cli.options import parameter_option

        if not hasattr(cmd, "original_params"):
            cmd.original_params = list(cmd.params)
        cmd.has_flow_params = True
        flow_cls = getattr(current_flow, "flow_cls", None)
        if flow_cls is None:
            return cmd
        parameters = [p for _, p in flow_cls._get_parameters() if not p.IS_CONFIG_PARAMETER]
        cmd.params[:0] = [parameter_option(p, deploy_mode) for p in parameters]
        return cmd

    return wrapper
