"""`metaflow.parameters`: Parameters of a flow."""

from headrace.parameters import (  # noqa: F401
    DelayedEvaluationParameter,
    DeployTimeField,
    JSONType,
    JSONTypeClass,
    Parameter,
    ParameterContext,
    add_custom_parameters,
    current_flow,
    deploy_time_eval,
    flow_context,
    replace_flow_context,
    set_parameter_context,
)
