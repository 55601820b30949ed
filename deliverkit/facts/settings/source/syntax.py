"""Syntax trees of JavaScript, TypeScript, PHP and Ruby, by tree-sitter (extra ``source``), bounded.

What this file will not do: know what a node means for mail.
"""

from __future__ import annotations

import functools
import posixpath
import re
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any, TypeAlias

Node: TypeAlias = Any
"""A node of tree-sitter: ``type``, ``children``, ``start_point``; its text by `text_of`."""

LARGEST = 1 << 19  # octets of a file that is parsed; bundles are larger, and nobody writes them
_NESTED = 1_000  # brackets within each other: the parser's C stack ends at some ten thousand
_TRIED = 20_000  # octets from which a file is first parsed against the clock: mending broken source can take minutes
_MOST_S = 3.0  # of CPU for one file
GRAMMARS = {
    ".js": ("tree_sitter_javascript", "language"),
    ".jsx": ("tree_sitter_javascript", "language"),
    ".mjs": ("tree_sitter_javascript", "language"),
    ".cjs": ("tree_sitter_javascript", "language"),
    ".ts": ("tree_sitter_typescript", "language_typescript"),
    ".mts": ("tree_sitter_typescript", "language_typescript"),
    ".cts": ("tree_sitter_typescript", "language_typescript"),
    ".tsx": ("tree_sitter_typescript", "language_tsx"),
    ".php": ("tree_sitter_php", "language_php"),
    ".rb": ("tree_sitter_ruby", "language"),
}
LACKING = "source is read with the extra: pip install 'deliverkit[source]'"


@functools.cache
def _parser(module: str, function: str) -> Any | None:
    """A parser for a grammar, or None where the extra is not installed."""
    try:
        from tree_sitter import Language, Parser

        return Parser(Language(getattr(import_module(module), function)()))
    except ImportError:
        return None


def available(path: str) -> bool:
    """True if files of this kind can be read here."""
    grammar = GRAMMARS.get(posixpath.splitext(path)[1])
    return grammar is not None and _parser(*grammar) is not None


def parse(text: str, path: str) -> Node | None:
    """The root of a file's tree; None where the grammar is not installed, or the file is too large, nested too deep or
    so broken that reading it takes too long (`refused` says which).
    """
    grammar = GRAMMARS.get(posixpath.splitext(path)[1])
    parser = _parser(*grammar) if grammar else None
    if parser is None or refused(text):
        return None
    octets = text.encode("utf-8", "surrogatepass")
    if len(octets) > _TRIED and not _in_time(parser, octets):
        return None
    return parser.parse(octets).root_node


def refused(text: str) -> str:
    """Why a source is not parsed; empty for one that is tried."""
    if len(text) > LARGEST:
        return f"larger than {LARGEST:,} characters"
    depth = deepest = 0
    for bracket in re.sub(r"[^(){}\[\]]+", "", text):
        depth = depth + 1 if bracket in "({[" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return f"brackets stand {deepest:,} deep" if deepest > _NESTED else ""


def _in_time(parser: Any, octets: bytes) -> bool:
    """True if the source can be parsed before the clock stops it (only a callable source can be stopped)."""
    end = time.process_time() + _MOST_S
    try:
        parser.parse(lambda at, _: octets[at : at + 65_536], progress_callback=lambda *_: time.process_time() > end)
    except ValueError:
        parser.reset()
        return False
    return True


def text_of(node: Node, most: int = 200_000) -> str:
    """The text of a node."""
    octets: bytes = node.text[:most]
    return octets.decode("utf-8", "replace")


def short_text(node: Node | None, most: int = 200) -> str:
    """The text of a node without its blanks; empty for a longer one (whose text would be copied whole)."""
    if node is None or node.end_byte - node.start_byte > most:
        return ""
    return "".join(text_of(node, most).split())


def line_of(node: Node) -> int:
    """The line a node begins in, from 1."""
    line: int = node.start_point[0] + 1
    return line


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, in the order of the text; without recursion, so that nesting costs no stack."""
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(reversed(here.named_children))


def ancestors(node: Node) -> Iterator[Node]:
    """The nodes around a node, the nearest first."""
    while (node := node.parent) is not None:
        yield node


def shown(node: Node, most: int = 80) -> str:
    """The expression on one line, bounded, with the text in quotation marks left out: it may be secret."""
    text = " ".join(text_of(node, 4 * most).split())
    text = re.sub(r"(['\"`])(?:\\.|(?!\1).)*(?:\1|$)", r"\1…\1", text)
    return text if len(text) <= most else f"{text[: most - 1]}…"
