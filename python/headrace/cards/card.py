"""Base classes of cards and of their components, for users to derive from."""

from __future__ import annotations

from typing import Any, Dict, List, Optional


class MetaflowCard:
    """A card type: makes an HTML page of a finished task.

    type: the name for `@card(type=...)`. ALLOW_USER_COMPONENTS: `current.card.append` works. RUNTIME_UPDATABLE: the page
    is also made while the task runs. options: of `@card`. components: what the task appended, rendered. graph: of the
    flow, as a dictionary. flow: the flow object.
    """

    RELOAD_POLICY_NEVER = "never"
    RELOAD_POLICY_ALWAYS = "always"
    RELOAD_POLICY_ONCHANGE = "onchange"
    #: Text in a page that is replaced by the content token.
    RELOAD_POLICY_TOKEN = "[METAFLOW_RELOAD_TOKEN]"

    type: Optional[str] = None
    ALLOW_USER_COMPONENTS = False
    RUNTIME_UPDATABLE = False
    RELOAD_POLICY = RELOAD_POLICY_NEVER
    scope = "task"
    runtime_data: Any = None

    def __init__(self, options: Any = None, components: Any = None, graph: Any = None, flow: Any = None) -> None:
        pass

    def render(self, task: Any) -> str:
        """The page of a finished task, as HTML."""
        raise NotImplementedError()

    def render_runtime(self, task: Any, data: Dict[str, Any]) -> str:
        """The page of a running task."""
        raise NotImplementedError()

    def refresh(self, task: Any, data: Dict[str, Any]) -> Any:
        """What changed in a running task's page, as JSON can hold it."""
        return None

    def reload_content_token(self, task: Any, data: Dict[str, Any]) -> str:
        """A text that is another when the page must be loaded again."""
        return "content-token"


class MetaflowCardComponent:
    """A part of a card: `render` gives HTML, or a dictionary that card types of Headrace show.

    REALTIME_UPDATABLE: what `render` gives is sent again at each `refresh` of the card.
    """

    REALTIME_UPDATABLE = False
    _component_id: Optional[str] = None
    _logger: Any = None

    @property
    def component_id(self) -> Optional[str]:
        """Its name within the card."""
        return self._component_id

    @component_id.setter
    def component_id(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError("Component ID must be a string")
        self._component_id = value

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Changes what is shown."""
        raise NotImplementedError()

    def render(self) -> Any:
        """HTML text, or a dictionary with `type`."""
        raise NotImplementedError()


def create_component_id(component: Any) -> str:
    """A new id for a component."""
    import uuid

    return "%s-%s" % (type(component).__name__.lower(), uuid.uuid4().hex[:6])


def with_default_component_id(func: Any) -> Any:
    """Wraps a method of a component: it has an id of its own when the method runs."""

    def ret_func(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.component_id is None:
            self.component_id = create_component_id(self)
        return func(self, *args, **kwargs)

    return ret_func


def rendered_parts(contents: Any) -> List[Any]:
    """Components as what they render, the rest as it is."""
    return [each.render() if isinstance(each, MetaflowCardComponent) else each for each in contents]


MetaflowCard.__module__ = MetaflowCardComponent.__module__ = "metaflow.plugins.cards.card_modules.card"
