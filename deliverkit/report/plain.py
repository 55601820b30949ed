"""Text from the world made safe for a screen: no terminal escape, no direction trick, no stray line break.

Whatever came from DNS, a server or a message passes through `plain` before it is printed.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

# C0 and C1 controls, DEL, line and paragraph separators, bidirectional controls, zero-width and tag characters,
# surrogates (octets that were no UTF-8), and the two noncharacters that XML 1.0 cannot hold (§2.2)
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def plain(text: str, limit: int | None = None) -> str:
    """The text with unsafe characters escaped, cut at ``limit`` characters with a mark."""
    shown = _UNSAFE.sub(_escape, text)
    if limit is not None and len(shown) > limit:
        shown = f"{shown[: max(limit - 1, 1)]}…"
    return shown


def plain_json(text: str) -> str:
    """JSON of the same meaning without what `plain` would escape: terminals show it as well."""
    if text.isascii() and "\x7f" not in text:  # JSON has escaped the other controls already (RFC 8259 §7)
        return text
    lines = text.split("\n") if text.count("\n", 0, -1) else (text.removesuffix("\n"),)
    if not any(map(_UNSAFE.search, lines)):
        return text
    return _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else _utf16(match[0]), text)


def _utf16(character: str) -> str:
    """A character as JSON escapes it (RFC 8259 §7): ``\\uXXXX``, two of them beyond the basic plane."""
    octets = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{octets[i : i + 2].hex()}" for i in range(0, len(octets), 2))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a surrogate escape stands for one octet
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def fold(text: str, width: int, indent: str = "", *, hanging: str | None = None) -> list[str]:
    """Wrap one paragraph of safe text to ``width`` columns; long words are broken, never lost."""
    return textwrap.wrap(
        text,
        width=max(width, len(indent) + 20),
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=True,
        break_on_hyphens=False,
    ) or [indent.rstrip()]


def columns(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows in columns, the last one wrapped; stacked one below another where ``width`` is too narrow.

    Plain lists are aligned here: the library for tables costs more to import than a small audit to run.
    """
    if not rows:
        return []
    taken = [max(len(row[n]) for row in rows) + 2 for n in range(len(rows[0]) - 1)]
    room = width - sum(taken)
    if room < 20:
        return [line for row in rows for line in _stacked(row, width)]
    lines = []
    for row in rows:
        head = "".join(cell.ljust(size) for cell, size in zip(row, taken, strict=False))
        first, *rest = fold(row[-1], room)
        lines += [f"{head}{first}".rstrip(), *(" " * len(head) + line for line in rest)]
    return lines


def _stacked(row: Sequence[str], width: int) -> Iterable[str]:
    first, *rest = (cell for cell in row if cell)
    yield from fold(first, width)
    for cell in rest:
        yield from fold(cell, width, "  ")
