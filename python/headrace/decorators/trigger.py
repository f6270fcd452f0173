"""`@trigger` and `@trigger_on_finish`: which events and flows start a flow on a production scheduler.

They are checked here and have no effect on `run`.
"""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from ..errors import MetaflowException
from .base import FlowDecorator


def _deploy_time(name: str, types: Any, function: Any) -> Any:
    """A value that a function gives when the flow is deployed."""
    from ..parameters import DeployTimeField

    return DeployTimeField(name, types, "value", function, False, print_representation=str(function))


def _is_deploy_time(value: Any) -> bool:
    from ..parameters import DeployTimeField

    return isinstance(value, DeployTimeField)


def _is_new_function(value: Any) -> bool:
    return callable(value) and not _is_deploy_time(value)


def _evaluate(value: Any) -> Any:
    from ..parameters import deploy_time_eval

    return deploy_time_eval(value)


class TriggerDecorator(FlowDecorator):
    """Events that start the flow: `event` (one) or `events` (a list).

    An event is a name, a dict `{"name", "parameters"}` with flow parameter -> event field, or a function that gives one.
    options: for the scheduler.
    """

    name = "trigger"
    defaults: Dict[str, Any] = {"event": None, "events": [], "options": {}}

    def flow_init(self, flow_name: Any, graph: Any, environment: Any, flow_datastore: Any, metadata: Any, logger: Any,
                  echo: Any, options: Dict[str, Any]) -> None:
        event, events = self.attributes["event"], self.attributes["events"]
        if event and events:
            raise MetaflowException("Specify only one of *event* or *events* attributes in *@trigger* decorator.")
        self.triggers: List[Any] = []
        if event:
            self.triggers.append(self.process_event(event))
        elif isinstance(events, list):
            self.triggers.extend(map(self.process_event, events))
        elif _is_new_function(events):
            self.triggers.append(_deploy_time("events", list, events))
        elif events:
            raise MetaflowException(
                "Incorrect format for *events* attribute in *@trigger* decorator. Supported format is list - \n"
                "@trigger(events=[{'name': 'foo', 'parameters': {'alpha': 'beta'}}, {'name': 'bar', 'parameters': "
                "{'gamma': 'kappa'}}])"
            )
        if not self.triggers:
            raise MetaflowException("No event(s) specified in *@trigger* decorator.")
        names = [
            trigger["name"]
            for trigger in self.triggers
            if not _is_deploy_time(trigger) and not _is_deploy_time(trigger["name"])
        ]
        if len(names) != len(set(names)):
            raise MetaflowException("Duplicate event names defined in *@trigger* decorator.")
        self.options = self.attributes["options"]

    def process_event(self, event: Any) -> Any:
        """One event as `{"name", "parameters"}`, or as a value known when the flow is deployed."""
        if isinstance(event, str):
            return {"name": event}
        if isinstance(event, dict):
            if "name" not in event:
                raise MetaflowException("The *event* attribute for *@trigger* is missing the *name* key.")
            if _is_new_function(event["name"]):
                event["name"] = _deploy_time("event_name", str, event["name"])
            event["parameters"] = self.process_parameters(event.get("parameters", {}), event["name"])
            return event
        if _is_new_function(event):
            return _deploy_time("event", [str, dict], event)
        raise MetaflowException(
            "Incorrect format for *event* attribute in *@trigger* decorator. Supported formats are string and "
            "dictionary - \n@trigger(event='foo') or @trigger(event={'name': 'foo', 'parameters': {'alpha': 'beta'}})"
        )

    def process_parameters(self, parameters: Any, event_name: Any) -> Any:
        """Flow parameter -> event field, from a dict, or a list of names and pairs."""
        if _is_new_function(parameters):
            return _deploy_time("parameters", [list, dict, tuple], parameters)
        mapping: Dict[str, str] = {}
        if isinstance(parameters, dict):
            pairs: List[Tuple[Any, Any]] = list(parameters.items())
            form = "a dictionary of string keys and string values."
        elif isinstance(parameters, (list, tuple)):
            form = "a list/tuple of strings and lists/tuples of size 2."
            pairs = []
            for each in parameters:
                pair = (each, each) if isinstance(each, str) else each
                if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                    raise MetaflowException(
                        "The *parameters* attribute for event is invalid. It should be "
                        "a list/tuple of strings and lists/tuples of size 2"
                    )
                pairs.append((pair[0], pair[1]))
        else:
            return mapping
        for name, field in pairs:
            if not isinstance(name, str) or not isinstance(field, str):
                raise MetaflowException(
                    "The *parameters* attribute for event %s is invalid. It should be %s" % (event_name, form)
                )
            mapping[name] = field
        return mapping

    def format_deploytime_value(self) -> None:
        """Replaces what functions give by its value."""
        triggers: List[Any] = []
        for trigger in self.triggers:
            if not _is_deploy_time(trigger):
                triggers.append(trigger)
                continue
            value = _evaluate(trigger)
            triggers.extend(map(self.process_event, value if isinstance(value, list) else [value]))
        for trigger in triggers:
            if _is_deploy_time(trigger.get("name")):
                trigger["name"] = _evaluate(trigger["name"])
                if not isinstance(trigger["name"], str):
                    raise MetaflowException("The *name* attribute for event %s is not a valid string" % (trigger,))
            if _is_deploy_time(trigger.get("parameters")):
                trigger["parameters"] = self.process_parameters(_evaluate(trigger["parameters"]), trigger["name"])
        self.triggers = triggers


class TriggerOnFinishDecorator(FlowDecorator):
    """Flows whose successful runs start this flow: `flow` (one) or `flows` (a list).

    A flow is a name, `project.branch.name`, or a dict `{"name", "project", "project_branch"}`. The option `--trigger`
    names runs (`Flow/run`) for `current.trigger` in a local run.
    """

    name = "trigger_on_finish"
    options = {
        "trigger": {
            "multiple": True,
            "default": None,
            "help": "Specify run pathspec for testing @trigger_on_finish locally.",
        }
    }
    defaults: Dict[str, Any] = {"flow": None, "flows": [], "options": {}}

    def flow_init(self, flow_name: Any, graph: Any, environment: Any, flow_datastore: Any, metadata: Any, logger: Any,
                  echo: Any, options: Dict[str, Any]) -> None:
        flow, flows = self.attributes["flow"], self.attributes["flows"]
        if flow and flows:
            raise MetaflowException(
                "Specify only one of *flow* or *flows* attributes in *@trigger_on_finish* decorator."
            )
        self.triggers: List[Any] = []
        if flow:
            if _is_new_function(flow):
                self.triggers.append(_deploy_time("fq_name", [str, dict], flow))
            else:
                self.triggers.extend(self._parse_static_triggers([flow]))
        elif _is_new_function(flows):
            self.triggers.append(_deploy_time("flows", list, flows))
        elif isinstance(flows, list):
            self.triggers.extend(self._parse_static_triggers(flows))
        elif flows:
            raise MetaflowException(
                "Incorrect type for *flows* attribute in *@trigger_on_finish* decorator. Supported type is list - \n"
                "@trigger_on_finish(flows=['FooFlow', 'BarFlow']"
            )
        if not self.triggers:
            raise MetaflowException("No flow(s) specified in *@trigger_on_finish* decorator.")
        for trigger in self.triggers:
            if not _is_deploy_time(trigger):
                self._parse_fq_name(trigger)
        self.options = self.attributes["options"]
        self._option_values = options
        if options["trigger"]:
            self._set_current_trigger(options["trigger"])

    def _set_current_trigger(self, pathspecs: Any) -> None:
        from ..client import Run
        from ..client.trigger import Trigger
        from ..current import current

        runs = []
        for pathspec in pathspecs:
            if len(pathspec.split("/")) != 2:
                raise MetaflowException(
                    "Incorrect format for run pathspec for *--trigger*. Supported format is flow_name/run_id."
                )
            run = Run(pathspec, _namespace_check=False)
            if not run.successful:
                raise MetaflowException("*--trigger* does not support runs that are not successful yet.")
            runs.append(run)
        current._update_env({"trigger": Trigger.from_runs(runs)})

    @staticmethod
    def _parse_static_triggers(flows: List[Any]) -> List[Dict[str, Any]]:
        many = len(flows) > 1
        results = []
        for flow in flows:
            if isinstance(flow, str):
                results.append({"fq_name": flow})
                continue
            if not isinstance(flow, dict):
                if many:
                    raise MetaflowException(
                        "One or more flows in the *flows* attribute for *@trigger_on_finish* decorator have an incorrect "
                        "type. Supported type is string or Dict[str, str]- \n"
                        "@trigger_on_finish(flows=['FooFlow', 'BarFlow']"
                    )
                raise MetaflowException(
                    "Incorrect type for *flow* attribute in *@trigger_on_finish*  decorator. Supported type is string or "
                    "Dict[str, str] - \n@trigger_on_finish(flow='FooFlow') or "
                    "@trigger_on_finish(flow={'name':'FooFlow', 'project_branch': 'branch'})"
                )
            if "name" not in flow:
                which = "One or more flows in the *flows* attribute" if many else "The *flow* attribute"
                raise MetaflowException("%s for *@trigger_on_finish* is missing the *name* key." % which)
            name = flow["name"]
            if not isinstance(name, str) or "." in name:
                raise MetaflowException("The *name* attribute of the *flow* %s is not a valid string" % name)
            result = {"fq_name": name}
            for key, target in (("project", "project"), ("project_branch", "branch")):
                if key in flow:
                    if not isinstance(flow[key], str):
                        raise MetaflowException("The *%s* attribute of the *flow* %s is not a string" % (key, name))
                    result[target] = flow[key]
            results.append(result)
        return results

    def _parse_fq_name(self, trigger: Dict[str, Any]) -> None:
        """Adds `flow`, and `project` and `branch` if the full name has them."""
        import re

        parts = trigger["fq_name"].split(".")
        if len(parts) == 2:
            raise MetaflowException(
                "Incorrect format for *flow* in *@trigger_on_finish* decorator. Specify either just the *flow_name* or a "
                "fully qualified name like *project_name.branch_name.flow_name*."
            )
        trigger["flow"] = parts[-1]
        if len(parts) > 2:
            trigger["project"], trigger["branch"] = parts[0], ".".join(parts[1:-1])
        if not re.match(r"^[A-Za-z0-9_]+$", trigger["flow"]):
            raise MetaflowException(
                "Invalid flow name *%s* in *@trigger_on_finish* decorator. Only alphanumeric characters and "
                "underscores(_) are allowed." % trigger["flow"]
            )

    def format_deploytime_value(self) -> None:
        """Replaces what functions give by its value."""
        if len(self.triggers) == 1 and _is_deploy_time(self.triggers[0]):
            value = _evaluate(self.triggers[0])
            self.triggers = self._parse_static_triggers(value if isinstance(value, list) else [value])
            for trigger in self.triggers:
                self._parse_fq_name(trigger)

    def get_top_level_options(self) -> List[Tuple[str, Any]]:
        return list(self._option_values.items())


TriggerDecorator.__module__ = TriggerOnFinishDecorator.__module__ = "metaflow.plugins.events_decorator"
