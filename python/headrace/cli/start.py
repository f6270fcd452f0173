"""The top level of a flow's command line: its options, and what happens before any command."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any, Callable, Dict, List, Optional

import click

from .. import copies, parameters, settings
from .._version import METAFLOW_FULL_VERSION, VERSION
from ..errors import CommandException, InvalidEnvironmentException, MetaflowException
from ..identity import resolve_identity
from ..system_context import ExecutionPhase, system_context
from . import context, extensions
from .echo import echo_always, echo_dev_null, logger, print_metaflow_exception, print_unknown_exception
from .group import FlowGroup, LazyGroup

#: Every command and the file it is in.
COMMANDS = {
    "check": ".show:check",
    "show": ".show:show",
    "help": ".show:help",
    "version": ".show:version",
    "output-dot": ".show:output_dot",
    "output-raw": ".show:output_raw",
    "run": ".run:run",
    "resume": ".resume:resume",
    "spin": ".spin:spin",
    "spin-step": ".step:spin_step",
    "step": ".step:step",
    "init": ".step:init",
    "dump": ".dump:dump",
    "logs": ".logs:logs",
    "tag": ".tag:tag",
    "card": ".card:card",
    "package": ".package:package",
    "kubernetes": ".kubernetes:kubernetes",
    "batch": ".remote:batch",
    "argo-workflows": ".remote:argo_workflows",
    "step-functions": ".remote:step_functions",
    "airflow": ".remote:airflow",
    "spot-metadata": ".remote:spot_metadata",
}

#: Commands that attach decorators themselves, since they have a `--with` of their own.
_ATTACH_THEMSELVES = ("run", "resume", "spin")
#: Commands that start tasks, and commands that need the datastore before anything else.
_RUN_TASKS = ("run", "resume", "spin", "step", "spin-step", "init")
_READ_DATA = ("dump", "logs", "card", "step", "spin-step", "init")
#: Commands to which METAFLOW_DEFAULT_DECOSPECS is not added: the run that started them has done so.
_NO_DEFAULT_DECOSPECS = ("step", "init", "spin-step")


class CliState:
    """What commands share: `ctx.obj`.

    flow, graph: as mutators left them. environment, metadata, flow_datastore: see `context`. echo: what a command says,
    nothing when quiet; echo_always: the same, always. tl_decospecs: `--with` of the top level.
    """

    flow: Any
    graph: Any
    entrypoint: List[str]
    version: str
    echo: Callable[..., None]
    echo_always: Callable[..., None]
    is_quiet: bool
    logger: Callable[..., None]
    pylint: bool
    check: Callable[..., None]
    package_suffixes: List[str]
    environment: context.Environment
    metadata: context.Metadata
    flow_datastore: context.Datastore
    datastore_impl: context.Datastore
    tl_decospecs: List[str]
    config_options: Dict[str, Any]
    is_spin: bool
    spin_mode: bool
    skip_decorators: bool
    spin_options: Optional[str]
    package: Any
    event_logger: str
    monitor: str

    def __init__(self, flow: Any) -> None:
        self.flow = flow


def _options(flow_cls: Any) -> List[click.Parameter]:
    def choice(name: str, values: List[str], default: str, text: str, **kwargs: Any) -> click.Option:
        return click.Option(
            ["--" + name], default=default, show_default=True, type=click.Choice(values), help=text, **kwargs
        )

    options: List[click.Parameter] = [
        click.Option(
            ["--quiet/--not-quiet"],
            show_default=True,
            default=False,
            help="Suppress unnecessary messages",
            is_eager=True,
        ),
        choice("metadata", context.METADATA_TYPES, settings.DEFAULT_METADATA, "Metadata service type"),
        choice("environment", context.ENVIRONMENT_TYPES, settings.DEFAULT_ENVIRONMENT, "Execution environment type"),
        click.Option(
            ["--force-rebuild-environments/--no-force-rebuild-environments"],
            default=False,
            hidden=True,
            help="Explicitly rebuild the execution environments",
        ),
        choice("datastore", context.DATASTORE_TYPES, settings.DEFAULT_DATASTORE, "Data backend type", is_eager=True),
        click.Option(["--datastore-root"], help="Root path for datastore"),
        click.Option(
            ["--package-suffixes"],
            help="A comma-separated list of file suffixes to include in the code package.",
            default=settings.DEFAULT_PACKAGE_SUFFIXES,
            show_default=True,
        ),
        click.Option(
            ["--with", "decospecs"],
            multiple=True,
            help="Add a decorator to all steps. You can specify this option multiple times to attach multiple "
            "decorators in steps.",
        ),
        click.Option(
            ["--pylint/--no-pylint"],
            default=True,
            show_default=True,
            help="Run Pylint on the flow if pylint is installed.",
        ),
        choice(
            "event-logger", context.EVENT_LOGGER_TYPES, settings.DEFAULT_EVENT_LOGGER, "type of event logger used"
        ),
        choice("monitor", context.MONITOR_TYPES, settings.DEFAULT_MONITOR, "Monitoring backend type"),
        click.Option(
            ["--local-config-file"],
            type=click.Path(exists=True, readable=True, dir_okay=False),
            help="A filename containing the dumped configuration values. Internal use only.",
            hidden=True,
            is_eager=True,
        ),
        click.Option(
            ["--mode"],
            type=click.Choice(["spin"]),
            help="Execution mode for metaflow CLI commands. Use 'spin' to enable spin metadata and spin datastore for "
            "executions",
        ),
        click.Option(["--spin", "spin_options"], help="How a step is spun, as JSON. Internal use only.", hidden=True),
    ]
    from .options import decorator_options

    added = decorator_options(flow_cls)
    known = {option.name for option in options}
    for option in added:
        if option.name in known:
            raise MetaflowException(
                "Option '%s' of a flow decorator is a top-level option already." % (option.name or "")
            )
    if any(p.IS_CONFIG_PARAMETER for _, p in flow_cls._get_parameters()):
        from .configs import config_options

        added = config_options(flow_cls) + added
    return added + options


def make_start(flow_cls: Any) -> FlowGroup:
    """The top-level command of a flow class."""
    return FlowGroup(
        name="start",
        callback=click.pass_context(_start),
        params=_options(flow_cls),
        lazy=COMMANDS,
        invoke_without_command=True,
        no_args_is_help=False,
        subcommand_metavar="COMMAND [ARGS]...",
    )


#: The commands without a flow's own options: what programs that add commands look at.
cli = LazyGroup(name="cli", lazy=COMMANDS)


def _start(
    ctx: click.Context,
    quiet: bool,
    metadata: str,
    environment: str,
    datastore: str,
    datastore_root: Optional[str],
    package_suffixes: str,
    decospecs: Any,
    pylint: bool,
    event_logger: str,
    monitor: str,
    mode: Optional[str],
    local_config_file: Optional[str] = None,
    spin_options: Optional[str] = None,
    config: Any = None,
    config_value: Any = None,
    **deco_options: Any,
) -> None:
    state: CliState = ctx.obj
    args: List[str] = list(ctx.saved_args)  # type: ignore[attr-defined]
    command = args[0] if args else "check"
    _banner(state, quiet)
    if command in ("run", "resume", "spin", "check"):
        extensions.warn(state.echo)
    settings.check_given()
    if datastore == "s3":
        from ..s3.options import configured

        configured()
    state.pylint = pylint
    state.check = functools.partial(_check, state.echo)
    state.package_suffixes = package_suffixes.split(",")
    state.is_spin = command in ("spin", "spin-step") or mode == "spin"
    state.spin_mode = mode == "spin"
    state.skip_decorators = state.is_spin and "--skip-decorators" in args
    state.spin_options = spin_options
    state.event_logger, state.monitor = event_logger, monitor
    _refuse_missing_backends(metadata, environment, command)
    root = context.find_root(datastore, datastore_root, state.echo)
    if command in _READ_DATA:
        refuse_remote_datastore(datastore)
    state.datastore_impl = state.flow_datastore = context.Datastore(state.flow.name, datastore, root)
    state.config_options = _resolve_configs(state, args, config, config_value, local_config_file, datastore)
    system_context._update(phase=_phase(args))
    _process_mutators(state)
    _make_context(state, metadata, environment, datastore, root)
    system_context._update(
        flow=state.flow,
        graph=state.graph,
        environment=state.environment,
        flow_datastore=state.flow_datastore,
        metadata=state.metadata,
        logger=state.logger,
    )
    _init_flow_decorators(state, deco_options)
    state.tl_decospecs = list(decospecs or [])
    _set_context(state)
    state.package = None
    if args and command not in _ATTACH_THEMSELVES:
        specs = state.tl_decospecs + list(state.environment.decospecs() or [])
        if command not in _NO_DEFAULT_DECOSPECS:
            specs += settings.DEFAULT_DECOSPECS.split()
        attach_decospecs(state, specs)
        init_step_decorators(state)


def _phase(args: List[str]) -> ExecutionPhase:
    """Where in a run's life this process is, by its command."""
    command = args[0] if args else "check"
    if command in ("step", "spin-step"):
        return ExecutionPhase.TASK
    if command in ("kubernetes", "batch") and args[1:2] == ["step"]:
        return ExecutionPhase.TRAMPOLINE
    return ExecutionPhase.LAUNCH


def _check(*args: Any, **kwargs: Any) -> None:
    from .validate import _check as check

    check(*args, **kwargs)


def _banner(state: CliState, quiet: bool) -> None:
    state.version = METAFLOW_FULL_VERSION
    state.is_quiet = quiet
    state.echo = echo = echo_dev_null if quiet else echo_always
    state.echo_always = echo_always
    state.logger = logger
    echo("Headrace %s" % VERSION, fg="magenta", bold=True, nl=False)
    echo(" executing *%s*" % state.flow.name, fg="magenta", nl=False)
    echo(" for *%s*" % resolve_identity(), fg="magenta")


def refuse_remote_datastore(kind: str) -> None:
    """Raises CommandException for a datastore that the engine does not have."""
    if kind in ("azure", "gs"):
        raise CommandException(
            "Headrace keeps data in local directories and in S3, so --datastore %s cannot be used. Use --datastore local "
            "(the default) or --datastore s3, or unset METAFLOW_DEFAULT_DATASTORE." % kind
        )


def _refuse_missing_backends(metadata: str, environment: str, command: str) -> None:
    if metadata == "service":
        raise CommandException(
            "Headrace has no client of a metadata service. Use --metadata local (the default), or unset "
            "METAFLOW_DEFAULT_METADATA."
        )
    if environment != "local" and command in _RUN_TASKS:
        raise InvalidEnvironmentException(
            "Headrace does not make interpreters for tasks, so --environment %s cannot be used. Install what the flow "
            "needs where it runs, and use --environment local (the default)." % environment
        )


def _resolve_configs(
    state: CliState, args: List[str], paths: Any, texts: Any, local_file: Optional[str], datastore: str
) -> Dict[str, Any]:
    if not any(p.IS_CONFIG_PARAMETER for _, p in state.flow.__class__._get_parameters()):
        return {}
    if args[:1] == ["resume"] and "--help" not in args:
        if paths or texts:
            raise click.UsageError("Cannot specify --config or --config-value with 'resume'")
        from .resume import load_origin_configs

        return load_origin_configs(state, args)
    from .configs import resolve

    return resolve(state, paths, texts, local_file, datastore)


def _process_mutators(state: CliState) -> None:
    for mutator in state.flow._flow_mutators:
        mutator.external_init()
    changed = state.flow.__class__._process_config_decorators(state.config_options)
    if changed:
        state.flow = changed(use_cli=False)
    state.graph = state.flow._graph


def _make_context(state: CliState, metadata: str, environment: str, datastore: str, root: str) -> None:
    state.environment = context.Environment(state.flow, environment)
    metadata_root = root
    if state.is_spin:
        spin_root = str(context.local_root(state.echo, "spin"))
        state.flow_datastore = context.Datastore(state.flow.name, "spin", spin_root)
        metadata, metadata_root = "spin", spin_root
    elif datastore != "local":
        metadata_root = str(context.local_root(state.echo))
    state.metadata = context.Metadata(metadata, metadata_root)
    copies.look_in(root if datastore == "s3" and not state.is_spin else None)


def _init_flow_decorators(state: CliState, deco_options: Dict[str, Any]) -> None:
    if not state.flow._flow_decorators:
        return
    from ..decorators.attach import init_flow_decorators

    init_flow_decorators(
        state.flow, state.graph, state.environment, state.flow_datastore, state.metadata, state.logger, state.echo,
        deco_options, state.is_spin, state.skip_decorators,
    )


def _set_context(state: CliState) -> None:
    from ..current import current
    from ..user_configs import values_of

    current._set_env(flow=state.flow, is_running=False)
    parameters.set_parameter_context(
        state.flow.name, state.echo, state.flow_datastore, values_of(state.flow.__class__)
    )


def attach_decospecs(state: CliState, specs: List[str]) -> None:
    """Puts the decorators of `--with` on all steps."""
    if not specs:
        return
    from ..decorators.attach import attach_decorators

    attach_decorators(state.flow, specs)
    state.flow.__class__._init_graph()
    state.graph = state.flow._graph


def init_step_decorators(state: CliState) -> None:
    """The last hook before tasks: mutators' second phase, then `step_init` of every decorator."""
    from ..decorators.attach import init_step_decorators as init

    init(
        state.flow, state.graph, state.environment, state.flow_datastore, state.logger, state.is_spin,
        state.skip_decorators,
    )
    state.graph = state.flow._graph


def _open_standard_streams() -> None:
    """Puts /dev/null where the shell gave no stdin, stdout or stderr: what is opened next would get its number, and be
    written to as if it were the stream."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is fd
            os.set_inheritable(fd, True)


def run_command_line(
    flow: Any, args: Optional[List[str]], handle_exceptions: bool, entrypoint: Optional[List[str]]
) -> Any:
    """As `headrace.cli.main`."""
    import warnings

    warnings.filterwarnings("ignore")
    _open_standard_streams()
    state = CliState(flow)
    state.entrypoint = entrypoint if entrypoint is not None else [sys.executable, sys.argv[0]]
    try:
        with parameters.flow_context(flow.__class__):
            start = make_start(flow.__class__)
            if args is None:
                return start.main(auto_envvar_prefix="METAFLOW", obj=state)
            try:
                return start.main(args=args, auto_envvar_prefix="METAFLOW", obj=state)
            except SystemExit as e:
                return e.code
    except MetaflowException as e:
        if not handle_exceptions:
            raise
        print_metaflow_exception(e)
        sys.exit(1)
    except Exception as e:
        if not handle_exceptions:
            raise
        print_unknown_exception(e)
        sys.exit(1)


def start(*args: Any, **kwargs: Any) -> Any:
    """The command line of the current flow, as a callable; arguments are those of `click.Command.main`."""
    flow_cls = getattr(parameters.current_flow, "flow_cls", None)
    if flow_cls is None:
        raise MetaflowException("A command line was asked for outside of any flow.")
    return make_start(flow_cls).main(*args, **kwargs)
