"""`metaflow.runner.click_api`: Command lines made from Python."""

from headrace.runner.click_api import MetaflowAPI  # noqa: F401
from headrace.runner.options import extract_flow_class_from_file  # noqa: F401
