"""`metaflow.sidecar`, `metaflow.monitor` and `metaflow.event_logger` as extensions use them. Headrace starts no sidecars."""

from __future__ import annotations

from typing import Any, Dict, Optional


class MessageTypes:
    """How hard a sidecar tries to send a message."""

    INVALID, MUST_SEND, BEST_EFFORT, SHUTDOWN = range(1, 5)


class Message:
    """A message to a sidecar: one line of JSON."""

    def __init__(self, msg_type: int, payload: Any) -> None:
        self.msg_type = msg_type
        self.payload = payload

    def serialize(self) -> str:
        import json

        return json.dumps({"msg_type": self.msg_type, "payload": self.payload}) + "\n"

    @staticmethod
    def deserialize(json_msg: str) -> "Message":
        """The message of a line; one of type INVALID if it is no JSON."""
        import json

        try:
            return Message(**json.loads(json_msg))
        except json.JSONDecodeError:
            return Message(MessageTypes.INVALID, None)


class Sidecar:
    """A sidecar that has no process: it takes messages and drops them, as Metaflow's null sidecars do."""

    def __init__(self, sidecar_type: str, options: Optional[Dict[str, Any]] = None) -> None:
        self._sidecar_type = sidecar_type
        self._options = self._normalize_options(options)

    @staticmethod
    def _normalize_options(options: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        import json

        if options is None:
            return {}
        if not isinstance(options, dict):
            raise TypeError("Sidecar options must be a dictionary")
        try:
            plain: Dict[str, Any] = json.loads(json.dumps(options))
        except (TypeError, ValueError) as error:
            raise TypeError("Sidecar options must be JSON-serializable: %s" % error) from error
        return plain

    @property
    def is_active(self) -> bool:
        return False

    def start(self) -> None:
        pass

    def enable_threadsafe_send(self) -> None:
        pass

    def disable_threadsafe_send(self) -> None:
        pass

    def send(self, msg: Message) -> None:
        pass

    def terminate(self) -> None:
        pass


COUNTER_TYPE = "COUNTER"
GAUGE_TYPE = "GAUGE"
TIMER_TYPE = "TIMER"


class Metric:
    """A named measurement."""

    def __init__(self, metric_type: str, name: Optional[str], context: Any = None) -> None:
        self.metric_type = metric_type
        self.name = name
        self.context = context

    @property
    def value(self) -> Any:
        raise NotImplementedError()

    def serialize(self) -> Dict[str, Any]:
        """Plain data. The context is left out."""
        return {"_name": self.name, "_type": self.metric_type}

    @classmethod
    def deserialize(cls, value: Optional[Dict[str, Any]]) -> Optional["Metric"]:
        """Undoes `serialize` of any metric."""
        if value is None:
            return None
        kind = value.get("_type", "INVALID")
        made = _BY_TYPE.get(kind)
        if made is None:
            raise NotImplementedError("Metric class %s is not supported" % kind)
        metric = made(value.get("_name"))
        for key in metric.serialize():
            if key not in ("_name", "_type"):
                setattr(metric, key, value.get(key, 0))
        return metric


class Timer(Metric):
    """Measures a duration; `value` is in milliseconds."""

    def __init__(self, name: Optional[str], env: Any = None) -> None:
        super().__init__(TIMER_TYPE, name, env)
        self._start = 0.0
        self._end = 0.0

    def start(self, now: Optional[float] = None) -> None:
        import time

        self._start = time.time() if now is None else now

    def end(self, now: Optional[float] = None) -> None:
        import time

        self._end = time.time() if now is None else now

    @property
    def duration(self) -> float:
        """Seconds."""
        return self._end - self._start

    @property
    def value(self) -> float:
        return self.duration * 1000

    def serialize(self) -> Dict[str, Any]:
        return dict(super().serialize(), _start=self._start, _end=self._end)


class Counter(Metric):
    def __init__(self, name: Optional[str], env: Any = None) -> None:
        super().__init__(COUNTER_TYPE, name, env)
        self._count = 0

    def increment(self) -> None:
        self._count += 1

    def set_count(self, count: int) -> None:
        self._count = count

    @property
    def value(self) -> int:
        return self._count

    def serialize(self) -> Dict[str, Any]:
        return dict(super().serialize(), _count=self._count)


class Gauge(Metric):
    def __init__(self, name: Optional[str], env: Any = None) -> None:
        super().__init__(GAUGE_TYPE, name, env)
        self._value: Any = 0

    def increment(self) -> None:
        self._value += 1

    def set_value(self, val: Any) -> None:
        self._value = val

    @property
    def value(self) -> Any:
        return self._value

    def serialize(self) -> Dict[str, Any]:
        return dict(super().serialize(), _value=self._value)


_BY_TYPE = {TIMER_TYPE: Timer, COUNTER_TYPE: Counter, GAUGE_TYPE: Gauge}
for _cls in (Metric, Timer, Counter, Gauge):
    _cls.__module__ = "metaflow.monitor"
