"""The Client: what was run and what it left, read through the engine.

    from metaflow import Flow, namespace
    namespace(None)
    print(Flow("HelloFlow").latest_successful_run.data.result)
"""

from headrace.client.artifact import DataArtifact
from headrace.client.base import Metaflow, MetaflowObject
from headrace.client.code import MetaflowCode
from headrace.client.data import MetaflowData
from headrace.client.flow import Flow
from headrace.client.run import Run
from headrace.client.state import (
    default_metadata,
    default_namespace,
    get_metadata,
    get_namespace,
    inspect_spin,
    metadata,
    namespace,
)
from headrace.client.step import Step
from headrace.client.task import Metadata, Task
from headrace.client.trigger import MetaflowEvent, Trigger

__all__ = [
    "DataArtifact",
    "Flow",
    "Metadata",
    "Metaflow",
    "MetaflowCode",
    "MetaflowData",
    "MetaflowEvent",
    "MetaflowObject",
    "Run",
    "Step",
    "Task",
    "Trigger",
    "default_metadata",
    "default_namespace",
    "get_metadata",
    "get_namespace",
    "inspect_spin",
    "metadata",
    "namespace",
]
