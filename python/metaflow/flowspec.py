"""`metaflow.flowspec`: The base class of flows."""

from headrace.errors import (  # noqa: F401
    InvalidNextException,
    MetaflowException,
    MetaflowInternalError,
    MissingInMergeArtifactsException,
    UnhandledInMergeArtifactsException,
)
from headrace.flow_state import FlowSpecMeta, FlowStateItems, _FlowState  # noqa: F401
from headrace.flowspec import INTERNAL_ARTIFACTS_SET, FlowSpec  # noqa: F401
from headrace.inputs import Inputs  # noqa: F401
from headrace.unbounded import ParallelUBF, UnboundedForeachInput  # noqa: F401
from headrace.graph import FlowGraph  # noqa: F401
from headrace.parameters import DelayedEvaluationParameter, Parameter  # noqa: F401
