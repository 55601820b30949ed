"""Sign a message with DKIM (RFC 6376 §5, RFC 8301, RFC 8463): relaxed/relaxed, oversigned, one key or several.

dkimpy builds and signs the field; what it leaves out is added here: the time is given, x= is optional, and the signed
fields include List-Unsubscribe and List-Unsubscribe-Post, without which one-click unsubscribing fails (RFC 8058 §4).

What this file will not do: repair a message. One with bare line feeds is refused: its signature would be over other
octets than those that are sent.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from deliverkit.names import BadName, to_ascii, within
from deliverkit.protocols.dkim.canonical import Body, Field, NotAMessage, split_message
from deliverkit.protocols.dkim.engine import engine
from deliverkit.protocols.dkim.keys import PrivateKey

OVERSIGNED = (  # fields whose addition in transit would change what a reader sees or does (§8.15)
    "from",
    "reply-to",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)
SIGNED = (  # signed as often as they occur, and once more if they occur
    "sender",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-help",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
    "feedback-id",
    "auto-submitted",
    "resent-from",
    "resent-to",
    "resent-date",
    "resent-message-id",
)

_silent = logging.Logger("deliverkit.dkim", logging.CRITICAL + 1)


class SigningError(ValueError):
    """The message or the key cannot be signed with; the text says why."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the name its public half is published under."""

    selector: str
    domain: str
    private: PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        """Names as they go on the wire. Raises SigningError."""
        for name in ("selector", "domain"):
            try:
                object.__setattr__(self, name, to_ascii(getattr(self, name)))
            except BadName as bad:
                raise SigningError(f"DKIM {name}: {bad}") from None

    @property
    def record_name(self) -> str:
        """Where the key record must stand (§3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


def names_to_sign(fields: Iterable[Field]) -> tuple[str, ...]:
    """The value of h= for these header fields, in lower case: every instance, and one more against additions."""
    present = Counter(name.decode("ascii", "replace").lower().rstrip() for name, _ in fields)
    names: list[str] = []
    for name in OVERSIGNED:
        names += [name] * (present[name] + 1)
    for name in SIGNED:
        if present[name]:
            names += [name] * (present[name] + 1)
    return tuple(names)


def sign(
    message: bytes,
    keys: Sequence[SigningKey],
    *,
    now: datetime,
    expires: datetime | None = None,
    identity: str | None = None,
) -> bytes:
    """The message with one DKIM-Signature a key in front of it, the first key's topmost.

    ``identity`` is the AUID (i=); it must lie within every key's domain. Raises SigningError.
    """
    fields, body = _readable(message)
    if expires is not None and expires <= now:
        raise SigningError("the signature would expire before it is made (RFC 6376 §3.5 x=)")
    if identity is not None:
        _check_identity(identity, keys)
    names = names_to_sign(fields)
    return b"".join([*(_signature(fields, body, key, names, now, expires, identity) for key in keys), message])


def _check_identity(identity: str, keys: Sequence[SigningKey]) -> None:
    """§3.5 i=: an address or "@" and a domain, within d=."""
    host = identity.rpartition("@")[2]
    for key in keys:
        if "@" not in identity or not identity.isascii() or not within(host, key.domain):
            raise SigningError(f"the identity {identity!r} is not within {key.domain} (RFC 6376 §3.5 i=)")


def _readable(message: bytes) -> tuple[list[Field], Body]:
    if message.count(b"\n") != message.count(b"\r\n") or message.count(b"\r") != message.count(b"\r\n"):
        raise SigningError("the message has line ends other than CRLF (RFC 5321 §2.3.8); nothing was signed")
    try:
        fields, body = split_message(message)
    except NotAMessage as bad:
        raise SigningError(f"this is no message: {bad}") from None
    if not any(name.lower().rstrip() == b"from" for name, _ in fields):
        raise SigningError("the message has no From field, which must be signed (RFC 6376 §5.4)")
    return fields, Body(body)


def _signature(
    fields: list[Field],
    body: Body,
    key: SigningKey,
    names: Sequence[str],
    now: datetime,
    expires: datetime | None,
    identity: str | None,
) -> bytes:
    """One DKIM-Signature field, with its final CRLF."""
    dkimpy = engine()
    signer = _stamped_signer()(
        int(now.timestamp()),
        None if expires is None else int(expires.timestamp()),
        signature_algorithm=key.private.algorithm.encode(),
        logger=_silent,
    )
    signer.headers, signer.body = list(fields), body
    try:
        signed: bytes = signer.sign(
            key.selector.encode(),
            key.domain.encode(),
            key.private.secret,
            identity=None if identity is None else identity.encode(),
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[name.encode() for name in names],
        )
    except dkimpy.DKIMException as bad:
        raise SigningError(f"{key.record_name}: {bad}") from None
    return signed


@cache
def _stamped_signer() -> Any:
    """dkimpy's signer with times that are given: t= (§3.5) is not the clock's, and x= can be set."""
    stock: Any = engine().DKIM

    class StampedSigner(stock):  # type: ignore[misc]
        def __init__(self, now: int, expires: int | None, **options: Any) -> None:
            super().__init__(**options)
            self._now = now
            self._expires = expires

        def gen_header(self, fields: list[tuple[bytes, bytes]], *rest: Any, **options: Any) -> bytes:
            at = [name for name, _ in fields].index(b"t")
            fields[at : at + 1] = self._times()
            header: bytes = super().gen_header(fields, *rest, **options)
            return header

        def _times(self) -> list[tuple[bytes, bytes]]:
            signed = (b"t", str(self._now).encode())
            return [signed] if self._expires is None else [signed, (b"x", str(self._expires).encode())]

    return StampedSigner
