"""SMTP settings in one URL (``smtp://user:password@host:port?option``), as each framework takes it apart.

What belongs into a URL percent-encoded (RFC 3986 §2.1) is often written as it is: a password with ``@``, ``#``, ``/``
or ``:`` then ends where nobody meant it to end. Such parts are kept as the framework reads them, with a fault.

What this file will not do: know what a scheme means for TLS; the reader of the framework does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from deliverkit.facts.settings.values import Secret, ValueFault

_URL = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_MAIL = re.compile(
    r"smtps?|submission|(?:smtp|ses|sendgrid|mailgun|postmark|mandrill|gmail|mailjet|brevo|native|sendmail|null|failover|"
    r"roundrobin|mailersend|resend|mailtrap|azure|scaleway|infobip|mailpace|sendinblue)(?:\+[a-z]+)*s?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MailUrl:
    """A URL taken apart, ``user`` and ``password`` decoded. None is what the URL does not hold."""

    scheme: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[ValueFault, ...] = ()


def is_mail_url(text: str) -> bool:
    """True if this looks like the URL of a mail transport."""
    match = _URL.match(text)
    return match is not None and _MAIL.fullmatch(match[1]) is not None


def read_mail_url(text: str) -> MailUrl | None:
    """Take a URL apart the way WHATWG URL, PHP's parse_url and Python's urlsplit agree on; None for no URL.

    The authority ends at the first ``/``, ``?`` or ``#``; its last ``@`` ends the credentials, and their first ``:``
    the user. Never raises.
    """
    match = _URL.match(text)
    if match is None:
        return None
    faults: list[ValueFault] = []
    rest = match[2].strip()
    if rest != match[2] or text != text.strip():
        faults.append(ValueFault("trailing-blank"))
    authority, ending, tail = _split(rest, "/?#")
    if ending and "@" in tail and "@" not in authority:
        faults.append(
            ValueFault("url-part-not-encoded", f"a {ending} in the credentials ends the host: write {_code(ending)}")
        )
    query = tail.partition("?")[2] if ending in ("/", "#") else tail if ending == "?" else ""
    credentials, at, place = authority.rpartition("@")
    if credentials.count("@"):
        faults.append(ValueFault("url-part-not-encoded", "an @ in the credentials: write %40"))
    user, colon, password = credentials.partition(":")
    faults += [
        ValueFault("url-part-not-encoded", f"a {c!r} in the password: write {_code(c)}") for c in ": " if c in password
    ]
    if re.search(r"%(?![0-9A-Fa-f]{2})", credentials):
        faults.append(ValueFault("url-part-not-encoded", "a % that begins no code: write %25"))
    host, port = _place(place, faults)
    return MailUrl(
        scheme=match[1].lower(),
        host=host,
        port=port,
        user=unquote(user) if at and user else None,
        password=Secret(unquote(password)) if at and colon else None,
        options=dict(parse_qsl(query.partition("#")[0], keep_blank_values=True)[:100]),
        faults=tuple(dict.fromkeys(faults)),
    )


def _split(text: str, marks: str) -> tuple[str, str, str]:
    """The text before the first of the marks, that mark, and the text behind it."""
    found = [at for mark in marks if (at := text.find(mark)) >= 0]
    at = min(found, default=len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


def _place(text: str, faults: list[ValueFault]) -> tuple[str | None, int | None]:
    """Host and port of ``host:port`` or ``[address]:port``."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:]*)(?::(.*))?", text)
    host, port = (match[1], match[2]) if match else (text, None)
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        faults.append(ValueFault("url-part-not-encoded", "what stands where the port belongs is no number"))
        port = None
    return unquote(host).strip("[]") or None, int(port) if port else None


def _code(character: str) -> str:
    return f"%{ord(character):02X}"


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PLAIN_SCHEMES = frozenset(("smtp", "smtps", "submission", "submissions"))
_SECRET_OPTION = re.compile(
    r"([?&;][^=&;#]*(?:pass|pwd|secret|token|key|credential|signature)[^=&;#]*=)[^&;#]*", re.IGNORECASE
)


def masked_url(text: str) -> str:
    """The text with the secrets of every URL in it left out, for a report: password, key, and options named so.

    A URL that was cut before its ``@`` loses what may be a password; where a scheme stands for a provider's API, what
    stands alone before the ``@`` is its key.
    """
    starts = [match.start() for match in _SCHEME.finditer(text)]
    if not starts:
        return text
    ends = [*starts[1:], len(text)]
    masked = [_masked_one(text[start:end]) for start, end in zip(starts, ends, strict=True)]
    return text[: starts[0]] + "".join(masked)


def _masked_one(text: str) -> str:
    scheme, _, rest = text.partition("://")
    credentials, at, place = rest.rpartition("@")
    if at and re.match(r"[^?]*@[^?]*\?[\w.-]+=", credentials):  # an @ in the options ("from=a@b.c")
        head, mark, options = rest.partition("?")
        credentials, at, place = head.rpartition("@")
        place += mark + options
    if not at:  # "smtp://user:pass", the rest lost: what follows the colon is no port
        place = re.sub(r":(?!\d{1,5}(?:[/?#\s)]|$)|//).+", ":***", place, count=1, flags=re.DOTALL)
    user, colon, _ = credentials.partition(":")
    if user and scheme.lower() not in _PLAIN_SCHEMES and ("+" in scheme or not colon):
        user = "***"
    place = _SECRET_OPTION.sub(r"\1***", place)
    return f"{scheme}://{user}{':***' if colon else ''}{at}{place}"
