"""The files of an application on disk: what git ignores, links, what cannot be read, and bounds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from deliverkit.engine import sourcetree
from deliverkit.engine.sourcetree import DiskTree


def plant(root: Path, *paths: str, **texts: str) -> None:
    """Write files."""
    for path, text in [*((p, "x") for p in paths), *texts.items()]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def test_what_git_ignores_is_left_out(tmp_path: Path) -> None:
    """Patterns of every .gitignore, the nearest first; .env files are read all the same."""
    plant(
        tmp_path,
        "a.ts",
        "gen/b.ts",
        "sub/c.log",
        "sub/keep.log",
        "sub/deep/gen/d.ts",
        "node_modules/x/e.js",
        "sub/.env",
    )
    plant(
        tmp_path,
        **{".gitignore": "/gen/\n*.log\n.env*\n[bad\n", "sub/.gitignore": "!keep.log\n", ".env.production": "A=1"},
    )
    assert DiskTree(tmp_path).paths == (
        ".env.production", ".gitignore", "a.ts", "sub/.env", "sub/.gitignore", "sub/deep/gen/d.ts", "sub/keep.log",
    )  # fmt: skip


def test_without_pathspec_known_folders_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of folders nobody keeps settings in stands alone then."""
    monkeypatch.setitem(sys.modules, "pathspec", None)
    plant(tmp_path, "a.ts", "gen/b.ts", "node_modules/x/e.js", **{".gitignore": "/gen/\n"})
    assert DiskTree(tmp_path).paths == (".gitignore", "a.ts", "gen/b.ts")


def test_links_are_followed_only_inside_and_never_round(tmp_path: Path) -> None:
    """A file linked from outside is not read; folders that are links are not entered."""
    app = tmp_path / "app"
    plant(tmp_path, "secret.txt", "app/a.ts", "app/sub/b.ts")
    (app / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (app / "inside.ts").symlink_to(app / "a.ts")
    (app / "sub" / "round").symlink_to(app)
    (app / "self.ts").symlink_to(app / "self.ts")
    assert DiskTree(app).paths == ("a.ts", "inside.ts", "sub/b.ts")


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Binary, huge and vanished files, and what is no file, each once."""
    monkeypatch.setattr(sourcetree, "LARGEST", 100)
    plant(tmp_path, "gone.ts", **{"binary.ts": "a\x00b", "huge.ts": "x" * 200, "latin.ts": "x"})
    (tmp_path / "latin.ts").write_bytes(b"caf\xe9 createTransport")
    os.mkfifo(tmp_path / "pipe.ts")
    tree = DiskTree(tmp_path)
    (tmp_path / "gone.ts").unlink()
    for path in (*tree.paths, "binary.ts"):
        assert tree.mentions(path, "createTransport") == (path == "latin.ts")
        assert (tree.text(path) or "").endswith("createTransport") == (path == "latin.ts")
    assert {(u.place.file, u.why.split()[0]) for u in tree.unread} == {
        ("binary.ts", "a"),
        ("gone.ts", "No"),
        ("huge.ts", "larger"),
    }
    assert len(tree.unread) == 3
    assert "pipe.ts" not in tree.paths


def test_numbers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More files than that are not listed, and texts are let go again."""
    monkeypatch.setattr(sourcetree, "MOST_FILES", 3)
    monkeypatch.setattr(sourcetree, "_KEPT", 150)
    plant(tmp_path, **{f"{n}.ts": "x" * 100 for n in range(5)})
    tree = DiskTree(tmp_path)
    assert len(tree.paths) == 3
    assert "more than 3 files" in tree.unread[0].why
    assert [len(tree.text(path) or "") for path in tree.paths] == [100, 100, 100]
    assert len(tree._texts) == 1
