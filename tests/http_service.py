"""A small HTTP service on loopback, for a test that answers requests itself."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Dict, Optional, Tuple, Type, TypeVar

Self = TypeVar("Self", bound="HttpService")


class Answerer(BaseHTTPRequestHandler):
    """What a service answers with: subclasses have a `do_METHOD` for each method they know."""

    def answer(self, status: int, body: bytes = b"", headers: Dict[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a test looks at what its own service has noted."""


class HttpService:
    """While it is entered, threads of this process answer at `url`. certificate: PEM files of it and its key; then `url` is https."""

    def __init__(self, answerer: Type[Answerer], certificate: Optional[Tuple[str, str]] = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), answerer)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = "%s://127.0.0.1:%d" % ("https" if certificate else "http", self._server.server_port)

    def __enter__(self: Self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
