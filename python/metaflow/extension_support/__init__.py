"""`metaflow.extension_support`: Extensions of Metaflow: none are loaded."""

from headrace.face import EXT_PKG, extension_info  # noqa: F401
