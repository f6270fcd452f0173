"""The card types that are built in: default, blank, error, html, and the ones that show data alone."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from .basic import (  # noqa: F401
    ArtifactsComponent,
    DagComponent,
    ErrorComponent,
    LogComponent,
    PageComponent,
    PythonCodeComponent,
    SectionComponent,
    TableComponent,
    TextComponent,
    TitleComponent,
)
from .card import MetaflowCard, MetaflowCardComponent
from .page import page_html
from .values import describe_value, is_dataframe, table_of_dataframe


class _UpdatableCard(MetaflowCard):
    """A card whose page is also made while the task runs."""

    ALLOW_USER_COMPONENTS = True
    RUNTIME_UPDATABLE = True
    RELOAD_POLICY = MetaflowCard.RELOAD_POLICY_ONCHANGE

    def refresh(self, task: Any, data: Dict[str, Any]) -> Any:
        return data["components"]

    def reload_content_token(self, task: Any, data: Dict[str, Any]) -> str:
        # Components that come or go change the page; their values alone do not.
        return "final" if task.finished else "runtime-%s" % data["component_update_ts"]


class TaskInfoComponent(MetaflowCardComponent):
    """What there is to say about a task. components: what the task appended."""

    def __init__(self, task: Any, page_title: str = "Task Info", only_repr: bool = True, graph: Any = None,
                 components: Any = (), runtime: bool = False, flow: Any = None,
                 max_artifact_size: Optional[int] = None) -> None:
        self._task = task
        self._title = page_title
        self._shorten = only_repr
        self._graph = graph
        self._components = list(components or ())
        self._runtime = runtime
        self._flow = flow

    def render(self) -> Dict[str, Any]:
        """`{"metadata", "components"}`."""
        task = self._task
        parameters = self._parameter_names()
        contents: List[Any] = self._components + [self._metadata(), self._code(), self._artifacts(
            "Flow Parameters", parameters, "No Parameters")]
        if not self._runtime:
            own = [artifact.id for artifact in task if artifact.id not in parameters and artifact.id != "name"]
            contents.append(self._artifacts("Artifacts", own, "No Artifacts"))
            contents += self._tables(own)
        if self._graph:
            contents.append(SectionComponent("DAG", contents=[DagComponent(data=self._graph)]))
        page = PageComponent(self._title, contents=contents).render()
        return {
            "metadata": {"version": 1, "template": "defaultCardTemplate", "pathspec": task.pathspec},
            "components": [TitleComponent(task.pathspec).render(), page],
        }

    def _parameter_names(self) -> List[str]:
        run = self._task.parent.parent
        if "_parameters" not in run:
            return []
        return [artifact.id for artifact in run["_parameters"].task if artifact.id != "name"]

    def _metadata(self) -> SectionComponent:
        task = self._task
        tags = sorted(task.parent.parent.tags)
        facts: Dict[str, Any] = {"Task Created On": task.created_at}
        if not self._runtime and task.finished_at is not None:
            facts["Task Finished On"] = task.finished_at
            facts["Task Duration"] = str(task.finished_at - task.created_at).split(".")[0]
        facts["Tags"] = ", ".join(tags)
        facts["Attempt"] = task.current_attempt
        user = [tag[len("user:"):] for tag in tags if tag.startswith("user:")]
        if user:
            facts["User"] = user[0]
        table = TableComponent(headers=list(facts), data=[[str(value) for value in facts.values()]], vertical=True)
        return SectionComponent("Task Metadata", contents=[table])

    def _code(self) -> Any:
        import inspect

        step = getattr(self._flow, self._task.parent.id, None)
        try:
            source = inspect.getsource(step) if step is not None else ""
        except (OSError, TypeError):
            # The file of the flow is gone or was never a file.
            source = ""
        return SectionComponent("Task Code", contents=[PythonCodeComponent(source)]) if source else ""

    def _artifacts(self, title: str, names: List[str], none: str) -> SectionComponent:
        values = [describe_value(self._load(name), name, self._shorten) for name in names]
        return SectionComponent(title, contents=[ArtifactsComponent(data=values) if values else TextComponent(none)])

    def _load(self, name: str) -> Any:
        try:
            return self._task[name].data
        except Exception as error:
            return "cannot be loaded: %s" % error

    def _tables(self, names: List[str]) -> List[Any]:
        tables = []
        for name in names:
            value = self._load(name)
            if is_dataframe(value):
                found = table_of_dataframe(value)
                rows, columns = found["full_size"]
                title = "Artifact Name: %s (%d columns and %d rows)" % (name, columns, rows)
                tables.append(SectionComponent(title, contents=[TableComponent(headers=found["headers"],
                                                                               data=found["data"])]))
        return [SectionComponent("Tabular Data", contents=tables)] if tables else []


class DefaultCard(_UpdatableCard):
    """All about a task: what it appended, its times, code, parameters, artifacts, and the flow's graph.

    options: only_repr (shorten values, default True).
    """

    type = "default"

    def __init__(self, options: Any = None, components: Any = None, graph: Any = None, graph_info: Any = None,
                 flow: Any = None, **kwargs: Any) -> None:
        options = options or {}
        self._only_repr = options.get("only_repr", True)
        self._components = components or []
        self._graph = graph_info if graph_info is not None else graph
        self._flow = flow

    def _info(self, task: Any, runtime: bool) -> Dict[str, Any]:
        return TaskInfoComponent(
            task, only_repr=self._only_repr, graph=self._graph, components=self._components, runtime=runtime,
            flow=self._flow,
        ).render()

    def render(self, task: Any, runtime: bool = False) -> str:
        return page_html(task.pathspec, self._info(task, runtime)["components"], runtime)

    def render_runtime(self, task: Any, data: Dict[str, Any]) -> str:
        return self.render(task, runtime=True)


class DefaultCardJSON(DefaultCard):
    """What the default card shows, as JSON."""

    type = "default_json"
    ALLOW_USER_COMPONENTS = False
    RUNTIME_UPDATABLE = False

    def render(self, task: Any, runtime: bool = False) -> str:
        return json.dumps(self._info(task, runtime), default=str)


class BlankCard(_UpdatableCard):
    """Only what the task appended. options: title."""

    type = "blank"

    def __init__(self, options: Any = None, components: Any = None, graph: Any = None, **kwargs: Any) -> None:
        self._title = (options or {}).get("title", "")
        self._components = components or []

    def render(self, task: Any, components: Any = None, runtime: bool = False) -> str:
        page = PageComponent(self._title or None, contents=list(components or []) + list(self._components))
        return page_html(task.pathspec, [page.render()], runtime)

    def render_runtime(self, task: Any, data: Dict[str, Any]) -> str:
        return self.render(task, runtime=True)


class ErrorCard(MetaflowCard):
    """Stands for a card that could not be made."""

    type = "error"
    RELOAD_POLICY = MetaflowCard.RELOAD_POLICY_ONCHANGE

    def __init__(self, options: Any = None, components: Any = None, graph: Any = None, **kwargs: Any) -> None:
        self._components = components or []

    def reload_content_token(self, task: Any, data: Dict[str, Any]) -> str:
        return "final" if task.finished else "runtime-%s" % (data or {}).get("component_update_ts")

    def render(self, task: Any, stack_trace: Optional[str] = None) -> str:
        trace = stack_trace if stack_trace is not None else "No stack trace was produced"
        contents = list(self._components) + [ErrorComponent("Card Render Error", trace)]
        return page_html(task.pathspec, [PageComponent("Error Card", contents=contents).render()])


class TaskSpecCard(MetaflowCard):
    """The pathspec of the task."""

    type = "taskspec_card"

    def render(self, task: Any) -> str:
        return str(task.pathspec)


class HTMLCard(MetaflowCard):
    """HTML that the step assigned to the artifact `html`."""

    type = "html"

    def __init__(self, options: Any = None, components: Any = None, graph: Any = None, **kwargs: Any) -> None:
        self._attribute = (options or {}).get("attribute", "html")

    def render(self, task: Any) -> str:
        if self._attribute not in task.data:
            raise AttributeError(
                "a card of type `html` shows the artifact `%s`, and the step has not set it" % self._attribute
            )
        return str(task[self._attribute].data)


for _cls in (TaskInfoComponent, DefaultCard, DefaultCardJSON, BlankCard, ErrorCard, TaskSpecCard, HTMLCard):
    _cls.__module__ = "metaflow.plugins.cards.card_modules.basic"
del _cls
