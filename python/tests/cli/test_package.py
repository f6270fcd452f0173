"""The code package: what is in it, what ignore files leave out, and what is said when it is large."""

from __future__ import annotations

import os
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


S3 = {"METAFLOW_DATASTORE_SYSROOT_S3": "s3://b/p"}
#: What is said of the package with the files of `large`.
LARGE = [
    "Its largest files, before packing:",
    "     6.00 MB  data/a*.bin",
    "     4.50 MB  extra.py",
    "  1000.00 KB  data/b.bin",
    "   500.00 KB  lib/c.py",
    "   500.00 KB  lib/d.py",
    "What no step needs can be left out: name it in a file .metaflowignore, as in one of git's, or give fewer suffixes with "
    "--package-suffixes.",
]


@pytest.fixture
def large(folder: Path) -> None:
    """Files that cannot be packed smaller: 12.4 MB."""
    sizes = {"data/a*.bin": 6 << 20, "extra.py": 9 << 19, "data/b.bin": 1000 << 10, "lib/d.py": 500 << 10, "lib/c.py": 500 << 10,
             "lib/e.py": 300}
    write(folder, *sizes)
    for name, size in sizes.items():
        (folder / name).write_bytes(os.urandom(size))


def said_of_size(text: str) -> List[str]:
    """The lines about the package's size, without the size."""
    lines = text.splitlines()
    (first,) = [i for i, line in enumerate(lines) if line.startswith("The code package is ")]
    size, rest = lines[first].split(" MB large, and every pod of a run fetches it. ")
    assert 12 < float(size.split()[-1]) < 14
    last = next(i for i in range(first, len(lines)) if lines[i].startswith("What no step needs"))
    return [rest] + lines[first + 1:last + 1]


def test_a_large_package_is_said_with_its_largest_files(command: Any, large: None) -> None:
    words = ("--no-pylint", "--package-suffixes", ".py,.bin", "--datastore", "s3")
    ran = command(HELLO, *words, "run", "--with", "kubernetes", **S3)
    assert ran.spec is not None, ran.err
    assert said_of_size(ran.err) == LARGE and "code package" not in ran.out
    assert said_of_size(command(HELLO, *words, "package", "info", **S3).err) == LARGE
    assert "/data/a*.bin\n" in command(HELLO, *words, "package", "list", **S3).err
    assert "code package is" not in command(HELLO, "--quiet", *words, "run", "--with", "kubernetes", **S3).err
    assert "code package is" not in command(HELLO, *words, "run", **S3).err, "none is made for a run without pods"


def test_suffixes_are_named_where_fewer_of_them_help(command: Any, folder: Path, large: None) -> None:
    (folder / "extra.py").write_bytes(os.urandom(11 << 20))
    ran = command(HELLO, "package", "info")
    assert "packing:\n    11.00 MB  extra.py\n   500.00 KB  lib/c.py\n   500.00 KB  lib/d.py\nWhat no step needs" in ran.err
    assert ran.err.rstrip().endswith("name it in a file .metaflowignore, as in one of git's.")


def test_nothing_is_said_of_a_package_that_is_not_large(command: Any, folder: Path) -> None:
    (folder / "zeros.py").write_bytes(bytes(20 << 20))  # small when packed
    ran = command(HELLO, "--no-pylint", "--datastore", "s3", "run", "--with", "kubernetes", **S3)
    assert ran.spec is not None and "code package is" not in ran.err
    assert "Largest" not in command(HELLO, "package", "info").err
