"""How values and names are written in octoDNS YAML: quoting in the manner of what stood there, ``\\;``, final dots.

What this file will not do: know where in a file something stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deliverkit.engine.edit.model import CannotApply
from deliverkit.facts.settings.yamlnodes import Node
from deliverkit.facts.source import SourceRecord
from deliverkit.world.masterfile import ZoneRecord, words
from deliverkit.world.sources.octodns import FIELDS
from deliverkit.world.values import TEXT_TYPES, presentation

_DIGITS = re.compile(r"(\d+)")


def escapes(records: Iterable[SourceRecord]) -> bool:
    """Whether the zone writes ``\\;``: as octoDNS wants it, unless the file says otherwise throughout."""
    texts = [record.text for record in records if record.type in TEXT_TYPES and ";" in record.text]
    return not texts or any("\\;" in text for text in texts)


def value_words(record: ZoneRecord, *, escaped: bool) -> list[str]:
    """The members of a value, unquoted: one for most types, those of `FIELDS` for the others."""
    if record.type in TEXT_TYPES:
        octets: bytes = b"".join(record.value)
        try:
            text = octets.decode("utf-8")
        except UnicodeDecodeError:
            raise CannotApply(f"the text of {record.name} is no UTF-8, which YAML cannot hold") from None
        return [text.replace(";", "\\;") if escaped else text]
    tokens = [token.text for token in words(presentation(record.type, record.value), "", 1)]
    return tokens if record.type in FIELDS else [" ".join(tokens)]


def scalar_text(new: str, style: str | None, *, number: bool, flow: bool) -> str:
    """A scalar in the manner of another one: plain where that is possible, else in quotation marks."""
    if style == '"':
        return '"' + new.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if style != "'" and _plain(new, number=number, flow=flow):
        return new
    return "'" + new.replace("'", "''") + "'"


def _plain(text: str, *, number: bool, flow: bool) -> bool:
    """Whether YAML reads the text without quotation marks as it is meant."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root: Node = yaml.compose(f"[{text}]" if flow else f"a: {text}", Loader=loader)
    except yaml.YAMLError:
        return False
    found = root.value if flow else [root.value[0][1]]
    wanted = "tag:yaml.org,2002:int" if number else "tag:yaml.org,2002:str"
    return len(found) == 1 and found[0].id == "scalar" and found[0].value == text and found[0].tag == wanted


def key_text(name: str) -> str:
    """A name as a key."""
    return scalar_text(name, None, number=False, flow=False) if name else "''"


def natural(name: str) -> list[tuple[int, int | str]]:
    """The order in which octoDNS wants names: numbers in them by their size."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in _DIGITS.split(name)]


def member_lines(record: ZoneRecord, names: Iterable[str], *, escaped: bool) -> list[str]:
    """The members of a value that is a mapping, one a line, in octoDNS's order (sorted)."""
    told = value_words(record, escaped=escaped)
    pairs = sorted(zip(names, told, strict=True))
    return [f"{name}: {scalar_text(word, None, number=word.isdecimal(), flow=False)}" for name, word in pairs]


def value_lines(record: ZoneRecord, *, escaped: bool, names: tuple[str, ...] | None = None) -> list[str]:
    """A value as an item of a list or below a key: its only line, or the lines of a mapping."""
    if record.type in FIELDS:
        chosen = names or tuple(alternatives[0] for alternatives in FIELDS[record.type])
        return member_lines(record, chosen, escaped=escaped)
    (word,) = value_words(record, escaped=escaped)
    return [scalar_text(word, None, number=False, flow=False)]


def record_lines(records: list[ZoneRecord], ttl: str | None, *, escaped: bool) -> list[str]:
    """A record of octoDNS with these values, which are of one name and type: the lines of its mapping."""
    lines = [f"ttl: {ttl}"] if ttl is not None else []
    lines.append(f"type: {records[0].type}")
    values = [value_lines(record, escaped=escaped) for record in records]
    if len(values) == 1 and records[0].type not in FIELDS:
        return [*lines, f"value: {values[0][0]}"]
    if len(values) == 1:
        return [*lines, "value:", *(f"  {line}" for line in values[0])]
    return [*lines, "values:", *(line for value in values for line in as_item(value))]


def as_item(lines: list[str]) -> list[str]:
    """Lines as an item of a list, two columns in."""
    return [f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])]
