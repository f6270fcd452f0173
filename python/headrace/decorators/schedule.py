"""`@schedule`: when a production scheduler starts the flow; no effect on `run`."""

from __future__ import annotations

from typing import Any, Dict

from .base import FlowDecorator


class ScheduleDecorator(FlowDecorator):
    """When to start the flow. The first of cron (an expression), weekly, hourly, daily that is set counts.

    timezone: an IANA name, else UTC.
    """

    name = "schedule"
    defaults: Dict[str, Any] = {"cron": None, "weekly": False, "daily": True, "hourly": False, "timezone": None}

    def flow_init(self, flow: Any, graph: Any, environment: Any, flow_datastore: Any, metadata: Any, logger: Any,
                  echo: Any, options: Dict[str, Any]) -> None:
        choices = (("weekly", "0 0 ? * SUN *"), ("hourly", "0 * * * ? *"), ("daily", "0 0 * * ? *"))
        self.schedule = self.attributes["cron"] or next((at for name, at in choices if self.attributes[name]), None)
        self.timezone = self.attributes["timezone"]


ScheduleDecorator.__module__ = "metaflow.plugins.aws.step_functions.schedule_decorator"
