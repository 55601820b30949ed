"""Tag lists, ``name=value; name=value``: the shape of DKIM, DMARC, TLS-RPT, MTA-STS and BIMI records.

    tag-list = tag-spec *( ";" tag-spec ) [ ";" ]          RFC 6376 §3.2 (RFC 9989 §4.7 is alike)
    tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]

The parser returns every tag *and* every fault with its position. What a fault means is the caller's law.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deliverkit.protocols.fault import Fault

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")  # RFC 6376 §3.2
_BLANK = " \t\r\n"
TYPOGRAPHIC = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb\u2033\uff02"


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag; ``span`` covers name and value, ``value_span`` the value alone, both without blanks around."""

    name: str
    value: str
    span: tuple[int, int]
    value_span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class TagList:
    """Tags in their order, and the faults found between them."""

    text: str
    tags: tuple[Tag, ...]
    faults: tuple[Fault, ...]

    def get(self, name: str) -> Tag | None:
        """The first tag of that name. Tag names are case-sensitive in DKIM and folded by the DMARC caller."""
        return next((tag for tag in self.tags if tag.name == name), None)

    def value(self, name: str, default: str | None = None) -> str | None:
        """The first tag's value, or the default."""
        tag = self.get(name)
        return default if tag is None else tag.value


def parse_taglist(text: str, *, fold_names: bool = False) -> TagList:
    """Parse a tag list. ``fold_names`` lower-cases tag names (RFC 9989 §4.7: names are case-insensitive).

    Fault kinds: ``empty-tag`` (two semicolons), ``no-equals``, ``bad-tag-name``, ``duplicate-tag``,
    ``typographic-quote``, ``quoted`` (the whole record in quotes), ``escaped-semicolon`` (``\\;``).
    """
    tags: list[Tag] = []
    seen: set[str] = set()
    faults: list[Fault] = []
    for match in re.finditer(f"[{TYPOGRAPHIC}]", text):
        faults.append(Fault("typographic-quote", f"a typographic quotation mark {match[0]}", match.span()))
    if len(text) > 1 and text[0] == text[-1] == '"':
        faults.append(Fault("quoted", "the record stands in quotation marks that are part of it", (0, len(text))))
    for match in re.finditer(r"\\;", text):
        faults.append(
            Fault("escaped-semicolon", "a semicolon escaped by a backslash that is part of the record", match.span())
        )
    start = 0
    pieces = text.split(";")
    for number, piece in enumerate(pieces):
        left = start + len(piece) - len(piece.lstrip(_BLANK))
        right = start + len(piece.rstrip(_BLANK))
        start += len(piece) + 1
        if right <= left:  # an empty piece; legal only after the last semicolon
            if number < len(pieces) - 1:
                faults.append(Fault("empty-tag", "nothing between two semicolons", (max(left - 1, 0), left + 1)))
            continue
        body = text[left:right]
        name, equals, value = body.partition("=")
        if not equals:
            faults.append(Fault("no-equals", f"{body!r} is no tag: it has no '='", (left, right)))
            continue
        value_left = right - len(value.lstrip(_BLANK))
        name = name.rstrip(_BLANK)
        if not _NAME.fullmatch(name):
            faults.append(Fault("bad-tag-name", f"{name!r} is no tag name", (left, left + len(name))))
        name = name.lower() if fold_names else name
        if name in seen:
            faults.append(Fault("duplicate-tag", f"the tag {name} stands more than once", (left, right)))
        seen.add(name)
        tags.append(Tag(name, text[value_left:right], (left, right), (value_left, right)))
    return TagList(text, tuple(tags), tuple(faults))
