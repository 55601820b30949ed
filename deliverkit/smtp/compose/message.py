"""A message from its parts: header fields in order, MIME tree, and the octets that go on the wire.

What comes out has CRLF line ends, no line over 998 octets and no 8-bit body, so that nothing on the way has a reason to
rewrite it after it was signed. With a local part that is not ASCII it is an internationalized message (RFC 6532).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from deliverkit.smtp.compose.address import Address, parse_addresses
from deliverkit.smtp.compose.headers import address_field, check_field_name, text_field, verbatim_field
from deliverkit.smtp.compose.mime import Attachment, Entity, PartSize, file_entity, multipart, text_entity
from deliverkit.smtp.compose.values import BadValue, single_line

NONCE = "X-Deliverkit-Nonce"

_OPTIONS = {  # fields that have an option of their own, and what to use instead of --header
    "from": "--from",
    "to": "--to",
    "cc": "--cc",
    "bcc": "--to (a Bcc field would be seen by everybody)",
    "reply-to": "--reply-to",
    "subject": "--subject",
    "list-unsubscribe": "--unsubscribe",
    "list-unsubscribe-post": "--unsubscribe",
    "dkim-signature": "--dkim-key",
}
_COMPOSED = {
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "content-id",
    NONCE.lower(),
}
_ONCE = {"date", "message-id", "sender", "in-reply-to", "references"}  # RFC 5322 §3.6
_ADDRESSES = {
    "sender",
    "disposition-notification-to",
    "errors-to",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
}
_VERBATIM = re.compile(  # structured fields without phrases: an encoded word there is never decoded
    r"list-(unsubscribe.*|help|subscribe|post|owner|archive)|references|in-reply-to|(resent-)?(message-id|date)"
    r"|return-path|received.*|authentication-results|arc-.*|auto-submitted|precedence|importance|priority|x-priority"
    r"|tls-required|require-recipient-valid-since|autocrypt|feedback-id",
    re.IGNORECASE,
)
_MESSAGE_ID = re.compile(r"<[^<>@\s]+@[^<>@\s]+>")
_HTTPS = re.compile(r"https://[^\s<>\"\\^`{|}/?#]+[^\s<>\"\\^`{|}]*", re.IGNORECASE)


@dataclass(frozen=True)
class Content:
    """What the message is to say. ``headers`` are further fields; Date and Message-ID may be among them."""

    header_from: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    unsubscribe: str | None = None
    unsubscribe_mailto: str | None = None


@dataclass(frozen=True)
class Composed:
    """A message ready to be signed. ``smtputf8`` and ``eight_bit`` say what the server must offer to take it."""

    raw: bytes
    header_from: str
    message_id: str
    nonce: str | None
    subject: str = ""
    smtputf8: bool = False
    eight_bit: bool = False
    sizes: tuple[PartSize, ...] = ()
    remarks: tuple[str, ...] = ()


def compose(content: Content, *, now: datetime, nonce: str | None = None) -> Composed:
    """Write the message. Raises BadValue for anything that cannot go on the wire as it is."""
    nonce = nonce or secrets.token_hex(8)
    own = _further(content.headers)
    people = (content.header_from, *content.to, *content.cc, *content.reply_to)
    utf8 = any(address.internationalized for address in people)
    message_id = own.get("message-id") or f"<{now:%Y%m%d%H%M%S}.{nonce}@{content.header_from.domain}>"
    if not _MESSAGE_ID.fullmatch(message_id):
        raise BadValue(f"--header: {message_id!r} is no message id; expected <left@right> (RFC 5322 §3.6.4)")
    body = _tree(content, nonce)
    fields = [
        address_field("From", [content.header_from], utf8=utf8),
        *(
            address_field(name, addresses, utf8=utf8)
            for name, addresses in (("Reply-To", content.reply_to), ("To", content.to), ("Cc", content.cc))
            if addresses
        ),
        text_field("Subject", single_line("subject", content.subject), utf8=utf8),
        verbatim_field("Date", own.get("date") or format_datetime(now)),
        verbatim_field("Message-ID", message_id),
        *_unsubscribe(content.unsubscribe, content.unsubscribe_mailto),
        *(
            _further_field(name, value, utf8=utf8)
            for name, value in content.headers
            if name.lower() not in ("date", "message-id")
        ),
        verbatim_field(NONCE, nonce),
        b"MIME-Version: 1.0\r\n",
    ]
    return Composed(
        raw=b"".join(fields) + body.octets,
        header_from=content.header_from.spec,
        message_id=message_id,
        nonce=nonce,
        subject=content.subject,
        smtputf8=utf8,
        sizes=body.sizes,
    )


def _further(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Check the user's own fields; the single ones by lower-case name."""
    once: dict[str, str] = {}
    for name, value in headers:
        key = check_field_name(name).lower()
        single_line(f"--header {name}", value)
        if key in _OPTIONS:
            raise BadValue(f"--header {name}: use {_OPTIONS[key]}")
        if key in _COMPOSED or key.startswith("content-"):
            raise BadValue(f"--header {name}: the composer writes this field")
        if key in once:
            raise BadValue(f"--header {name}: a message has this field once (RFC 5322 §3.6)")
        if key in _ONCE:
            once[key] = value.strip()
    return once


def _further_field(name: str, value: str, *, utf8: bool) -> bytes:
    if name.lower() in _ADDRESSES:
        return address_field(name, parse_addresses(f"--header {name}", value), utf8=utf8)
    if _VERBATIM.fullmatch(name):
        return verbatim_field(name, value)
    return text_field(name, value.strip(" "), utf8=utf8)


def _unsubscribe(url: str | None, mailto: str | None) -> list[bytes]:
    """List-Unsubscribe and List-Unsubscribe-Post (RFC 2369 §3.2, RFC 8058 §3.1); the Post needs an https URI."""
    targets: list[str] = []
    if url is not None:
        if not (single_line("--unsubscribe", url).isascii() and _HTTPS.fullmatch(url)):
            raise BadValue(f"--unsubscribe: {url!r} is no https URL in ASCII (RFC 8058 §3.1; percent-encode the rest)")
        targets.append(f"<{url}>")
    if mailto is not None:
        target = single_line("--unsubscribe-mailto", mailto).removeprefix("mailto:")
        if not re.fullmatch(r"[^\s<>,\"]+@[^\s<>,\"@]+", target) or not target.isascii():
            raise BadValue(f"--unsubscribe-mailto: {mailto!r} is no address (percent-encode what is not ASCII)")
        targets.append(f"<mailto:{target}>")
    if not targets:
        return []
    fields = [verbatim_field("List-Unsubscribe", ", ".join(targets))]
    if url is not None:
        fields.append(verbatim_field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return fields


def _tree(content: Content, seed: str) -> Entity:
    """alternative(text, related(html, inline images)) within mixed(…, attachments): only the layers that are needed."""
    inline = [a for a in content.attachments if a.cid]
    if inline and content.html is None:
        raise BadValue("an inline image needs an HTML body that shows it")
    choices: list[Entity] = []
    if content.text is not None or content.html is None:
        choices.append(text_entity("text", content.text or "", "plain"))
    if content.html is not None:
        html = text_entity("html", content.html, "html")
        related = [html, *(file_entity(a) for a in inline)]
        choices.append(_around("related", related, seed, parameters=' type="text/html";'))
    body = _around("alternative", choices, seed)
    attached = [file_entity(a) for a in content.attachments if not a.cid]
    return _around("mixed", [body, *attached], seed)


def _around(subtype: str, parts: list[Entity], seed: str, parameters: str = "") -> Entity:
    return parts[0] if len(parts) == 1 else multipart(subtype, parts, seed=seed, parameters=parameters)


Writer = Callable[[int, datetime], Composed]
"""Writes the n-th message of a run (from 0) at a time: each has its own Date, Message-ID and nonce."""
