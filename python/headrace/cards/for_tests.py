"""Card types and components that Metaflow's own tests use, by the same names."""

from __future__ import annotations

import json
from typing import Any, Dict, List

from .card import MetaflowCard, MetaflowCardComponent


class _ValueComponent(MetaflowCardComponent):
    REALTIME_UPDATABLE = True

    def __init__(self, value: Any) -> None:
        self._value = value

    def update(self, value: Any) -> None:  # type: ignore[override,unused-ignore]
        self._value = value

    def render(self) -> Any:
        return self._value


class TestStringComponent(_ValueComponent):
    def render(self) -> Any:
        return str(self._value)


class TestJSONComponent(_ValueComponent):
    pass


class TestPathSpecCard(MetaflowCard):
    type = "test_pathspec_card"

    def render(self, task: Any) -> str:
        import uuid

        return "%s %s" % (task.pathspec, uuid.uuid4().hex[:6].upper())


class TestNonEditableCard(MetaflowCard):
    type = "test_non_editable_card"
    separator = "$&#!!@*"

    def __init__(self, components: Any = (), **kwargs: Any) -> None:
        self._components = components

    def render(self, task: Any) -> str:
        return self.separator.join(map(str, self._components))


class TestEditableCard(TestNonEditableCard):
    type = "test_editable_card"
    ALLOW_USER_COMPONENTS = True


class TestEditableCard2(TestEditableCard):
    type = "test_editable_card_2"


class TestMockCard(MetaflowCard):
    type = "test_mock_card"

    def __init__(self, options: Any = None, **kwargs: Any) -> None:
        self._key = (options or {"key": "dummy_key"})["key"]

    def render(self, task: Any) -> str:
        return str(task[self._key].data)


class TestErrorCard(MetaflowCard):
    type = "test_error_card"

    def render(self, task: Any) -> str:
        raise Exception("Unknown Things Happened")


class TestTimeoutCard(MetaflowCard):
    type = "test_timeout_card"

    def __init__(self, options: Any = None, **kwargs: Any) -> None:
        self._timeout = (options or {"timeout": 50}).get("timeout", 10)

    def render(self, task: Any) -> str:
        import time

        time.sleep(self._timeout)
        return str(task.pathspec)


_PAGE = """<html><script>
var METAFLOW_RELOAD_TOKEN = "[METAFLOW_RELOAD_TOKEN]"
window.metaflow_card_update = data => { document.querySelector("h1").innerHTML = JSON.stringify(data); }
</script><h1>%s</h1><h1>%s</h1></html>
"""


class TestRefreshCard(MetaflowCard):
    type = "test_refresh_card"
    ALLOW_USER_COMPONENTS = True
    RUNTIME_UPDATABLE = True
    RELOAD_POLICY = MetaflowCard.RELOAD_POLICY_ALWAYS

    def render(self, task: Any) -> str:
        return self.render_runtime(task, self.runtime_data)

    def render_runtime(self, task: Any, data: Dict[str, Any]) -> str:
        return _PAGE % (task.pathspec, json.dumps(data["user"]))

    def refresh(self, task: Any, data: Dict[str, Any]) -> Any:
        return data


class TestRefreshComponentCard(MetaflowCard):
    type = "test_component_refresh_card"
    ALLOW_USER_COMPONENTS = True
    RUNTIME_UPDATABLE = True
    RELOAD_POLICY = MetaflowCard.RELOAD_POLICY_ONCHANGE

    def __init__(self, components: Any = (), **kwargs: Any) -> None:
        self._components = components

    def render(self, task: Any) -> str:
        return _PAGE % (task.pathspec, json.dumps(self._components))

    def render_runtime(self, task: Any, data: Dict[str, Any]) -> str:
        return self.render(task)

    def refresh(self, task: Any, data: Dict[str, Any]) -> Any:
        return data["components"]

    def reload_content_token(self, task: Any, data: Dict[str, Any]) -> str:
        if task.finished:
            return "final"
        import hashlib

        values = ",".join("".join(text) for value in data["components"].values() for text in value)
        return "runtime-%s" % hashlib.sha256(values.encode("utf-8")).hexdigest()


class TestImageCard(MetaflowCard):
    type = "test_image_card"

    def render(self, task: Any) -> str:
        from .images import PIXEL, image_source

        return "<html><img src='%s' /></html>" % image_source(PIXEL)[0]


__all__ = [
    "TestEditableCard", "TestEditableCard2", "TestErrorCard", "TestImageCard", "TestJSONComponent", "TestMockCard",
    "TestNonEditableCard", "TestPathSpecCard", "TestRefreshCard", "TestRefreshComponentCard", "TestStringComponent",
    "TestTimeoutCard",
]

CARDS: List[Any] = [
    TestPathSpecCard, TestNonEditableCard, TestEditableCard, TestEditableCard2, TestMockCard, TestErrorCard,
    TestTimeoutCard, TestRefreshCard, TestRefreshComponentCard, TestImageCard,
]
for _cls in CARDS + [TestStringComponent, TestJSONComponent]:
    _cls.__module__ = "metaflow.plugins.cards.card_modules.test_cards"
    _cls.__test__ = False
del _cls
