"""An S3 service that misbehaves: a proxy before a real one, which spoils answers by a seed.

    with FaultProxy("http://10.0.0.1:9000", seed=7, faults={"reset": 10, "throttle": 10}) as proxy:
        ...                      # talk to proxy.url
        print(proxy.spoiled)     # Counter of what was done

The n-th request of a proxy meets the fault that (seed, n) draws; `faults` has percentages, at most 100 in all:

    reset      the connection is broken off before the request reaches S3
    lost       S3 carries the request out, but the connection is broken off before its answer
    truncate   the connection ends in the middle of the body, which was announced longer
    short      a body of half the length that claims to be whole (GET of objects)
    flip       one bit of the body is another (GET of objects)
    slow       the body comes in ten pieces over `slow_s`
    stall      the head comes, then nothing until the client hangs up (`stall_s` at most)
    throttle   503 SlowDown
    internal   500 InternalError
    stale      what the same request was answered the time before (GET and HEAD; not that there is nothing, to a GET)
    expired    403 ExpiredToken
    forbidden  403 without a body, which is all that S3 says to a HEAD (HEAD)
    skewed     403 RequestTimeTooSkewed

`walk=("flip", 3)` instead: the third large piece of an object (0: each), and no other answer, meets that fault. `outage(seconds)`
answers with 503 from now on, or from a certain request on, all requests or a part of them. Plain HTTP/1.1 with Content-Length or
chunked bodies; the Host header stays as the client signed it. With `certificate` (PEM files of certificate and key) the proxy is
reached by https. A request for a whole URL, as an HTTP proxy gets them, is passed on too. Standard library only; runs in a thread of
its own; `close` ends everything.
"""

from __future__ import annotations

import asyncio
import collections
import random
import socket
import ssl
import struct
import threading
import time
from typing import Counter, Dict, List, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

HEAD_BYTES_MAX = 64 << 10
STALE_BYTES_MAX = 1 << 20
PIECE = 256 << 10
#: A piece of an object that has so many bytes is large.
LARGE = 512 << 10
#: Bodies of PUTs up to here are kept in `written`.
WRITTEN_BYTES_MAX = 1 << 10
KINDS = ("reset", "lost", "truncate", "short", "flip", "slow", "stall", "throttle", "internal", "stale", "expired", "forbidden", "skewed")
ERRORS = {
    "throttle": (503, "SlowDown", "Please reduce your request rate."),
    "internal": (500, "InternalError", "We encountered an internal error. Please try again."),
    "expired": (403, "ExpiredToken", "The provided token has expired."),
    "skewed": (403, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large."),
}


class Message(NamedTuple):
    """A request or an answer; header names as they came."""

    first: str
    headers: List[Tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def with_body(self, body: bytes) -> "Message":
        kept = [(key, value) for key, value in self.headers if key.lower() not in ("content-length", "transfer-encoding")]
        return Message(self.first, kept + [("Content-Length", str(len(body)))], body)

    def head(self) -> bytes:
        lines = [self.first] + ["%s: %s" % header for header in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Outage(NamedTuple):
    """percent of the requests that follow the `after`-th are answered with 503, for some seconds from the first of them on."""

    seconds: float
    percent: float
    after: int


class Piece(NamedTuple):
    """Bytes of an object that S3 gave: the first of them, and how many."""

    path: str
    first: int
    size: int


class Broken(Exception):
    """This connection ends here."""


async def read_message(reader: asyncio.StreamReader, bodiless: bool = False) -> Optional[Message]:
    """The next message; None when the connection ended before it."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
    headers = [(line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in lines]
    message = Message(first, headers, b"")
    status = first.split(" ")[1] if first.startswith("HTTP/") else ""
    if bodiless or status in ("204", "304"):
        return message
    if message.get("transfer-encoding").lower() == "chunked":
        body = b""
        while True:
            size = int((await reader.readline()).split(b";")[0], 16)
            body += await reader.readexactly(size)
            await reader.readline()
            if size == 0:
                return message.with_body(body)
    return message._replace(body=await reader.readexactly(int(message.get("content-length") or 0)))


def error_answer(kind: str) -> Message:
    status, code, text = ERRORS[kind]
    body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>" % (code, text)
    head = Message("HTTP/1.1 %d %s" % (status, code), [("Content-Type", "application/xml")], b"")
    return head.with_body(body.encode())


def piece_of(path: str, answer: Message) -> Piece:
    place = answer.get("content-range")  # bytes 0-9/100
    return Piece(path, int(place.split(" ")[1].split("-")[0]) if place else 0, len(answer.body))


class FaultProxy:
    """See the top of this file. Counts: `requests`, and `spoiled` by kind."""

    def __init__(self, target: str, seed: int = 0, faults: Optional[Mapping[str, float]] = None, slow_s: float = 0.5,
                 stall_s: float = 60.0, certificate: Optional[Tuple[str, str]] = None, walk: Tuple[str, int] = ("", -1)) -> None:
        self.faults = dict(faults or {})
        unknown = set(self.faults) - set(KINDS)
        if unknown or sum(self.faults.values()) > 100:
            raise ValueError("faults: unknown %s, or more than 100 percent" % sorted(unknown))
        address = urlsplit(target)
        self._target = (address.hostname or "", address.port or 80)
        self._seed = seed
        self._slow_s = slow_s
        self._tls: Optional[ssl.SSLContext] = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        self._stall_s = stall_s
        self.requests = 0
        self.spoiled: Counter[str] = collections.Counter()
        self.log: List[Tuple[str, str]] = []  # (method, path with query) of each request
        self.pieces: List[Piece] = []  # of objects, as S3 gave them
        self.written: List[Tuple[str, bytes]] = []  # path and body of each PUT that S3 carried out, of small objects
        self._walk = walk
        self._outage: Optional[Outage] = None
        self._outage_until: Optional[float] = None
        self._before: Dict[Tuple[str, str, str], Message] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="s3-proxy", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.url = "%s://127.0.0.1:%d" % ("https" if certificate else "http", self._server.sockets[0].getsockname()[1])

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def outage(self, seconds: float, percent: float = 100, after: int = 0) -> None:
        """after: it begins with the request that follows so many; 0: now."""
        self._outage_until = None if after else time.monotonic() + seconds
        self._outage = Outage(seconds, percent, after)

    @property
    def large(self) -> int:
        """How many large pieces of objects S3 gave."""
        return sum(piece.size >= LARGE for piece in self.pieces)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_BYTES_MAX, backlog=1024, ssl=self._tls)

    async def _end(self) -> None:
        self._server.close()
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _is_out(self, number: int) -> bool:
        if self._outage is None or number <= self._outage.after:
            return False
        if self._outage_until is None:
            self._outage_until = time.monotonic() + self._outage.seconds
        chance = random.Random("outage %d/%d" % (self._seed, number)).random() * 100
        return time.monotonic() < self._outage_until and chance < self._outage.percent

    def _draw(self, number: int) -> str:
        if self._is_out(number):
            return "throttle"
        at = random.Random("%d/%d" % (self._seed, number)).random() * 100
        for kind in KINDS:
            at -= self.faults.get(kind, 0)
            if at < 0:
                return kind
        return ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: Optional[Tuple[asyncio.StreamReader, asyncio.StreamWriter]] = None
        try:
            while True:
                request = await read_message(reader)
                if request is None:
                    return
                if upstream is None:
                    upstream = await asyncio.open_connection(*self._target, limit=HEAD_BYTES_MAX)
                await self._exchange(request, upstream, writer)
        except Broken:
            # A reset, not an orderly end: that is what a failing network looks like.
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client or the server hung up, or `close`
        finally:
            writer.close()
            if upstream is not None:
                upstream[1].close()

    async def _exchange(self, request: Message, upstream: Tuple[asyncio.StreamReader, asyncio.StreamWriter],
                        writer: asyncio.StreamWriter) -> None:
        method, path, version = request.first.split(" ", 2)
        if path.startswith("http://"):
            whole = urlsplit(path)
            path = whole.path + ("?" + whole.query if whole.query else "")
            request = request._replace(first="%s %s %s" % (method, path, version))
        self.requests += 1
        self.log.append((method, path))
        kind = self._draw(self.requests)
        if kind == "reset":
            self.spoiled[kind] += 1
            raise Broken
        if kind in ERRORS or (kind == "forbidden" and method == "HEAD"):
            self.spoiled[kind] += 1
            answer = error_answer(kind) if kind in ERRORS else Message("HTTP/1.1 403 Forbidden", [("Content-Length", "0")], b"")
            writer.write(answer.head() + (b"" if method == "HEAD" else answer.body))
            return await writer.drain()
        upstream[1].write(request.head())
        upstream[1].write(request.body)
        await upstream[1].drain()
        answered = await read_message(upstream[0], bodiless=method == "HEAD")
        while answered is not None and answered.first.split(" ")[1] == "100":
            answered = await read_message(upstream[0], bodiless=method == "HEAD")
        if answered is None:
            raise ConnectionError("the S3 server hung up")
        await self._answer(kind, method, path, request, answered, writer)

    async def _answer(self, kind: str, method: str, path: str, request: Message, answer: Message,
                      writer: asyncio.StreamWriter) -> None:
        """Passes the answer on, spoiled as `kind` says where that can be."""
        ok = answer.first.split(" ")[1] in ("200", "206")
        is_object = method == "GET" and ok and "list-type" not in path and len(answer.body) > 1
        if method == "PUT" and ok and len(request.body) <= WRITTEN_BYTES_MAX:
            self.written.append((path, request.body))
        if is_object:
            self.pieces.append(piece_of(path, answer))
            if len(answer.body) >= LARGE and self._walk[1] in (0, self.large):
                kind = self._walk[0]
        reading = (method, path, request.get("range"))
        if method in ("GET", "HEAD") and len(answer.body) <= STALE_BYTES_MAX:
            before = self._before.get(reading)
            self._before[reading] = answer
            was_there = before is not None and before.first.split(" ")[1] != "404"
            if kind == "stale" and before is not None and before != answer and (was_there or method == "HEAD"):
                self.spoiled[kind] += 1
                answer = before
        if kind == "lost":
            self.spoiled[kind] += 1
            raise Broken
        if kind == "short" and is_object:
            self.spoiled[kind] += 1
            answer = answer.with_body(answer.body[: len(answer.body) // 2])
        if kind == "flip" and is_object:
            self.spoiled[kind] += 1
            middle = len(answer.body) // 2
            answer = answer._replace(body=answer.body[:middle] + bytes([answer.body[middle] ^ 16]) + answer.body[middle + 1:])
        writer.write(answer.head())
        if kind in ("truncate", "stall") and len(answer.body) > 1:
            self.spoiled[kind] += 1
            writer.write(answer.body[: len(answer.body) // 2])
            await writer.drain()
            if kind == "stall":
                await self._until_hung_up(writer)
            raise Broken
        pieces = 10 if kind == "slow" and answer.body else 1
        if pieces > 1:
            self.spoiled["slow"] += 1
        step = max(1, -(-len(answer.body) // pieces)) if pieces > 1 else PIECE
        for at in range(0, len(answer.body), step):
            writer.write(answer.body[at: at + step])
            await writer.drain()
            if pieces > 1:
                await asyncio.sleep(self._slow_s / pieces)
        await writer.drain()

    async def _until_hung_up(self, writer: asyncio.StreamWriter) -> None:
        until = time.monotonic() + self._stall_s
        while time.monotonic() < until and not writer.is_closing():
            await asyncio.sleep(0.1)


def main() -> None:
    """s3_proxy.py TARGET SEED [KIND=PERCENT...]: serves until it is ended; prints its URL first."""
    import sys

    faults = {name: float(percent) for name, percent in (word.split("=") for word in sys.argv[3:])}
    proxy = FaultProxy(sys.argv[1], int(sys.argv[2]), faults)
    print(proxy.url, flush=True)
    try:
        threading.Event().wait()
    finally:
        proxy.close()


if __name__ == "__main__":
    main()
