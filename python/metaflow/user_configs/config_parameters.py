"""`metaflow.user_configs.config_parameters`: Configs."""

from headrace.user_configs import (  # noqa: F401
    Config,
    ConfigValue,
    DelayEvaluator,
    UNPACK_KEY,
    config_expr,
    dump_config_values,
    resolve_delayed_evaluator,
    unpack_delayed_evaluator,
)
