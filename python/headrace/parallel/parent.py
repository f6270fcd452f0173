"""How a worker waits for its parent: for no longer than that lives.

The kernel ends a worker with the thread that forked it, which is right only for the main thread. And the end of a link or a pipe
need not show the parent's: processes forked meanwhile, such as the workers of a call in another thread, hold the other end too.
"""

from __future__ import annotations

import os
import select
import socket
from typing import Any, Callable, Dict, Tuple, TypeVar

from . import ends

# How often a worker looks whether its parent lives, where processes have no descriptors.
LOOK_S = 1.0

Answer = TypeVar("Answer")


class Parent:
    """Made by the parent before it forks its workers."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._fd = ends.watched(self._pid)
        self._waits: Dict[Tuple[int, int], select.epoll] = {}  # in a worker

    def wait(self, fd: int, event: int) -> None:
        """In a worker: until `fd` is ready. Raises ConnectionResetError when the parent has gone."""
        wait = self._waits.get((fd, event)) or self._new_wait(fd, event)
        while True:
            ready = [ready for ready, _ in wait.poll(None if self._fd >= 0 else LOOK_S)]
            if self._fd in ready or os.getppid() != self._pid:
                raise ConnectionResetError("the parent has gone")
            if ready:
                return

    def _new_wait(self, fd: int, event: int) -> select.epoll:
        wait = self._waits[fd, event] = select.epoll()
        # A ticket is for one of many workers that wait: to wake all of them would keep the cores busy.
        wait.register(fd, event | select.EPOLLEXCLUSIVE)
        if self._fd >= 0:
            wait.register(self._fd, select.EPOLLIN)
        return wait

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
        return self._patiently(select.EPOLLOUT, super().send, arguments)

    def sendmsg(self, *arguments: Any) -> int:
        return self._patiently(select.EPOLLOUT, super().sendmsg, arguments)

    def recvmsg(self, *arguments: Any) -> Any:
        return self._patiently(select.EPOLLIN, super().recvmsg, arguments)

    def _patiently(self, event: int, call: Callable[..., Answer], arguments: Any) -> Answer:
        while True:
            try:
                return call(*arguments)
            except BlockingIOError:
                self._parent.wait(self.fileno(), event)
