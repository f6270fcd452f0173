"""`metaflow.tuple_util`: The frame of a foreach, as pickles name it."""

from headrace.foreach import ForeachFrame  # noqa: F401
