"""`metaflow.lint`: checks of a flow's graph. It is the module `headrace.lint` itself."""

import sys

from headrace import lint

sys.modules[__name__] = lint
