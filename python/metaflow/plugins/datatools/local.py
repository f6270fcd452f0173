"""`metaflow.plugins.datatools.local`: Files."""

from headrace.datatools import Local, MetaflowLocalNotFound, MetaflowLocalURLException  # noqa: F401
