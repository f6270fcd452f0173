"""How a worker waits for its parent: for no longer than that lives.

The kernel ends a worker with the thread that forked it, which is right only for the main thread. And the end of a link or a pipe
need not show the parent's: processes forked meanwhile, such as the workers of a call in another thread, hold the other end too.
"""

from __future__ import annotations

import os
import select
import socket
from typing import Any, Callable, List, Optional, Tuple, TypeVar

from . import ends

# How often a worker looks whether its parent lives, where processes have no descriptors.
LOOK_S = 1.0

Answer = TypeVar("Answer")


class Parent:
    """Made by the parent before it forks its workers."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._fd = ends.watched(self._pid)
        self._tickets: Optional[select.epoll] = None

    def wait(self, fd: int, event: int) -> None:
        """In a worker: until `fd` is ready. Raises ConnectionResetError when the parent has gone."""
        poll = select.poll()
        poll.register(fd, event)
        if self._fd >= 0:
            poll.register(self._fd, select.POLLIN)
        self._wait(lambda: poll.poll(None if self._fd >= 0 else 1000 * LOOK_S))

    def watch_tickets(self, fd: int) -> None:
        """In a worker, before `wait_for_tickets`, and before the function can have used up the descriptors."""
        self._tickets = select.epoll()
        # A ticket is for one of many workers that wait: to wake all of them would keep the cores busy.
        self._tickets.register(fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        if self._fd >= 0:
            self._tickets.register(self._fd, select.EPOLLIN)

    def wait_for_tickets(self) -> None:
        """As `wait`."""
        tickets = self._tickets
        assert tickets is not None
        self._wait(lambda: tickets.poll(None if self._fd >= 0 else LOOK_S))

    def _wait(self, poll: Callable[[], List[Tuple[int, int]]]) -> None:
        ready: List[int] = []
        while not ready:
            ready = [fd for fd, _ in poll()]
            if self._fd in ready or os.getppid() != self._pid:
                raise ConnectionResetError("the parent has gone")

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class Link(socket.socket):
    """A worker's end of its link. Takes the place of `end`."""

    def __init__(self, end: socket.socket, parent: Parent) -> None:
        super().__init__(fileno=end.detach())
        self.setblocking(False)
        self._parent = parent

    def send(self, *arguments: Any) -> int:
        return self._patiently(select.POLLOUT, super().send, arguments)

    def sendmsg(self, *arguments: Any) -> int:
        return self._patiently(select.POLLOUT, super().sendmsg, arguments)

    def recvmsg(self, *arguments: Any) -> Any:
        return self._patiently(select.POLLIN, super().recvmsg, arguments)

    def _patiently(self, event: int, call: Callable[..., Answer], arguments: Any) -> Answer:
        while True:
            try:
                return call(*arguments)
            except BlockingIOError:
                self._parent.wait(self.fileno(), event)
