"""Mailboxes in header fields (RFC 5322 §3.4), Message-IDs (§3.6.4) and dates (§3.3), read without ever failing.

The scanner goes over a field once, from left to right; what it cannot make sense of becomes a fault with its place.
What this file will not do: judge, or look anything up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from deliverkit.facts.message.words import decode_words
from deliverkit.names import BadName, to_ascii

MOST_MAILBOXES = 1000
_ATEXT = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]"  # RFC 5322 §3.2.3, RFC 6532 §3.2
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LITERAL = re.compile(r"\[[^\[\]\\]*\]")
_MESSAGE_ID = re.compile(rf"<(?:{_DOT_ATOM.pattern}|{_QUOTED.pattern})@(?:{_DOT_ATOM.pattern}|{_LITERAL.pattern})>")
_DATE = re.compile(
    r"(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\s*,\s*)?"
    r"(\d{1,2})\s+(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+(\d{4})\s+"
    r"(\d{2}):(\d{2})(?::(\d{2}))?\s+"
    r"([+-]\d{4}|UT|GMT|[ECMP][SD]T|Z)"
    r"(?:\s*\([^()]*\))?",
    re.IGNORECASE,
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox. ``domain`` is in lower-case A-labels where that can be; it is None without a usable address."""

    name: str  # the display name, encoded words decoded
    address: str  # as written, without blanks and comments
    local: str
    domain: str | None
    span: tuple[int, int]
    raw: str


@dataclass(frozen=True, slots=True)
class AddressFault:
    """Something that is no address.

    Kinds: ``no-at``, ``bad-local-part``, ``bad-domain``, ``unclosed-quote``, ``unclosed-angle``, ``unclosed-comment``,
    ``unclosed-group``, ``unquoted-at``, ``text-after-address``, ``two-addresses``, ``local-too-long``.
    """

    kind: str
    detail: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Addresses:
    """The mailboxes of one field, and its faults."""

    mailboxes: tuple[Mailbox, ...]
    faults: tuple[AddressFault, ...]
    groups: int = 0


def read_addresses(value: str) -> Addresses:
    """Read an address list, with groups (RFC 5322 §3.4)."""
    mailboxes: list[Mailbox] = []
    faults: list[AddressFault] = []
    groups = 0
    for start, end, group in _items(value, faults):
        groups += group
        if len(mailboxes) >= MOST_MAILBOXES:
            break
        mailbox = _mailbox(value, start, end, faults)
        if mailbox is not None:
            mailboxes.append(mailbox)
    return Addresses(tuple(mailboxes), tuple(faults), groups)


def _items(value: str, faults: list[AddressFault]) -> list[tuple[int, int, bool]]:
    """The spans between top-level commas, group names and semicolons left out; True where a group begins."""
    items: list[tuple[int, int, bool]] = []
    start, at, angle, opened = 0, 0, False, False
    group_at: int | None = None
    while at < len(value):
        char = value[at]
        if char in '"([':
            at = _skip(value, at, faults)
            continue
        if char == "<":
            angle = True
        elif char == ">":
            angle = False
        elif not angle and char == ":":
            start, opened, group_at = at + 1, True, start  # the name of a group
        elif char in ",;" and not angle:
            items.append((start, at, opened))
            start, opened = at + 1, False
            group_at = None if char == ";" else group_at
        at += 1
    if group_at is not None:
        what = "a colon opens a group that no semicolon ends"
        faults.append(AddressFault("unclosed-group", what, (group_at, len(value))))
    items.append((start, len(value), opened))
    return items


def _skip(value: str, at: int, faults: list[AddressFault]) -> int:
    """The offset after the quoted string, comment or domain literal that opens here."""
    char = value[at]
    if char == "[":
        closing = value.find("]", at)
        return len(value) if closing < 0 else closing + 1
    depth, i = 0, at
    while i < len(value):
        if value[i] == "\\":
            i += 2
            continue
        if char == '"':
            if value[i] == '"' and i > at:
                return i + 1
        else:
            depth += (value[i] == "(") - (value[i] == ")")
            if depth == 0:
                return i + 1
        i += 1
    kind, what = ("unclosed-quote", "a quotation mark") if char == '"' else ("unclosed-comment", "a comment")
    fault = AddressFault(kind, f"{what} that is never closed", (at, len(value)))
    if fault not in faults:
        faults.append(fault)
    return len(value)


def _without_comments(text: str) -> str:
    """The text with its comments blanked out, character for character."""
    if "(" not in text:
        return text
    out, at = [], 0
    while at < len(text):
        if text[at] in '"(':
            end = min(_skip(text, at, []), len(text))
            out.append(text[at:end] if text[at] == '"' else " " * (end - at))
            at = end
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


def _mailbox(value: str, start: int, end: int, faults: list[AddressFault]) -> Mailbox | None:
    """The mailbox in value[start:end], or None where nothing but blanks and comments stand."""
    raw = value[start:end]
    text = _without_comments(raw)
    if not text.strip():
        return None
    left = start + len(text) - len(text.lstrip())
    span = (left, start + len(text.rstrip()))
    opening = _find_outside_quotes(text, "<")
    if opening < 0:
        comment = raw.strip()[len(text.strip()) :].strip(" ()") if raw.strip().startswith(text.strip()) else ""
        return _addressed(text.strip(), decode_words(comment).text, span, raw.strip(), faults)
    closing = text.find(">", opening)
    before = text[:opening].strip()
    if "@" in before and '"' not in before and "=?" not in before:
        what = f"the display name {_short(before)} holds an @ and is not quoted"
        faults.append(AddressFault("unquoted-at", what, span))
    name = _display_name(text[:opening])
    if closing < 0:
        faults.append(AddressFault("unclosed-angle", "an address in < that is never closed by >", span))
        return _addressed(text[opening + 1 :].strip(), name, span, raw.strip(), faults)
    rest = text[closing + 1 :].strip()
    if rest:
        kind = "two-addresses" if "<" in rest else "text-after-address"
        faults.append(AddressFault(kind, f"{_short(rest)} stands behind the address; a comma is missing?", span))
    inner = text[opening + 1 : closing].strip()
    if inner.startswith("@") and ":" in inner:
        inner = inner.partition(":")[2].strip()  # an obsolete route (RFC 5322 §4.4)
    return _addressed(inner, name, span, raw.strip(), faults)


def _find_outside_quotes(text: str, wanted: str) -> int:
    at = 0
    while at < len(text):
        if text[at] == '"':
            at = _skip(text, at, [])
        elif text[at] == wanted:
            return at
        else:
            at += 1
    return -1


def _display_name(text: str) -> str:
    text = text.strip()
    if _QUOTED.fullmatch(text):
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return decode_words(text, phrase=True).text


def _addressed(spec: str, name: str, span: tuple[int, int], raw: str, faults: list[AddressFault]) -> Mailbox:
    """An addr-spec (RFC 5322 §3.4.1) taken apart."""
    local, at, domain = spec.rpartition("@")
    local, domain = local.strip(), domain.strip()
    if not at:
        faults.append(AddressFault("no-at", f"{_short(spec)!r} is no address: it has no @", span))
        return Mailbox(name, spec, spec, None, span, raw)
    if len(local) > 2000 or not (_DOT_ATOM.fullmatch(local) or _QUOTED.fullmatch(local)):
        what = "is empty" if not local else "is neither a dot-atom nor a quoted string"
        faults.append(AddressFault("bad-local-part", f"the local part {_short(local)!r} {what}", span))
    elif len(local.encode("utf-8", "surrogateescape")) > 64:  # RFC 5321 §4.5.3.1.1
        faults.append(AddressFault("local-too-long", f"a local part of {len(local)} octets; 64 is the limit", span))
    return Mailbox(name, f"{local}@{domain}", local, _domain(domain, span, faults), span, raw)


def _domain(text: str, span: tuple[int, int], faults: list[AddressFault]) -> str | None:
    if _LITERAL.fullmatch(text):
        return text.lower()
    try:
        if len(text) > 1000:
            raise BadName("it is longer than 253 octets")
        if text.endswith("."):
            faults.append(AddressFault("bad-domain", f"the domain {_short(text)!r} ends with a dot", span))
        return to_ascii(text)
    except (BadName, ValueError) as bad:
        faults.append(AddressFault("bad-domain", f"the domain {_short(text)!r} is not valid: {bad}", span))
        return None


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


def is_message_id(value: str) -> bool:
    """True for one msg-id (RFC 5322 §3.6.4) and nothing else."""
    return len(value) <= 998 and _MESSAGE_ID.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class DateField:
    """A Date field. ``when`` is None if no time can be made of it; ``fault`` says how it departs from §3.3."""

    value: str
    when: datetime | None
    fault: str | None


def read_date(value: str) -> DateField:
    """Read a date-time (RFC 5322 §3.3)."""
    text = " ".join(value.split()) if len(value) <= 500 else ""
    if not text:
        return DateField(value, None, "it is empty" if not value.strip() else "it is no date")
    when = _moment(text)
    match = _DATE.fullmatch(text)
    if when is None:
        return DateField(value, None, "no moment in time can be made of it")
    if match is None:
        return DateField(value, when, "it is not of the form 'Sun, 22 Nov 2026 10:00:00 +0000'")
    if match[1] and _DAYS[_local_day(match)] != match[1].lower():
        return DateField(value, when, f"that day is no {match[1]} but a {_DAYS[_local_day(match)].capitalize()}")
    return DateField(value, when, None)


def _local_day(match: re.Match[str]) -> int:
    months = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    return datetime(int(match[4]), months.index(match[3].lower()) + 1, int(match[2]), tzinfo=UTC).weekday()


def _moment(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
        offset = when.utcoffset()
        if offset is None:
            when = when.replace(tzinfo=UTC)
        elif abs(offset) > timedelta(hours=24):
            return None
        return when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
