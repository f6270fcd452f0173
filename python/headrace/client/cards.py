"""The cards of tasks: `get_cards(task)`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Union

from headrace.client import store
from headrace.errors import MetaflowException

if TYPE_CHECKING:
    from headrace.client.task import Task

CARD_SUFFIX = "mf.cards"


class CardNotPresentException(MetaflowException):
    """A task has no card that answers the query."""

    __module__ = "metaflow.plugins.cards.exception"
    headline = "Card not found in datastore"

    def __init__(
        self,
        pathspec: str,
        card_type: Optional[str] = None,
        card_hash: Optional[str] = None,
        card_id: Optional[str] = None,
    ) -> None:
        what = "Card"
        more = ""
        for name, value in (("id", card_id), ("type", card_type), ("hash", card_hash)):
            if value is not None:
                what = "Card with %s '%s'" % (name, value)
        if card_hash is not None:
            more = ". When using `--hash` always ensure you have full hash or first five characters of the hash."
        super().__init__("%s not found for pathspec %s%s" % (what, pathspec, more))


class TaskNotFoundException(MetaflowException):
    """resolved_from: `task_pathspec`, `step_pathspec` or `stepname`, what pathspec_query was."""

    __module__ = "metaflow.plugins.cards.exception"
    headline = "Cannot resolve task for pathspec"

    def __init__(self, pathspec_query: str, resolved_from: str, run_id: Optional[str] = None) -> None:
        if resolved_from == "task_pathspec":
            message = "Task pathspec %s not found." % pathspec_query
        elif resolved_from == "step_pathspec":
            message = "Step pathspec %s not found." % pathspec_query
        elif run_id is None:
            message = "Step %s not found" % pathspec_query
        else:
            message = "Step %s not found for Run('%s')." % (pathspec_query, run_id)
        super().__init__(message)


class UnresolvableDatastoreException(MetaflowException):
    __module__ = "metaflow.plugins.cards.exception"
    headline = "Cannot resolve datastore type from `Task.metadata`"

    def __init__(self, task: "Task") -> None:
        super().__init__("Cannot resolve the metadata `ds-type` from task with pathspec : %s " % task.pathspec)


class IncorrectArgumentException(MetaflowException):
    __module__ = "metaflow.plugins.cards.exception"
    headline = "`get_cards` function requires a `Task` object or pathspec as an argument"

    def __init__(self, obj_type: type) -> None:
        super().__init__(
            "`get_cards` function requires a `Task` object or pathspec as an argument. `task` argument cannot be of "
            "type %s." % obj_type
        )


class IncorrectPathspecException(MetaflowException):
    __module__ = "metaflow.plugins.cards.exception"
    headline = "Pathspec is required of form `flowname/runid/stepname/taskid`"

    def __init__(self, pthspec: str) -> None:
        super().__init__(
            "Pathspec %s is invalid. Pathspec is required of form `flowname/runid/stepname/taskid`" % pthspec
        )


class Card:
    """One card of a task: an HTML page.

    type: such as `default`. hash: 32 hex digits that tell it from others. id: of `@card(id=...)`, or None.
    path: of its file, below the root of the cards.
    """

    __module__ = "metaflow.plugins.cards.card_client"

    def __init__(self, card_root: str, task_path: List[str], record: Dict[str, Any], origin: Optional[str]) -> None:
        self._root = card_root
        self._task_path = task_path
        self._html: Optional[str] = None
        self._card_id: Optional[str] = record.get("id")
        self.type: str = record["type"]
        self.hash: str = record["hash"]
        self.from_resumed = origin is not None
        self.origin_pathspec = origin
        self.filename: str = record["path"].rpartition("/")[2]
        flow, run, step, task = task_path
        self._path = "/".join((flow, "runs", run, "steps", step, "tasks", task, "cards", self.filename))
        self._temp_file: Any = None

    def get(self) -> str:
        """The HTML page. Raises CardNotPresentException if it has been removed since."""
        if self._html is None:
            data = store.card(self._root, self._task_path, self.filename)
            if data is None:
                raise CardNotPresentException("/".join(self._task_path), card_hash=self.hash)
            self._html = data.decode("utf-8")
        return self._html

    def get_data(self) -> Optional[Dict[str, Any]]:
        """What the task last said for the card while it ran; None if nothing."""
        name = self.filename[: -len(".html")]
        data = store.card(self._root, self._task_path, "runtime/%s.data.json" % name)
        return None if data is None else json.loads(data.decode("utf-8"))

    @property
    def path(self) -> str:
        """Where it is, below the root of the cards."""
        return self._path

    @property
    def id(self) -> Optional[str]:
        """What `@card(id=...)` called it; None if nothing."""
        return self._card_id

    def view(self) -> None:
        """Opens it in a browser."""
        import tempfile
        import webbrowser

        # Kept with the card: the browser reads it some time later.
        self._temp_file = tempfile.NamedTemporaryFile(suffix=".html")
        self._temp_file.write(self.get().encode("utf-8"))
        self._temp_file.flush()
        webbrowser.open("file://" + self._temp_file.name)

    def __str__(self) -> str:
        return "<Card at '%s'>" % self._path

    def _repr_html_(self) -> str:
        import uuid

        container = uuid.uuid4()
        return (
            "<script type='text/javascript'>var mfContainerId = '%s';</script>\n"
            "<div class='embed' data-container='%s'>%s</div>" % (container, container, self.get())
        )


class CardContainer:
    """The cards of a task, as a sequence; in a notebook they are shown."""

    __module__ = "metaflow.plugins.cards.card_client"

    def __init__(self, cards: List[Card], origin_pathspec: Optional[str] = None) -> None:
        self._cards = cards
        self.from_resumed = origin_pathspec is not None
        self.origin_pathspec = origin_pathspec

    def __len__(self) -> int:
        return len(self._cards)

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards)

    def __getitem__(self, index: int) -> Card:
        return self._cards[index]

    def _repr_html_(self) -> str:
        return "\n".join(
            "<h1>Displaying Card Of Type : %s</h1>\n%s" % (card.type.title(), card._repr_html_()) for card in self
        )


def get_cards(
    task: Union[str, "Task"], id: Optional[str] = None, type: Optional[str] = None, follow_resumed: bool = True
) -> CardContainer:
    """The cards of a task; their pages are fetched when they are looked at.

    task: a Task or its pathspec `Flow/run/step/task`, in any namespace. id, type: only cards with these.
    follow_resumed: for a task that `resume` cloned, those of the task it was cloned from.
    Raises IncorrectArgumentException, IncorrectPathspecException, MetaflowNotFound, CardNotPresentException.
    """
    from headrace.client.task import Task

    if isinstance(task, str):
        if len(task.split("/")) != 4:
            raise IncorrectPathspecException(task)
        task = Task(task, _namespace_check=False)
    elif not isinstance(task, Task):
        raise IncorrectArgumentException(task.__class__)
    origin = task_of_cards(task) if follow_resumed else None
    if origin is not None:
        task = Task(origin, _namespace_check=False, _metaflow=task._metaflow)
    values = task.metadata_dict
    if values.get("ds-type") is None:
        raise UnresolvableDatastoreException(task)
    return CardContainer(find_cards(_root_of(values), task.pathspec, type=type, card_id=id, origin=origin), origin)


def task_of_cards(task: "Task") -> Optional[str]:
    """Pathspec of the task that `task` goes back to over all its resumes; None if it was executed."""
    from headrace.client.task import Task

    origin = None
    while task.origin_pathspec is not None:
        origin = task.origin_pathspec
        task = Task(origin, _namespace_check=False, _metaflow=task._metaflow)
    return origin


def find_cards(
    root: str,
    pathspec: str,
    type: Optional[str] = None,
    card_hash: Optional[str] = None,
    card_id: Optional[str] = None,
    origin: Optional[str] = None,
) -> List[Card]:
    """Cards of a task below the card root `root`; card_hash may be the beginning of one.

    Raises CardNotPresentException if the task has no card at all.
    """
    path = pathspec.split("/")
    records = store.cards(root, path)
    if not records:
        raise CardNotPresentException(pathspec, card_type=type, card_hash=card_hash)
    return [
        Card(root, path, record, origin)
        for record in records
        if (type is None or record["type"] == type)
        and (card_hash is None or record["hash"].startswith(card_hash))
        and (card_id is None or record.get("id") == card_id)
    ]


def _root_of(values: Dict[str, Any]) -> str:
    """Where the cards of a task with this metadata are."""
    if values.get("ds-type") == "s3":
        return default_card_root(str(values.get("ds-root") or ""), "s3")
    return "%s/%s" % (values["ds-root"], CARD_SUFFIX) if values.get("ds-root") else default_card_root()


def default_card_root(root: Optional[str] = None, kind: str = "local") -> str:
    """Where cards are kept: as METAFLOW_CARD_LOCALROOT or METAFLOW_CARD_S3ROOT says, else in the datastore `root` of type
    `kind`, by default this process's."""
    from headrace import settings
    from headrace.client.state import current_provider

    configured = getattr(settings, "CARD_S3ROOT" if kind == "s3" else "CARD_LOCALROOT", None)
    if configured:
        return str(configured).rstrip("/")
    root = root or current_provider().root
    if root is None:
        raise MetaflowException("There is no datastore here, so there are no cards. Run a flow first.")
    return "%s/%s" % (root, CARD_SUFFIX)
