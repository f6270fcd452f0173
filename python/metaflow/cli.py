"""`metaflow.cli`: the command line of a flow. It is the module `headrace.cli` itself."""

import sys

from headrace import cli

sys.modules[__name__] = cli
