"""How near one name is to another: whether a host or a variable is most likely another, misspelt.

What this file will not do: look a name up anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 80
_KEYS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_LIKE = frozenset(("0o", "1l", "1i", "il", "5s"))
_ENDINGS = {
    "com": frozenset(("con", "cmo", "ocm", "om", "cm", "cpm", "vom", "comm", "coml", "c0m", "xom", "cim", "coom")),
    "net": frozenset(("ner", "met", "nte", "ney", "nett")),
}


def distance(one: str, other: str) -> int:
    """The fewest letters to add, drop, replace or swap with their neighbour (optimal string alignment)."""
    one, other = one[:_LONGEST], other[:_LONGEST]
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


def slip(written: str, meant: str) -> bool:
    """True if one slip of a hand makes ``written`` of ``meant``: letters swapped, left out, doubled, or a key beside.

    A long word may hold any two mistakes; a short one only what no other word is likely to be.
    """
    off = distance(written, meant)
    if off == 0 or off > 2:
        return False
    if len(meant) >= 8:
        return True
    if off > 1 or len(meant) < 4:
        return False
    if len(written) == len(meant):
        wrong = [(a, b) for a, b in zip(written, meant, strict=True) if a != b]
        return len(wrong) == 2 or (len(meant) > 4 and _beside(*wrong[0]))
    if len(written) > len(meant):
        doubled = [at for at in range(1, len(written)) if written[:at] + written[at + 1 :] == meant]
        return any(written[at] == written[at - 1] or _beside(written[at], written[at - 1]) for at in doubled)
    return len(meant) > 4


def _beside(a: str, b: str) -> bool:
    if "".join(sorted((a, b))) in _LIKE:
        return True
    return any(f"{a}{b}" in row or f"{b}{a}" in row for row in _KEYS)


def host_meant(host: str, known: Iterable[str]) -> str | None:
    """The known host that this one most likely is, misspelt; None for a host of its own, and for a known one.

    One label may differ, or a dot may be missing: a company's own name that is merely alike is none.
    """
    name = host.lower().rstrip(".")
    hosts = {one for one in known if "." in one and not re.fullmatch(r"[0-9.]+", one)}
    if name in hosts:
        return None
    words = {label for one in hosts for label in one.split(".")}
    return min((one for one in hosts if _misspelt(name, one, words)), key=lambda one: distance(name, one), default=None)


def _misspelt(name: str, meant: str, words: set[str]) -> bool:
    if name.replace(".", "") == meant.replace(".", ""):
        return True
    ours, theirs = name.split("."), meant.split(".")
    if len(ours) != len(theirs):
        return False
    unlike = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    if len(unlike) != 1:
        return False
    a, b = unlike[0]
    if a == ours[-1] and b == theirs[-1]:
        return a in _ENDINGS.get(b, ())
    return a not in words and slip(a, b)
