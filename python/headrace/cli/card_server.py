"""`card server`: the cards of a run in a browser, from this machine alone.

    /                                    the page that shows them
    /runinfo                             which run, and its cards
    /card/FLOW/RUN/STEP/TASK/HASH        a card's HTML
    /data/FLOW/RUN/STEP/TASK/HASH        what the task last said for it
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple
from urllib.parse import unquote, urlparse

from ..client.cards import Card, CardNotPresentException, find_cards
from ..errors import CommandException, MetaflowNotFound

if TYPE_CHECKING:
    from ..client import Run

_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Cards</title>
<style>body{font-family:sans-serif;margin:0;display:flex;height:100vh}nav{width:18em;overflow:auto;padding:1em}
iframe{flex:1;border:0;border-left:1px solid #ccc}a{display:block;padding:.3em 0}</style></head>
<body><nav><h3 id="run">No run yet</h3><div id="cards"></div></nav><iframe name="card"></iframe>
<script>
async function look() {
  let wait = 5;
  try {
    const answer = await (await fetch("/runinfo")).json();
    if (answer.status === "ok") {
      wait = answer.poll_interval;
      document.getElementById("run").textContent = answer.flow + "/" + answer.run_id;
      const list = document.getElementById("cards");
      list.replaceChildren(...answer.cards.map(card => {
        const link = document.createElement("a");
        link.href = "/card/" + card.card; link.target = "card";
        link.textContent = card.label + (card.finished ? "" : " (running)");
        return link;
      }));
    }
  } finally { setTimeout(look, wait * 1000); }
}
look();
</script></body></html>
"""


class CardServer:
    """Serves the cards of one run, or of the newest run of a flow.

    run: None while the flow has none. card_root: where the cards are. max_cards: at most so many are listed.
    poll_s: seconds after which the page asks again.
    """

    def __init__(
        self,
        flow_name: str,
        run: Optional["Run"],
        card_root: str,
        follow_new_runs: bool = True,
        max_cards: int = 30,
        poll_s: int = 5,
    ) -> None:
        self._flow_name = flow_name
        self._run = run
        self._root = card_root
        self._follows = follow_new_runs
        self._max_cards = max_cards
        self._poll_s = poll_s

    def listen(self, port: int) -> ThreadingHTTPServer:
        """A server on this machine's `port` (0: any). Raises CommandException if it is taken."""
        cards = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                code, kind, body = cards.answer(self.path)
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        try:
            return ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or "a port is a number from 0 to 65535"
            raise CommandException(
                "The card server cannot listen on port %d: %s. Choose another one with --port." % (port, why)
            ) from None

    def serve(self, port: int) -> None:
        """Serves until it is interrupted."""
        with self.listen(port) as server:
            server.serve_forever()

    def answer(self, path: str) -> Tuple[int, str, bytes]:
        """(HTTP status, content type, body) for a path."""
        parts = [unquote(part) for part in urlparse(path).path.strip("/").split("/")]
        if parts == ["runinfo"]:
            return _json(*self._runinfo())
        if parts[0] in ("card", "data") and len(parts) == 6:
            found = self._find(parts[1:5], parts[5])
            if not found:
                return _json({"status": "Card Not Found"}, 404)
            if parts[0] == "card":
                return 200, "text/html; charset=utf-8", found[0].get().encode("utf-8")
            return _json(*self._data(parts[1:5], found[0]))
        if parts == [""]:
            return 200, "text/html; charset=utf-8", _PAGE.encode("utf-8")
        return _json({"status": "Not Found"}, 404)

    def _find(self, task_path: List[str], card_hash: Optional[str] = None) -> List[Card]:
        try:
            return find_cards(self._root, "/".join(task_path), card_hash=card_hash)
        except CardNotPresentException:
            return []

    def _current_run(self) -> Optional["Run"]:
        if self._follows:
            from ..client import Flow

            try:
                # In any namespace: whoever has just started the flow wants to see this.
                self._run = Flow(self._flow_name, _namespace_check=False).latest_run or self._run
            except MetaflowNotFound:
                pass  # The flow has no run yet.
        return self._run

    def _runinfo(self) -> Tuple[Dict[str, Any], int]:
        run = self._current_run()
        if run is None:
            return {"status": "No Run Found", "flow": self._flow_name}, 404
        cards: List[Dict[str, Any]] = []
        for step in run:
            for task in step:
                for card in self._find(task.path_components):
                    if len(cards) >= self._max_cards:
                        break
                    cards.append(
                        {
                            "task": task.pathspec,
                            "label": "%s/%s %s" % (step.id, task.id, card.hash),
                            "card_object": {"hash": card.hash, "type": card.type, "path": card.path, "id": card.id},
                            "finished": task.finished,
                            "card": "%s/%s" % (task.pathspec, card.hash),
                        }
                    )
        flow, run_id = run.path_components
        told = {"status": "ok", "flow": flow, "run_id": run_id, "cards": cards, "poll_interval": self._poll_s}
        return told, 200

    def _data(self, task_path: List[str], card: Card) -> Tuple[Dict[str, Any], int]:
        from ..client import Task

        try:
            task = Task("/".join(task_path), _namespace_check=False)
        except MetaflowNotFound:
            return {"status": "Task Not Found", "is_complete": False}, 404
        finished = task.finished
        data = card.get_data()
        if data is None:
            return {"status": "ok", "is_complete": finished}, 404
        status = "Task Failed" if finished and not task.successful else "ok"
        return {"status": status, "payload": data, "is_complete": finished}, 200


def _json(value: Dict[str, Any], code: int = 200) -> Tuple[int, str, bytes]:
    return code, "application/json", json.dumps(value).encode("utf-8")
