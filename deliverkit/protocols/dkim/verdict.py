"""What verifying a message's signatures tells: a result word, the kind of failure, what is covered. Pure values.

Result words are those of RFC 8601 §2.7.1. What this file will not do: come to a verdict; ``verify`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from deliverkit.flow import Answer
from deliverkit.protocols.dkim.key import KeyRecord
from deliverkit.protocols.dkim.signature import Signature


class Result(StrEnum):
    """RFC 8601 §2.7.1.

    What is right by arithmetic and refused for a reason of time or strength is "policy": an expired signature (RFC 6376
    §3.5 x=: verifiers MAY call it invalid), one from the future, an RSA key under 1024 bits (RFC 8301 §3.2). What
    cannot be checked whatever the octets are (no key, a revoked one, a field or record that is no such thing, an
    algorithm that must not be used) is "permerror", and "fail" is left for hash and signature.
    """

    NONE = "none"
    PASS = "pass"  # noqa: S105 - a result word
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Kind(StrEnum):
    """Why a signature did not pass."""

    BODY_HASH = "body-hash"  # the body is not the one that was signed
    SIGNATURE = "signature"  # the header is not the one that was signed
    WRONG_KEY = "wrong-key"  # another private key made the signature (told for RSA), or b= was damaged
    KEY_ABSENT = "key-absent"  # no record at the selector
    REVOKED = "revoked"  # p= is empty
    TOO_SHORT = "too-short"  # an RSA key under 1024 bits (RFC 8301 §3.2)
    KEY_UNUSABLE = "key-unusable"  # the record cannot be used: malformed, of another type, not for mail
    ALGORITHM_REFUSED = "algorithm-refused"  # rsa-sha1 (RFC 8301 §3.1) or an algorithm nobody knows
    IDENTITY_REFUSED = "identity-refused"  # the key says t=s and i= is in a subdomain (§3.6.1)
    EXPIRED = "expired"  # x= has passed
    FUTURE = "future"  # t= is far in the future
    MALFORMED = "malformed"  # the DKIM-Signature field itself, or the message's header
    DNS = "dns"  # nobody could tell the key


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a signature covers. Names are in lower case.

    ``unsigned`` are important fields that are in the message and not, or not all, signed. ``oversigned`` are named once
    more in ``h=`` than they occur, so that nobody can add another (§8.15). ``unsigned_octets`` is the part of the
    canonical body behind ``l=``.
    """

    signed: tuple[str, ...] = ()
    oversigned: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()
    unsigned_octets: int = 0


@dataclass(frozen=True, slots=True)
class SignatureVerdict:
    """What became of one signature. ``kind`` and ``detail`` say why it did not pass.

    ``key_records`` counts the TXT records at the selector; with more than one, other verifiers may see another result.
    """

    result: Result
    signature: Signature
    kind: Kind | None = None
    detail: str = ""
    key: KeyRecord | None = None
    answer: Answer | None = None
    key_records: int = 0
    coverage: Coverage = Coverage()

    @property
    def domain(self) -> str:
        """The SDID."""
        return self.signature.domain

    @property
    def selector(self) -> str:
        return self.signature.selector

    @property
    def algorithm(self) -> str:
        return self.signature.algorithm

    @property
    def key_bits(self) -> int | None:
        return self.key.bits if self.key else None

    @property
    def testing(self) -> bool:
        """The key says t=y: mail it signs must be treated like unsigned mail (§3.6.1)."""
        return bool(self.key and self.key.testing)

    @property
    def authenticated_domain(self) -> str | None:
        """The domain that takes responsibility by this signature: a pass, and not by a key in testing."""
        return self.domain if self.result is Result.PASS and not self.testing else None

    def to_json(self) -> dict[str, Any]:
        """The verdict for reports."""
        signature = self.signature
        return {
            "result": self.result,
            "kind": self.kind,
            "detail": self.detail,
            "domain": self.domain,
            "selector": self.selector,
            "identity": signature.identity,
            "algorithm": self.algorithm,
            "key_bits": self.key_bits,
            "testing": self.testing,
            "canonicalization": f"{signature.header_canonicalization}/{signature.body_canonicalization}",
            "timestamp": signature.timestamp,
            "expires": signature.expires,
            "signed": self.coverage.signed,
            "oversigned": self.coverage.oversigned,
            "unsigned": self.coverage.unsigned,
            "body_length": signature.body_length,
            "unsigned_octets": self.coverage.unsigned_octets,
            "key": self.key,
            "key_records": self.key_records,
            "faults": signature.faults,
        }


@dataclass(frozen=True, slots=True)
class DkimVerdict:
    """The signatures of a message, topmost first. ``unchecked`` counts those beyond the limit.

    ``bare_lf`` counts line feeds without CR in the octets given: dkimpy and we read them as line ends, but a message on
    the wire has none (RFC 5321 §2.3.8), and a receiver may see other octets. ``unreadable`` says why the header could
    not be read at all.
    """

    signatures: tuple[SignatureVerdict, ...] = ()
    unchecked: int = 0
    bare_lf: int = 0
    unreadable: str | None = None

    @property
    def result(self) -> Result:
        """One word for the message: the best of its signatures (§6.1: any one that passes is enough)."""
        if self.unreadable:
            return Result.NEUTRAL
        order = (Result.PASS, Result.TEMPERROR, Result.POLICY, Result.FAIL, Result.PERMERROR, Result.NEUTRAL)
        results = {verdict.result for verdict in self.signatures}
        return next((result for result in order if result in results), Result.NONE)

    @property
    def authenticated_domains(self) -> tuple[str, ...]:
        """The SDIDs of the signatures that pass, for DMARC."""
        found = (verdict.authenticated_domain for verdict in self.signatures)
        return tuple(dict.fromkeys(domain for domain in found if domain))
