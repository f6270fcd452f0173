"""`metaflow.monitor`: measurements; the monitor drops them."""

from headrace.face import NullMonitor  # noqa: F401
from headrace.sidecars import COUNTER_TYPE, Counter, GAUGE_TYPE, Gauge, Metric, TIMER_TYPE, Timer  # noqa: F401
