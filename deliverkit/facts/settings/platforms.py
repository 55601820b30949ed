"""The hosting platforms an application is made for, told by the files that only a deployment to them has.

What this file will not do: know what a platform closes (`deliverkit.data.platforms` does), or hold an opinion. A
Dockerfile alone names no platform.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deliverkit.data import Platform, platforms
from deliverkit.facts.settings.tree import Tree
from deliverkit.facts.settings.values import Place, Setting

_MOST_FILES = 20  # of one name: a monorepo has a few


def platforms_of(tree: Tree) -> tuple[tuple[str, Place], ...]:
    """The platforms recognised, by id, each with the file that told; each once."""
    wanted = {name for one in platforms() for name in (*one.files, *(file for file, _ in one.marks))}
    there: dict[str, list[str]] = {}
    for path in tree.paths:
        name = path.rpartition("/")[2]
        for key in {name, path} & wanted:
            there.setdefault(key, []).append(path)
    told = ((one.id, _told(tree, one, there)) for one in platforms()) if there else ()
    return tuple((id_, place) for id_, place in told if place is not None)


def _told(tree: Tree, one: Platform, there: Mapping[str, list[str]]) -> Place | None:
    for name in one.files:
        if name in there:
            return Place(there[name][0])
    for name, mark in one.marks:
        for path in there.get(name, ())[:_MOST_FILES]:
            text = tree.text(path) or ""
            if mark in text:
                return Place(path, text[: text.index(mark)].count("\n") + 1)
    return None


def time_limits(tree: Tree, found: tuple[tuple[str, Place], ...]) -> dict[str, Setting]:
    """For each platform that stops functions: the longest time it gives them here, in seconds.

    The limit its own file sets, the longest of several; else the platform's default, which stands nowhere (no place).
    What the file takes from elsewhere has the value None.
    """
    limits: dict[str, Setting] = {}
    known = {one.id: one for one in platforms()}
    for id_, place in found:
        one = known[id_]
        if one.default_s is None:
            continue
        key = one.limit_key or ""
        limits[id_] = _written(tree.text(place.file) or "", key, place.file) or Setting(
            key or "time limit", one.default_s, None, f"{one.name}'s default"
        )
    return limits


def _written(text: str, key: str, file: str) -> Setting | None:
    if not key:
        return None
    lines = enumerate(text.splitlines(), 1)
    told = re.compile(rf'"?\b{re.escape(key)}"?\s*:\s*(?:(\d{{1,5}})\b)?', re.IGNORECASE)  # SAM writes Timeout
    found = [(match[1], number) for number, line in lines if (match := told.search(line)) is not None]
    if any(value is None for value, _ in found):  # a reference to somewhere else: not known
        return Setting(key, None, Place(file, found[0][1]), file)
    value, number = max(((int(value), number) for value, number in found), default=(0, 0))
    return Setting(key, value, Place(file, number), file) if found else None
