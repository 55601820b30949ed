"""A message as it was observed: its octets, header fields, structure, texts, and what authentication says of it.

``read_message`` reads octets without repairing them and never raises, whatever they are; the engine adds the
authentication results. Rules judge `MessageFacts`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from deliverkit.facts.base import Facts, not_asked
from deliverkit.facts.message.addresses import (
    Addresses,
    AddressFault,
    DateField,
    Mailbox,
    is_message_id,
    read_addresses,
    read_date,
)
from deliverkit.facts.message.authentication import AuthenticationFacts, SpfResult
from deliverkit.facts.message.html import Image, Link, Page, read_html
from deliverkit.facts.message.mime import Mime, MimeFault, Part, decoded, line_of_text, read_mime, text_of
from deliverkit.facts.message.unsubscribe import Unsubscribe, read_unsubscribe
from deliverkit.facts.message.wire import Field, Header, Lines, Place, Seen, as_on_the_wire, read_header, read_lines
from deliverkit.facts.message.words import Decoded, decode_words

__all__ = [
    "ADDRESS_FIELDS",
    "AddressFault",
    "Addresses",
    "AuthenticationFacts",
    "DateField",
    "Decoded",
    "Field",
    "Header",
    "Image",
    "Lines",
    "Link",
    "Mailbox",
    "MessageFacts",
    "Mime",
    "MimeFault",
    "Page",
    "Part",
    "Place",
    "Seen",
    "SpfResult",
    "Unsubscribe",
    "as_on_the_wire",
    "is_message_id",
    "read_header",
    "read_message",
]

ADDRESS_FIELDS = ("from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-to")
_WITH_UTF8SMTP = re.compile(r"\bwith\s+UTF8SMTPS?A?\b", re.IGNORECASE)  # RFC 6531 §4.3
_PLAIN_LINK = re.compile(r"\b(?:https?|ftp)://[^\s<>\"'\\^`{|}]+", re.IGNORECASE)


@dataclass(frozen=True, repr=False)
class MessageFacts(Facts):
    """One message. ``octets`` are what is judged; ``converted`` says that they were stored with local line ends.

    ``client_ip``, ``helo`` and ``mail_from`` are what the user knows of the session; ``mail_from`` is "" for the null
    reverse-path and None when nobody told. ``profile`` is the user's word on what the mail is ("bulk").
    """

    name: str
    octets: bytes
    now: datetime
    lines: Lines
    header: Header
    mime: Mime
    converted: bool = False
    client_ip: str | None = None
    helo: str | None = None
    mail_from: str | None = None
    mail_from_source: str | None = None  # "given", "Return-Path" or "From"
    profile: str | None = None
    smtputf8: bool | None = None  # whether MAIL said SMTPUTF8; None when nobody knows
    authentication: AuthenticationFacts = field(default=not_asked("authentication was not evaluated"))

    @property
    def subject(self) -> str:
        return self.name

    @property
    def size(self) -> int:
        """Octets of the whole message."""
        return len(self.octets)

    @property
    def bulk(self) -> bool:
        """True if the user said that this is bulk mail."""
        return self.profile == "bulk"

    @functools.cached_property
    def addresses(self) -> dict[str, tuple[tuple[Field, Addresses], ...]]:
        """The address fields by lower-case name, each instance read."""
        return {name: tuple((f, read_addresses(f.value)) for f in self.header.all(name)) for name in ADDRESS_FIELDS}

    @functools.cached_property
    def authors(self) -> tuple[Mailbox, ...]:
        """The mailboxes of every From field."""
        return tuple(mailbox for _, read in self.addresses["from"] for mailbox in read.mailboxes)

    @functools.cached_property
    def header_from(self) -> str | None:
        """The Author Domain (RFC 9989 §3.2.2): the one domain of the one From field; else None."""
        domains = {mailbox.domain for mailbox in self.authors if mailbox.domain}
        return domains.pop() if len(domains) == 1 and len(self.addresses["from"]) == 1 else None

    @functools.cached_property
    def decoded(self) -> tuple[tuple[Field, Decoded], ...]:
        """Every field with encoded words, decoded."""
        return tuple(
            (f, decode_words(f.value, phrase=f.key in ADDRESS_FIELDS)) for f in self.header.fields if "=?" in f.value
        )

    @functools.cached_property
    def date(self) -> DateField | None:
        """The first Date field."""
        value = self.header.value("date")
        return None if value is None else read_date(value)

    @functools.cached_property
    def subject_text(self) -> str | None:
        """The Subject, decoded."""
        value = self.header.value("subject")
        return None if value is None else decode_words(value).text

    @functools.cached_property
    def text(self) -> str | None:
        """The text/plain body, decoded and bounded; None where there is none."""
        part = self.mime.body("text/plain")
        return None if part is None else text_of(self.octets, part)

    @functools.cached_property
    def html(self) -> str | None:
        """The text/html body, decoded and bounded; None where there is none."""
        part = self.mime.body("text/html")
        return None if part is None else text_of(self.octets, part)

    def line_in(self, type_: str, line: int) -> int | None:
        """The message's line for a line of its text/plain or text/html body, both counted from 1."""
        part = self.mime.body(type_)
        return None if part is None else line_of_text(self.octets, part, line)

    @functools.cached_property
    def page(self) -> Page | None:
        """What the HTML shows."""
        return None if self.html is None else read_html(self.html)

    @functools.cached_property
    def links(self) -> tuple[Link, ...]:
        """The links of the HTML, then the URLs of the plain text."""
        written = [] if self.text is None else list(_written(self.text))
        return (*(self.page.links if self.page else ()), *written)

    @functools.cached_property
    def unsubscribe(self) -> Unsubscribe:
        """List-Unsubscribe and List-Unsubscribe-Post."""
        return read_unsubscribe(self.header)

    @functools.cached_property
    def internationalized(self) -> bool:
        """True if the message travelled with SMTPUTF8, or must because an address needs it (RFC 6531 §3.1)."""
        if self.smtputf8 is not None:
            return self.smtputf8
        if any(_WITH_UTF8SMTP.search(f.value) for f in self.header.all("received")):
            return True
        read = (mailbox for fields in self.addresses.values() for _, one in fields for mailbox in one.mailboxes)
        return any(not mailbox.address.isascii() for mailbox in read)

    def begins_like_program(self, part: Part) -> bool:
        """True if a part's first octets are those of a Windows program, whatever it is called."""
        if part.multipart or part.type.startswith(("text/", "message/")):
            return False
        first = decoded(self.octets[part.start : min(part.end, part.start + 4096)], part.encoding)
        return first[:2] == b"MZ" and len(first) >= 64 and b"PE\0\0" in first

    def __reduce__(self) -> tuple[Any, ...]:
        """What was told; what the octets tell is read from them again where it is unpickled."""
        read = ("octets", "lines", "header", "mime")
        return _read_again, (self.octets, {f.name: self.raw(f.name) for f in fields(self) if f.name not in read})

    def with_authentication(self, authentication: AuthenticationFacts) -> MessageFacts:
        """The same message, authenticated."""
        return self.told(authentication=authentication)

    def told(self, **known: Any) -> MessageFacts:
        """The same message, with more known about it."""
        return MessageFacts(**{**{f.name: self.raw(f.name) for f in fields(self)}, **known})

    def to_json(self) -> dict[str, Any]:
        """A summary; the octets themselves stay out of reports."""
        return {
            "name": self.name,
            "size": self.size,
            "converted": self.converted,
            "lines": self.lines,
            "from": self.header.value("from"),
            "header_from": self.header_from,
            "subject": self.subject_text,
            "date": self.date.when if self.date else None,
            "message_id": self.header.value("message-id"),
            "client_ip": self.client_ip,
            "helo": self.helo,
            "mail_from": self.mail_from,
            "mail_from_source": self.mail_from_source,
            "parts": [_part_json(part) for part in self.mime.parts],
            "attachments": [_part_json(part) for part in self.mime.attachments],
            "links": len(self.links),
            "images": len(self.page.images) if self.page else 0,
            "unsubscribe": self.unsubscribe,
            "authentication_results": [f.value for f in self.header.all("authentication-results")][:20],
        }


def _part_json(part: Part) -> dict[str, Any]:
    return {
        "number": part.number or "0",
        "type": part.type,
        "charset": part.parameters.get("charset"),
        "encoding": part.encoding,
        "disposition": part.disposition or None,
        "filename": part.filename or None,
        "size": part.size,
    }


def _written(text: str) -> Iterable[Link]:
    """URLs in plain text, with the punctuation that follows a URL in prose taken off."""
    line, last = 1, 0
    for number, match in enumerate(_plain_links(text)):
        if number >= 1000:
            return
        line += text.count("\n", last, match.start())
        last = match.start()
        yield Link(match[0].rstrip(".,;:!?)]>"), "", line, "text")


def _plain_links(text: str) -> Iterator[re.Match[str]]:
    """What `_PLAIN_LINK` finds, tried only where ``://`` stands: a message of a megabyte has few of them."""
    done = 0
    at = text.find("://")
    while at >= 0:
        tried = (_PLAIN_LINK.match(text, at - len(word)) for word in ("https", "http", "ftp") if at - len(word) >= done)
        found = next((match for match in tried if match), None)
        if found:
            yield found
        done = found.end() if found else done
        at = text.find("://", max(done, at + 3))


def _read_again(octets: bytes, known: dict[str, Any]) -> MessageFacts:
    header = read_header(octets)
    return MessageFacts(octets=octets, lines=read_lines(octets), header=header, mime=read_mime(octets, header), **known)


def read_message(raw: bytes, *, name: str, now: datetime, **known: Any) -> MessageFacts:
    """Read one message. ``known`` are the fields of `MessageFacts` that the message itself does not tell.

    Octets without a single CRLF were stored with local line ends and are read as they travel (`as_on_the_wire`).
    """
    wire, converted = as_on_the_wire(raw)
    header = read_header(wire)
    return MessageFacts(name, wire, now, read_lines(wire), header, read_mime(wire, header), converted, **known)
