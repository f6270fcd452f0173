"""Random generators in workers: each item gets its own state, made from the parent's.

So items differ, and a parent that seeded its generators gets the same numbers again, whichever worker runs which item. Covers the
global generators of `random` and, when it is loaded, `numpy.random`; generators that user code keeps in objects are copied by
the fork like any object, and give each worker the same numbers.
"""

from __future__ import annotations

import _thread
import random
import sys
from typing import Any, Callable


def item_seeder() -> Callable[[int], None]:
    """Called in the parent before the workers are forked; takes one number of each generator. Returns `seed(position)` for workers."""
    base = random.getrandbits(64)
    numpy_random: Any = sys.modules.get("numpy.random")
    numpy_base = int(numpy_random.randint(0, 2**31 - 1)) if numpy_random is not None else 0

    def seed(position: int) -> None:
        random.seed(base + position)
        if numpy_random is not None:
            numpy_random.seed((numpy_base + position) % 2**32)

    return seed


def numpy_lock() -> Any:
    """The lock of `numpy.random`'s global generator, to be held across a fork and released by both sides: else a worker waits for
    ever for a thread of the parent that was drawing numbers just then. Some other lock where numpy is not loaded."""
    numpy_random: Any = sys.modules.get("numpy.random")
    try:
        return numpy_random.get_state.__self__._bit_generator.lock
    except AttributeError:
        return _thread.allocate_lock()
