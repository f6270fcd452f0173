"""`render_safely`: a component that cannot be rendered becomes a component that says why."""

from __future__ import annotations

from typing import Any, Callable


def render_safely(func: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `render` of a component: what it raises, or returns that is no text and no JSON object, is shown on the card."""

    def ret_func(self: Any, *args: Any, **kwargs: Any) -> Any:
        from .basic import SerializationErrorComponent

        try:
            rendered = func(self, *args, **kwargs)
        except Exception:
            import traceback

            return SerializationErrorComponent(type(self).__name__, traceback.format_exc()).render()
        problem = ""
        if type(rendered) not in (str, dict):
            problem = "Component render didn't return a `string` or `dict`"
        else:
            import json

            try:
                json.dumps(rendered)
            except (TypeError, ValueError) as error:
                problem = "Rendered Component cannot be JSON serialized. \n\n %s" % error
        return SerializationErrorComponent(type(self).__name__, problem).render() if problem else rendered

    return ret_func
