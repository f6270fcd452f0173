"""Trigger: the events that started a run."""

from __future__ import annotations

import json
from collections import namedtuple
from datetime import datetime
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional

if TYPE_CHECKING:
    from headrace.client.run import Run

#: name, id: of the event. timestamp: when it happened. type: `event` or `run`.
MetaflowEvent = namedtuple("MetaflowEvent", ["name", "id", "timestamp", "type"])
MetaflowEvent.__module__ = "metaflow.events"


class Trigger:
    """What started a run: events, newest first, or runs of other flows.

    `trigger["name"]` is the event of this name, or the run of the flow of this name.
    """

    __module__ = "metaflow.events"

    def __init__(self, _meta: Optional[List[Dict[str, Any]]] = None) -> None:
        events = sorted(_meta or [], key=_time_key, reverse=True)
        self._runs: Optional[List["Run"]] = None
        self._events = [MetaflowEvent(**dict(event, timestamp=_as_time(event.get("timestamp")))) for event in events]

    @classmethod
    def from_runs(cls, run_objs: List["Run"]) -> "Trigger":
        """As if the ends of these runs had been the events. Runs whose last step has not begun are left out."""
        events, runs = [], []
        for run in sorted(run_objs, key=lambda run: run.finished_at or datetime.min, reverse=True):
            end = run.end_task
            if end is None:
                continue
            runs.append(run)
            flow, _, step, _ = end.path_components
            # Flows with a last step of another name are known by `.end` too.
            for name in dict.fromkeys((step, "end")):
                events.append(
                    {
                        "type": "run",
                        "timestamp": run.finished_at,
                        "name": "metaflow.%s.%s" % (flow, name),
                        "id": end.pathspec,
                    }
                )
        trigger = cls(events)
        trigger._runs = runs
        return trigger

    @property
    def event(self) -> Optional[MetaflowEvent]:
        """The newest event."""
        return next(iter(self._events), None)

    @property
    def events(self) -> Optional[List[MetaflowEvent]]:
        """All events, newest first; None if there are none."""
        return list(self._events) or None

    @property
    def run(self) -> Optional["Run"]:
        """The newest run among the events; None if there is none."""
        return next(iter(self.runs or ()), None)

    @property
    def runs(self) -> Optional[List["Run"]]:
        """The runs among the events; None if there are none."""
        if self._runs is None:
            from headrace.client.run import Run

            # The id of such an event is the pathspec of the run's last task.
            self._runs = [
                Run("/".join(event.id.split("/")[:2]), _namespace_check=False)
                for event in self._events
                if event.type == "run"
            ]
        return list(self._runs) or None

    def __getitem__(self, key: str) -> Any:
        runs = self.runs
        if runs:
            for run in runs:
                if run.path_components[0] == key:
                    return run
        else:
            for event in self._events:
                if event.name == key:
                    return event
        raise KeyError(key)

    def __iter__(self) -> Iterator[MetaflowEvent]:
        return iter(self._events)

    def __contains__(self, ident: str) -> bool:
        try:
            self[ident]
        except KeyError:
            return False
        return True


def trigger_from_metadata(metadata: Dict[str, Any]) -> Optional[Trigger]:
    """The trigger a task's metadata tells of; None if it tells of none."""
    text = metadata.get("execution-triggers")
    return Trigger(json.loads(text)) if text else None


def _time_key(event: Dict[str, Any]) -> float:
    stamp = event.get("timestamp")
    if isinstance(stamp, datetime):
        return stamp.timestamp()
    return float(stamp) if isinstance(stamp, (int, float)) else float("-inf")


def _as_time(stamp: Any) -> Any:
    # Other systems' events have time stamps of other forms: these are given as they are.
    return datetime.fromtimestamp(stamp) if isinstance(stamp, int) and stamp else stamp
