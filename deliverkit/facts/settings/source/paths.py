"""Which file of the tree an import names: relative paths, index files, the alias ``@/``, and tsconfig's ``paths``.

What this file will not do: follow an import into node_modules.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from deliverkit.facts.settings.tree import Tree

_SUFFIXES = ("", ".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".jsx", ".json")
_ENDS = (*_SUFFIXES, *(f"/index{suffix}" for suffix in _SUFFIXES if suffix))
_CONFIGS = ("tsconfig.json", "jsconfig.json")
_LARGEST = 65_536


def resolved(tree: Tree, paths: frozenset[str], importer: str, source: str) -> str | None:
    """The path that an import in a file names, or None if it is no file of the tree."""
    for base in _bases(tree, paths, importer, source):
        if base.startswith("../") or base == "..":
            continue
        for end in _ENDS:
            if base + end in paths:
                return base + end
        stem = re.sub(r"\.[mc]?jsx?$", "", base)  # TypeScript is imported by the name it is compiled to
        for end in (".ts", ".mts", ".cts", ".tsx"):
            if stem != base and stem + end in paths:
                return stem + end
    return None


def _bases(tree: Tree, paths: frozenset[str], importer: str, source: str) -> Iterator[str]:
    folder = posixpath.dirname(importer)
    if source.startswith("."):
        yield posixpath.normpath(posixpath.join(folder, source))
        return
    yield from _mapped(tree, paths, folder, source)
    if source.startswith(("@/", "~/")):
        for root in _upwards(folder):
            yield from (posixpath.normpath(posixpath.join(root, inner, source[2:])) for inner in ("", "src"))


def _upwards(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def _mapped(tree: Tree, paths: frozenset[str], folder: str, source: str) -> Iterator[str]:
    """What the ``paths`` of the nearest tsconfig.json make of a name."""
    for root in _upwards(folder):
        config = next((name for word in _CONFIGS if (name := f"{root}/{word}".lstrip("/")) in paths), None)
        if config is None:
            continue
        text = (tree.text(config) or "")[:_LARGEST]
        match = re.search(r'"baseUrl"\s*:\s*"([^"]*)"', text)
        base = posixpath.join(root, match[1]) if match else root
        for pattern, targets in re.findall(r'"([^"\s]+)"\s*:\s*\[([^\][]*)\]', text):
            head, star, tail = pattern.partition("*")
            fits = source.startswith(head) and source.endswith(tail) if star else source == pattern
            for target in re.findall(r'"([^"]+)"', targets) if fits else ():
                inner = source[len(head) : len(source) - len(tail)] if star else ""
                yield posixpath.normpath(posixpath.join(base, target.replace("*", inner)))
        if match:
            yield posixpath.normpath(posixpath.join(base, source))
        return
