"""`metaflow.parameters`: Parameters of a flow. It is the module `headrace.parameters` itself."""

import sys

from headrace import parameters

sys.modules[__name__] = parameters
