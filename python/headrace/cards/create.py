"""`card create`: makes a card of a finished task again, or with another type."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

import click

from ..errors import CommandException


def _read_json(what: str, text: Optional[str]) -> Any:
    if not text:
        return {}
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandException("%s is not JSON: %s" % (what, error)) from None


@click.command("create", help="create the HTML card")
@click.argument("pathspec")
@click.option("--type", "card_type", default="default", show_default=True, help="Type of card being created")
@click.option("--options", help="arguments of the card being created, as JSON")
@click.option("--timeout", default=45, show_default=True, type=int, help="Maximum amount of time allowed to create card.")
@click.option("--render-error-card", is_flag=True, help="Upon failing to render a card, render a card holding the error")
@click.option("--id", "card_id", help="Id of the card")
@click.option("--component-file", type=click.Path(exists=True), help="JSON file with the components of the card")
@click.option("--mode", default="render", type=click.Choice(["render", "render_runtime", "refresh"]), show_default=True)
@click.option("--data-file", type=click.Path(exists=True), help="JSON file with data of the card")
@click.option("--card-uuid", help="Card UUID")
@click.option("--delete-input-files", is_flag=True, hidden=True)
@click.option("--save-metadata", hidden=True)
@click.pass_obj
def create(obj: Any, pathspec: str, card_type: str, options: Optional[str], timeout: int, render_error_card: bool,
           card_id: Optional[str], component_file: Optional[str], mode: str, data_file: Optional[str],
           card_uuid: Optional[str], delete_input_files: bool, save_metadata: Optional[str]) -> None:
    """pathspec: run/step/task."""
    import os
    import uuid

    from ..client.cards import default_card_root
    from .creator import make_and_store

    if len(pathspec.split("/")) != 3:
        raise CommandException("Expecting pathspec of form <runid>/<stepname>/<taskid>")
    components: Any = []
    if component_file:
        with open(component_file, encoding="utf-8") as file:
            components = json.load(file)
    data: Dict[str, Any] = {"user": {}, "components": {}, "render_seq": "final", "component_update_ts": 0, "mode": mode}
    if data_file:
        with open(data_file, encoding="utf-8") as file:
            data.update(json.load(file))
    card = {
        "uuid": card_uuid or uuid.uuid4().hex,
        "type": card_type,
        "id": card_id,
        "options": _read_json("--options", options),
        "timeout": timeout,
        "save_errors": render_error_card,
    }
    full = "%s/%s" % (obj.flow.name, pathspec)
    root = default_card_root(obj.flow_datastore.datastore_root, obj.flow_datastore.TYPE)
    make_and_store(card, mode, full, obj.flow, root, components, data)
    obj.echo("Card created with type: %s and hash: %s" % (card_type, str(card["uuid"])[:5]), fg="green")
    if delete_input_files:
        for name in filter(None, (component_file, data_file)):
            os.unlink(name)
