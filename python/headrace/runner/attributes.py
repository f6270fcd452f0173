"""How a started flow tells its Runner which run it is: one JSON text, written to a FIFO."""

from __future__ import annotations

import asyncio
import os
import select
import tempfile
import time
from contextlib import contextmanager
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Iterator, Tuple

from headrace.runner.process import check_process_exited

if TYPE_CHECKING:
    from headrace.runner.process import CommandManager

_LOOK_MS = 20


@contextmanager
def temporary_fifo() -> Iterator[Tuple[str, int]]:
    """(path, descriptor of the reading end) of a FIFO that is open before any writer comes."""
    with tempfile.TemporaryDirectory(prefix="headrace-runner-") as directory:
        path = os.path.join(directory, "fifo")
        os.mkfifo(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            yield path, descriptor
        finally:
            os.close(descriptor)


def read_from_fifo_when_ready(
    fifo_fd: int, command_obj: "CommandManager", encoding: str = "utf-8", timeout: float = 3600
) -> str:
    """The text the process of `command_obj` writes to the FIFO, once, closing it after.

    Raises CalledProcessError if the process ends without having written, TimeoutError after `timeout` seconds.
    """
    content = bytearray()
    until = time.monotonic() + timeout
    poll = select.poll()
    poll.register(fifo_fd, select.POLLIN)
    while True:
        # Looked at before the FIFO: what was written before the end is then in the FIFO.
        ended = check_process_exited(command_obj)
        if time.monotonic() > until:
            raise TimeoutError("Timeout while waiting for the file content")
        poll.poll(_LOOK_MS)
        try:
            data = os.read(fifo_fd, 8192)
        except BlockingIOError:
            # A writer has it open and has not written yet.
            continue
        if data:
            content += data
        elif content:
            return content.decode(encoding)
        elif ended:
            assert command_obj.process is not None
            raise CalledProcessError(command_obj.process.returncode or 0, command_obj.command)
        else:
            # No writer yet: poll reports this at once.
            time.sleep(_LOOK_MS / 1000)


async def async_read_from_fifo_when_ready(
    fifo_fd: int, command_obj: "CommandManager", encoding: str = "utf-8", timeout: float = 3600
) -> str:
    """As `read_from_fifo_when_ready`, in a thread."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, read_from_fifo_when_ready, fifo_fd, command_obj, encoding, timeout)


def make_process_error_message(command_obj: "CommandManager") -> str:
    """What was executed and all that it printed."""
    text = "Error executing: '%s':\n" % " ".join(command_obj.command)
    for name, title in (("stdout", "Stdout"), ("stderr", "Stderr")):
        with open(command_obj.log_files[name], encoding="utf-8", errors="replace") as file:
            log = file.read()
        if log.strip():
            text += "\n%s:\n%s\n" % (title, log)
    return text


def handle_timeout(attribute_file_fd: int, command_obj: "CommandManager", file_read_timeout: float) -> str:
    """The text from the FIFO. Raises RuntimeError, with the process's output, if it ends or waits without writing."""
    try:
        return read_from_fifo_when_ready(attribute_file_fd, command_obj, timeout=file_read_timeout)
    except CalledProcessError as error:
        if command_obj.stdout_thread is not None:
            command_obj.sync_wait()  # The last words may still be on their way to the log files.
        raise RuntimeError(make_process_error_message(command_obj)) from error
    except TimeoutError as error:
        raise RuntimeError(make_process_error_message(command_obj)) from error


async def async_handle_timeout(attribute_file_fd: int, command_obj: "CommandManager", file_read_timeout: float) -> str:
    """As `handle_timeout`."""
    try:
        return await async_read_from_fifo_when_ready(attribute_file_fd, command_obj, timeout=file_read_timeout)
    except (CalledProcessError, TimeoutError) as error:
        raise RuntimeError(make_process_error_message(command_obj)) from error
