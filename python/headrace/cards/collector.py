"""`current.card`: the cards of the running task and what is on them."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Iterable, Iterator, List, Optional

from .basic import ErrorComponent, SectionComponent
from .card import MetaflowCardComponent, create_component_id
from .components import StubComponent, UserComponent
from .exception import ComponentOverwriteNotSupportedException
from .resolver import get_card_class


class WarningComponent(ErrorComponent):
    """A warning, on the card."""

    def __init__(self, warning_message: str) -> None:
        super().__init__("@card WARNING", warning_message)


class ComponentStore:
    """The components of a card in their order, by id."""

    def __init__(self, logger: Any, card_type: Any = None, components: Any = None, user_set_id: Any = None) -> None:
        self._logger = logger
        self._card_type = card_type
        self._user_set_id = user_set_id
        self._components: Dict[str, Any] = {}
        #: When a component came or went.
        self.layout_last_changed_on = time.time()
        self.extend(components or ())

    def _store(self, component: Any, component_id: Optional[str]) -> None:
        if not isinstance(component, MetaflowCardComponent):
            _warn(self._logger, "Component (%s) is not a valid MetaflowCardComponent. It will not be stored." % component)
            return
        if component_id is not None:
            component.component_id = component_id
        elif component.component_id is None:
            component.component_id = create_component_id(component)
        component._logger = self._logger
        self._components[str(component.component_id)] = component
        self.layout_last_changed_on = time.time()

    def append(self, component: Any, id: Optional[str] = None) -> None:
        self._store(component, id)

    def extend(self, components: Iterable[Any]) -> None:
        for component in components:
            self._store(component, None)

    def clear(self) -> None:
        self._components.clear()
        self.layout_last_changed_on = time.time()

    def keys(self) -> List[str]:
        return list(self._components)

    def values(self) -> Any:
        return self._components.values()

    def realtime(self) -> Iterator[Any]:
        """Components whose values are sent again while the task runs."""
        return (component for component in self.values() if component.REALTIME_UPDATABLE)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._components.values())

    def __len__(self) -> int:
        return len(self._components)

    def __contains__(self, key: object) -> bool:
        return key in self._components

    def __getitem__(self, key: str) -> Any:
        if key not in self._components:
            self._store(StubComponent(key), key)
        return self._components[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self._components:
            raise ComponentOverwriteNotSupportedException(key, self._user_set_id, self._card_type)
        self._store(value, key)

    def __delitem__(self, key: str) -> None:
        if key not in self._components:
            raise KeyError(
                "MetaflowCardComponent with id `%s` not found. Available components for the cards include : %s"
                % (key, ", ".join(self._components))
            )
        del self._components[key]
        self.layout_last_changed_on = time.time()

    def __str__(self) -> str:
        return "Card components present in the card: `%s` " % "`, `".join(self._components)


def _warn(logger: Any, message: str) -> None:
    if logger:
        logger("[@card WARNING] %s" % message, timestamp=False, bad=True)


class CardComponentManager:
    """One card of the task: `current.card["id"]`.

    create: makes and stores the card's page, see `creator.CardCreator.create`.
    """

    def __init__(self, card: Dict[str, Any], creator: Any, components: Any = None, logger: Any = None) -> None:
        self._card = card
        self._creator = creator
        self._logger = logger
        self._data: Any = None
        self._last_refresh = 0.0
        self._rendered_layout: Optional[float] = None
        self._render_seq = 0
        self._components = ComponentStore(logger, card["type"], components, card["id"])

    @property
    def components(self) -> ComponentStore:
        """The components of the card, by id. A list in its place is given as `current.card["id"] = [...]`."""
        return self._components

    def append(self, component: Any, id: Optional[str] = None) -> None:
        """Adds a component at the end; id: to find it again in `components`."""
        self.components.append(component, id=id)

    def extend(self, components: Iterable[Any]) -> None:
        """Adds several components."""
        self.components.extend(components)

    def clear(self) -> None:
        """Removes all components."""
        self.components.clear()

    def refresh(self, data: Any = None, force: bool = False) -> None:
        """Shows the card as it is now, while the task runs; at most once in `refresh_interval` seconds.

        data: given to the card, as JSON can hold it. force: make the whole page again.
        """
        self._data = data
        now = time.time()
        if now - self._last_refresh < float(self._card["refresh_interval"]):
            return
        self._last_refresh = now
        layout = self.components.layout_last_changed_on
        if force or layout != self._rendered_layout:
            self._render_seq += 1
            self._creator.create(self._card, self, "render_runtime")
            self._rendered_layout = layout
        self._creator.create(self._card, self, "refresh")

    def latest_data(self, mode: str, final: bool = False) -> Dict[str, Any]:
        """What a card type is told: the user's data, and the values of components that change."""
        data = self._data
        try:
            json.dumps(data)
        except TypeError:
            _warn(self._logger, "Data provided to `refresh` is not JSON serializable. It will be ignored.")
            data = {}
        values = {component.component_id: _rendered(component) for component in self.components.realtime()}
        return {
            "user": data,
            "components": {key: value for key, value in values.items() if value is not None},
            "render_seq": "final" if final else self._render_seq,
            "component_update_ts": self.components.layout_last_changed_on,
            "mode": mode,
        }

    def rendered(self) -> List[Any]:
        """The components as text and dictionaries; those that cannot be rendered are left out."""
        parts = [part for part in map(_rendered, self.components) if part is not None]
        if parts and any(isinstance(component, UserComponent) for component in self.components):
            return [SectionComponent(contents=parts).render()]
        return parts

    def __iter__(self) -> Iterator[Any]:
        return iter(self.components)


def _rendered(component: Any) -> Any:
    try:
        part = component.render()
        json.dumps(part)
    except Exception:
        return None
    return part if isinstance(part, (str, dict)) else None


#: What does not happen, by what was tried.
_LOST = {
    "append": "Component will not be appended",
    "extend": "Components list will not be extended",
    "components": "Components list will not be %s",
}


def _refusal(doing: str, only_type: Optional[str], exists: bool) -> List[str]:
    """Why `current.card.<doing>` does nothing: in Metaflow's words, which people search their logs for.

    only_type: the type of the step's only card; None if there are several. exists: whether there is such a type.
    """
    lost = _LOST[doing]
    if doing == "components":
        lost = lost % ("updated" if only_type is not None else "accessible")
    lost += " and `current.card.%s` will not work for any call during this runtime execution." % doing
    if only_type is None:
        several = "editable cards" if doing == "append" else "@card decorators"
        fix = "To fix this set the `id` argument in all @card%s when using multiple @card decorators over a single @step%s" % {
            "append": ("'s", ". "), "extend": ("", "."), "components": ("", " and reference `current.card[ID].components`"),
        }[doing]
        lines = ["`current.card.%s` cannot disambiguate between multiple %s." % (doing, several), lost, fix]
        return lines + (["to update/access the appropriate card component."] if doing == "components" else [])
    if doing == "append" and not exists:
        return ["Card of type `%s` doesn't exist." % only_type, lost, "Please use a card `type` which exits."]
    return [
        "Card of type `%s` is not an editable card." % only_type, lost,
        "Please use an editable card" + ("." if doing == "append" else ""),
    ]


class CardComponentCollector:
    """`current.card`: acts on the step's one card that takes components, or by id on one of several."""

    def __init__(self, logger: Any = None, creator: Any = None) -> None:
        self._logger = logger
        self._creator = creator
        self._cards: Dict[str, Dict[str, Any]] = {}
        self._managers: Dict[str, CardComponentManager] = {}
        self._by_id: Dict[str, str] = {}
        self._default: Optional[str] = None
        self._warned: "set[str]" = set()

    def _add_card(self, card: Dict[str, Any]) -> None:
        """card: see `CardDecorator.task_pre_step`."""
        self._cards[card["uuid"]] = card
        self._managers[card["uuid"]] = CardComponentManager(card, self._creator, logger=self._logger)

    def _finalize(self) -> None:
        """All cards are there: decides which one `append` means."""
        editable = [card for card in self._cards.values() if card["editable"]]
        if not editable:
            return
        for card in self._cards.values():
            if card["id"] is not None:
                self._by_id[card["id"]] = card["uuid"]
        if len(editable) == 1:
            self._default = editable[0]["uuid"]
            return
        without_id = [card for card in editable if card["id"] is None]
        if len(without_id) == 1:
            self._default = without_id[0]["uuid"]
        ids = [card["id"] for card in editable if card["id"] is not None]
        twice = sorted({each for each in ids if ids.count(each) > 1})
        if twice:
            self._warning(
                "Multiple `@card` decorator have been annotated with duplicate ids : %s. `current.card['%s']` will not "
                "work" % (", ".join(twice), twice[0])
            )
            for each in twice:
                del self._by_id[each]
        customize = [card for card in editable if card["customize"]]
        if len(customize) == 1:
            self._default = customize[0]["uuid"]
        elif customize:
            self._warning(
                "Multiple @card decorators have `customize=True`. Only one @card per @step can have `customize=True`. "
                "`current.card.append` will ignore all decorators marked `customize=True`."
            )

    def _warning(self, message: str) -> None:
        _warn(self._logger, message)

    def _warn_once(self, key: str, lines: List[str], on_cards: bool = True) -> None:
        if key in self._warned:
            return
        self._warned.add(key)
        self._warning(" ".join(lines))
        from .. import settings

        if on_cards and not settings.CARD_NO_WARNING:
            for manager in self._managers.values():
                manager.append(WarningComponent("\n".join(lines)))

    def _manager(self, doing: str) -> Optional[CardComponentManager]:
        """The card that `append` means; None, and a warning, if there is no one."""
        if self._default is not None:
            return self._managers[self._default]
        card = next(iter(self._cards.values())) if len(self._cards) == 1 else None
        exists = card is None or get_card_class(card["type"]) is not None
        lines = _refusal(doing, card["type"] if card is not None else None, exists)
        self._warn_once(doing, lines, on_cards=doing != "components")
        return None

    def append(self, component: Any, id: Optional[str] = None) -> None:
        """Adds a component to the card."""
        manager = self._manager("append")
        if manager is not None:
            manager.append(component, id=id)

    def extend(self, components: Iterable[Any]) -> None:
        """Adds several components."""
        manager = self._manager("extend")
        if manager is not None:
            manager.extend(components)

    @property
    def components(self) -> Optional[ComponentStore]:
        """The components of the card, by id."""
        manager = self._manager("components")
        return None if manager is None else manager.components

    def clear(self) -> None:
        """Removes all components."""
        if self._default is not None:
            self._managers[self._default].clear()

    def refresh(self, *args: Any, **kwargs: Any) -> None:
        """As `CardComponentManager.refresh`."""
        if self._default is not None:
            self._managers[self._default].refresh(*args, **kwargs)

    def get(self, type: Optional[str] = None) -> List[CardComponentManager]:
        """The cards of a type."""
        return [self._managers[uuid] for uuid, card in self._cards.items() if card["type"] == type]

    def __getitem__(self, key: str) -> Any:
        if key in self._by_id:
            return self._managers[self._by_id[key]]
        self._warn_once(
            "item " + key,
            [
                "`current.card['%s']` is not present. Please set the `id` argument in @card to '%s' to access "
                "`current.card['%s']`." % (key, key, key),
                "`current.card['%s']` will return an empty `list` which is not referenced to `current.card` object." % key,
            ],
        )
        return []

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self._by_id:
            self._warning(
                "`current.card['%s']` is not present. Please set the `id` argument in @card to '%s' to access "
                "`current.card['%s']`. " % (key, key, key)
            )
        elif not isinstance(value, list):
            self._warning(
                "`current.card['%s']` not set. `current.card['%s']` should be a `list` of `MetaflowCardComponent`."
                % (key, key)
            )
        else:
            uuid = self._by_id[key]
            self._managers[uuid] = CardComponentManager(self._cards[uuid], self._creator, value, self._logger)


CardComponentCollector.__module__ = CardComponentManager.__module__ = "metaflow.plugins.cards.component_serializer"
