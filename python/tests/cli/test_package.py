"""The code package: what is in it, what ignore files leave out, and what is said when it is large."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any, List

import pytest

from cli_harness import HELLO


def names_in(package: Path) -> List[str]:
    """Of the user's files."""
    with tarfile.open(package) as archive:
        return [name for name in archive.getnames() if not name.startswith(".mf_")]


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_what_ignore_files_name_is_not_packaged(command: Any, folder: Path) -> None:
    write(folder, "lib/kept.py", "lib/gen_1.py", "old/a.py", "old/deep/b.py", "notebooks/n.py", "notebooks/gen_2.py")
    (folder / ".metaflowignore").write_text("# left-overs\ngen_*\n/old/\n!old/a.py\n")
    (folder / "notebooks" / ".metaflowignore").write_text("!gen_2.py\nn.py\n")
    (folder / ".gitignore").write_text("lib/\n")
    assert command(HELLO, "package", "save", "p1.tgz").code == 0
    assert names_in(folder / "p1.tgz") == ["flow.py", "lib/kept.py", "notebooks/gen_2.py"], "git's own file does not count"
    ran = command(HELLO, "package", "info")
    assert "\n  - Ignore files: .metaflowignore, notebooks/.metaflowignore\n" in ran.err
    assert "old" not in command(HELLO, "package", "list", "--archive").err
    command(HELLO, "package", "save", "p2.tgz")
    assert (folder / "p1.tgz").read_bytes() == (folder / "p2.tgz").read_bytes()


def test_ignore_files_are_of_the_users_files(command: Any, folder: Path) -> None:
    (folder / ".metaflowignore").write_text("*\n!/flow.py\n")
    write(folder, "other.py")
    assert command(HELLO, "package", "save", "p.tgz").code == 0
    with tarfile.open(folder / "p.tgz") as archive:
        names = archive.getnames()
    assert "flow.py" in names and "other.py" not in names and ".mf_code/headrace/graph.py" in names


def test_a_folder_that_is_left_out_is_not_entered(command: Any, folder: Path) -> None:
    write(folder, "out/a.py", "out/.metaflowignore")
    (folder / "out" / ".metaflowignore").write_text("!a.py\n")
    (folder / ".metaflowignore").write_text("out/\n")
    assert command(HELLO, "package", "save", "p.tgz").code == 0
    assert names_in(folder / "p.tgz") == ["flow.py"]
    assert "Ignore files: .metaflowignore\n" in command(HELLO, "package", "info").err


def test_links_to_folders_are_folders(command: Any, folder: Path) -> None:
    write(folder, "real/a.py")
    (folder / "link").symlink_to(folder / "real")
    (folder / ".metaflowignore").write_text("link/\n")
    assert command(HELLO, "package", "save", "p.tgz").code == 0
    assert names_in(folder / "p.tgz") == ["flow.py", "real/a.py"]


@pytest.mark.parametrize("pattern", ["*.py", "/flow.py"])
def test_a_package_without_the_flow_is_refused(command: Any, folder: Path, pattern: str) -> None:
    (folder / ".metaflowignore").write_text(pattern + "\n")
    ran = command(HELLO, "package", "list")
    assert ran.code == 1
    assert "The flow's own file flow.py is left out of the code package by .metaflowignore" in ran.err
    assert "Add the line `!/flow.py` at the end of .metaflowignore." in ran.err
