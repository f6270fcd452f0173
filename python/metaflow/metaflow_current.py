"""`metaflow.metaflow_current`: `current`: where the running code stands."""

from headrace.current import Current, current  # noqa: F401
from headrace.decorators.parallel import Parallel  # noqa: F401
