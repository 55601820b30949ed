"""Verify every signature of a message (RFC 6376 §6.1): all keys are asked for first, then dkimpy does the arithmetic.

dkimpy answers True or False whatever the cause, and takes its key by a callback; so what can go wrong is decided here,
step by step as §6.1.1 to §6.1.3 have it, and dkimpy is only asked about hash and signature, with a key record prepared.
Result words are those of RFC 8601 §2.7.1, and each failure has its kind.

What this file will not do: judge what a result means for the message (DMARC and the rules do), or repair its line ends.
"""

from __future__ import annotations

import base64
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deliverkit.flow import Answer, Flow, ask, together
from deliverkit.protocols.dkim.canonical import Body, Field, NotAMessage, bare_line_feeds, split_message
from deliverkit.protocols.dkim.key import KeyRecord, looks_like_key, parse_key
from deliverkit.protocols.dkim.proof import made_by
from deliverkit.protocols.dkim.signature import ALGORITHMS, Signature, parse_signature
from deliverkit.protocols.dkim.verdict import Coverage, DkimVerdict, Kind, Result, SignatureVerdict

__all__ = [
    "Coverage",
    "DkimVerdict",
    "Kind",
    "Result",
    "SignatureVerdict",
    "SignedMessage",
    "judge_signatures",
    "made_by",
    "read_message",
    "verify_dkim",
]

MOST_SIGNATURES = 10
MOST_KEYS = 4  # records tried where several stand at one selector, which is undefined (§3.6.2.2)
LONGEST_KEY = 8192  # bits; RFC 8301 §3.2 asks verifiers for 4096, and arithmetic grows with the cube
FUTURE_SLACK_S = 36_000  # clocks and time zones set wrongly; dkimpy allows the same ten hours
IMPORTANT = (  # RFC 6376 §5.4.1, with RFC 8058 §4 for one-click unsubscribing
    "from",
    "sender",
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
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
)

_silent = logging.Logger("deliverkit.dkim", logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message split, its signatures read: what `verify_dkim` knows before it asks."""

    fields: tuple[Field, ...]
    body: Body
    signatures: tuple[tuple[Field, Signature], ...]
    unchecked: int = 0
    bare_lf: int = 0
    unreadable: str | None = None

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names to ask for TXT, each once."""
        return tuple(dict.fromkeys(s.key_name for _, s in self.signatures if s.well_formed))


def verify_dkim(message: bytes, *, now: datetime) -> Flow[DkimVerdict]:
    """Verify every signature, topmost first, at the time ``now``. Asks first, side by side; then works."""
    signed = read_message(message)
    answers = yield from together(*(ask(name, "TXT") for name in signed.key_names))
    return judge_signatures(signed, dict(zip(signed.key_names, answers, strict=True)), now=now)


def read_message(message: bytes) -> SignedMessage:
    """Split a message and read its DKIM-Signature fields. Never raises."""
    bare_lf = bare_line_feeds(message)
    try:
        fields, body = split_message(message, bare=bare_lf)
    except NotAMessage as bad:
        return SignedMessage((), Body(), (), bare_lf=bare_lf, unreadable=str(bad))
    found = [field for field in fields if field[0].lower().rstrip() == b"dkim-signature"]
    signatures = tuple((field, parse_signature(field[1])) for field in found[:MOST_SIGNATURES])
    return SignedMessage(tuple(fields), Body(body), signatures, max(0, len(found) - MOST_SIGNATURES), bare_lf)


def judge_signatures(message: SignedMessage, answers: Mapping[str, Answer], *, now: datetime) -> DkimVerdict:
    """Judge with the answers in hand. Works for as long as the message is large: run it off an event loop."""
    judge = _Judge(message, int(now.timestamp()))
    return DkimVerdict(
        signatures=tuple(
            judge.verdict(field, signature, answers.get(signature.key_name)) for field, signature in message.signatures
        ),
        unchecked=message.unchecked,
        bare_lf=message.bare_lf,
        unreadable=message.unreadable,
    )


class _Judge:
    """Judges the signatures of one message at one time."""

    def __init__(self, message: SignedMessage, now: int) -> None:
        self.message = message
        self.now = now
        self.present = Counter(name.decode("ascii", "replace").lower().rstrip() for name, _ in message.fields)

    def verdict(self, field: Field, signature: Signature, answer: Answer | None) -> SignatureVerdict:
        """One signature, by the first key that proves it, else by the first key."""
        coverage = self._coverage(signature)
        outcomes = self._outcomes(field, signature, answer)
        result, kind, detail, key = next((o for o in outcomes if o[0] is Result.PASS), outcomes[0])
        count = len(answer.records) if answer else 0
        return SignatureVerdict(result, signature, kind, detail, key, answer, count, coverage)

    def _outcomes(self, field: Field, signature: Signature, answer: Answer | None) -> list[_Outcome]:
        if (refused := _refused(signature)) is not None:
            return [refused]
        if answer is None or not answer.known:  # §6.1.2 step 2: try again later
            why = answer.why() if answer else f"TXT {signature.key_name}: not asked"
            return [(Result.TEMPERROR, Kind.DNS, why, None)]
        if not answer.records:  # §6.1.2 step 3
            detail = f"no TXT record at {signature.key_name} ({answer.status})"
            return [(Result.PERMERROR, Kind.KEY_ABSENT, detail, None)]
        keys = [parse_key(text) for text in answer.texts if looks_like_key(text)][:MOST_KEYS]
        if not keys:  # §6.1.2 step 5
            detail = f"the TXT record at {signature.key_name} is no key record"
            return [(Result.PERMERROR, Kind.KEY_UNUSABLE, detail, None)]
        return [self._by_key(field, signature, key) for key in keys]  # §6.1.2 step 4: one of them, or each

    def _by_key(self, field: Field, signature: Signature, key: KeyRecord) -> _Outcome:
        objection = _objection(signature, key)
        if objection:
            return (*objection, key)
        failure = self._arithmetic(field, signature, key)
        if failure:
            return Result.FAIL, *failure, key
        if signature.expires is not None and signature.expires < self.now:
            when = _utc(signature.expires)
            return Result.POLICY, Kind.EXPIRED, f"the signature is good, but expired at {when} (x=)", key
        if signature.timestamp is not None and signature.timestamp > self.now + FUTURE_SLACK_S:
            when = _utc(signature.timestamp)
            return Result.POLICY, Kind.FUTURE, f"the signature is good, but says it was made at {when} (t=)", key
        return Result.PASS, None, "", key

    def _arithmetic(self, field: Field, signature: Signature, key: KeyRecord) -> tuple[Kind, str] | None:
        """§6.1.3 by dkimpy: None if body hash and signature are good."""
        canonical = self.message.body.canonical(signature.body_canonicalization)
        if signature.body_length is not None and signature.body_length > len(canonical):
            detail = f"l={signature.body_length} exceeds the {len(canonical)} octets of the canonical body"
            return Kind.BODY_HASH, detail
        from deliverkit.protocols.dkim.engine import engine

        dkimpy = engine()
        try:
            good = _proves(dkimpy, self.message.fields, self.message.body, field, signature, key)
        except dkimpy.ValidationError:
            return Kind.BODY_HASH, self._body_changed(signature)
        except (dkimpy.DKIMException, ValueError, TypeError) as bad:
            return Kind.SIGNATURE, f"the signature cannot be checked: {bad}"
        return None if good else self._header_or_key(signature, key)

    def _body_changed(self, signature: Signature) -> str:
        said = base64.b64encode(signature.body_hash).decode()
        form = signature.body_canonicalization
        return f"the body was changed after signing: its {form} form does not have the hash {said} (bh=)"

    def _header_or_key(self, signature: Signature, key: KeyRecord) -> tuple[Kind, str]:
        """Tell a header that was changed from another key, which RSA shows and Ed25519 does not."""
        made = made_by(signature, key)
        if made is False:
            why = "did not make this signature: another private key did, or b= was damaged"
            return Kind.WRONG_KEY, f"the key at {signature.key_name} {why}"
        cause = "a signed header field was changed, added or removed after signing"
        told = f"the published key made this signature, but {cause}" if made else f"{cause}, or another key signed"
        return Kind.SIGNATURE, self._header_changed(signature, told)

    def _header_changed(self, signature: Signature, detail: str) -> str:
        """Say which field was changed as far as z= and the repetitions tell."""
        present, signed = self.present["from"], signature.signed_names.count("from")
        if present > signed:  # dkimpy counts one From more, against a second one put in front of the signed one
            return f"the message has {present} From fields, of which {signed} signed"
        changed = self._changed_copies(signature)
        return f"{detail}; by the copies in z= it is {', '.join(changed)}" if changed else detail

    def _changed_copies(self, signature: Signature) -> list[str]:
        now: dict[str, list[str]] = {}
        for name, value in self.message.fields:
            text = "".join(value.decode("utf-8", "surrogateescape").split())
            now.setdefault(name.decode("ascii", "replace").lower().rstrip(), []).append(text)
        copies = {(name, "".join(value.split())) for name, value in signature.copied}
        return sorted({name for name, value in copies if value not in now.get(name, [])})

    def _coverage(self, signature: Signature) -> Coverage:
        named = Counter(signature.signed_names)
        octets = 0
        if signature.body_length is not None and signature.body_canonicalization in ("simple", "relaxed"):
            canonical = self.message.body.canonical(signature.body_canonicalization)
            octets = max(0, len(canonical) - signature.body_length)
        return Coverage(
            signed=tuple(name for name in named if self.present[name]),
            oversigned=tuple(name for name in named if named[name] > self.present[name]),
            unsigned=tuple(name for name in IMPORTANT if self.present[name] > named[name]),
            unsigned_octets=octets,
        )


def _proves(dkimpy: Any, fields: Sequence[Field], body: Body, own: Field, signature: Signature, key: KeyRecord) -> bool:
    """§6.1.3 by dkimpy: it raises ValidationError for the body hash and says False for the signature."""
    signer = dkimpy.DKIM(logger=_silent)
    signer.headers, signer.body = list(fields), body
    names = [name.encode("utf-8", "surrogateescape") for name in signature.signed_names]
    return bool(signer.verify_sig(_tags(signature), names, own, lambda _name, **_: _prepared(key)))


_Outcome = tuple[Result, Kind | None, str, KeyRecord | None]


def _refused(signature: Signature) -> _Outcome | None:
    """§6.1.1: what the field alone condemns."""
    refused = signature.fault("sha1", "unknown-algorithm")
    fatal = next((fault for fault in signature.faults if fault.fatal and fault is not refused), None)
    if fatal:
        return Result.PERMERROR, Kind.MALFORMED, fatal.detail, None
    if refused:
        return Result.PERMERROR, Kind.ALGORITHM_REFUSED, refused.detail, None
    return None


def _objection(signature: Signature, key: KeyRecord) -> tuple[Result, Kind, str] | None:
    """§6.1.2 steps 5 to 8: what the key record condemns."""
    if key.revoked:
        return Result.PERMERROR, Kind.REVOKED, f"the key at {signature.key_name} is revoked (p= is empty)"
    fatal = next((fault for fault in key.faults if fault.fatal), None)
    if fatal:
        short = fatal.kind == "too-short"
        return (
            Result.POLICY if short else Result.PERMERROR,
            Kind.TOO_SHORT if short else Kind.KEY_UNUSABLE,
            fatal.detail,
        )
    if key.bits and key.bits > LONGEST_KEY:
        return Result.POLICY, Kind.KEY_UNUSABLE, f"an RSA key of {key.bits} bits is not worked with"
    if key.material != ALGORITHMS[signature.algorithm]:
        detail = f"the signature says a={signature.algorithm}, but the key at {signature.key_name} is {key.material}"
        return Result.PERMERROR, Kind.KEY_UNUSABLE, detail
    if key.strict and signature.identity_domain != signature.domain:
        detail = f"the key says t=s, so the domain of i={signature.identity} must be {signature.domain} itself"
        return Result.PERMERROR, Kind.IDENTITY_REFUSED, detail
    return None


def _tags(signature: Signature) -> dict[bytes, bytes]:
    """The signature in dkimpy's own form, with only what was checked."""
    tags = {
        "a": signature.algorithm,
        "c": f"{signature.header_canonicalization}/{signature.body_canonicalization}",
        "d": signature.domain,
        "s": signature.selector,
        "b": base64.b64encode(signature.value).decode(),
        "bh": base64.b64encode(signature.body_hash).decode(),
    }
    if signature.body_length is not None:
        tags["l"] = str(signature.body_length)
    return {name.encode(): value.encode("utf-8", "surrogateescape") for name, value in tags.items()}


def _prepared(key: KeyRecord) -> bytes:
    """The key record as dkimpy wants it, without what it stumbles over (``;;``, blanks, unknown tags)."""
    return f"v=DKIM1; k={key.material}; p={base64.b64encode(key.public_key or b'').decode()}".encode()


def _utc(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} seconds after 1970"
