"""The golden renderings under reports/golden are what the code renders today: each change of output is a diff."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import jsonschema
import pytest

from tests.golden.render import GOLDEN, ROOT, golden_pages, names, suffixes

HINT = "if the change is meant: python -m tests.generate, look at the diff, commit it"


@pytest.fixture(scope="module")
def rendered() -> dict[Path, str]:
    """All renderings of today."""
    return golden_pages()


FIXES = [f"fix{suffix}" for suffix in (".diff", ".zone", ".yaml", ".txt")]


@pytest.mark.parametrize("name", [*(f"{one}{suffix}" for one in names() for suffix in suffixes(one)), *FIXES])
def test_golden(rendered: dict[Path, str], name: str) -> None:
    """Line by line what is in the file."""
    path = GOLDEN / name
    kept = path.read_bytes().decode("utf-8") if path.exists() else ""
    diff = difflib.unified_diff(kept.splitlines(), rendered[path].splitlines(), f"{name} kept", "today", lineterm="")
    assert kept == rendered[path], "\n".join([*diff, HINT])


def test_no_rendering_is_left_over(rendered: dict[Path, str]) -> None:
    """A file whose story is no longer rendered is taken away."""
    assert set(GOLDEN.iterdir()) == set(rendered), HINT


def test_renderings_hold_nothing_that_varies(rendered: dict[Path, str]) -> None:
    """The same again when rendered again, and no path of this machine."""
    again = golden_pages()
    for path, text in rendered.items():
        assert text == again[path]
        assert str(ROOT) not in text


def test_json_renderings_follow_the_schema(rendered: dict[Path, str]) -> None:
    """What a reader takes as an example is valid."""
    schema = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8")))
    for path, text in rendered.items():
        if path.suffixes == [".json"]:
            schema.validate(json.loads(text))
