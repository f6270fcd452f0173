"""Extensions that are found but not loaded are named once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

from headrace.cli import extensions


def make(folder: Path, *files: str) -> None:
    for name in files:
        path = folder / "metaflow_extensions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def test_extensions_with_more_than_cards_are_named(tmp_path: Path, monkeypatch: Any) -> None:
    make(tmp_path, "cards_only/plugins/cards/mine/__init__.py", "cards_only/plugins/cards/mine/page.py", "cards_only/__init__.py")
    make(tmp_path, "org/plugins/mfextinit_org.py", "other/config/mfextinit_other.py", "empty/__init__.py", "empty/__pycache__/x.py")
    said: List[str] = []
    monkeypatch.setattr("sys.path", [str(tmp_path), str(tmp_path / "no-such-folder")])
    extensions.warn(lambda line, **style: said.append(line))
    assert len(said) == 1 and said[0].startswith("Extensions of Metaflow are not loaded, but for their cards: org, other. ")


def test_without_extensions_nothing_is_said(tmp_path: Path, monkeypatch: Any) -> None:
    make(tmp_path, "cards_only/plugins/cards/mine/page.py")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    extensions.warn(lambda line, **style: (_ for _ in ()).throw(AssertionError(line)))
