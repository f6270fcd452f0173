"""From Python arguments to the words of a flow's command line.

What options there are is asked of the command line itself: the flow's file is imported here, as it is by the process
that runs it, and its commands' options are compared with the arguments before anything is started.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
from typing import Any, Dict, Iterable, List, Tuple

from headrace.errors import MetaflowException

#: path -> (time and size of the file, its flow class)
_flows: Dict[str, Tuple[Tuple[int, int], Any]] = {}


def extract_flow_class_from_file(flow_file: str) -> Any:
    """The flow class that a file defines; the file is imported again only if it has changed.

    Raises FileNotFoundError, MetaflowException if there is not exactly one, and what importing it raises.
    """
    if not os.path.exists(flow_file):
        raise FileNotFoundError("Flow file not present at '%s'" % flow_file)
    path = os.path.abspath(flow_file)
    status = os.stat(path)
    state = (status.st_mtime_ns, status.st_size)
    known = _flows.get(path)
    if known is None or known[0] != state:
        known = _flows[path] = (state, _the_flow_of(_import(path), path))
    return known[1]


def _import(path: str) -> Any:
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise MetaflowException("%s is not a Python file, so it cannot define a flow." % path)
    module = importlib.util.module_from_spec(spec)
    directory = os.path.dirname(path)
    # As for a script, modules beside the file can be imported.
    added = directory not in sys.path
    if added:
        sys.path.insert(0, directory)
    try:
        spec.loader.exec_module(module)
    finally:
        if added and directory in sys.path:
            sys.path.remove(directory)
    return module


def _the_flow_of(module: Any, path: str) -> Any:
    from headrace.flowspec import FlowSpec
    from headrace.mutators import FlowMutator

    found: List[Any] = []
    for value in vars(module).values():
        cls = value._flow_cls if isinstance(value, FlowMutator) else value
        if inspect.isclass(cls) and issubclass(cls, FlowSpec) and cls is not FlowSpec:
            if cls.__module__ == module.__name__ and cls not in found:
                found.append(cls)
    if not found:
        raise MetaflowException("No FlowSpec class found in %s" % path)
    if len(found) > 1:
        raise MetaflowException("Multiple FlowSpec classes found in %s" % path)
    return found[0]


class FlowCommands:
    """The command line of the flow in a file. Raises what `extract_flow_class_from_file` raises."""

    def __init__(self, flow_file: str) -> None:
        self._file = flow_file
        self._flow = extract_flow_class_from_file(flow_file)

    def command_line(self, top_level: Dict[str, Any], command: str, arguments: Dict[str, Any]) -> List[str]:
        """`flow.py [options] COMMAND [options] [arguments]`.

        Raises ValueError for an unknown or a missing argument, TypeError for one of the wrong type.
        """
        return [self._file] + self.top_level(top_level) + [command] + self._words(command, arguments)

    def top_level(self, arguments: Dict[str, Any]) -> List[str]:
        """The options before the command."""
        from headrace.cli.start import make_start
        from headrace.parameters import flow_context

        with flow_context(self._flow):
            return words_for(make_start(self._flow).params, arguments)

    def command(self, group: Any, name: str) -> Any:
        """The click command of this name, `_` standing for `-`, below a group (None: the top level); None if absent."""
        from headrace.cli.start import cli

        for spelled in (name, name.replace("_", "-")):
            found = (group or cli).get_command(None, spelled)  # type: ignore[arg-type]
            if found is not None:
                return found
        return None

    def params_of(self, command: Any) -> List[Any]:
        """The click parameters of a command, those of the flow's Parameters included."""
        from headrace.cli.options import ParameterCommand, parameter_option
        from headrace.parameters import flow_context

        params = list(command.params)
        if not isinstance(command, ParameterCommand):
            return params
        with flow_context(self._flow):
            # Configs have no values here: the process that runs the flow gives them theirs.
            self._flow._process_config_decorators({}, process_configs=False)
            return [
                parameter_option(parameter, deploy_mode=False)
                for _, parameter in self._flow._get_parameters()
                if not parameter.IS_CONFIG_PARAMETER
            ] + params

    def may_have_more(self, command: Any) -> bool:
        """Whether the flow's mutators may add Parameters to a command in the process that runs it."""
        from headrace.cli.options import ParameterCommand

        return isinstance(command, ParameterCommand) and bool(_mutators_of(self._flow))

    def _words(self, name: str, arguments: Dict[str, Any]) -> List[str]:
        command = self.command(None, name)
        return words_for(self.params_of(command), arguments, also_others=self.may_have_more(command))


def _mutators_of(flow_cls: Any) -> Any:
    from headrace.flow_state import FlowStateItems

    return flow_cls._flow_state[FlowStateItems.FLOW_MUTATORS]


def words_for(params: Iterable[Any], arguments: Dict[str, Any], also_others: bool = False) -> List[str]:
    """The words that give `arguments` to a command with these click parameters: options first.

    also_others: pass on arguments that are none of them, since a mutator may add Parameters in the other process.
    """
    by_name = {param.name: param for param in params}
    options: List[str] = []
    positional: List[str] = []
    for name, value in arguments.items():
        if name not in by_name:
            if not also_others:
                raise ValueError("Unknown argument: '%s', possible args are: %s" % (name, ", ".join(by_name)))
            options += _option_words("--" + name, [value])
            continue
        param = by_name[name]
        if value is None:
            # As on a command line that does not mention it.
            continue
        _check_type(param, value)
        if param.param_type_name == "argument":
            positional += [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
        elif param.is_flag:
            options += _flag_words(param, bool(value))
        else:
            options += _option_words(_long_name(param.opts), _values(param, value))
    for name, param in by_name.items():
        if param.required and arguments.get(name) is None:
            raise ValueError("Missing argument: %s is required." % _long_name(param.opts).lstrip("-"))
    return options + positional


def _long_name(opts: List[str]) -> str:
    return max(opts, key=len)


def _flag_words(param: Any, value: bool) -> List[str]:
    opts = param.opts if value else param.secondary_opts
    return [_long_name(opts)] if opts else []


def _values(param: Any, value: Any) -> List[Any]:
    """What is to be given, once for each use of the option."""
    if param.name == "config_value":
        return [(name, content if isinstance(content, str) else _json_of(content)) for name, content in value]
    values = list(value) if param.multiple else [value]
    # A text too: it is the value, not JSON of it.
    return [_json_of(one) for one in values] if getattr(param.type, "name", "") == "JSON" else values


def _option_words(option: str, values: List[Any]) -> List[str]:
    words: List[str] = []
    for value in values:
        words.append(option)
        if isinstance(value, tuple):
            words += [str(part) for part in value]
        elif isinstance(value, (dict, list)):
            words.append(_json_of(value))
        else:
            words.append(str(value))
    return words


def _json_of(value: Any) -> str:
    to_dict = getattr(value, "to_dict", None)
    return json.dumps(to_dict() if to_dict is not None else value)


# Types

_JSON_TYPES = (dict, list, tuple, str, int, float, bool)
_BY_NAME: Dict[str, Tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "integer range": (int,),
    "float": (float, int),
    "float range": (float, int),
    "boolean": (bool,),
    "choice": (str,),
    "path": (str, os.PathLike),
    "filename": (str, os.PathLike),
    "FilePath": (str, os.PathLike),
    "JSON": _JSON_TYPES,
}


def _check_type(param: Any, value: Any) -> None:
    """Raises TypeError if the value is of no type that the parameter takes. Types of users take anything."""
    if param.name == "config_value":
        for item in value:
            if not isinstance(item, tuple) or not (isinstance(item[1], (dict, str)) or hasattr(item[1], "to_dict")):
                raise TypeError(
                    "Invalid type for a config-value, expected a ConfigValue or dict but got '%s'" % (item,)
                )
        return
    many = param.multiple or param.nargs != 1
    allowed = (bool,) if getattr(param, "is_flag", False) else _BY_NAME.get(getattr(param.type, "name", ""))
    values = value if many and isinstance(value, (list, tuple)) else [value]
    fits = not many or isinstance(value, (list, tuple))
    if fits and allowed is not None:
        fits = all(_is_one_of(item, allowed) for item in values)
    if not fits:
        names = " or ".join(dict.fromkeys(kind.__name__ for kind in allowed or ()))
        raise TypeError(
            "Invalid type for '%s', expected: '%s', default is '%s' but found '%s' of type '%s'"
            % (param.name, "list of %s" % names if many else names, param.default, value, type(value).__name__)
        )


def _is_one_of(value: Any, allowed: Tuple[type, ...]) -> bool:
    if isinstance(value, bool) and bool not in allowed:
        # A bool is an int to Python; given for a number it is a mistake.
        return False
    return isinstance(value, allowed)
