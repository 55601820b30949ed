"""What may have been done to a header as a whole: folds and names, the order of fields, fields that are gone.

What this file will not do: change one field's text (``fields`` does), or the signature field (``own`` does).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from deliverkit.facts.message.mutation.fields import ADDRESSES, FIELDS, LONGEST, Before, name_of, undone
from deliverkit.facts.message.mutation.words import respelled
from deliverkit.protocols.dkim.canonical import Field
from deliverkit.protocols.dkim.signature import Signature


@dataclass(frozen=True, slots=True)
class Whole:
    """All fields as they would have been."""

    kind: str
    text: str
    fields: list[Field]
    field: str | None = None


def whole_changes(fields: list[Field], signature: Signature) -> Iterator[Whole]:
    """Changes to many fields at once: folding and names (simple only), order, copies in z=, values that are gone."""
    yield from _restored(fields, signature)
    yield from _reordered(fields)
    yield from _returned(fields, signature)
    if signature.header_canonicalization == "simple":
        yield from _refolded(fields)
    spellings = [_spellings(field) for field in fields[:FIELDS]]
    if sum(map(bool, spellings)) > 1:
        for style in range(_STYLES):
            changed = [
                (field[0], spelled[style]) if len(spelled) > style else field
                for field, spelled in zip(fields, [*spellings, *([[]] * len(fields))], strict=False)
            ]
            text = "header fields were encoded anew after signing (RFC 2047)"
            yield Whole("field-reencoded", text, changed)


_STYLES = 40


def _spellings(field: Field) -> list[bytes]:
    """A field in each spelling, in their order, so that all fields can be given the same."""
    if len(field[1]) > LONGEST or (field[1].isascii() and b"=?" not in field[1]):
        return []
    spelled = respelled(field[1], address=name_of(field).lower() in ADDRESSES)
    return [b" " + value + b"\r\n" for value in islice(spelled, _STYLES)]


SPACINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda value: value.replace(b"\r\n", b""),
    lambda value: re.sub(rb"\r\n[ \t]+", b" ", value),
    lambda value: re.sub(rb"\r\n[ \t]+", b"\r\n ", value),
    lambda value: re.sub(rb"\r\n[ \t]+", b"\r\n\t", value),
    lambda value: re.sub(rb"\r\n[ \t]+", b"\r\n        ", value),
    lambda value: b" " + value.lstrip(b" \t"),
    lambda value: b" " + re.sub(rb"^\s+", b"", value),
    lambda value: value.lstrip(b" \t"),
    lambda value: value.rstrip(b" \t"),
    lambda value: re.sub(rb"(?<=[,;])[ ](?=\S)", b"\r\n ", value),
    lambda value: re.sub(rb"(?<=[,;])[ ](?=\S)", b"\r\n\t", value),
)
RECASED: tuple[Callable[[bytes], bytes], ...] = (
    lambda name: name.title(),
    lambda name: name.lower(),
    lambda name: name.title().replace(b"Message-Id", b"Message-ID").replace(b"Mime-", b"MIME-"),
    lambda name: name.upper(),
    lambda name: name.rstrip(b" \t"),
)


_SURVIVES = "relaxed header canonicalization would have survived it"


def _refolded(fields: list[Field]) -> Iterator[Whole]:
    """Folds, blanks and names: of all fields, then of each. Relaxed header canonicalization survives them."""
    for spaced in SPACINGS:
        changed = [spaced_field(field, spaced) for field in fields]
        if changed != fields:
            yield _refold(fields, changed)
    for spaced in SPACINGS:
        for index, field in enumerate(fields[:FIELDS]):
            other = spaced_field(field, spaced)
            if other != field:
                yield _refold(fields, [*fields[:index], other, *fields[index + 1 :]])
    for named_as in RECASED:
        changed = [(named_as(name), value) for name, value in fields]
        if changed != fields:
            text = f"names of header fields were written anew after signing: {_SURVIVES}"
            yield Whole("names-recased", text, changed, _one_name(fields, changed))


def _refold(fields: list[Field], changed: list[Field]) -> Whole:
    name = _one_name(fields, changed)
    text = f"{name or 'header fields'} {'was' if name else 'were'} folded or spaced anew after signing: {_SURVIVES}"
    return Whole("field-refolded", text, changed, name)


def refolded_too(fields: list[Field], singles: Iterable[Before]) -> Iterator[tuple[Before, Whole]]:
    """A change of one field, and folds or blanks of that field or of all: simple header canonicalization only."""
    for one in singles:
        if one.common:
            before = undone(fields, [one])
            for spaced in SPACINGS:
                changed = [spaced_field(field, spaced) for field in before]
                yield one, _refold(before, changed)
                if one.value is not None:
                    own = spaced_field(before[one.index], spaced)
                    yield one, _refold(before, [*before[: one.index], own, *before[one.index + 1 :]])


def spaced_field(field: Field, spaced: Callable[[bytes], bytes]) -> Field:
    if len(field[1]) > LONGEST:
        return field
    return field[0], spaced(field[1].removesuffix(b"\r\n")) + b"\r\n"


def _one_name(fields: list[Field], changed: list[Field]) -> str | None:
    """The name of the one field that differs; None where several do."""
    names = [name_of(field) for field, other in zip(fields, changed, strict=True) if field != other]
    return names[0] if len(names) == 1 else None


def _reordered(fields: list[Field]) -> Iterator[Whole]:
    """Fields of one name in another order, or several put on top (Received, a second From)."""
    by_name: dict[bytes, list[int]] = {}
    for index, field in enumerate(fields):
        by_name.setdefault(field[0].lower().rstrip(), []).append(index)
    for places in [places for places in by_name.values() if len(places) > 1][:FIELDS]:
        named = name_of(fields[places[0]])
        changed = list(fields)
        for place, other in zip(places, reversed(places), strict=True):
            changed[place] = fields[other]
        yield Whole("fields-reordered", f"the {named} fields were put in another order after signing", changed, named)
        for count in range(2, min(len(places), 10) + 1):
            gone = set(places[:count])
            left = [field for index, field in enumerate(fields) if index not in gone]
            text = f"{count} {named} fields were added after signing"
            yield Whole("field-added", text, left, named)


def _restored(fields: list[Field], signature: Signature) -> Iterator[Whole]:
    """Values as the signature copied them (z=, RFC 6376 §3.5): all that differ, then each."""
    copies: dict[str, str] = dict(signature.copied[:FIELDS])
    changed: dict[int, Field] = {}
    for index, field in enumerate(fields):
        copy = copies.get(name_of(field).lower())
        if copy is not None and len(changed) < FIELDS:
            value = copy.encode("utf-8", "surrogateescape") + b"\r\n"
            if value.split() != field[1].split():
                changed[index] = (field[0], value)
    for chosen in [list(changed), *([index] for index in changed)] if changed else []:
        before = [changed[i] if i in chosen else field for i, field in enumerate(fields)]
        names = ", ".join(dict.fromkeys(name_of(fields[i]) for i in chosen))
        text = f"{names} was rewritten after signing: the signature keeps a copy of what was signed (z=)"
        yield Whole("field-rewritten", text, before, names if len(chosen) == 1 else None)


def _returned(fields: list[Field], signature: Signature) -> Iterator[Whole]:
    """Fields that were signed and are gone, where their value can be told: it was a constant, or From's address."""
    present = {name_of(field).lower() for field in fields}
    author = next((field[1] for field in fields if name_of(field).lower() == "from"), b"")
    address = (re.findall(rb"[^\s<>,;:\"]+@[^\s<>,;:\"]+", author[:LONGEST]) or [b""])[0]
    own = [author[:LONGEST].strip(), address, b"<" + address + b">"] if address else []
    values = {
        "mime-version": [b"1.0"],
        "content-transfer-encoding": [b"7bit", b"8bit", b"quoted-printable", b"base64", b"8BIT", b"7BIT"],
        "content-type": [
            b"text/plain",
            b"text/plain; charset=us-ascii",
            b"text/plain; charset=utf-8",
            b'text/plain; charset="utf-8"',
            b"text/plain; charset=UTF-8",
            b'text/plain; charset="UTF-8"',
            b"text/html; charset=utf-8",
            b"text/html; charset=UTF-8",
        ],
        "sender": own,
        "reply-to": own,
        "return-path": own,
        "precedence": [b"bulk", b"list"],
        "auto-submitted": [b"auto-generated", b"auto-replied"],
        "importance": [b"normal", b"Normal", b"high"],
        "x-priority": [b"3", b"1", b"3 (Normal)"],
        "list-unsubscribe-post": [b"List-Unsubscribe=One-Click"],
        "bcc": [b"", address],
        "cc": [b""],
    }
    for name in dict.fromkeys(signature.signed_names):
        for value in values.get(name, ()) if name not in present else ():
            named = _NAMES.get(name, name.title())
            text = f"the {named} field was taken away after signing"
            yield Whole("field-lost", text, [*fields, (named.encode(), b" " + value + b"\r\n")], named)


_NAMES = {"mime-version": "MIME-Version"}
