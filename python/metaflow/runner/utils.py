"""`metaflow.runner.utils`: Parts of running flows from Python and notebooks."""

from headrace.runner.attributes import (  # noqa: F401
    handle_timeout,
    make_process_error_message,
    read_from_fifo_when_ready,
    temporary_fifo,
)
from headrace.runner.notebook import format_flowfile, get_current_cell  # noqa: F401
from headrace.runner.process import check_process_exited  # noqa: F401
