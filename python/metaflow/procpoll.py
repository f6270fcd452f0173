"""`metaflow.procpoll`: waits for output of several processes."""

from headrace.face import ProcPoll, ProcPollEvent, make_poll  # noqa: F401
