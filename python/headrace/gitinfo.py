"""What git knows about the flow's directory: for a run's metadata and the code package."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Tuple


class GitQuery:
    """Asks git about a directory. The questions run beside the caller until `result` is called."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path or ".")
        self._head: Optional[_Git] = None
        if _has_git_above(self._path):
            self._head = _Git(self._path, ["rev-parse", "--is-inside-work-tree", "HEAD", "--abbrev-ref", "HEAD"])
            self._url = _Git(self._path, ["config", "--get", "remote.origin.url"])
            self._changes = _Git(self._path, ["diff-index", "--quiet", "HEAD", "--"])

    def result(self) -> Dict[str, Any]:
        """`repo_url`, `branch_name`, `commit_sha`, `has_uncommitted_changes`; empty outside a work tree."""
        if self._head is None:
            return {}
        code, text = self._head.finish()
        url_code, url = self._url.finish()
        changes_code, _ = self._changes.finish()
        lines = text.split("\n")
        if code is None or lines[0] != "true":
            return {}
        # A repository without a commit has no HEAD: the second question failed.
        found = code == 0 and len(lines) == 3
        return {
            "repo_url": _clickable(url) if url_code == 0 else None,
            "branch_name": lines[2] if found else None,
            "commit_sha": lines[1] if found else None,
            "has_uncommitted_changes": None if changes_code is None else changes_code != 0,
        }


def get_repository_info(path: str) -> Dict[str, Any]:
    """As `GitQuery(path).result()`."""
    return GitQuery(path).result()


def _has_git_above(path: str) -> bool:
    if "GIT_DIR" in os.environ:
        return True
    while True:
        if os.path.exists(os.path.join(path, ".git")):
            return True
        parent = os.path.dirname(path)
        if parent == path:
            return False
        path = parent


def _clickable(url: str) -> str:
    """An SSH address as an HTTPS one."""
    if url.startswith("git@") and ":" in url:
        host, _, path = url[len("git@"):].partition(":")
        return "https://%s/%s" % (host, path)
    return url


class _Git:
    """One git process; its standard output goes to a pipe, its errors nowhere."""

    def __init__(self, path: str, args: List[str]) -> None:
        read, write = os.pipe()
        self._output = read
        self._pid: Optional[int] = None
        try:
            self._pid = os.posix_spawnp(
                "git",
                ["git", "-C", path] + args,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, write, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
            )
        except OSError:
            # No git on this machine: the same as no repository.
            pass
        finally:
            os.close(write)

    def finish(self) -> Tuple[Optional[int], str]:
        """(exit code or None if git could not be started, output)."""
        chunks = []
        while True:
            chunk = os.read(self._output, 65536)
            if not chunk:
                break
            chunks.append(chunk)
        os.close(self._output)
        if self._pid is None:
            return None, ""
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status), b"".join(chunks).decode("utf-8", "replace").strip()
