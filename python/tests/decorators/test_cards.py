"""Cards: `current.card`, components, pages, and making them in a child that cannot harm the task."""

from __future__ import annotations

import datetime
import json
import re
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest

from driver import Driver
from headrace.cards import resolver
from headrace.cards.collector import CardComponentCollector
from headrace.cards.creator import CardCreator
from headrace.cards.markdown import markdown_to_html
from headrace.cards.page import component_html, page_html
from metaflow import FlowSpec, card, current, step
from metaflow import cards as names
from metaflow.cards import (
    Artifact,
    Error,
    EventsTimeline,
    Image,
    JSONViewer,
    Markdown,
    MetaflowCard,
    MetaflowCardComponent,
    ProgressBar,
    PythonCode,
    Table,
    ValueBox,
    VegaChart,
    YAMLViewer,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


class FakeArtifact:
    def __init__(self, id: str, data: Any) -> None:
        self.id = id
        self.data = data


class FakeStep:
    id = "start"

    def __init__(self, run: Any) -> None:
        self.parent = run
        self.task = [FakeArtifact("alpha", 3), FakeArtifact("name", "F")]


class FakeRun:
    tags = frozenset(["user:ann", "t"])

    def __contains__(self, name: str) -> bool:
        return name == "_parameters"

    def __getitem__(self, name: str) -> Any:
        return FakeStep(self)


class FakeTask:
    """What card types look at."""

    finished = True
    current_attempt = 0
    created_at = datetime.datetime(2026, 1, 2, 3, 4, 5)
    finished_at = datetime.datetime(2026, 1, 2, 3, 4, 9)

    def __init__(self, pathspec: str = "F/1/start/2", _namespace_check: bool = True) -> None:
        self.pathspec = pathspec
        self.parent = FakeStep(FakeRun())
        self.values = {"x": [1, 2], "html": "<b>mine</b>", "alpha": 3}
        self.data = self.values

    def __iter__(self) -> Any:
        return iter([FakeArtifact(name, value) for name, value in self.values.items()])

    def __getitem__(self, name: str) -> FakeArtifact:
        return FakeArtifact(name, self.values[name])


class FakeChannel:
    """Keeps cards as files, so that what a child stores can be seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def request(self, op: str, payload: bytes = b"", **fields: Any) -> Dict[str, Any]:
        assert op == "put_card" and fields["root"] == "/cards" and len(fields["path"]) == 4
        target = self.folder / fields["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(payload)
        return {"path": fields["file"]}


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setattr("headrace.channel.store_channel", lambda: FakeChannel(tmp_path))
    monkeypatch.setattr("headrace.client.Task", FakeTask)
    monkeypatch.setattr("headrace.client.cards.default_card_root", lambda root=None, kind="local": "/cards")
    return tmp_path


def run_step(body: Any, *card_attributes: Dict[str, Any]) -> "tuple[Any, Any]":
    """Runs a step with cards, then makes them; gives the driver and what the step raised."""

    class F(FlowSpec):
        @step
        def start(self):
            self._body(self)
            self.next(self.end)

        @step
        def end(self):
            pass

    F._body = staticmethod(body)
    for attributes in card_attributes:
        card(**attributes)(F.start)
    driver = Driver(F)
    driver.flow._graph_info = {"steps": {"start": {"next": ["end"]}}}
    error = driver.attempt("start")
    for deco in driver.step("start").decorators:
        deco.task_finished("start", driver.flow, driver.flow._graph, error is None, 0, 0)
    return driver, error


def pages(folder: Path) -> Dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.glob("*.html"))}


# Making cards


def test_the_default_card_shows_components_artifacts_and_code(stored: Path) -> None:
    _, error = run_step(lambda flow: current.card.append(Markdown("# Result *here*")), {})
    assert error is None
    (name, page), = pages(stored).items()
    assert re.fullmatch(r"default-[0-9a-f]{32}\.html", name)
    assert "<h1>Result <em>here</em></h1>" in page and "F/1/start/2" in page
    assert "[1, 2]" in page and "builtins.list" in page and "def start(self):" in page and "0:00:04" in page
    assert "<script" not in page and "http://" not in page and "https://" not in page
    data = json.loads((stored / "runtime" / name.replace(".html", ".data.json")).read_text())
    assert data["reload_token"] == "final" and [value["type"] for value in data["data"].values()] == ["markdown"]


def test_the_task_says_which_cards_it_has(stored: Path) -> None:
    driver, _ = run_step(lambda flow: None, {"type": "blank", "id": "r"}, {})
    records = driver.metadata.records
    assert [record.type for record in records] == ["card-info", "card-info"]
    info = json.loads(records[0].value)
    assert (info["type"], info["id"], info["card_uuid"]) == ("blank", "r", records[0].field)
    assert "blank-r-%s.html" % records[0].field in pages(stored)


def test_cards_of_metaflows_own_tests(stored: Path) -> None:
    from metaflow.plugins.cards.card_modules.test_cards import TestStringComponent

    run_step(
        lambda flow: current.card["e"].extend([TestStringComponent("a"), TestStringComponent("b")]),
        {"type": "test_editable_card", "id": "e"}, {"type": "test_mock_card", "options": {"key": "alpha"}},
        {"type": "test_error_card"}, {"type": "test_image_card"},
    )
    made = {name.split("-")[0]: page for name, page in pages(stored).items()}
    assert made["test_editable_card"] == "a$&#!!@*b" and made["test_mock_card"] == "3"
    assert "Unknown Things Happened" in made["test_error_card"] and "data:image/png" in made["test_image_card"]


def test_a_blank_card_shows_only_components(stored: Path) -> None:
    run_step(lambda flow: current.card["r"].append(Table([["a", 1]], headers=["k", "v"])),
             {"type": "blank", "id": "r", "options": {"title": "Report"}})
    (name, page), = pages(stored).items()
    assert name.startswith("blank-r-")
    assert "<h1>Report</h1>" in page and "<th>k</th>" in page and "<td>1</td>" in page and "Artifacts" not in page


def test_other_types_are_made_of_the_task(stored: Path) -> None:
    run_step(lambda flow: None, {"type": "html"}, {"type": "taskspec_card"}, {"type": "default_json"})
    made = {name.split("-")[0]: page for name, page in pages(stored).items()}
    assert made["html"] == "<b>mine</b>" and made["taskspec_card"] == "F/1/start/2"
    assert json.loads(made["default_json"])["metadata"]["pathspec"] == "F/1/start/2"


def test_no_card_is_made_of_a_failed_task(stored: Path) -> None:
    def body(flow: Any) -> None:
        raise ValueError

    _, error = run_step(body, {})
    assert isinstance(error, ValueError) and pages(stored) == {}


class Custom(MetaflowCard):
    type = "custom_card"

    def __init__(self, options=None, components=(), graph=None, flow=None):
        self.options = options

    def render(self, task):
        how = (self.options or {}).get("how")
        if how == "raise":
            raise RuntimeError("broken card")
        if how == "exit":
            import os

            os._exit(3)
        if how == "hang":
            while True:
                time.sleep(60)
        if how == "nothing":
            return None
        return "<p>custom %s %s</p>" % (task.pathspec, MetaflowCard.RELOAD_POLICY_TOKEN)


@pytest.fixture
def custom(monkeypatch: Any) -> None:
    monkeypatch.setattr("headrace.cards.resolver._extensions", [Custom])


def test_card_types_of_extensions_are_found(stored: Path, custom: None) -> None:
    run_step(lambda flow: None, {"type": "custom_card"})
    assert list(pages(stored).values()) == ["<p>custom F/1/start/2 final</p>"]


def test_card_types_of_namespace_packages_are_found(tmp_path: Path, monkeypatch: Any) -> None:
    module = tmp_path / "metaflow_extensions" / "org" / "plugins" / "cards" / "pages"
    module.mkdir(parents=True)  # as Metaflow documents it: only the card's own module has an __init__.py
    (module / "__init__.py").write_text(
        "from metaflow.cards import MetaflowCard\nclass Page(MetaflowCard):\n    type = 'org_page'\nCARDS = [Page]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(resolver, "_extensions", None)
    for name in [name for name in sys.modules if name.split(".")[0] == "metaflow_extensions"]:
        monkeypatch.delitem(sys.modules, name)
    assert resolver.get_card_class("org_page").__module__ == "metaflow_extensions.org.plugins.cards.pages"


@pytest.mark.parametrize(
    "options, attributes, in_page, said",
    [
        ({"how": "raise"}, {}, "broken card", ""),
        ({"how": "nothing"}, {}, "No information rendered from card of type custom_card", ""),
        ({"how": "hang"}, {"timeout": 1}, "Card rendering timed out after 1 seconds", ""),
        ({"how": "exit"}, {}, None, "the card could not be made"),
        ({"how": "raise"}, {"save_errors": False}, None, "broken card"),
    ],
)
def test_a_card_that_cannot_be_made_does_not_fail_the_task(
    stored: Path, custom: None, capsys: Any, options: Any, attributes: Any, in_page: Any, said: str
) -> None:
    _, error = run_step(lambda flow: None, dict(attributes, type="custom_card", options=options))
    assert error is None
    found = pages(stored)
    assert [name.split("-")[0] for name in found] == ([] if in_page is None else ["custom_card"])
    assert in_page is None or in_page in list(found.values())[0]
    output = capsys.readouterr().out
    assert ("Card render failed with error :" in output) == bool(said) and said in output


def test_an_unknown_type_is_said_and_becomes_an_error_card(stored: Path, capsys: Any) -> None:
    run_step(lambda flow: current.card.append(Markdown("x")), {"type": "no_such_card"})
    assert "MetaflowCard named no_such_card not found. Check the `type` attribute in @card" in list(pages(stored).values())[0]
    assert "Card of type `no_such_card` doesn't exist." in capsys.readouterr().out


def test_refresh_shows_the_card_while_the_task_runs(stored: Path) -> None:
    def body(flow: Any) -> None:
        bar = ProgressBar(max=10)
        current.card.append(bar)
        bar.update(3)
        current.card.refresh({"step": 1})
        collector = current.card
        # Not waited for by the task; the test must.
        collector._creator._may_start(collector._default, "", True)
        flow.early = dict(pages(stored), **{p.name: p.read_text() for p in (stored / "runtime").glob("*.json")})

    driver, error = run_step(body, {"type": "blank", "refresh_interval": 0})
    assert error is None
    early = driver.flow.early
    page = next(text for name, text in early.items() if name.endswith(".html"))
    data = json.loads(next(text for name, text in early.items() if name.endswith(".json")))
    assert 'data-running="true"' in page and "width:30.0%" in page
    assert list(data["data"].values())[0]["value"] == 3
    final = list(pages(stored).values())[0]
    assert 'data-running="true"' not in final and len(pages(stored)) == 1


def test_refresh_is_limited_in_time() -> None:
    made: List[str] = []

    class Creator:
        def create(self, card: Any, manager: Any, mode: str, **kwargs: Any) -> None:
            made.append(mode)

    collector = collector_of({"type": "blank"}, creator=Creator())
    collector.refresh()
    collector.refresh()
    assert made == ["render_runtime", "refresh"]


# current.card


def collector_of(*cards: Dict[str, Any], said: Any = None, creator: Any = None) -> CardComponentCollector:
    said = [] if said is None else said
    collector = CardComponentCollector(lambda body, **kwargs: said.append(body), creator)
    for number, attributes in enumerate(cards):
        known = {
            "uuid": str(number), "type": "default", "id": None, "customize": False, "editable": True, "runtime": True,
            "refresh_interval": 5, "options": {}, "timeout": 45, "save_errors": True,
        }
        collector._add_card(dict(known, **attributes))
    collector._finalize()
    return collector


def test_append_means_the_only_card_or_the_one_without_id() -> None:
    one = collector_of({"id": "a"})
    one.append(Markdown("x"))
    assert len(one["a"].components) == 1
    two = collector_of({"id": "a"}, {})
    two.append(Markdown("x"))
    two["a"].extend([Markdown("y"), Markdown("z")])
    assert [len(manager.components) for manager in two._managers.values()] == [2, 1]
    chosen = collector_of({"id": "a"}, {"id": "b", "customize": True})
    chosen.append(Markdown("x"))
    assert len(chosen["b"].components) == 1


def test_append_to_one_of_several_cards_is_said_once_and_shown() -> None:
    said: List[str] = []
    collector = collector_of({"id": "a"}, {"id": "b"}, said=said)
    collector.append(Markdown("x"))
    collector.append(Markdown("x"))
    assert len(said) == 1 and "cannot disambiguate between multiple editable cards" in said[0]
    assert [part.render()["contents"][0]["text"] for part in collector["a"].components] == ["@card WARNING"]


def test_ids_that_are_missing_or_double_are_said() -> None:
    said: List[str] = []
    collector = collector_of({"id": "a"}, {"id": "a"}, {}, said=said)
    assert "duplicate ids : a" in said[0]
    assert collector["a"] == []
    assert "`current.card['a']` is not present" in said[1]
    collector["b"] = []
    assert len(said) == 3


def test_a_card_that_takes_no_components_says_so() -> None:
    said: List[str] = []
    collector = collector_of({"type": "taskspec_card", "editable": False}, said=said)
    collector.append(Markdown("x"))
    collector.extend([])
    assert "Card of type `taskspec_card` is not an editable card." in said[0]
    assert collector.components is None


def test_components_are_found_by_id_replaced_and_removed() -> None:
    from metaflow.plugins.cards.exception import ComponentOverwriteNotSupportedException

    said: List[str] = []
    collector = collector_of({}, said=said)
    collector.append(Markdown("x"), id="m")
    collector.components["m"].update("y")
    assert collector.components["m"].render()["source"] == "y"
    with pytest.raises(ComponentOverwriteNotSupportedException):
        collector.components["m"] = Markdown("z")
    collector.components["n"] = ProgressBar()
    assert collector.components.keys() == ["m", "n"]
    collector.components["missing"].update(3)
    assert "Component with id `missing` doesn't exist." in said[-1]
    del collector.components["m"]
    with pytest.raises(KeyError):
        del collector.components["m"]
    collector.append("no component")
    assert "is not a valid MetaflowCardComponent" in said[-1]
    collector.clear()
    assert len(collector.components) == 0


def test_a_list_takes_the_place_of_a_cards_components() -> None:
    collector = collector_of({"id": "c"})
    collector["c"] = [Markdown("x"), Markdown("y")]
    assert len(collector["c"].components) == 2
    with pytest.raises(AttributeError):
        collector["c"].components = [Markdown("z")]


def test_a_card_can_be_given_its_components() -> None:
    collector = collector_of({"id": "a"}, {})
    collector["a"] = [Markdown("x"), Markdown("y")]
    assert len(collector["a"].components) == 2 and len(collector.get(type="default")) == 2


# Components


def test_components_render_to_what_pages_show() -> None:
    html = component_html(Table([[Artifact([1]), None, "<b>"]], headers=["h"]).render())
    assert "[1]" in html and "&lt;b&gt;" in html and "<b>" not in html.replace("<b>", "", 0).split("&lt;")[0]
    assert '<img src="data:image/png;base64,' in component_html(Image(PNG, "label").render())
    assert "RENDER FAIL" in component_html(Image(b"text").render())
    assert "ValueError: v" in component_html(Error(ValueError("v")).render())
    assert "def run_step" in component_html(PythonCode(run_step).render())
    assert '&quot;a&quot;: 1' in component_html(JSONViewer({"a": 1}).render())
    assert "a: 1" in component_html(YAMLViewer("a: 1").render())
    assert "Specification" in component_html(VegaChart({"mark": "bar"}).render())
    assert "7" in component_html(ValueBox("t", 7).render())


def spec_of(mark: Any, x: Any, y: Any, **more: Any) -> Any:
    values = [{"x": a, "y": b} for a, b in zip(x, y)]
    encoding = {"x": {"field": "x"}, "y": {"field": "y"}}
    return dict({"mark": mark, "data": {"values": values}, "encoding": encoding}, **more)


def test_plain_charts_are_drawn() -> None:
    from headrace.cards.chart import chart_svg

    bars = chart_svg(spec_of("bar", ["a", "b"], [1, 2])) or ""
    heights = [float(text) for text in re.findall(r'<rect [^>]*height="([0-9.]+)"', bars)]
    assert len(heights) == 2 and heights[1] == pytest.approx(2 * heights[0])
    assert "<polyline" in str(chart_svg(spec_of({"type": "line"}, [1, 2, 3], [3, 1, 2])))
    assert str(chart_svg(spec_of("point", [1, 2, 3], [3, None, 2]))).count("<circle") == 2
    assert "&lt;a&gt;" in str(chart_svg(spec_of("bar", ["<a>"], [1])))
    for other in (None, {}, spec_of("geoshape", [1], [1]), spec_of("bar", [], []), {"mark": "bar", "data": {"url": "x"}}):
        assert chart_svg(other) is None
    page = component_html(VegaChart(spec_of("bar", [1], [1], title="Sizes")).render())
    assert "<svg" in page and "<figcaption>Sizes" in page


def test_updates_change_what_is_shown() -> None:
    box = ValueBox("t", 1)
    box.update(value="two", subtitle="s")
    assert (box.render()["value"], box.render()["subtitle"], box.render()["title"]) == ("two", "s", "t")
    table = Table([[1]])
    table.update([[2]])
    assert table.render()["data"] == [[2]]
    chart = VegaChart({"mark": "bar"})
    chart.update({"mark": "line"})
    assert chart.render()["spec"]["mark"] == "line"
    image = Image(PNG)
    identity = image.render()["id"]
    image.update(PNG, "new")
    assert image.render()["label"] == "new" and image.render()["id"] == identity


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"title": 3}, TypeError), ({"title": " "}, ValueError), ({"title": "x" * 201}, ValueError),
        ({"value": None}, ValueError), ({"value": []}, TypeError), ({"value": " "}, ValueError),
        ({"value": 1e16}, ValueError), ({"value": 1, "theme": "1x"}, ValueError),
    ],
)
def test_value_box_checks_its_values(arguments: Any, error: Any) -> None:
    with pytest.raises(error):
        ValueBox(**dict({"value": 1}, **arguments))


def test_timeline_keeps_the_newest_events() -> None:
    timeline = EventsTimeline("t", max_events=2)
    for number in range(3):
        timeline.update({"n": number}, style_theme="success", payloads={"p": Markdown("m%d" % number)})
    found = timeline.render()
    assert [event["metadata"]["n"] for event in found["events"]] == [2, 1]
    assert found["stats"]["total_events"] == 3 and found["stats"]["finished"] is False
    assert "m2" in component_html(found)
    with pytest.raises(TypeError):
        timeline.update({}, payloads={"p": "text"})
    with pytest.raises(ValueError):
        timeline.update({}, style_theme="1 x")


def test_a_component_that_cannot_be_rendered_shows_why() -> None:
    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    assert "no text" in json.dumps(Artifact(Unprintable(), compressed=False).render())
    assert "AttributeError" in json.dumps(VegaChart(None).render()) or "TypeError" in json.dumps(VegaChart(None).render())


def test_components_of_users_are_shown_as_they_are() -> None:
    class Mine(MetaflowCardComponent):
        def render(self):
            return "<i>mine</i>"

    class Broken(MetaflowCardComponent):
        def render(self):
            raise ValueError

    collector = collector_of({})
    collector.extend([Mine(), Broken()])
    assert collector._managers["0"].rendered() == ["<i>mine</i>"]


def test_tables_of_dataframes() -> None:
    pandas = pytest.importorskip("pandas")
    table = Table.from_dataframe(pandas.DataFrame({"a": range(9), "b": [1.5] * 9}))
    found = table.render()
    assert found["columns"] == ["", "a", "b"] and found["data"][1] == ["1", 1, 1.5] and len(found["data"]) == 5
    assert len(Table.from_dataframe(pandas.DataFrame({"a": range(9)}), truncate=False).render()["data"]) == 9
    assert Table.from_dataframe([1]).render()["columns"] == ["Object type list not supported"]


@pytest.mark.parametrize(
    "source, html",
    [
        ("# A\ntext", "<h1>A</h1>\n<p>text</p>"),
        ("a **b** _c_ `d*e*`", "<p>a <strong>b</strong> <em>c</em> <code>d*e*</code></p>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("```python\nx < 1\n```\nend", "<pre>x &lt; 1</pre>\n<p>end</p>"),
        ("> q", "<blockquote><p>q</p></blockquote>"),
        ("|a|b|\n|-|-|\n|1|2|", "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"),
        ("[x](https://e.org)", '<p><a href="https://e.org">x</a></p>'),
        ("[x](javascript:alert)", "<p>[x](javascript:alert)</p>"),
        ("<script>", "<p>&lt;script&gt;</p>"),
        ("snake_case_name", "<p>snake_case_name</p>"),
        ("---", "<hr>"),
    ],
)
def test_markdown(source: str, html: str) -> None:
    assert markdown_to_html(source) == html


def test_pages_escape_titles() -> None:
    assert "<title>&lt;x&gt;</title>" in page_html("<x>", [])


def test_names_of_cards_are_complete() -> None:
    assert set(names.__all__ if hasattr(names, "__all__") else dir(names)) >= {"get_cards", "Markdown", "DefaultCard"}
    assert CardCreator is not None and callable(names.get_cards)


RUNTIME = "will not work for any call during this runtime execution."


@pytest.mark.parametrize(
    "cards, doing, text",
    [
        (2, "append", "`current.card.append` cannot disambiguate between multiple editable cards. Component will not be appended and "
         "`current.card.append` %s To fix this set the `id` argument in all @card's when using multiple @card decorators over a "
         "single @step. "),
        (2, "extend", "`current.card.extend` cannot disambiguate between multiple @card decorators. Components list will not be "
         "extended and `current.card.extend` %s To fix this set the `id` argument in all @card when using multiple @card decorators "
         "over a single @step."),
        (2, "components", "`current.card.components` cannot disambiguate between multiple @card decorators. Components list will not "
         "be accessible and `current.card.components` %s To fix this set the `id` argument in all @card when using multiple @card "
         "decorators over a single @step and reference `current.card[ID].components` to update/access the appropriate card "
         "component."),
        (1, "append", "Card of type `taskspec_card` is not an editable card. Component will not be appended and "
         "`current.card.append` %s Please use an editable card."),
        (1, "extend", "Card of type `taskspec_card` is not an editable card. Components list will not be extended and "
         "`current.card.extend` %s Please use an editable card"),
        (0, "append", "Card of type `nope` doesn't exist. Component will not be appended and `current.card.append` %s Please use a "
         "card `type` which exits."),
    ],
)
def test_words_of_warnings_are_those_of_metaflow(cards: int, doing: str, text: str) -> None:
    said: List[str] = []
    kinds = {2: [{"type": "blank"}, {"type": "default"}], 1: [{"type": "taskspec_card", "editable": False}]}
    collector = collector_of(*kinds.get(cards, [{"type": "nope", "editable": False}]), said=said)
    for _ in range(2):
        used = getattr(collector, doing)
        if callable(used):
            used([])
    assert said == ["[@card WARNING] " + text % RUNTIME]
