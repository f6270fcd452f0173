"""`metaflow.multicore_utils`: Parallel work within a task."""

from headrace.errors import MulticoreException  # noqa: F401
from headrace.parallel import parallel_imap_unordered, parallel_map  # noqa: F401
