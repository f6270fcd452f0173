"""`metaflow.graph`: the graph of a flow's steps. It is the module `headrace.graph` itself."""

import sys

from headrace import graph

sys.modules[__name__] = graph
