"""`metaflow.metaflow_config`: the configuration.

It is the module `headrace.settings` itself, so that what is set here counts everywhere.
"""

import sys

from headrace import settings

sys.modules[__name__] = settings
