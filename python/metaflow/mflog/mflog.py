"""`metaflow.mflog.mflog`: Framing of log lines."""

from headrace.mflog import (  # noqa: F401
    ISOFORMAT,
    MFLogline,
    MISSING_TIMESTAMP,
    MISSING_TIMESTAMP_STR,
    RE,
    VERSION,
    decorate,
    is_structured,
    merge_logs,
    parse,
    refine,
    set_should_persist,
    unset_should_persist,
)
