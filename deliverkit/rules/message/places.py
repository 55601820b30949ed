"""Evidence out of a message: a header field, a line, a part. No rule lives here."""

from __future__ import annotations

from collections.abc import Iterable

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.message import Field, MessageFacts, Place
from deliverkit.findings import Evidence

_SHOWN = 300  # characters of a field or line that are shown


def at_field(facts: MessageFacts, field: Field, span: tuple[int, int] | None = None) -> Evidence:
    """A header field, with the guilty part of its value."""
    value = field.value.replace("\t", " ")
    if len(value) > _SHOWN:
        start = 0 if span is None else max(0, min(span[0] - 40, len(value) - _SHOWN))
        if span is not None:
            span = (span[0] - start, min(span[1] - start, _SHOWN))
        value = value[start : start + _SHOWN]
    return Evidence("message", field.name, value=value, file=facts.name, line=field.line, span=span)


def at_fields(facts: MessageFacts, fields: Iterable[Field]) -> tuple[Evidence, ...]:
    """Several header fields, the first ten."""
    return tuple(at_field(facts, field) for field in list(fields)[:10])


def at_line(facts: MessageFacts, line: int | None, value: str = "", name: str = "line") -> Evidence:
    """A line by its number, or something whose line cannot be told."""
    return Evidence("message", name, value=value[:_SHOWN], file=facts.name, line=line)


def at_places(facts: MessageFacts, places: Iterable[Place], around: int = 20) -> tuple[Evidence, ...]:
    """The octets around the first few places, escaped so that every octet can be seen."""
    shown = []
    for place in list(places)[:3]:
        start = max(0, place.offset - around)
        octets = facts.octets[start : place.offset + around]
        shown.append(at_line(facts, place.line, repr(octets)[2:-1]))
    return tuple(shown)


def for_ordinary_mail(facts: MessageFacts) -> None:
    """For rules whose cause is an error of its own in bulk mail (`rules.message.bulk`): there they keep silent."""
    if facts.bulk:
        raise NotApplicable


def short(text: str, most: int = 60) -> str:
    """Text for a sentence, cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
