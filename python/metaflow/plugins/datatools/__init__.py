"""`metaflow.plugins.datatools`: Data from outside the datastore."""

from headrace.datatools import *  # noqa: F401,F403
