"""`@card`: a page about a task, made after it and, with `current.card.refresh`, while it runs."""

from __future__ import annotations

from typing import Any, Dict

from .base import StepDecorator


class CardDecorator(StepDecorator):
    """Makes a card of each task of a step; may be used several times.

    type: of the card. id: to tell several cards apart, letters, digits and `_`. options: for the card type. timeout:
    seconds to make it. save_errors: a card that cannot be made becomes one of type `error`. customize: `current.card`
    means this card. refresh_interval: least seconds between two refreshes.
    """

    name = "card"
    defaults: Dict[str, Any] = {
        "type": "default",
        "options": {},
        "scope": "task",
        "rank": None,
        "timeout": 45,
        "id": None,
        "save_errors": True,
        "customize": False,
        "refresh_interval": 5,
    }
    allow_multiple = True

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        self._cards_of_step = [deco for deco in decorators if isinstance(deco, CardDecorator)]
        self._root = getattr(flow_datastore, "datastore_root", None)
        self._kind = getattr(flow_datastore, "TYPE", "local")
        self._logger = logger

    def task_pre_step(self, step_name: str, task_datastore: Any, metadata: Any, run_id: Any, task_id: Any, flow: Any,
                      graph: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any,
                      inputs: Any) -> None:
        import uuid

        from ..cards.resolver import get_card_class
        from ..current import current

        cls = get_card_class(self.attributes["type"])
        self._card = {
            "uuid": uuid.uuid4().hex,
            "type": self.attributes["type"],
            "id": self._checked_id(),
            "options": self.attributes["options"],
            "timeout": self.attributes["timeout"],
            "save_errors": self.attributes["save_errors"],
            "customize": str(self.attributes["customize"]) == "True",
            "refresh_interval": self.attributes["refresh_interval"],
            "editable": cls is not None and cls.ALLOW_USER_COMPONENTS,
            "runtime": cls is not None and cls.RUNTIME_UPDATABLE,
        }
        if self is self._cards_of_step[0]:
            from ..cards.collector import CardComponentCollector
            from ..cards.creator import CardCreator
            from ..client.cards import default_card_root

            pathspec = "/".join((flow.name, str(run_id), step_name, str(task_id)))
            creator = CardCreator(flow, pathspec, default_card_root(self._root, self._kind), _log)
            current._update_env({"card": CardComponentCollector(_log, creator)})
        collector = current.get("card")
        collector._add_card(self._card)
        self._register(metadata, run_id, step_name, task_id, retry_count)
        if self is self._cards_of_step[-1]:
            collector._finalize()

    def _register(self, metadata: Any, run_id: Any, step_name: str, task_id: Any, attempt: int) -> None:
        """Says in the task's metadata that it has this card; now, as nothing can be added once the task is finished."""
        import json

        from ..metadatum import MetaDatum

        card = self._card
        info = {
            "card_uuid": card["uuid"],
            "rank": self.attributes["rank"],
            "type": card["type"],
            "options": card["options"],
            "is_editable": card["editable"],
            "is_runtime_card": card["runtime"],
            "refresh_interval": card["refresh_interval"],
            "customize": card["customize"],
            "id": card["id"],
        }
        record = MetaDatum(card["uuid"], json.dumps(info, default=str), "card-info", ["attempt_id:%d" % attempt])
        metadata.register_metadata(run_id, step_name, task_id, [record])

    def _checked_id(self) -> Any:
        import re

        from ..cards.exception import TYPE_CHECK_REGEX

        given = self.attributes["id"]
        if given is None or re.match(TYPE_CHECK_REGEX, str(given)):
            return None if given is None else str(given)
        _log(
            "[@card WARNING] @card with id '%s' doesn't match REGEX pattern. Adding custom components to cards will not be "
            "accessible via `current.card['%s']`. Please create `id` of pattern %s. " % (given, given, TYPE_CHECK_REGEX)
        )
        return None

    def task_finished(self, step_name: str, flow: Any, graph: Any, is_task_ok: bool, retry_count: int,
                      max_user_code_retries: int) -> None:
        if not is_task_ok:
            return
        from ..current import current

        collector = current.get("card")
        manager = collector._managers[self._card["uuid"]]
        creator = collector._creator
        try:
            creator.create(self._card, manager, "render", wait=True, final=True)
            creator.create(self._card, manager, "refresh", wait=True, final=True)
        except Exception as error:
            # The task is done and saved: a card is not worth its failure.
            _log("[@card WARNING] the card of type `%s` could not be made: %s" % (self._card["type"], error))


CardDecorator.__module__ = "metaflow.plugins.cards.card_decorator"


def _log(message: str, **kwargs: Any) -> None:
    print(message, flush=True)
