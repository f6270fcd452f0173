"""`.metaflowignore` fits what git's own file of that syntax fits."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List, Set

import pytest

from headrace.errors import MetaflowException
from headrace.ignore_files import IgnoreRules, read_rules, rules_of

GIT = shutil.which("git")
#: For git: no ignore file of the user's or the machine's.
ALONE = dict(os.environ, GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1", HOME="/nonexistent")

#: (text of the file, paths that it leaves out, paths that it does not)
CASES = [
    ("# a comment\n\n   \nname\n", ["name", "deep/er/name"], ["names", "# a comment"]),
    ("\\#a\n\\!b", ["#a", "!b", "d/#a"], ["a", "b"]),
    ("*.py\n!kept.py\n", ["a.py", "d/a.py", ".py"], ["kept.py", "d/kept.py", "a.pyc"]),
    ("!a\na\n", ["a"], []),
    ("a\n!a\n", [], ["a"]),
    ("out/\n", ["out/a", "d/out/a"], ["e/out"]),
    ("out/\n!out/a\n", ["out/a"], []),
    ("out/*\n!out/a\n", ["out/b"], ["out/a"]),
    ("/top\n", ["top"], ["d/top"]),
    ("d/in\n", ["d/in/a"], ["e/d/in", "in"]),
    ("/d/\n", ["d/a"], ["e/d/a"]),
    ("d/*\n", ["d/a", "d/b/c"], ["e/d/a"]),
    ("d/*/c\n", ["d/b/c"], ["d/c", "d/b/b/c"]),
    ("d?c\n/?\nff/d?c\n", ["dxc", "e", "ff/dxc"], ["dc", "ee", "ff/d/c"]),
    ("**/in\n", ["in", "d/in", "d/e/in"], ["din"]),
    ("d/**\n", ["d/a", "d/e/a"], ["e/d/a"]),
    ("d/**/a\n", ["d/a", "d/e/a", "d/e/e/a"], ["e/d/a", "d/ea"]),
    ("d/**a\n", ["d/xa"], ["d/e/xa"]),
    ("d/***/a\n", ["d/a", "d/e/a"], ["a"]),
    ("**\n!**/\n!*.py\n", ["a", "d/a"], ["a.py", "d/e/a.py"]),
    ("**/\n", ["d/a"], ["a"]),
    ("/**\n", ["a", "d/a"], []),
    ("*\n", ["a", ".hidden"], []),
    ("[a-c]1\n", ["a1", "c1"], ["d1", "-1", "A1"]),
    ("[!a-c]1\n[^x]2\n", ["d1", "a2"], ["a1", "x2", "d/1"]),
    ("x[]]y\n", ["x]y"], ["xy", "x[y"]),
    ("[a-]1\n[-z]2\n", ["-1", "a1", "-2", "z2"], ["b1", "a2"]),
    ("[\\]x]1\n[\\a-\\c]2\n", ["]1", "x1", "b2"], ["\\1", "\\2"]),
    ("[[:digit:]x]\n", ["5", "x"], ["y", ":", "d"]),
    ("[[:nothing:]]\n[[:]\n", ["[", "d/:"], ["n", "a"]),
    ("[z-a]\n[ab\na\\\n\\", ["z"], ["y", "a", "[ab", "ab", "a\\"]),
    ("a[^b]c\n", ["axc"], ["abc", "a/c"]),
    ("x/a[^b]c\n", ["x/axc"], ["x/a/c"]),
    ("a\\*\n", ["a*"], ["ab", "a\\*"]),
    ("a \nb\\ \nc\\  \n d\n", ["a", "b ", "c ", " d"], ["a ", "b", "c", "d", "c  "]),
    ("e\t\n", ["e\t"], ["e"]),
    ("a\r\nb\r", ["a", "b"], ["a\r", "b\r"]),
    ("\ufeffa\nb\n", ["a", "b"], []),
    ("/\n//\n!\n!/\n./a\na//\n", [], ["a", "d/a"]),
    ("a.b\n(a|b)\n^a$\na+\n", ["a.b", "(a|b)", "^a$", "a+"], ["axb", "a", "b", "aa"]),
    ("é?\n", ["éx"], ["é", "e"]),
    ("A\n", ["A"], ["a"]),
]


def left_out(path: str, rules: IgnoreRules) -> bool:
    """As a walk from the top sees it: nothing is below a folder that is left out."""
    names = path.split("/")
    folders = ["/".join(names[:length]) for length in range(1, len(names))]
    return any(rules.ignore(folder, is_folder=True) for folder in folders) or rules.ignore(path, is_folder=False)


def left_out_by_git(folder: Path, paths: List[str]) -> Set[str]:
    asked = subprocess.run([GIT or "git", "check-ignore", "--no-index", "--stdin", "-z"], cwd=folder, env=ALONE,
                           input="".join(path + "\0" for path in paths).encode(), stdout=subprocess.PIPE)
    assert asked.returncode in (0, 1)
    return set(asked.stdout.decode().split("\0")) - {""}


@pytest.mark.parametrize("text, out, kept", CASES, ids=[ascii(text) for text, _, _ in CASES])
def test_what_a_file_leaves_out(tmp_path: Path, text: str, out: List[str], kept: List[str]) -> None:
    file = tmp_path / ".gitignore"
    file.write_bytes(text.encode())
    rules = IgnoreRules().with_file(str(file), "")
    assert [path for path in out + kept if left_out(path, rules)] == out
    if GIT is None:
        return
    subprocess.run([GIT, "init", "-q", str(tmp_path)], env=ALONE, check=True)
    for path in out + kept:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    assert left_out_by_git(tmp_path, out + kept) == set(out)


def test_the_deeper_file_comes_first() -> None:
    top = IgnoreRules(rules_of("*.py\n/d/e/only\n!d/b\n"))
    deep = IgnoreRules(rules_of("!a.py\n/b\ne/only"), "d/", top)
    assert not deep.ignore("d/a.py", False) and deep.ignore("d/c.py", False), "no line of its own fits: that above decides"
    assert deep.ignore("d/b", False) and not deep.ignore("d/x/b", False), "a slash means this file's folder"
    assert deep.ignore("d/e/only", False)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(MetaflowException) as error:
        read_rules(str(tmp_path))
    assert str(tmp_path) in str(error.value) and "Is a directory" in str(error.value)


def test_bytes_that_are_no_text_are_names_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a\xff\n")
    (rule,) = read_rules(str(tmp_path / "file"))
    assert rule.matches(os.fsdecode(b"a\xff")) and not rule.matches("a")


NAMES = ["a", "b", "ab", "abc", ".a", "-", "]", "a b", "a*", "!a", "#a", "bar", "B", "a[b", "\\a", "a "]
PARTS = [
    "a", "b", "bar", ".", "*", "?", "/", "**/", "/**", "[ab]", "[!a]", "[^b-c]", "[]]", "[[:alpha:]]", "[", "]", "-", "\\", "\\*", "!",
    "#", " ", "\\ ", "[a\\]]", "[--a]", "[a-]", "[z-a]", "[[:nope:]]", "\r",
]


def random_files(random: random.Random, folder: Path, depth: int = 0) -> None:
    for name in random.sample(NAMES, random.randint(2, 6)):
        if depth < 3 and random.random() < 0.5:
            (folder / name).mkdir()
            random_files(random, folder / name, depth + 1)
        else:
            (folder / name).write_text("")


def random_line(random: random.Random) -> str:
    line = random.choice(["", "", "", "!"]) + random.choice(["", "", "", "/"])
    line += "".join(random.choice(PARTS) for _ in range(random.randint(1, 4))) + random.choice(["", "", "", "/"])
    # Not `x**/y`: git lets these asterisks stand for folders, against its own manual.
    return line if not re.search(r"[^/*]\*\*", line) else random_line(random)


@pytest.mark.skipif(GIT is None, reason="git, with which it is compared, is not here")
@pytest.mark.parametrize("seed", range(40))
def test_random_lines_mean_what_git_means(tmp_path: Path, seed: int) -> None:
    rnd = random.Random(seed)
    random_files(rnd, tmp_path)
    paths = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    subprocess.run([GIT or "git", "init", "-q", str(tmp_path)], env=ALONE, check=True)
    folders = [tmp_path] + [(tmp_path / path).parent for path in rnd.sample(paths, min(2, len(paths)))]
    rules: Dict[Path, IgnoreRules] = {}
    for folder in sorted(set(folders)):
        (folder / ".gitignore").write_bytes("\n".join(random_line(rnd) for _ in range(rnd.randint(1, 3))).encode())

    def out(folder: Path, prefix: str, rules: IgnoreRules) -> Set[str]:
        if (folder / ".gitignore").exists():
            rules = rules.with_file(str(folder / ".gitignore"), prefix)
        found: Set[str] = set()
        for path in folder.iterdir():
            name = prefix + path.name
            if path.name in (".git", ".gitignore"):
                continue
            if rules.ignore(name, path.is_dir()):
                found.update(each for each in paths if each == name or each.startswith(name + "/"))
            elif path.is_dir():
                found |= out(path, name + "/", rules)
        return found

    assert out(tmp_path, "", IgnoreRules()) == left_out_by_git(tmp_path, paths)
