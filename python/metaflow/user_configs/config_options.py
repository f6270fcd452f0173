"""`metaflow.user_configs.config_options`: the options `--config` and `--config-value`."""

from headrace.cli.config_types import ConfigInput, ConvertDictOrStr, ConvertPath, MultipleTuple  # noqa: F401
from headrace.cli.configs import config_options  # noqa: F401
