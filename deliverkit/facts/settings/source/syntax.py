"""Syntax trees of JavaScript, TypeScript and PHP, by tree-sitter (extra ``source``), bounded.

What this file will not do: know what a node means for mail.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any, TypeAlias

Node: TypeAlias = Any
"""A node of tree-sitter: ``type``, ``children``, ``start_point``; its text by `text_of`."""

LARGEST = 1 << 20  # octets of a file that is parsed; bundles are larger, and nobody writes them
_DEEPEST = 400  # nodes below each other
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
    grammar = GRAMMARS.get(PurePosixPath(path).suffix)
    return grammar is not None and _parser(*grammar) is not None


def parse(text: str, path: str) -> Node | None:
    """The root of a file's tree; None where the grammar is not installed or the file is too large."""
    grammar = GRAMMARS.get(PurePosixPath(path).suffix)
    octets = text.encode("utf-8", "surrogatepass") if grammar else b""
    parser = _parser(*grammar) if grammar and len(octets) <= LARGEST else None
    return None if parser is None else parser.parse(octets).root_node


def text_of(node: Node, most: int = 200_000) -> str:
    """The text of a node."""
    octets: bytes = node.text[:most]
    return octets.decode("utf-8", "replace")


def line_of(node: Node) -> int:
    """The line a node begins in, from 1."""
    line: int = node.start_point[0] + 1
    return line


def walk(node: Node, depth: int = 0) -> Iterator[Node]:
    """The node and all below it, in the order of the text."""
    yield node
    if depth < _DEEPEST:
        for child in node.named_children:
            yield from walk(child, depth + 1)


def ancestors(node: Node) -> Iterator[Node]:
    """The nodes around a node, the nearest first."""
    while (node := node.parent) is not None:
        yield node


def shown(node: Node, most: int = 80) -> str:
    """The expression on one line, bounded, with the text in quotation marks left out: it may be secret."""
    text = " ".join(text_of(node, 4 * most).split())
    text = re.sub(r"(['\"`])(?:\\.|(?!\1).)*(?:\1|$)", r"\1…\1", text)
    return text if len(text) <= most else f"{text[: most - 1]}…"
