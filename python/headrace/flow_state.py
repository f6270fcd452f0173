"""What a flow class knows about itself: its decorators, mutators, configs, graph and steps."""

from __future__ import annotations

import builtins
import sys
from enum import Enum
from typing import Any, Dict, Iterator, MutableMapping, Tuple

from .errors import DuplicateFlowDecoratorException


class FlowStateItems(Enum):
    """Keys of a flow class's `_flow_state`. The first two are inherited from base flows, the others are not."""

    FLOW_MUTATORS = 1
    FLOW_DECORATORS = 2
    CONFIGS = 3
    CACHED_PARAMETERS = 4
    SET_CONFIG_PARAMETERS = 5


class _FlowState(MutableMapping[FlowStateItems, Any]):
    """A flow class's state: own values, and for inheritable keys the base flows' values before them."""

    _non_inherited_items = [
        FlowStateItems.CONFIGS,
        FlowStateItems.CACHED_PARAMETERS,
        FlowStateItems.SET_CONFIG_PARAMETERS,
    ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._self_data: Dict[FlowStateItems, Any] = dict(*args, **kwargs)
        self._merged_data: Dict[FlowStateItems, Any] = {}
        self._inherited: Dict[FlowStateItems, Any] = {}

    def __getitem__(self, key: FlowStateItems) -> Any:
        if key in self._non_inherited_items:
            return self._self_data[key]
        if key not in self._merged_data:
            own = self._self_data.get(key)
            if own is None:
                raise KeyError(key)
            self._merged_data[key] = self._merge(self._inherited.get(key), own)
        return self._merged_data[key]

    def __setitem__(self, key: FlowStateItems, value: Any) -> None:
        self._self_data[key] = value
        self._merged_data.pop(key, None)

    def __delitem__(self, key: FlowStateItems) -> None:
        del self._self_data[key]
        self._merged_data.pop(key, None)

    def __iter__(self) -> Iterator[FlowStateItems]:
        return iter(self._self_data)

    def __len__(self) -> int:
        return len(self._self_data)

    @property
    def self_data(self) -> Dict[FlowStateItems, Any]:
        """The class's own values, to be changed in place."""
        self._merged_data.clear()
        return self._self_data

    @property
    def inherited_data(self) -> Dict[FlowStateItems, Any]:
        """What came from base flows."""
        return self._inherited

    @staticmethod
    def _merge(inherited: Any, own: Any) -> Any:
        if isinstance(own, dict):
            return {**(inherited or {}), **own}
        return list(inherited or []) + list(own)


class _ClassBody(dict[str, object]):
    """The namespace in which a flow's class body runs: adds to the NameError of a name of metaflow which import is missing.

    What the function around the class, the module or Python has comes first, and a name that metaflow has not stays a plain
    NameError.
    """

    def __missing__(self, name: str) -> Any:
        body = sys._getframe(1)
        if name in body.f_code.co_freevars or name in body.f_globals or hasattr(builtins, name):
            raise KeyError(name)
        from .decorators.registry import STEP_DECORATORS

        metaflow = sys.modules.get("metaflow")
        if name in STEP_DECORATORS or name in getattr(metaflow, "__all__", ()):
            raise NameError("name '%s' is not defined\nhint: add the import: from metaflow import %s" % (name, name))
        raise KeyError(name)


class FlowSpecMeta(type):
    """Gives each flow class its own `_flow_state`, graph and steps."""

    @classmethod
    def __prepare__(mcs, name: str, bases: Tuple[type, ...], /, **kwargs: Any) -> MutableMapping[str, object]:
        return _ClassBody()

    def __init__(cls, name: str, bases: Tuple[type, ...], attrs: Dict[str, Any]) -> None:
        super().__init__(name, bases, attrs)
        if name != "FlowSpec":
            cls._init_attrs()

    def _init_attrs(cls) -> None:
        cls._flow_state = _FlowState(
            {
                FlowStateItems.FLOW_MUTATORS: [],
                FlowStateItems.FLOW_DECORATORS: {},
                FlowStateItems.CONFIGS: {},
                FlowStateItems.CACHED_PARAMETERS: None,
                FlowStateItems.SET_CONFIG_PARAMETERS: [],
            }
        )
        # Mutators run once in a class's life, however often it is used (Runner, tests).
        cls._configs_processed = False
        decorators: Dict[str, Any] = cls._flow_state.inherited_data.setdefault(FlowStateItems.FLOW_DECORATORS, {})
        mutators = cls._flow_state.inherited_data.setdefault(FlowStateItems.FLOW_MUTATORS, [])
        for base in cls.__mro__[1:]:
            # Only a base's own values, so that a diamond gives nothing twice.
            state = base.__dict__.get("_flow_state")
            if state is None:
                continue
            own = state.self_data
            for deco_name, decos in own[FlowStateItems.FLOW_DECORATORS].items():
                if not decos:
                    continue
                if deco_name in decorators and not decos[0].allow_multiple:
                    raise DuplicateFlowDecoratorException(deco_name)
                decorators.setdefault(deco_name, []).extend(decos)
            mutators.extend(own[FlowStateItems.FLOW_MUTATORS])
        cls._init_graph()

    def _init_graph(cls) -> None:
        from .graph import FlowGraph

        cls._graph = FlowGraph(cls)
        cls._steps = [getattr(cls, node.name) for node in cls._graph]
