"""Subprocesses of a Runner: output, waiting, ending; and the FIFO they write to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, List

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from headrace.runner.attributes import handle_timeout, read_from_fifo_when_ready, temporary_fifo  # noqa: E402
from headrace.runner.process import CommandManager, LogReadTimeoutError, SubprocessManager  # noqa: E402


def python(code: str) -> List[str]:
    return [sys.executable, "-c", code]


FOREVER = python("import sys, threading; print('up', flush=True); threading.Event().wait()")


def test_output_goes_to_files_and_to_stdout(capsys: Any) -> None:
    command = CommandManager(python("import sys; print('out \\u00e4'); print('err', file=sys.stderr); sys.exit(3)"))
    command.run(show_output=True)
    command.sync_wait()
    assert command.process is not None and command.process.returncode == 3
    assert Path(command.log_files["stdout"]).read_text(encoding="utf-8") == "out \u00e4\n"
    assert Path(command.log_files["stderr"]).read_text() == "err\n"
    assert sorted(capsys.readouterr().out.split("\n")) == ["", "err", "out \u00e4"]
    command.cleanup()
    assert not os.path.exists(command.log_files["stdout"])


def test_output_is_not_shown_unless_asked(capsys: Any) -> None:
    command = CommandManager(python("print('quiet')"))
    command.run()
    command.sync_wait()
    assert capsys.readouterr().out == ""
    command.cleanup()


def test_a_command_runs_once() -> None:
    command = CommandManager(python("pass"))
    command.run()
    with pytest.raises(RuntimeError, match="already been called"):
        command.run()
    command.sync_wait()
    command.cleanup()


def test_a_command_that_does_not_exist_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        CommandManager([str(tmp_path / "no-such-program")]).run()
    assert os.listdir(tmp_path) == []


def test_lines_are_streamed_and_can_be_continued() -> None:
    async def main() -> None:
        code = "import sys\nfor i in range(3): print('line', i, flush=True)\nsys.stdout.write('rest')"
        command = CommandManager(python(code))
        await command.async_run()
        seen = [item async for item in command.stream_log("stdout")]
        assert [line for _, line in seen] == ["line 0", "line 1", "line 2", "rest"]
        again = [line async for _, line in command.stream_log("stdout", position=seen[1][0])]
        assert again == ["line 2", "rest"]
        with pytest.raises(ValueError, match="valid values are: stdout, stderr"):
            [item async for item in command.stream_log("other")]
        command.cleanup()

    asyncio.run(main())


def test_a_line_that_does_not_come() -> None:
    async def main() -> None:
        command = CommandManager(FOREVER)
        await command.async_run()
        with pytest.raises(LogReadTimeoutError):
            async for _, line in command.stream_log("stdout", timeout_per_line=0.2):
                assert line == "up"
        command.kill()
        await command.wait()
        command.cleanup()

    asyncio.run(main())


def test_waiting_with_a_timeout_ends_the_process(capsys: Any) -> None:
    async def main() -> CommandManager:
        command = CommandManager(FOREVER)
        await command.async_run()
        await command.wait(timeout=0.2)
        return command

    command = asyncio.run(main())
    assert command.timeout is True and command.process is not None
    assert command.process.returncode == -signal.SIGTERM
    assert "did not complete within 0.2 seconds" in capsys.readouterr().out
    command.cleanup()


def test_waiting_can_print(capsys: Any) -> None:
    async def main() -> None:
        command = CommandManager(python("print('a'); print('b')"))
        await command.async_run()
        await command.wait(stream="stdout")
        assert command.process is not None and command.process.returncode == 0
        command.cleanup()

    asyncio.run(main())
    assert capsys.readouterr().out == "a\nb\n"


def test_waiting_for_what_was_started_blocking() -> None:
    command = CommandManager(python("pass"))
    command.run()
    asyncio.run(command.wait())
    assert command.process is not None and command.process.returncode == 0
    command.cleanup()


def test_sigint_ends_the_children_and_not_this_process() -> None:
    manager = SubprocessManager()
    pid = manager.run_command(FOREVER)
    command = manager.commands[pid]
    asyncio.run(_first_line(command))
    os.kill(os.getpid(), signal.SIGINT)
    command.sync_wait()
    assert command.process is not None and command.process.returncode == -signal.SIGTERM
    manager.cleanup()


async def _first_line(command: CommandManager) -> None:
    async for _ in command.stream_log("stdout"):
        return


def test_sigint_is_not_swallowed_when_nothing_runs() -> None:
    before = signal.getsignal(signal.SIGINT)
    manager = SubprocessManager()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(5)
    manager.cleanup()
    assert signal.getsignal(signal.SIGINT) == before


def test_a_manager_in_another_thread_says_that_it_has_no_handler(capsys: Any) -> None:
    thread = threading.Thread(target=SubprocessManager)
    thread.start()
    thread.join()
    assert "non-main thread" in capsys.readouterr().err


def test_the_text_of_the_fifo() -> None:
    with temporary_fifo() as (path, descriptor):
        command = CommandManager(python("open(%r, 'w').write('x' * 100000)" % path))
        command.run()
        assert read_from_fifo_when_ready(descriptor, command) == "x" * 100000
        command.sync_wait()
        command.cleanup()


@pytest.mark.parametrize("code", [0, 1])
def test_a_process_that_ends_without_writing(code: int) -> None:
    with temporary_fifo() as (path, descriptor):
        command = CommandManager(python("import sys; print('why not', file=sys.stderr); sys.exit(%d)" % code))
        command.run()
        with pytest.raises(RuntimeError, match="(?s)Error executing: .*Stderr:\nwhy not"):
            handle_timeout(descriptor, command, 60)
        command.cleanup()


def test_a_process_that_does_not_write_in_time() -> None:
    with temporary_fifo() as (path, descriptor):
        command = CommandManager(FOREVER)
        command.run()
        with pytest.raises(RuntimeError, match="Error executing"):
            handle_timeout(descriptor, command, 0.3)
        command.kill()
        command.sync_wait()
        command.cleanup()
