"""`metaflow.metaflow_config_funcs`: reading the configuration."""

from headrace.settings import (  # noqa: F401
    ALL_VALUES,
    NON_CHANGED_VALUES,
    NULL_VALUES,
    config_values,
    from_conf,
    get_validate_choice_fn,
)
from headrace.settings import Setting as ConfigValue  # noqa: F401
from headrace.settings import _global_config as init_config  # noqa: F401
from headrace.settings import _local_config as init_local_config  # noqa: F401
