"""`metaflow.plugins.namespaced_events`: Names of events within a project."""

from headrace.namespaced_events import (  # noqa: F401
    namespaced_event_name,
    make_namespaced_event_name as _make_namespaced_event_name,
)
