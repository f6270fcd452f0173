"""Notes whether the user's module seeds the shared random generators while it is imported.

A forked task has the generators' state of the host. If the module seeded them, each task shall start from that state, as
if it had imported the module itself; if not, each must be seeded anew, or all tasks would draw the same numbers.
`random.seed` is watched from the import of this package on; whether `numpy.random` was seeded shows in its state.
"""

from __future__ import annotations

import sys
from typing import Any, Optional

_seeded = False


def _watch(module: Any) -> None:
    original = module.seed

    def seed(*args: Any, **kwargs: Any) -> None:
        global _seeded
        # seed(), seed(None): from the system's entropy.
        _seeded = bool((args and args[0] is not None) or kwargs.get("a") is not None)
        original(*args, **kwargs)

    seed.__doc__ = original.__doc__
    setattr(seed, "__wrapped__", original)
    module.seed = seed


class _RandomFinder:
    """Sees `import random`, if it comes after this package."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Optional[Any]:
        if name != "random":
            return None
        sys.meta_path.remove(_FINDER)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                loader: Any = spec.loader
                execute = loader.exec_module

                def exec_module(module: Any) -> None:
                    execute(module)
                    _watch(module)

                loader.exec_module = exec_module
                return spec
        return None


_FINDER: Any = _RandomFinder


def watch() -> None:
    """Begins to note calls of `random.seed`."""
    module = sys.modules.get("random")
    if module is not None:
        _watch(module)
    else:
        sys.meta_path.insert(0, _FINDER)


def stop_watching() -> None:
    """In a task: calls are no longer of interest."""
    module: Any = sys.modules.get("random")
    original = getattr(getattr(module, "seed", None), "__wrapped__", None)
    if original is not None:
        module.seed = original


def random_was_seeded() -> bool:
    return _seeded


def numpy_was_seeded() -> bool:
    """Whether `numpy.random.seed` was called: the first state of the global generator comes from a SeedSequence."""
    mtrand: Any = sys.modules.get("numpy.random.mtrand")
    generator = getattr(mtrand, "_rand", None)
    if generator is None:
        return False
    bits = generator._bit_generator
    return getattr(bits, "seed_seq", getattr(bits, "_seed_seq", None)) is None


class Reseeding:
    """What a forked task has to do about its generators, decided once in the host."""

    def __init__(self) -> None:
        # The module `random` seeds itself anew in every forked process.
        self._random_state = sys.modules["random"].getstate() if random_was_seeded() else None
        self._numpy = "numpy.random" in sys.modules and not numpy_was_seeded()

    def apply(self) -> None:
        """In a task."""
        stop_watching()
        if self._random_state is not None:
            sys.modules["random"].setstate(self._random_state)
        if self._numpy:
            sys.modules["numpy.random"].seed()
