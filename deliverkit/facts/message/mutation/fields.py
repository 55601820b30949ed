"""What may have been done to signed header fields, each with the fields as they would have been.

One field at a time first, then the pairs and triples that lists and gateways make (a tag in Subject, From rewritten,
Reply-To added). What this file will not do: guess a value that is gone, such as a Date or a Message-ID that was
replaced; where the signature carries copies (z=), those are tried.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from deliverkit.facts.message.mutation.words import respaced_addresses, respelled, respelled_dates, text_of
from deliverkit.facts.message.wire import Header
from deliverkit.protocols.dkim.canonical import Field
from deliverkit.protocols.dkim.signature import Signature

ADDRESSES = frozenset({"from", "to", "cc", "sender", "reply-to", "resent-from", "resent-to"})
_SURPLUS = 10  # fields of one name that are looked at beyond those that were signed
FIELDS = 40  # signed fields that are changed
LONGEST = 4096  # octets of a value that is changed
_TAG_ENDS = 12  # places where a tag in Subject may end
_COMMON = 10  # changes of one field that are tried together with those of others
_TOGETHER = 6  # fields whose changes are combined
_ORIGINALS = ("x-original-from", "original-from", "x-mailman-original-from", "x-original-sender", "reply-to", "cc")
_VIA = re.compile(rb"[ ]+(?:via|through|on behalf of)[ ][^<>\"]*", re.IGNORECASE)
_ANSWER = re.compile(rb"[ \t]*(?:(?:re|aw|fwd?|wg|sv|antw)(?:\[\d+\])?:[ \t]*)*", re.IGNORECASE)
_WORDS = re.compile(rb"=\?[^?\s]{1,64}\?[BbQq]\?[^?\s]*\?=")


@dataclass(frozen=True, slots=True)
class Before:
    """One field as it would have been; ``value`` None: it was not there. ``common``: worth trying with others."""

    index: int
    kind: str
    text: str
    field: str
    value: bytes | None
    evidence: bytes = b""
    common: bool = False


def kept_fields(fields: Sequence[Field], signature: Signature) -> list[Field]:
    """The fields that the signature can see, and a few more of their names: all others never matter."""
    room = Counter(name.encode("utf-8", "surrogateescape") for name in signature.signed_names)
    for name in room:
        room[name] += _SURPLUS
    kept = []
    for field in reversed(fields):  # RFC 6376 §5.4.2: instances are taken from the bottom
        name = field[0].lower().rstrip()
        if room[name] > 0:
            room[name] -= 1
            kept.append(field)
    return kept[::-1]


def single_changes(fields: list[Field], everything: list[Field], inner: list[Header]) -> Iterator[Before]:
    """Every known change of one field. ``everything`` holds the fields that were not signed, ``inner`` part headers."""
    few = list(enumerate(fields))[:FIELDS]
    for index, field in few:
        yield _added(index, field)
    originals = {name: value for name, value in _flat(everything) if name in (*_ORIGINALS, "subject")}
    for index, field in few:
        if len(field[1]) <= LONGEST:
            yield from _by_name(index, field, originals, everything, inner)


def combined_changes(singles: list[Before]) -> Iterator[tuple[Before, ...]]:
    """Pairs and triples of the common changes, each of another field."""
    by_field: dict[int, list[Before]] = {}
    for one in singles:
        if one.common and len(by_field.setdefault(one.index, [])) < _COMMON:
            by_field[one.index].append(one)
    groups = [group for group in by_field.values() if group]
    groups.sort(key=lambda group: (group[0].field.lower() not in ("subject", "from"), group[0].kind == "field-added"))
    for size in (2, 3):
        for chosen in combinations(groups[: 2 * _TOGETHER if size == 2 else _TOGETHER], size):
            yield from product(*(group[: _COMMON if size == 2 else 5] for group in chosen))


def undone(fields: list[Field], changes: Iterable[Before]) -> list[Field]:
    """The fields with changes undone."""
    before = {change.index: change.value for change in changes}
    left: list[Field] = []
    for index, field in enumerate(fields):
        value = before.get(index, field[1])
        if value is not None:
            left.append((field[0], value))
    return left


def name_of(field: Field) -> str:
    return field[0].decode("ascii", "replace").strip()


def _quoted(value: bytes) -> str:
    """A value in a sentence."""
    text = value.decode("utf-8", "backslashreplace").strip()
    return repr(text if len(text) <= 80 else f"{text[:79]}…")


def _flat(fields: list[Field]) -> Iterator[tuple[str, bytes]]:
    for name, value in fields:
        yield name.decode("ascii", "replace").lower().strip(), value.replace(b"\r\n", b"").strip()


def _added(index: int, field: Field) -> Before:
    name = name_of(field)
    text = f"one {name} field was added after signing"
    return Before(index, "field-added", text, name, None, field[1].strip(), common=True)


def _by_name(
    index: int, field: Field, originals: dict[str, bytes], everything: list[Field], inner: list[Header]
) -> Iterator[Before]:
    """The changes that are usual for a field of this name."""
    name, key = name_of(field), name_of(field).lower()

    def made(
        kind: str, text: str, values: Iterable[bytes], *, common: bool = False, telling: bool = False
    ) -> Iterator[Before]:
        for value in values:
            spaced = b" " + value + b"\r\n"
            if spaced.split() != field[1].split():  # other folds and blanks are another change
                said = f"{text}; it was {_quoted(value)}" if telling else text
                yield Before(index, kind, said, name, spaced, field[1].strip(), common)

    if key == "subject":
        yield from _untagged(index, field)
        original = [value for other, value in _flat(everything) if other in _ORIGINAL_SUBJECTS]
        yield from made(
            "field-rewritten", "the Subject was rewritten after signing", original, common=True, telling=True
        )
    if key in ADDRESSES:
        if key == "from":
            text = "From was rewritten after signing, as mailing lists do"
            yield from made("from-rewritten", text, _authors(field[1], originals), common=True, telling=True)
        text = f"names and addresses in {name} were written anew after signing"
        yield from made("addresses-respelled", text, respaced_addresses(field[1]))
    if key == "date":
        yield from made(
            "date-respelled", "the Date was written in another form after signing", respelled_dates(field[1])
        )
    if key in ("content-type", "content-transfer-encoding", "mime-version"):
        text = f"{name} was rewritten after signing"
        yield from made(f"{key}-changed", text, _mime_values(key, field[1], inner), common=True, telling=True)
    if key in ("message-id", "in-reply-to", "references"):
        bare = field[1].strip().removeprefix(b"<").removesuffix(b">")
        text = f"brackets were put around {name} or taken away after signing"
        yield from made("brackets-changed", text, (bare, b"<" + bare + b">") if len(bare) < 400 else ())
    said = f"{name} was encoded anew after signing (RFC 2047)"
    yield from made("field-reencoded", said, respelled(field[1], address=key in ADDRESSES), common=True)
    unfolded = re.sub(rb"\r\n[ \t]+", b"", field[1]).strip()
    text = f"{name} was broken within a word after signing, as servers do with lines that are too long"
    yield from made("field-broken", text, [unfolded])


_ORIGINAL_SUBJECTS = ("x-original-subject", "original-subject", "x-subject", "x-spam-prev-subject")


def _untagged(index: int, field: Field) -> Iterator[Before]:
    """Subject without a tag at its beginning, behind Re:, or at its end (lists, gateways, spam filters)."""
    value = field[1].removesuffix(b"\r\n")
    flat = value.replace(b"\r\n", b"")
    starts = dict.fromkeys((len(flat) - len(flat.lstrip(b" \t")), _ANSWER.match(flat).end()))  # type: ignore[union-attr]
    for start in starts:
        ends = [match.end() for match in re.finditer(rb"[\]\)}:*>|]+[ \t]*|[ \t]+", flat[start : start + 200])]
        ends.sort(key=lambda end: flat[start + end - 1 : start + end] not in (b" ", b"]", b"*", b":"))
        for end in ends[:_TAG_ENDS]:
            yield _tag(index, flat[start : start + end], flat[:start] + flat[start + end :], common=True)
    for match in list(re.finditer(rb"[ \t]*[\[({*][^\[({]{1,80}\Z", flat[-200:]))[:2]:
        yield _tag(index, match[0], flat[: len(flat) - len(match[0])], common=True)
    if _WORDS.search(flat):
        yield from _untagged_words(index, flat)


def _untagged_words(index: int, flat: bytes) -> Iterator[Before]:
    """A tag within encoded words: the text is decoded, cut and encoded anew."""
    text = text_of(flat)
    for match in re.finditer(
        r"^(?:re: )?(\[[^\[\]]{1,80}\][ ]*|\S{1,40}:[ ]+|\*+[^*]{1,40}\*+[ ]*)", text, re.IGNORECASE
    ):
        rest = text[: match.start(1)] + text[match.end(1) :]
        for spelled in respelled(rest.encode("utf-8", "surrogateescape"), address=False):
            yield _tag(index, match[1].encode("utf-8", "surrogateescape"), b" " + spelled, common=True)


def _tag(index: int, tag: bytes, rest: bytes, *, common: bool) -> Before:
    shown = tag.decode("utf-8", "backslashreplace").strip()
    said = f"the Subject was given {shown!r} after signing"
    value = rest if rest[:1] in (b" ", b"\t") else b" " + rest
    return Before(index, "subject-tagged", said, "Subject", value + b"\r\n", tag.strip(), common)


def _authors(value: bytes, originals: dict[str, bytes]) -> Iterator[bytes]:
    """From as it may have been before a list rewrote it: the copies lists keep, and the name with such an address."""
    flat = value.replace(b"\r\n", b"").strip()
    name = _VIA.sub(b"", flat.partition(b"<")[0]).strip().strip(b'"').strip()
    addresses: list[bytes] = []
    for key in _ORIGINALS:
        if key in originals and len(originals[key]) < 1000:
            yield originals[key]
            addresses += re.findall(rb"[^\s<>,;:\"]+@[^\s<>,;:\"]+", originals[key])[:3]
    for address in dict.fromkeys(addresses):
        if name:
            yield name + b" <" + address + b">"
            yield b'"' + name + b'" <' + address + b">"
        yield address
        yield b"<" + address + b">"


def _mime_values(key: str, value: bytes, inner: list[Header]) -> Iterator[bytes]:
    """The values such a field usually has, and those that stand in the header of a part."""
    for header in inner:
        found = header.value(key)
        if found is not None:
            yield found.encode("utf-8", "surrogateescape")
    flat = value.replace(b"\r\n", b"").strip()
    if key == "content-transfer-encoding":
        for word in (b"8bit", b"7bit", b"quoted-printable", b"base64", b"binary"):
            yield from (word, word.upper())
        yield from (b"8Bit", b"7Bit", b"Quoted-Printable", b"BASE64")
    elif key == "mime-version":
        yield b"1.0"
        yield re.sub(rb"[ ]*\([^()]*\)", b"", flat)
    else:
        yield from _types(flat)


def _types(flat: bytes) -> Iterator[bytes]:
    yield re.sub(rb'=[ ]*"([^";\s()<>@,:\\/\[\]?=]+)"', rb"=\1", flat)
    yield re.sub(rb'=[ ]*([^";\s]+)', rb'="\1"', flat)
    yield re.sub(rb";[ \t]*", b";", flat)
    yield re.sub(rb";[ \t]*", b"; ", flat)
    yield re.sub(rb";[ ]*(?:format|delsp|reply-type)=[^;]*", b"", flat, flags=re.IGNORECASE)
    yield re.sub(rb"(?i)(charset=\"?)([\w-]+)", lambda match: match[1] + match[2].lower(), flat)
    yield re.sub(rb"(?i)(charset=\"?)([\w-]+)", lambda match: match[1] + match[2].upper(), flat)
    for charset in (b"us-ascii", b"utf-8", b"UTF-8", b"iso-8859-1", b"ISO-8859-1", b"windows-1252"):
        for quote in (b"", b'"'):
            yield re.sub(rb"(?i)charset=\"?[\w-]+\"?", b"charset=" + quote + charset + quote, flat)
    if flat.lower().startswith(b"text/plain"):
        yield from (b"text/plain", b"text/plain; charset=us-ascii", b"text/plain; charset=utf-8; format=flowed")
        yield from (b"text/plain; charset=UTF-8; format=flowed", b'text/plain; charset="UTF-8"; format=flowed')
