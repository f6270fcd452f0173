"""`metaflow.package`: the code package of a flow."""

from typing import List

from headrace.package import MetaflowPackage  # noqa: F401
from headrace.settings_keys import DEFAULTS

DEFAULT_SUFFIXES_LIST: List[str] = DEFAULTS["DEFAULT_PACKAGE_SUFFIXES"].split(",")
