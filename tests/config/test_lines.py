"""Every value of a TOML text has the line it begins on."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from deliverkit.config.lines import Node, read_nodes


def _at(node: Node, *path: str | int) -> int:
    for step in path:
        node = node.value[step]
    return node.line


def test_lines_of_everything_toml_has() -> None:
    text = "\n".join(
        [
            "# a comment = 1",  # 1
            'a.b = "x" # [not.a.table]',  # 2
            'm = """',  # 3
            "[no.table]",
            '"""',
            "arr = [1,",  # 6
            "  # two",
            "  [2, 3], {k = 'v',",  # 8
            "  l = 1}]",  # 9: TOML 1.1 only; replaced below
        ]
    ).replace("{k = 'v',\n  l = 1}", "{k = 'v', l = 1}")
    text += "\n[\"q.r\".'s']\nz = 1\n[[many]]\nx = 1\n[[many]]\nx = 2\n[many.inner]\ny = 3\n"
    told = read_nodes(text)
    assert told.plain() == tomllib.loads(text)
    assert _at(told, "a", "b") == 2
    assert _at(told, "m") == 3
    assert _at(told, "arr", 1) == 8
    assert _at(told, "arr", 2, "l") == 8
    assert _at(told, "q.r") == 9
    assert _at(told, "q.r", "s", "z") == 10
    assert _at(told, "many", 0) == 11
    assert _at(told, "many", 1, "x") == 14
    assert _at(told, "many", 1, "inner", "y") == 16


_KEYS = st.text(st.characters(codec="ascii", exclude_categories=("Cc", "Cs")), min_size=1, max_size=6)
_LEAVES = st.one_of(
    st.booleans(), st.integers(-99, 99), st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8)
)
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3))


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\{c}" if c in '"\\' else c for c in text) + '"'


def _inline(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    assert isinstance(value, dict)
    return "{" + ", ".join(f"{_quoted(k)} = {_inline(v)}" for k, v in value.items()) + "}"


@given(st.dictionaries(_KEYS, st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=4))
def test_each_key_of_each_table_has_its_line(tables: dict[str, dict[str, object]]) -> None:
    lines: list[str] = []
    expected: dict[tuple[str, str], int] = {}
    for name, table in tables.items():
        lines.append(f"[{_quoted(name)}] # x")
        for key, value in table.items():
            lines.append(f"{_quoted(key)} = {_inline(value)} # y")
            expected[name, key] = len(lines)
    told = read_nodes("\n".join(lines))
    assert told.plain() == tables
    assert {path: _at(told, *path) for path in expected} == expected


@given(st.text(alphabet="ab=.[]{}\"'\\#,\n 1", max_size=60))
def test_whatever_toml_accepts_is_walked_to_its_end(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    assert read_nodes(text).plain() == expected
