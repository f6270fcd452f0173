"""`metaflow.metaflow_config_funcs`: reading the configuration."""

from headrace.settings import config_values, from_conf, get_validate_choice_fn  # noqa: F401
